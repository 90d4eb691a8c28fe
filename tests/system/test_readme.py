"""README and pages are true: their commands run, their tables are today's, their paths exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.limitations import cases
from harness.__main__ import COMMANDS as COMMANDS_BESIDE
from harness.command.entry import COMMANDS as ITS_COMMANDS
from harness.report import support_matrix
from harness.support.project import ROOT

README = (ROOT / "README.md").read_text()
#: Pages that a command writes have its numbers; their paths are of the day that they were made.
PAGES = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
TEXTS = {"README.md": README, **PAGES}
#: A word for any option, one of another program, and the other spelling of one of pytest's.
OTHERS = ("--option", "--specs", "--junitxml")
BIN = Path(sys.executable).parent


def _commands(text: str = README) -> list[str]:
    """The commands of a text's sh blocks, one a line."""
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    joined = [block.replace("\\\n", " ") for block in blocks]
    return [
        " ".join(line.split()) for block in joined for line in block.splitlines() if line.strip()
    ]


#: Every command once: of the README, then of the pages.
COMMANDS = list(dict.fromkeys([*_commands(), *(c for t in PAGES.values() for c in _commands(t))]))


def test_the_readme_is_read_in_one_sitting() -> None:
    assert len(README.splitlines()) <= 150


def test_the_first_commands_are_the_two_of_make() -> None:
    assert _commands()[:2] == ["make conformance", "make test"]


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_make_knows_the_target(command: str) -> None:
    """They are not carried out here: this test is part of one of them."""
    words = shlex.split(command)
    done = subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "-m pytest" in done.stdout or "-m harness" in done.stdout


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("make ")])
def test_every_other_command_runs(command: str, models: Path, tmp_path: Path) -> None:
    files = {
        "my.keras": models / "small model.keras",
        "my.tflite": models / "fused.tflite",
        "samples.npz": models / "inputs.npz",
        "calibration.npz": models / "inputs.npz",
        "predictions.npy": models / "predictions.npy",
    }
    words = [str(files.get(word, word)) for word in shlex.split(command)]
    assert words[0].startswith(".venv/bin/")
    words[0] = str(BIN / Path(words[0]).name)
    if "suites/" in words:
        words += ["--report", str(tmp_path / "report")]
    else:
        words += ["--out", str(tmp_path / "out")]
    env = {**os.environ, "PYTEST_ADDOPTS": f"--cache={tmp_path / 'cache'}"}  # an example's gate too
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed, 0 untested" in done.stdout.replace("\n", " ")


def test_the_support_matrix_is_not_stale() -> None:
    expected = support_matrix.markdown(support_matrix.expected_outcomes(cases.load()))
    assert support_matrix.in_page(PAGES["support.md"]) == expected, "run `make matrix`"


def test_the_paths_that_are_named_exist() -> None:
    paths = r"`((?:fixtures|suites|reference|examples|tests|tools|harness)/[\w./]*)`"
    named = [path for text in TEXTS.values() for path in re.findall(paths, text)]
    assert len(named) >= 20
    for path in named:
        assert (ROOT / path).exists(), path
    for link in re.findall(r"\]\(([\w./]+)\)", README):  # mkdocs checks those of the pages
        assert (ROOT / link).exists(), link


def _options(name: str, *words: str) -> str:
    """The help of a command."""
    command = [sys.executable, "-m", name, *words, "--help"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout


def test_the_options_that_are_named_exist() -> None:
    """Of pytest with the harness's plugins, and of the commands beside the suites."""
    commands = [
        *(("pytest",), ("tools.site",), ("examples.digits",), ("tools.mutate",)),
        *(("harness", name) for name, *_ in COMMANDS_BESIDE),
        *(("lstm_conformance", name) for name, *_ in ITS_COMMANDS),
    ]
    known = " ".join(_options(*command) for command in commands)
    named = {
        name: set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text)) for name, text in TEXTS.items()
    }
    unknown = {
        name: sorted(
            o for o in options if not re.search(rf"{o}(?![\w-])", known) and o not in OTHERS
        )
        for name, options in named.items()
    }
    assert {name: found for name, found in unknown.items() if found} == {}
    assert not re.search(r"--no-such-option(?![\w-])", known)
