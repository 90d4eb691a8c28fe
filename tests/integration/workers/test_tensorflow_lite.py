"""TensorFlow Lite's interpreter loaded by itself answers as the one of imported TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from fixtures.runtimes import RUNTIMES
from harness.conversion.inspection import inspect
from harness.execution.interpreters import Interpreters
from harness.support.project import ROOT
from harness.workers.client import Worker
from harness.workers.remote import wire
from harness.workers.server_handle import Server

NAMES = [name for name in RUNTIMES if name.startswith("tflite")]
MODELS = sorted((ROOT / "fixtures" / "golden" / "ophint").glob("*.tflite"))


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server, Server]]:
    """With the interpreter alone, with all of TensorFlow, and the reader of flatbuffers."""
    whole = Server(("tflite",), variables={wire.WHOLE: "1"})
    found = (Server(("tflite",)), whole, Server(("inspect",)))
    yield found
    for server in found:
        server.close()


@pytest.mark.parametrize("name", NAMES)
def test_both_give_the_same_bits(servers: tuple[Server, Server, Server], name: str) -> None:
    alone, whole, light = servers
    inspector = Worker(light, "inspect")
    both = Interpreters(alone, alone), Interpreters(whole, whole)
    compared = 0
    for path in MODELS:
        data = np.frombuffer(path.read_bytes(), np.uint8)
        structure = inspect(inspector, data).structure
        assert structure is not None
        random = np.random.default_rng(len(data))
        samples = [
            random.uniform(-1, 1, (8, *tensor.shape)).astype(tensor.dtype)
            for tensor in structure.inputs
        ]
        one, other = (each.run(RUNTIMES[name], data, structure, samples) for each in both)
        assert str(one.result) == str(other.result), path.name
        for got, want in zip(one.outputs, other.outputs, strict=True):
            assert got.tobytes() == want.tobytes(), path.name
            compared += want.size
    for each in both:
        each.close()
    inspector.close()
    assert compared > 1000
    assert alone.environment["tensorflow"] == whole.environment["tensorflow"]


def test_nothing_else_of_tensorflow_is_imported() -> None:
    program = (
        "import sys, harness.workers.remote.tensorflow_lite as lite\n"
        "assert 'tensorflow' not in sys.modules and 'keras' not in sys.modules\n"
        "assert 'tflite_runtime' not in sys.modules\n"
        "print(lite.Interpreter.__module__)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == "tflite_runtime.interpreter", done.stderr
    assert done.returncode == 0


def test_imported_tensorflow_is_taken_as_it_is() -> None:
    program = (
        "import tensorflow, harness.workers.remote.tensorflow_lite as lite\n"
        "assert lite.Interpreter is tensorflow.lite.Interpreter\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
