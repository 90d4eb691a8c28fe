"""A user's right predictions pass, and each published helper's fault is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.runtimes import RUNTIMES
from harness.conversion.inspection import inspect
from harness.diagnosis.predictions import (
    FAULTS,
    RIGHT,
    Diagnosis,
    answers_of,
    diagnose,
    from_file,
    run_form,
)
from harness.execution.interpreters import Interpreters
from harness.flatbuffer.structure import Structure
from harness.flatbuffer.tensor_codec import from_runtime, to_runtime
from harness.workers import limits
from harness.workers.client import Worker
from harness.workers.server_handle import Server
from tests.support.runs import Run, run_suites

NATIVE = tuple(runtime for runtime in RUNTIMES.values() if runtime.native)

#: The published helper (harness/workers/remote/keras/published.py), as written, and the form it is
#: named.
NAMED = {
    "rebound-loop-variable": "inputs-unquantised",
    "truncation": "inputs-truncated",
    "no-saturation": "inputs-wrapped",
    "integers-as-reals": "outputs-undequantised",
    "state-left-over": "state-left-over",
}


@pytest.fixture(scope="module")
def made(prediction_models: Path) -> Path:
    return prediction_models


@dataclass(frozen=True)
class Flatbuffer:
    data: NDArray[Any]
    structure: Structure
    samples: NDArray[Any]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    heavy, light = Server(("keras",)), Server(("tflite", "tflm", "inspect"))
    yield heavy, light
    heavy.close()
    light.close()


@pytest.fixture(scope="module")
def flatbuffers(made: Path, servers: tuple[Server, Server]) -> dict[str, Flatbuffer]:
    worker = Worker(servers[1], "inspect")
    samples = np.load(made / "inputs.npz")["sensor"]
    found = {}
    for kind in ("int8", "float32"):
        data = np.frombuffer((made / f"{kind}.tflite").read_bytes(), np.uint8)
        structure = inspect(worker, data).structure
        assert structure is not None
        found[kind] = Flatbuffer(data, structure, samples)
    worker.close()
    return found


@pytest.fixture(scope="module")
def diagnosed(
    flatbuffers: dict[str, Flatbuffer], servers: tuple[Server, Server]
) -> Iterator[Callable[[str, NDArray[Any]], Diagnosis]]:
    interpreters = Interpreters(*servers)

    def of(kind: str, predictions: NDArray[Any]) -> Diagnosis:
        model = flatbuffers[kind]
        return diagnose(
            [np.asarray(predictions, np.float64)],
            model.data,
            model.structure,
            [model.samples],
            NATIVE,
            interpreters,
            limits.INVOKE,
        )

    yield of
    interpreters.close()


@pytest.mark.parametrize("kind", ["int8", "float32"])
def test_right_predictions_are_right(
    diagnosed: Callable[..., Diagnosis], made: Path, kind: str
) -> None:
    found = diagnosed(kind, np.load(made / f"{kind}-corrected.npy"))

    assert found.form is RIGHT
    assert "the predictions are tflite's answers" in str(found)


@pytest.mark.parametrize(("helper", "form"), NAMED.items())
def test_each_published_helper_is_named_by_its_fault(
    diagnosed: Callable[..., Diagnosis], made: Path, helper: str, form: str
) -> None:
    found = diagnosed("int8", np.load(made / f"int8-{helper}.npy"))

    assert found.form is not None
    assert found.form.name == form
    assert found.form.cure in str(found)


def test_a_state_that_is_left_over_is_named_in_a_float_model_too(
    diagnosed: Callable[..., Diagnosis], made: Path
) -> None:
    found = diagnosed("float32", np.load(made / "float32-state-left-over.npy"))

    assert found.form is not None
    assert found.form.name == "state-left-over"


def test_predictions_of_the_device_are_right_by_its_own_runtime(
    diagnosed: Callable[..., Diagnosis],
    flatbuffers: dict[str, Flatbuffer],
    servers: tuple[Server, Server],
) -> None:
    """TensorFlow Lite Micro's int8 answers are not TensorFlow Lite's, and no fault either."""
    tflm = _answers(flatbuffers["int8"], servers, "tflm")
    assert np.abs(tflm - _answers(flatbuffers["int8"], servers, "tflite")).max() > 0

    found = diagnosed("int8", tflm)

    assert found.form is RIGHT
    assert found.runtime == "tflm"


def test_predictions_that_nothing_explains_are_not_blamed_on_a_form(
    diagnosed: Callable[..., Diagnosis], made: Path
) -> None:
    wrong = np.load(made / "int8-corrected.npy").copy()
    wrong[2, 0, 3, 1] += 0.5

    found = diagnosed("int8", wrong)

    assert found.form is None
    assert found.error == pytest.approx(0.5, abs=1e-6)
    assert "no known fault" in str(found)


def test_a_step_of_the_output_is_a_difference(
    diagnosed: Callable[..., Diagnosis], made: Path, flatbuffers: dict[str, Flatbuffer]
) -> None:
    wrong = np.load(made / "int8-corrected.npy").copy()
    wrong[0, 0, 0, 0] += flatbuffers["int8"].structure.outputs[0].scale[0]

    assert not diagnosed("int8", wrong).right


def test_each_fault_has_its_own_answers(
    diagnosed: Callable[..., Diagnosis],
    flatbuffers: dict[str, Flatbuffer],
    servers: tuple[Server, Server],
) -> None:
    """The forms' own answers, given back as predictions, are named as that form."""
    model, interpreters = flatbuffers["int8"], Interpreters(*servers)
    for form in FAULTS:
        run = run_form(
            form,
            model.data,
            model.structure,
            [model.samples],
            RUNTIMES["tflite"],
            interpreters,
            limits.INVOKE,
        )
        given = np.nan_to_num(answers_of(form, model.structure, run)[0])
        found = diagnosed("int8", given)
        assert found.form is form, form.name
    interpreters.close()


