"""Each piece for a CI is carried out as its runner would.

The steps of the GitHub action run with bash, the pre-commit hook with pre-commit itself, the GitLab
job's script as docs/ci.md has it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.support.project import ROOT

PAGE = (ROOT / "docs" / "ci.md").read_text()
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = ACTION["runs"]["steps"]
OPTIONS = "--model 'my model.keras' --recipe float32 --runtime tflm"


@pytest.fixture
def repository(models: Path, tmp_path: Path) -> Path:
    """A user's repository with one small model, and a blank in its name."""
    folder = tmp_path / "a repository"
    folder.mkdir()
    shutil.copy(models / "small model.keras", folder / "my model.keras")
    shutil.copy(models / "fused.tflite", folder / "my.tflite")
    return folder


def _environment(folder: Path, **more: str) -> dict[str, str]:
    """Of a runner: this Python stands for the environment that the harness would set up."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "LSTM_", "GIT_"))}
    cache = f"--cache={folder.parent / 'cache'}"
    return {**own, "LSTM_PYTHON": sys.executable, "PYTEST_ADDOPTS": cache, **more}


def _value(text: str, inputs: dict[str, str]) -> str:
    """What a runner puts in the place of an expression."""

    def replaced(found: re.Match[str]) -> str:
        expression = found[1].strip()
        if expression == "github.action_path":
            return str(ROOT)
        name = expression.removeprefix("inputs.")
        assert name in ACTION["inputs"], expression
        return inputs.get(name, str(ACTION["inputs"][name]["default"]))

    return re.sub(r"\$\{\{(.*?)\}\}", replaced, text)


def _act(repository: Path, **inputs: str) -> tuple[list[int], str, dict[str, str]]:
    """Carry out the steps that are shell, each with `bash -eo pipefail` as GitHub does, until one
    fails: their statuses, what they printed, and what they put out."""
    outputs = repository.parent / "outputs"
    outputs.touch()
    summary = repository.parent / "summary.md"
    statuses, text = [], ""
    for step in STEPS:
        if "run" not in step:
            continue
        script = repository.parent / "step.sh"
        script.write_text(step["run"])
        values = {name: _value(value, inputs) for name, value in step["env"].items()}
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=repository / _value(step.get("working-directory", "."), inputs),
            env=_environment(
                repository,
                GITHUB_OUTPUT=str(outputs),
                GITHUB_STEP_SUMMARY=str(summary),
                **values,
            ),
            capture_output=True,
            text=True,
            timeout=300,
        )
        statuses.append(done.returncode)
        text += done.stdout + done.stderr
        if done.returncode:
            break
    lines = outputs.read_text().splitlines()
    return statuses, text, dict(line.split("=", 1) for line in lines)


def test_the_action_gates_a_model(repository: Path) -> None:
    statuses, text, outputs = _act(repository, options=OPTIONS)
    assert statuses == [0, 0], text
    assert outputs["report"] == str(repository / "report")
    report = json.loads((repository / "report" / "conformance.json").read_text())
    assert {case["subject"] for case in report["cases"]} == {"my model.keras"}
    assert {case["runtime"] for case in report["cases"] if case["runtime"]} == {"tflm"}
    assert (repository / "report" / "junit.xml").stat().st_size > 0
    assert re.fullmatch(r"lstm-conformance-Linux-x86_64-[0-9a-f]{64}", outputs["key"])


def test_the_action_fails_where_the_gate_fails(repository: Path) -> None:
    (repository / "broken.tflite").write_bytes(b"no model")
    statuses, text, outputs = _act(repository, options="--tflite broken.tflite")
    assert statuses == [0, 1], text
    assert "not a TFLite flatbuffer" in text
    assert Path(outputs["report"], "conformance.json").exists(), "there is a report to upload"


def test_the_action_works_in_another_folder(repository: Path) -> None:
    (repository / "deeper").mkdir()
    (repository / "my.tflite").rename(repository / "deeper" / "my.tflite")
    statuses, text, outputs = _act(
        repository,
        **{"working-directory": "deeper", "report": "out", "options": "--tflite my.tflite"},
    )
    assert statuses == [0, 0], text
    assert outputs["report"] == str(repository / "deeper" / "out")


@pytest.mark.parametrize("options", ["", "   ", "--tflite 'unclosed"])
def test_nothing_to_gate_is_an_error(repository: Path, options: str) -> None:
    """Not a run of the whole catalogue, which is what the suites do without a model."""
    statuses, text, _ = _act(repository, options=options)
    assert statuses[-1] != 0
    assert "nothing to gate" in text or "No closing quotation" in text


@pytest.mark.parametrize(
    "options",
    ["--tflite my.tflite; touch pwned", "--tflite my.tflite $(touch pwned)", "`touch pwned`"],
)
def test_options_are_words_and_no_script(repository: Path, options: str) -> None:
    _act(repository, options=options)
    assert not list(repository.rglob("pwned"))


def test_no_expression_is_pasted_into_a_script() -> None:
    for step in STEPS:
        assert ("run" in step) != ("uses" in step)
        assert "${{" not in step.get("run", "")
        if "run" in step:
            assert step["shell"] == "bash"
        else:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"])
    assert ACTION["runs"]["using"] == "composite"
    for name in re.findall(r"inputs\.([\w-]+)", (ROOT / "action.yml").read_text()):
        assert name in ACTION["inputs"]


def test_settings_in_the_repository_are_enough(repository: Path) -> None:
    (repository / "pyproject.toml").write_text(
        '[tool.pytest.ini_options]\nlstm_models = ["my model.keras"]\n'
        'lstm_recipes = ["float32"]\nlstm_runtimes = ["tflm"]\n'
    )
    statuses, text, _ = _act(repository)
    assert statuses == [0, 0], text
    report = json.loads((repository / "report" / "conformance.json").read_text())
    assert {case["subject"] for case in report["cases"]} == {"my model.keras"}


def _git(folder: Path, *words: str) -> str:
    settings = ("-c", "user.name=nobody", "-c", "user.email=nobody", "-c", "core.hooksPath=")
    done = subprocess.run(
        ["git", *settings, *words],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The harness as a repository that pre-commit can clone, as it is now: folder and revision."""
    folder = tmp_path_factory.mktemp("published")
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    _git(folder, "init", "--quiet")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--message", "as it is")
    return folder, _git(folder, "rev-parse", "HEAD")


