"""Every command of `python -m harness` is found, explains itself, and gets the rest of the line."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from harness.__main__ import COMMANDS, main


@pytest.mark.parametrize("name", [name for name, _, _ in COMMANDS])
def test_each_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: python -m harness {name}" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "module"), [(name, module) for name, module, _ in COMMANDS])
def test_the_rest_of_the_line_is_the_commands(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def recorded(arguments: Any) -> int:
        given.append(arguments)
        return 3

    monkeypatch.setattr(importlib.import_module(module), "main", recorded)
    line = ["merge", "a", "--out", "b", "-x"]
    assert main([name, *line]) == 3
    assert given == [line]


@pytest.mark.parametrize("line", [[], ["unknown"]])
def test_another_command_is_a_usage_error(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(line)
    assert ended.value.code == 2
    assert "pad-lstm" in capsys.readouterr().err or not line