def test_predictions_of_another_shape_say_what_was_expected(
    diagnosed: Callable[..., Diagnosis], made: Path
) -> None:
    flattened = np.load(made / "int8-reshaped-output.npy")
    with pytest.raises(ValueError, match=r"shape \[6, 18\], expected \[6, 1, 6, 3\] \(the same"):
        diagnosed("int8", flattened)


def test_the_batch_axis_may_be_left_out(made: Path, flatbuffers: dict[str, Flatbuffer]) -> None:
    path = made / "without-batch.npy"
    np.save(path, np.load(made / "int8-corrected.npy")[:, 0])

    assert from_file(path, flatbuffers["int8"].structure, 6)[0].shape == (6, 1, 6, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((5, 1, 6, 3)), r"5 predictions of output 'output_0' for 6 samples"),
        (np.full((6, 1, 6, 3), np.nan), "not an array of finite numbers"),
        (np.array(["a"]), "not an array of finite numbers"),
        (np.array([object()]), "not a readable"),
    ],
    ids=["count", "nan", "text", "objects"],
)
def test_predictions_that_cannot_be_used_are_refused(
    flatbuffers: dict[str, Flatbuffer], tmp_path: Path, content: NDArray[Any], message: str
) -> None:
    path = tmp_path / "predictions.npy"
    np.save(path, content, allow_pickle=True)

    with pytest.raises(ValueError, match=message):
        from_file(path, flatbuffers["int8"].structure, 6)


def test_the_gate_names_the_fault_and_fails(made: Path, tmp_path: Path, cache: Path) -> None:
    def gate(predictions: str, *arguments: str) -> Run:
        return run_suites(
            *("--tflite", made / "int8.tflite", "--predictions", made / predictions),
            *arguments,
            report=tmp_path,
            cache=cache,
            suites=("suites/test_predictions.py",),
        )

    inputs = ("--inputs", str(made / "inputs.npz"))
    assert gate("int8-corrected.npy", *inputs).status == 0
    wrong = gate("int8-rebound-loop-variable.npy", *inputs)
    assert wrong.status == 1
    assert "the inputs were cast to the input's type and never quantised" in wrong.text
    assert "--predictions" in wrong.text.partition("rerun:")[2]
    without = gate("int8-corrected.npy")
    assert without.status == 4
    assert "add --tflite and --inputs" in without.text


def _answers(model: Flatbuffer, servers: tuple[Server, Server], runtime: str) -> NDArray[Any]:
    interpreters = Interpreters(*servers)
    samples = to_runtime(model.structure, ["sensor"], {"sensor": model.samples})
    run = interpreters.run(RUNTIMES[runtime], model.data, model.structure, samples)
    interpreters.close()
    assert run.result is None
    return from_runtime(model.structure, (), run.outputs)[0]
