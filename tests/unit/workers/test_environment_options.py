"""Another Python is named on the command line, and its versions are part of a conversion's key."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.conversion.converter import Converter
from harness.support.cache import Store
from harness.support.project import ROOT
from harness.support.time_accounting import Account
from harness.workers import environments, kinds

WORKERS = ROOT / "harness" / "workers" / "remote"


def test_a_missing_file_is_named_with_what_was_expected() -> None:
    with pytest.raises(ValueError, match=r"--converter-python /nowhere/python: no such file; exp"):
        environments.converter(Path("/nowhere/python"), ())
    with pytest.raises(ValueError, match="expected a Python with NumPy and tflite-micro"):
        environments.runtimes(["tflm@old=/nowhere/python"])


@pytest.mark.parametrize("entry", ["tflm=/x", "tflm@=/x", "keras@old=/x", "tflm@old", "@old=/x"])
def test_a_runtime_is_given_as_name_label_and_path(entry: str) -> None:
    with pytest.raises(ValueError, match=r"expected NAME(@LABEL)?=PATH"):
        environments.runtimes([entry])


def test_variables_are_for_another_python_only() -> None:
    with pytest.raises(ValueError, match="add --converter-python"):
        environments.converter(None, ["TF_USE_LEGACY_KERAS=1"])
    with pytest.raises(ValueError, match="expected NAME=VALUE"):
        environments.converter(Path(sys.executable), ["TF_USE_LEGACY_KERAS"])


def test_the_key_of_a_conversion_has_the_converters_versions_and_variables() -> None:
    def versions(tensorflow: str, **variables: str) -> Any:
        server: Any = SimpleNamespace(
            python="/elsewhere/python",
            start=lambda: None,
            environment={"tensorflow": tensorflow, "keras": "3.0.0", "numpy": "2.0.0"},
            variables=variables,
        )
        converter = Converter(server, server, Store(None), Account())
        return json.dumps(converter._versions, sort_keys=True)

    keys = {versions("2.19.1"), versions("2.21.0"), versions("2.21.0", TF_USE_LEGACY_KERAS="1")}
    assert len(keys) == 3


@pytest.mark.parametrize(
    "path", sorted(WORKERS.rglob("*.py")), ids=lambda path: str(path.relative_to(WORKERS))
)
def test_worker_code_is_for_python_3_7_numpy_and_its_package(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 7))
    packages = {"tensorflow", "keras", "h5py", "tflite_micro", "ai_edge_litert", "serial"}
    allowed = {"harness.workers.remote", "numpy", *packages}
    standard = set(sys.stdlib_module_names)
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            known = name.split(".")[0] in standard or any(
                name == each or name.startswith(f"{each}.") for each in allowed
            )
            assert known, f"{path.name} imports {name}"
    assert "recv_fds" not in path.read_text() or path.name == "serve.py"


def test_every_kind_of_worker_is_a_module_of_ours() -> None:
    """With what it drives a package by; both servers have them all."""
    for kind in (*kinds.shared(slow=True), *kinds.shared(slow=False)):
        told = kinds.told(kind)
        modules = [
            told["module"],
            *([told["driver"].partition(":")[0]] if "driver" in told else []),
        ]
        for name in modules:
            assert (ROOT / name.replace(".", "/")).with_suffix(".py").is_file(), (kind, name)
    with pytest.raises(KeyError, match="tflm-telepathy"):
        kinds.told("tflm-telepathy")
