"""A Python that is no converter or runtime is named as such before any case runs."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from fixtures.runtimes import RUNTIMES
from harness.support.time_accounting import Account
from harness.workers import environments
from harness.workers.answers import WorkerUnavailable
from harness.workers.environments import Elsewhere, Environment, started
from harness.workers.remote import wire
from tests.support.drill_worker import DRILL
from tests.support.runs import run_suites

OTHER_VERSION = f"protocol version {wire.VERSION + 1}, expected {wire.VERSION}"


def _program(folder: Path, text: str) -> Path:
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A Python without any package."""
    return _program(tmp_path, f'exec "{sys.executable}" -S -E "$@"')


@pytest.fixture
def numpy_only(tmp_path: Path) -> Path:
    (tmp_path / "packages" / "numpy").mkdir(parents=True)
    (tmp_path / "packages" / "numpy" / "__init__.py").touch()
    return _program(tmp_path, f'PYTHONPATH="{tmp_path}/packages" exec "{sys.executable}" -S "$@"')


@pytest.fixture
def other_protocol(tmp_path: Path) -> Path:
    """A Python whose worker speaks the next version of the protocol."""
    code = (
        "from harness.workers.remote import wire; wire.VERSION += 1; "
        "from harness.workers.remote import serve; serve.main()"
    )
    return _program(
        tmp_path,
        f'[ "$1" = -c ] && exec "{sys.executable}" "$@"\nshift 2\n'
        f'exec "{sys.executable}" -c \'{code}\' "$@"',
    )


def test_a_python_without_the_package_is_named(bare: Path, numpy_only: Path) -> None:
    with pytest.raises(ValueError, match=r"its Python 3\.\d+\.\d+ has no tensorflow; expected a"):
        environments.converter(numpy_only, ())
    with pytest.raises(ValueError, match="has no ai-edge-litert"):
        environments.runtimes([f"litert@old={numpy_only}"])
    _program(bare.parent, f'exec "{sys.executable}" -S -E "$@"')
    with pytest.raises(ValueError, match="has no numpy and no tensorflow"):
        environments.converter(bare, ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exit 0", "does not answer as a Python does"),
        ("echo '[[3, 6, 15], \"\"]'", "it is Python 3.6.15; expected 3.7 or newer"),
        ("echo hello", "does not answer as a Python does (it printed: hello)"),
    ],
)
def test_what_is_no_usable_python_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        environments.converter(_program(tmp_path, text), ())


def test_a_folder_is_no_python(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a program"):
        environments.converter(tmp_path, ())


def test_another_protocol_is_named_with_both_versions(other_protocol: Path) -> None:
    server = Environment(str(other_protocol)).server((DRILL,), Account())
    with pytest.raises(WorkerUnavailable, match=f"--converter-python.*{OTHER_VERSION}"):
        started("--converter-python", server)


def test_a_runtime_elsewhere_is_the_same_runtime_under_another_name() -> None:
    (found,) = environments.runtimes([f"tflm@same={sys.executable}"])
    assert (found.name, found.base) == ("tflm@same", "tflm")
    assert found.adapter is RUNTIMES["tflm"].adapter
    assert found.python == sys.executable
    with pytest.raises(ValueError, match="given twice"):
        environments.runtimes([f"tflm@same={sys.executable}"] * 2)


def test_runtimes_of_one_python_share_its_server() -> None:
    elsewhere = Elsewhere(Account())
    a, b = environments.runtimes([f"tflite@a={sys.executable}", f"tflite@b={sys.executable}"])
    assert elsewhere.server(a) is elsewhere.server(b)
    assert set(elsewhere.versions()) == {"tflite@a", "tflite@b"}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--converter-python", "/nowhere/python"),
        ("--runtime-python", "tflm@old=/nowhere/python"),
    ],
)
def test_a_run_with_a_python_that_is_none_ends_at_once(
    arguments: tuple[str, str], tmp_path: Path
) -> None:
    found = run_suites(*arguments, report=tmp_path, cache=None)
    assert found.status == 4  # pytest's usage error
    assert "no such file; expected a Python with NumPy" in found.text


def test_a_run_with_another_protocol_ends_before_its_cases(
    other_protocol: Path, models: Path, tmp_path: Path
) -> None:
    found = run_suites(
        *("--tflite", models / "fused.tflite"),
        *("--runtime-python", f"tflm@next={other_protocol}"),
        report=tmp_path,
        cache=None,
        suites=("suites/test_parity.py",),
    )
    assert found.status == 4, found.text
    assert OTHER_VERSION in found.text


def test_a_runtime_elsewhere_runs_and_the_report_names_its_versions(
    models: Path, tmp_path: Path
) -> None:
    found = run_suites(
        *("--tflite", models / "fused.tflite"),
        *("--runtime-python", f"tflm@same={sys.executable}"),
        report=tmp_path,
        cache=None,
        suites=("suites/test_parity.py",),
    )
    assert found.status == 0, found.text
    report = found.report
    outcomes = {case["runtime"]: case["outcome"] for case in report["cases"]}
    assert outcomes["tflm@same"] == outcomes["tflm"] == "agreed"
    told = report["environment"]["workers"]["tflm@same"]
    assert told["tflite_micro"]
    assert told["python"] == sys.version.split()[0]


# What runs in another Python ----------------------------------------------------------------
