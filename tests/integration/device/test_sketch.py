"""The Arduino sketch, compiled and run on the host, predicts what Python predicts.

The stubs of Arduino and TensorFlow Lite Micro in tests/arduino compute nothing. They look an
input up, byte for byte, in what Python's TensorFlow Lite Micro was given, and hand out what that
answered; so the sketch's data, its quantisation, its use of the interpreter, and what it prints
are held to Python.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from examples.digits import data, sketch
from examples.digits.sketch import Embedded
from fixtures.recipes import RECIPES
from fixtures.runtimes import ARENA_BYTES, RUNTIMES
from fixtures.subjects import Subject
from fixtures.variants import VARIANTS
from harness.device import c_array, resources
from harness.device.arena import ArenaBench
from harness.device.resources import Model, Timer, model_of
from harness.flatbuffer.structure import Tensor
from harness.flatbuffer.tensor_codec import from_runtime, to_runtime
from harness.pipeline.cases import Case
from harness.session.session import Session
from harness.support.cache import Store
from harness.support.project import ROOT

STUBS = ROOT / "tests" / "support" / "arduino"
COMPILER = c_array.find_compiler()
pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C++ compiler to build the sketch with")
_TYPES = {"float32": 1, "int16": 7, "int8": 9}
_LOOPS = 60


@dataclass(frozen=True)
class Known:
    """A digit model, its sketch, and what Python's TensorFlow Lite Micro makes of the digits:
    the bytes of each input and output, and the predicted classes and probabilities."""

    model: Model
    ino: Path
    digits: Embedded
    inputs: NDArray[np.generic]
    outputs: NDArray[np.generic]
    classes: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    arena: int
    methods: tuple[str, ...]

    def plan(self, **changes: str) -> str:
        """The stub interpreter's plan. changes: lines by their key, in place of the usual ones."""
        (read,), (written,) = self.model.structure.inputs, self.model.structure.outputs
        lines = {
            "schema": "schema 3",
            "arena": f"arena {self.arena}",
            "operators": "\n".join(f"operator {name}" for name in self.methods),
            "model": f"model {self.model.data.tobytes().hex()}",
            "input": f"input {_tensor_line(read)}",
            "output": f"output {_tensor_line(written)}",
            "answers": "\n".join(
                f"answer {one.tobytes().hex()} {other.tobytes().hex()}"
                for one, other in zip(self.inputs, self.outputs, strict=True)
            ),
        }
        return "\n".join({**lines, **changes}.values()) + "\n"


def _tensor_line(tensor: Tensor) -> str:
    scale, zero_point = tensor.scale or (0.0,), tensor.zero_point or (0,)
    # nine digits make a float32 again, exactly
    numbers = [_TYPES[tensor.dtype], f"{scale[0]:.9g}", zero_point[0], *tensor.shape]
    return " ".join(map(str, numbers))


@pytest.fixture(scope="module", params=["int8", "float32"])
def known(
    request: pytest.FixtureRequest, session: Session, tmp_path_factory: pytest.TempPathFactory
) -> Known:
    """The catalogue's digit model with a final layer that separates the classes."""
    recipe: str = request.param
    subject = Subject("digits", "catalogue", variant=VARIANTS["digits"])
    case = Case("test_resources", subject, RECIPES[recipe], RUNTIMES["tflm"])
    session.prefetch([case])
    artifacts = session.artifacts(case)
    model = model_of(case, artifacts, artifacts.runs["tflm"].outputs)
    bench = ArenaBench(session.light)
    report = tmp_path_factory.mktemp(recipe)
    found = resources.resources(model, bench, COMPILER, report, Timer(), Store(None))
    digits = sketch.ten_digits(*data.bundled()[2:])
    (inputs,) = to_runtime(
        model.structure, list(artifacts.stimulus), {"x": digits.values()[:, None]}
    )
    failed, (outputs,), _ = bench.run(model.data, [inputs], 1, ARENA_BYTES)
    bench.close()
    assert failed is None
    (real,) = from_runtime(model.structure, (), [outputs])
    ino = sketch.write(resources.device_folder(report, "digits", recipe), digits, report)
    return Known(
        model,
        ino,
        digits,
        inputs,
        outputs,
        real.reshape(10, -1).argmax(axis=1),
        real.reshape(10, -1).max(axis=1).astype(np.float64),
        found["arena_bytes"],
        tuple(found["op_resolver"]),
    )


