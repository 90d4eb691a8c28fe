"""`init` writes settings that are read as they were meant, and changes nothing that is there."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.command import init, settings, workflows


@pytest.fixture(autouse=True)
def repository(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _files(folder: Path) -> dict[str, bytes]:
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def test_what_the_models_promise_is_read_back(repository: Path) -> None:
    (repository / "sub").mkdir()
    (repository / "sub" / 'ü "m".keras').touch()
    (repository / "x.npz").touch()
    line = ['sub/ü "m".keras', "--recipe", "int8", "--runtime", "tflm", "--inputs", "x.npz"]
    assert init.main([*line, "--streaming", "--arena-limit", "20000"]) == 0
    assert settings.read(Path("pyproject.toml")) == {
        "models": [str(repository / "sub" / 'ü "m".keras')],
        "inputs": [str(repository / "x.npz")],
        "recipes": ["int8"],
        "runtimes": ["tflm"],
        "streaming": True,
        "arena_limit": 20000,
    }


def test_models_are_found_where_none_is_named(repository: Path) -> None:
    for folder in (".git", "report/device", "env", "data/saved"):
        (repository / folder).mkdir(parents=True)
    (repository / "env" / "pyvenv.cfg").touch()
    for name in (".git/a.tflite", "report/device/b.tflite", "env/c.tflite"):
        (repository / name).touch()
    (repository / "data" / "d.tflite").touch()
    (repository / "data" / "saved" / "saved_model.pb").touch()
    assert init.main([]) == 0
    found = settings.read(Path("pyproject.toml"))
    assert found["tflite"] == [str(repository / "data" / "d.tflite")]
    assert found["models"] == [str(repository / "data" / "saved")]


def test_a_project_keeps_what_it_has(repository: Path) -> None:
    (repository / "a.tflite").touch()
    before = '[project]\nname = "mine"\n\n[tool.ruff]\nline-length = 90\n'
    (repository / "pyproject.toml").write_text(before)
    assert init.main([]) == 0
    assert (repository / "pyproject.toml").read_text().startswith(before)


def test_nothing_is_overwritten_without_force(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "a.tflite").touch()
    (repository / "pyproject.toml").write_text("[tool.other]\nx = [1]\n")
    assert init.main([]) == 0
    with (repository / "pyproject.toml").open("a") as file:
        file.write("\n[tool.behind]\ny = 2\n")
    before = _files(repository)
    assert init.main(["--streaming"]) == 2
    assert _files(repository) == before
    assert "--force" in capsys.readouterr().err
    assert init.main(["--streaming", "--force"]) == 0
    text = (repository / "pyproject.toml").read_text()
    assert settings.read(Path("pyproject.toml"))["streaming"] is True
    assert text.count("[tool.lstm-conformance]") == 1
    assert "[tool.other]\nx = [1]\n" in text
    assert "[tool.behind]\ny = 2\n" in text


def test_a_workflow_that_is_there_stops_everything(repository: Path) -> None:
    (repository / "a.tflite").touch()
    path = repository / workflows.GITHUB
    path.parent.mkdir(parents=True)
    path.write_text("theirs")
    before = _files(repository)
    assert init.main([]) == 2
    assert _files(repository) == before


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ([], "no model was found"),
        (["b.tflite"], "no such file"),
        (["c.txt"], r"expected \.keras"),
        (["a.tflite", "--recipe", "int8"], "is converted already"),
        (["a.tflite", "--runtime", "tflmm"], "known are"),
        (["a.tflite", "--arena-limit", "0"], "bytes above 0"),
        (["a.tflite", "--inputs", "x.npz"], "no such file"),
        (["a.tflite", "--install", "it's"], "without quotes"),
    ],
)
def test_what_cannot_be_meant_is_usage_and_writes_nothing(
    repository: Path, line: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "c.txt").touch()
    if line:
        (repository / "a.tflite").touch()
    before = _files(repository)
    assert init.main(line) == 2
    assert _files(repository) == before
    assert told.replace("\\", "") in capsys.readouterr().err


@pytest.mark.parametrize(
    ("ci", "path", "model", "python", "package"),
    [
        ("github", workflows.GITHUB, "a.tflite", "3.12", "'lstm-conformance'"),
        ("github", workflows.GITHUB, "a.keras", "3.11", "'lstm-conformance[keras]'"),
        ("gitlab", workflows.GITLAB, "a.keras", "3.11", "'lstm-conformance[keras]'"),
    ],
)
def test_the_workflow_installs_what_the_models_need(
    repository: Path, ci: str, path: str, model: str, python: str, package: str
) -> None:
    (repository / model).touch()
    assert init.main(["--ci", ci]) == 0
    text = (repository / path).read_text()
    document = yaml.safe_load(text)
    assert f"pip install {package}\n" in text
    assert python in text
    if ci == "gitlab":
        script = document["lstm-conformance"]["script"]
    else:
        script = [step.get("run", "") for step in document["jobs"]["gate"]["steps"]]
    assert "lstm-conformance gate --junitxml=report/junit.xml" in script


def test_no_workflow_where_none_is_wanted(repository: Path) -> None:
    (repository / "a.tflite").touch()
    assert init.main(["--ci", "none"]) == 0
    assert sorted(_files(repository)) == ["a.tflite", "pyproject.toml"]
