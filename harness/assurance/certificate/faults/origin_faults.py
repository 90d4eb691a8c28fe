"""List faults in what a flatbuffer is said to come from: recorded answers, a PyTorch state dict.

A conversion of the harness's own is gated as a user's file beside the answers of the model that it
was made from (`--expected`), or its weights as PyTorch would have them (`--state-dict`), and both
are changed. Beside each is a healthy neighbour in `neighbours`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.recipes import AS_CONVERTED
from fixtures.variants import Variant
from harness.assurance.certificate.fault import Fault
from harness.assurance.certificate.faults.lone_faults import alone
from harness.assurance.certificate.injection import HEALTHY
from harness.assurance.certificate.readings import InjectionBench, Reading
from harness.assurance.certificate.subjects import STACK, TWO_ENDS, subject
from harness.conversion.model_interface import interface_of

Array = NDArray[Any]
Arrays = dict[str, Array]
Examine = Callable[[InjectionBench], list[Reading]]
_RUNTIMES = ("tflite",)


# Answers that were recorded -----------------------------------------------------------------


def as_recorded(answers: Arrays) -> None:
    """Nothing is changed."""


def of_another_model(answers: Arrays) -> None:
    """The same samples, answered with every unit in another's place."""
    for name, value in answers.items():
        answers[name] = np.roll(value, 1, axis=-1)


def outputs_exchanged(answers: Arrays) -> None:
    """The last two outputs under each other's name."""
    *_, one, other = answers
    answers[one], answers[other] = answers[other], answers[one]


def one_changed(answers: Arrays) -> None:
    """One number of all, by the spread of its output."""
    name = next(iter(answers))
    value = answers[name].copy()
    value.flat[value.size // 2] += value.std()
    answers[name] = value


def _expected(made: Variant, recipe: str, edit: Callable[[Arrays], None]) -> Examine:
    def examine(bench: InjectionBench) -> list[Reading]:
        artifacts = bench.artifacts(subject(made), recipe, runtimes=_RUNTIMES)
        structure, keras = artifacts.conversion.structure, artifacts.keras
        assert structure is not None
        assert keras is not None
        names = [entry["name"] for entry in interface_of(structure)]
        inputs = dict(zip(names, artifacts.stimulus.values(), strict=True))
        outputs = artifacts.conversion.output_names
        answers = dict(zip(outputs, map(np.asarray, keras.outputs), strict=True))
        edit(answers)
        with tempfile.TemporaryDirectory() as folder:
            paths = [Path(folder) / name for name in ("inputs.npz", "expected.npz")]
            for path, arrays in zip(paths, (inputs, answers), strict=True):
                np.savez(path, **arrays)
            with (
                alone(bench, subject(made), recipe) as lone,
                bench.given(inputs=paths[0], expected=paths[1]),
            ):
                return bench.readings(lone, AS_CONVERTED.name, HEALTHY, _RUNTIMES)

    return examine


# Weights of PyTorch -------------------------------------------------------------------------


def as_stored(state: Arrays) -> None:
    """Nothing is changed."""


def gates_reordered(state: Arrays) -> None:
    """i, f, o, g for i, f, g, o in the last LSTM."""
    for name in [name for name in state if name.startswith("lstm_1.")]:
        i, f, g, o = np.split(state[name], 4)
        state[name] = np.concatenate([i, f, o, g])


def second_bias(state: Arrays) -> None:
    """The file has the first bias of the first LSTM alone."""
    first, second = "lstm_0.bias_ih_l0", "lstm_0.bias_hh_l0"
    state[first] = state[first] + state[second]
    state[second] = np.full_like(state[second], 0.25)


def one_weight(state: Arrays) -> None:
    """One number of the recurrent kernel."""
    state["lstm_0.weight_hh_l0"].flat[7] += np.float32(0.1)


def as_pytorch(weights: Arrays) -> Arrays:
    """The state dict of LSTMs behind one another, from Keras's weights by `layer/index`: gates in
    one order in both, kernels the other way round, the bias as a sum of two float32 numbers."""
    layers = list(dict.fromkeys(name.rpartition("/")[0] for name in weights))
    found: Arrays = {}
    for number, layer in enumerate(layers):
        kernel, recurrent, bias = (weights[f"{layer}/{k}"] for k in range(3))
        first = bias.astype(np.float16).astype(np.float32)  # so that the sum is exact
        own = {"weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T}
        own |= {"bias_ih_l0": first, "bias_hh_l0": bias - first}
        found |= {f"lstm_{number}.{name}": np.ascontiguousarray(v) for name, v in own.items()}
    return found


def _state_dict(recipe: str, edit: Callable[[Arrays], None]) -> Examine:
    def examine(bench: InjectionBench) -> list[Reading]:
        built = bench.artifacts(subject(STACK), recipe, runtimes=_RUNTIMES).built
        assert built is not None
        state = as_pytorch(built.weights)
        edit(state)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "state.npz"
            np.savez(path, **state)
            with alone(bench, subject(STACK), recipe) as lone, bench.given(state_dict=path):
                return bench.readings(lone, AS_CONVERTED.name, HEALTHY, _RUNTIMES)

    return examine


def origin_faults() -> list[Fault]:
    answers = [
        ("answers of another model", STACK, "float32", of_another_model),
        ("answers of another model", STACK, "int8", of_another_model),
        ("recorded outputs swapped", TWO_ENDS, "float32", outputs_exchanged),
        ("one recorded answer changed", STACK, "float32", one_changed),
        ("one recorded answer changed", STACK, "int8", one_changed),
    ]
    weights = [
        ("gates in the order i, f, o, g", "gates of PyTorch", gates_reordered),
        ("the second bias left out", "biases of PyTorch", second_bias),
        ("one weight changed", "one weight of PyTorch", one_weight),
    ]
    found = []
    for name, made, recipe, edit in answers:
        examine = _expected(made, recipe, edit)
        found.append(Fault(name, name, "comparison", f"{recipe} · --expected", examine))
    for name, family, spoil in weights:
        for recipe in ("float32", "int8"):
            examine = _state_dict(recipe, spoil)
            found.append(Fault(name, family, "model", f"{recipe} · --state-dict", examine))
    return found


def neighbours() -> Iterator[tuple[str, Examine]]:
    """Name and examination of what is healthy beside each fault."""
    for recipe in ("float32", "int8"):
        yield f"the model's answers · {recipe} · --expected", _expected(STACK, recipe, as_recorded)
        yield f"the model's weights · {recipe} · --state-dict", _state_dict(recipe, as_stored)
    several = _expected(TWO_ENDS, "float32", as_recorded)
    yield "the model's answers of two outputs · float32 · --expected", several