def _build(known: Known, folder: Path, text: str) -> Path:
    """Compile a sketch's text with the stubs and the model's own files."""
    ino = folder / known.ino.name
    ino.write_text(text)
    stubs = known.ino.with_name("host.o")
    if not stubs.exists():
        _compile(known, "-c", STUBS / "host.cc", "-o", stubs)
    program = folder / "sketch"
    sketch_and_model = ("-x", "c++", ino, known.ino.with_name("model.cpp"), "-x", "none")
    _compile(known, "-include", "Arduino.h", *sketch_and_model, stubs, "-o", program)
    return program


def _compile(known: Known, *words: str | Path) -> None:
    assert COMPILER is not None
    include = (f"-I{STUBS}", f"-I{known.ino.parent}")
    command = [*COMPILER.command, *c_array.FLAGS, *include, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _run(program: Path, plan: str, loops: int = _LOOPS, seed: int = 1) -> str:
    path = program.with_name("plan.txt")
    path.write_text(plan)
    done = subprocess.run(
        [program, path, str(seed), str(loops)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def program(known: Known, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _build(known, tmp_path_factory.mktemp("built"), known.ino.read_text())


_PREDICTED = re.compile(r"digit (\d), predicted (\d), probability (\S+), microseconds \d+")


def test_the_sketch_predicts_what_python_predicts(known: Known, program: Path) -> None:
    text = _run(program, known.plan())
    assert text.startswith("baud 115200\n")
    assert f"model bytes {known.model.data.nbytes}, arena bytes " in text
    found = _PREDICTED.findall(text)
    assert len(found) == _LOOPS
    for label, predicted, probability in found:
        (row,) = np.flatnonzero(known.digits.labels == int(label))
        assert int(predicted) == known.classes[row]
        assert float(probability) == pytest.approx(known.probabilities[row], abs=5e-5)
    assert {label for label, _, _ in found} == set("0123456789"), "all ten are picked"
    assert len({label for label, _, _ in found[:10]}) < 10, "and not one after the other"
    assert len({predicted for _, predicted, _ in found}) > 1
    assert "error" not in text


def test_the_bytes_it_sets_are_those_that_python_sets(known: Known, program: Path) -> None:
    """What the stub dumped, run through TensorFlow Lite Micro in Python, is predicted alike."""
    text = _run(program, known.plan())
    dumped = {bytes.fromhex(line) for line in re.findall(r"^input (\w+)$", text, re.MULTILINE)}
    assert dumped == {one.tobytes() for one in known.inputs}


def test_another_seed_picks_other_digits(known: Known, program: Path) -> None:
    first, second = (_PREDICTED.findall(_run(program, known.plan(), seed=s)) for s in (1, 2))
    assert first != second


def test_the_digits_are_real_and_of_every_class(known: Known) -> None:
    x_test, y_test = data.bundled()[2:]
    assert list(known.digits.labels) == list(range(10))
    for image, label in zip(known.digits.values(), known.digits.labels, strict=True):
        distance = np.abs(x_test - image).max(axis=(1, 2))
        assert y_test[distance.argmin()] == label
        assert distance.min() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "schema 4"}, "another schema version"),
        ({"arena": "arena 1000000"}, "the arena is too small"),
        ({"operators": "operator AddWhile"}, "an operator is missing"),
        ({"model": "model 00112233"}, "could not be allocated"),
        ({"input": "input 7 0.1 0 1 28 28"}, "neither float32 nor int8"),
        ({"output": "output 7 0.1 0 1 10"}, "neither float32 nor int8"),
        ({"input": "input 9 0.1 0 1 28 27"}, "not an image of 28 x 28"),
        ({"output": "output 9 0.1 0 1 9"}, "not ten classes"),
        ({"fail": "fail invoke"}, "could not be invoked"),
        ({"fail": "fail reset"}, "could not be reset"),
    ],
)
def test_what_goes_wrong_is_said_again_and_again(
    known: Known, program: Path, changes: dict[str, str], message: str
) -> None:
    text = _run(program, known.plan(**changes), loops=4)
    assert text.count("error: ") >= 3
    assert message in text
    assert "predicted" not in text