def _hooked(repository: Path, published: tuple[Path, str], arguments: list[str]) -> Any:
    """Run the hook as pre-commit does before a commit."""
    folder, revision = published
    config = _block("repos:")
    (entry,) = config["repos"]
    assert set(entry) == {"repo", "rev", "hooks"}
    entry.update(repo=str(folder), rev=revision)
    (hook,) = entry["hooks"]
    assert set(hook) <= {"id", "args"}
    hook["args"] = arguments
    (repository / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    _git(repository, "init", "--quiet")
    _git(repository, "add", "--all")
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", "--verbose", "--color=never"],
        cwd=repository,
        env=_environment(repository, PRE_COMMIT_HOME=str(folder.parent / "pre-commit")),
        capture_output=True,
        text=True,
        timeout=300,
    )


def _block(word: str) -> Any:
    """The page's YAML block that has a word in it."""
    blocks = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
    (found,) = [block for block in blocks if word in block]
    return yaml.safe_load(found)


def test_the_hook_gates_what_is_committed(repository: Path, published: tuple[Path, str]) -> None:
    done = _hooked(repository, published, ["my.tflite"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"LSTM conformance\.+Passed", done.stdout)
    assert "0 failed, 0 untested" in " ".join(done.stdout.split())
    assert "deprecated" not in done.stdout + done.stderr
    (repository / "notes.txt").write_text("nothing to do with models")
    _git(repository, "commit", "--quiet", "--message", "models")
    _git(repository, "add", "notes.txt")
    again = _hooked_again(repository, published)
    assert "no files to check" in again.stdout


def _hooked_again(repository: Path, published: tuple[Path, str]) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", "--color=never"],
        cwd=repository,
        env=_environment(repository, PRE_COMMIT_HOME=str(published[0].parent / "pre-commit")),
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_the_hook_stops_a_broken_model(repository: Path, published: tuple[Path, str]) -> None:
    (repository / "broken.tflite").write_bytes(b"no model")
    done = _hooked(repository, published, ["broken.tflite"])
    assert done.returncode == 1
    assert re.search(r"LSTM conformance\.+Failed", done.stdout)
    assert "not a TFLite flatbuffer" in done.stdout


@pytest.mark.parametrize(
    ("name", "runs"),
    [
        ("models/my.keras", True),
        ("a.h5", True),
        ("saved/saved_model.pb", True),
        ("data/samples.npz", True),
        ("pyproject.toml", True),
        ("sub/pyproject.toml", True),
        ("notpyproject.toml", False),
        ("keras.py", False),
        ("a.tflite.md", False),
    ],
)
def test_the_hook_looks_at_models_and_settings(name: str, runs: bool) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert bool(re.search(hook["files"], name)) == runs


def test_the_job_of_gitlab_runs_as_the_page_has_it(repository: Path) -> None:
    """But for the installation, which tests/system/test_wheel.py carries out."""
    job = _block("artifacts")["lstm-conformance"]
    installing, *lines = job["script"]
    assert installing == "pip install 'lstm-conformance[keras]'"
    tools = repository.parent / "tools"
    tools.mkdir()
    command = tools / "lstm-conformance"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/lstm_conformance" "$@"\n')
    command.chmod(0o755)
    (repository / "my model.keras").rename(repository / "my.keras")
    script = repository.parent / "job.sh"
    script.write_text("\n".join(lines))
    done = subprocess.run(
        ["bash", "-eo", "pipefail", script],
        cwd=repository,
        env=_environment(repository, PATH=f"{tools}:{os.environ['PATH']}"),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert job["artifacts"]["when"] == "always"
    for path in (*job["artifacts"]["paths"], job["artifacts"]["reports"]["junit"]):
        assert (repository / path).exists(), path


def test_the_workflow_of_github_names_inputs_that_exist() -> None:
    (job,) = _block("runs-on")["jobs"].values()
    (gate,) = [step for step in job["steps"] if "lstm-conformance" in step["uses"]]
    assert set(gate["with"]) <= set(ACTION["inputs"])


def test_the_gate_sets_its_environment_up_once(repository: Path, tmp_path: Path) -> None:
    """Without LSTM_PYTHON the harness makes its own; here `make` writes down what it is asked."""
    asked = tmp_path / "asked"
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "make").write_text(f'#!/bin/sh\necho "$@" >> "{asked}"\nexit 3\n')
    (tools / "make").chmod(0o755)
    environment = _environment(repository, PATH=f"{tools}:{os.environ['PATH']}")
    del environment["LSTM_PYTHON"]
    done = subprocess.run(
        [ROOT / ".ci" / "gate", "--tflite", "my.tflite"],
        cwd=repository,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3
    words = asked.read_text().split()
    assert words[-3:] == ["-C", str(ROOT), ".venv/.run"]