#: Faults of a sketch: what is replaced, and by what. A run on the host shows each.
_FAULTS = {
    "truncates": ("lroundf(value / scale)", "(long)(value / scale)"),
    "no zero point": ("+ zero_point", "+ 0 * zero_point"),
    "inverted": ("= pixels[k] /", "= 1.0f - pixels[k] /"),
    "another digit": ("kDigits[chosen]", "kDigits[(chosen + 1) % 10]"),
    "another label": ("kDigitLabels[chosen]", "kDigitLabels[9 - chosen]"),
    "no reset": ("interpreter->Reset() != kTfLiteOk", "chosen < 0"),
    "reset after the input": (
        "SetInput(interpreter->input(0), kDigits[chosen]);",
        "SetInput(interpreter->input(0), kDigits[chosen]); interpreter->Reset();",
    ),
    "least likely": ("k) > GetOutput(output, best", "k) < GetOutput(output, best"),
    "looks at one class": ("best = 0;\n  for (int k = 1; k <", "best = 0;\n  for (int k = 1; k > "),
    "scale forgotten": ("zero_point) * output->params.scale", "zero_point) * 1.0f"),
    "small arena": ("_arena_bytes + ", "_arena_bytes - 16 - 0 * "),
    "an operator missing": ("resolver.AddSoftmax() == kTfLiteOk &&", ""),
    "too little room": ("MicroMutableOpResolver<4>", "MicroMutableOpResolver<2>"),
}


@pytest.mark.parametrize("known", ["int8"], indirect=True)
@pytest.mark.parametrize("name", _FAULTS)
def test_a_faulty_sketch_is_caught(known: Known, tmp_path: Path, name: str) -> None:
    healthy = known.ino.read_text()
    faulty = healthy.replace(*_FAULTS[name])
    assert faulty != healthy
    text = _run(_build(known, tmp_path, faulty), known.plan())
    right = {
        (str(label), str(predicted), f"{probability:.4f}")
        for label, predicted, probability in zip(
            known.digits.labels, known.classes, known.probabilities, strict=True
        )
    }
    assert "error: " in text or not set(_PREDICTED.findall(text)) <= right


def test_the_margin_is_aligned_and_covers_what_was_measured() -> None:
    for arena in (16, 4208, 25264):
        margin = arena * sketch.MARGIN_PERCENT / 100
        assert sketch.margin_of(arena) % 16 == 0
        assert 0 <= sketch.margin_of(arena) - margin < 16
    assert 4208 + sketch.margin_of(4208) >= 6976, "what the Arduino library needed on a host"


def test_what_cannot_be_made_into_a_sketch_is_named(tmp_path: Path) -> None:
    x, y = np.zeros((20, 28, 28), np.float32), np.arange(20) % 9
    with pytest.raises(ValueError, match="no image of the digit 9"):
        sketch.ten_digits(x, y)
    for wrong in (x[:, :27], x + 2, x - 1, x[:9]):
        with pytest.raises(ValueError, match="expected images"):
            sketch.ten_digits(wrong, y)
    with pytest.raises(ValueError, match=r"model\.tflite and resources\.json"):
        sketch.write(tmp_path, sketch.ten_digits(x, np.arange(20) % 10), tmp_path)
