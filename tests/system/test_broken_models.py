"""A new user reads the cause of a broken model on the terminal, in JSON and on the page.

The Keras model is what it should be; somebody's flatbuffer of it is not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.weights.audit import audit
from harness.weights.layer_alignment import align
from tests.support import breaking
from tests.support.runs import run_suites

#: file -> blame, a part of the cause, where it starts (empty: parity alone need not see it)
FAULTS = {
    "float32-one_weight": (
        "file",
        "the recurrent kernel of the forget gate of LSTM operator 0 (layer 'first') differs in 1 "
        "of 36 values",
        "inside LSTM operator 0 (layer 'first') it starts at step 1 in the forget gate of unit",
    ),
    "float32-one_scale": (
        "file",
        "the input kernel of the cell gate of LSTM operator 1 (layer 'second') is 2 times the "
        "layer's: its scale is wrong",
        "inside LSTM operator 1 (layer 'second') it starts at step 0 in the candidate of unit",
    ),
    "int8-one_scale": (
        "file",
        "(layer 'second') is 1.999 times the layer's: its scale is wrong",
        "inside LSTM operator 1 (layer 'second') it starts at step 0 in the candidate of unit",
    ),
    "float32-transposed": (
        "file",
        "the recurrent kernel of the forget gate of LSTM operator 1 (layer 'second') is the "
        "layer's, transposed",
        "inside LSTM operator 1 (layer 'second') it starts at step 1 in the forget gate of unit",
    ),
    "float32-another_activation": (
        "file",
        "the activation behind FULLY_CONNECTED operator 3 (layer 'head') is LOGISTIC, the model's "
        "is TANH",
        "of layer 'head' (FULLY_CONNECTED) is the first beyond its budget",
    ),
    "int8-another_activation": (
        "file",
        "(layer 'head') is LOGISTIC, the model's is TANH",
        "of layer 'head' (FULLY_CONNECTED) is the first beyond its budget",
    ),
    "narrow": (
        "calibration",
        "the samples reach -0.999 to 0.999: 79.3% of the values are cut off",
        "of layer 'sensor' (input) is the first beyond its budget",
    ),
    "wide": (
        "calibration",
        "256 levels from -30.1 to 29.9 and the samples use 9",
        "of layer 'sensor' (input) is the first beyond its budget",
    ),
    "int8-one_weight": ("", "LSTM operator 0 (layer 'first') differs in 1 of 36 values", ""),
    "int8-transposed": ("", "(layer 'second') is the layer's, transposed", ""),
}


@dataclass(frozen=True)
class Told:
    text: str
    page: str
    cases: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def made(broken_models: Path) -> Path:
    folder = broken_models
    for base in ("float32", "int8"):
        content = (folder / f"{base}.tflite").read_bytes()
        for damage in (
            breaking.one_weight,
            breaking.one_scale,
            breaking.transposed,
            breaking.another_activation,
        ):
            (folder / f"{base}-{damage.__name__}.tflite").write_bytes(damage(content))
    return folder


@pytest.fixture(scope="module")
def ran(made: Path, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Told:
    out = tmp_path_factory.mktemp("report")
    paths = [path for path in sorted(made.glob("*.tflite")) if path.stem != "quiet"]
    files = [word for path in paths for word in ("--tflite", str(path))]
    found = run_suites(
        *("--model", made / "my.keras"),
        *files,
        *("--inputs", made / "samples.npz", "--recipe", "float32"),
        *("--runtime", "tflite", "--runtime", "tflm"),
        report=out,
        cache=cache,
        suites=("suites/test_parity.py", "suites/test_structure.py"),
    )
    assert found.status == 1, found.text
    return Told(found.text, (out / "index.html").read_text(), found.cases)


@pytest.mark.parametrize("runtime", ["tflite", "tflm"])
@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault[0]])
def test_the_cause_is_named_in_each(ran: Told, name: str, runtime: str) -> None:
    leg, cause, start = FAULTS[name]
    case = ran.cases[f"test_parity[{name}.tflite/as-converted/{runtime}]"]
    assert case["outcome"] == "diverged"
    assert case["blame"]["leg"] == leg
    divergence = case["first_divergence"]
    assert cause in divergence["cause"]
    assert start in divergence["text"]
    assert "it would pass with a budget of" in case["message"]
    row = next(row for row in divergence["tensors"] if row["leaves"])
    assert row["error"] > row["budget"]
    growth = divergence["growth"]
    assert len(growth["steps"]) == len(growth["error"]) == len(growth["budget"])
    for text in (cause, start):
        assert text in ran.text
        assert json.dumps(text)[1:-1] in ran.page


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in ("narrow", "wide")])
def test_the_structure_suite_names_it_whether_or_not_numbers_show_it(ran: Told, name: str) -> None:
    case = ran.cases[f"test_structure[{name}.tflite/as-converted]"]
    assert case["verdict"] == "failed"
    assert FAULTS[name][1] in case["message"]


@pytest.mark.parametrize("name", ["float32", "int8"])
def test_the_healthy_conversion_passes(ran: Told, name: str) -> None:
    cases = [case for case in ran.cases.values() if case["subject"] == f"{name}.tflite"]
    assert {case["verdict"] for case in cases} == {"agreed"}


def test_inside_an_lstm_every_gate_of_the_step_is_shown(ran: Told) -> None:
    case = ran.cases["test_parity[float32-one_weight.tflite/as-converted/tflm]"]
    gates = case["first_divergence"]["gates"]
    names = ["input gate", "forget gate", "candidate", "output gate", "cell state", "hidden state"]
    assert [gate["gate"] for gate in gates] == names
    within = [gate["gate"] for gate in gates if gate["error"] <= gate["budget"]]
    assert within == ["input gate", "candidate", "output gate"]
    errors = case["first_divergence"]["growth"]["error"]
    assert errors[0] < 1e-6 < errors[1] < errors[-1]


def test_the_rerun_command_names_this_file_alone(ran: Told) -> None:
    case = ran.cases["test_parity[narrow.tflite/as-converted/tflm]"]
    assert case["rerun"].count("--tflite") == 1
    assert "narrow.tflite" in case["rerun"]


def test_without_the_keras_model_it_is_where_the_runtimes_part(
    made: Path, tmp_path: Path, cache: Path
) -> None:
    found = run_suites(
        *("--tflite", made / "quiet.tflite", "--runtime", "tflm"),
        report=tmp_path / "report",
        cache=cache,
        suites=("suites/test_parity.py",),
    )
    assert found.status == 1, found.text
    (case,) = found.cases.values()
    divergence = case["first_divergence"]
    assert "cell scale 2^-" in case["message"]
    first = next(row for row in divergence["tensors"] if row["leaves"])
    assert first["operator"] == "UNIDIRECTIONAL_SEQUENCE_LSTM"
    assert f"tensor '{first['tensor']}'" in divergence["text"]
    assert divergence["text"] in found.text


def _document() -> dict[str, Any]:
    lstm = {"inputs": ["sensor"], "initial_state": [], "class": "LSTM"}
    return {
        "inputs": [{"name": "sensor", "shape": [8, 6], "dtype": "float32"}],
        "nodes": [
            {**lstm, "name": "first", "config": {"units": 6, "return_sequences": True}},
            {**lstm, "name": "second", "config": {"units": 6}, "inputs": ["first"]},
            {
                "name": "head",
                "class": "Dense",
                "config": {"units": 4, "activation": "tanh"},
                "inputs": ["second"],
                "initial_state": [],
            },
        ],
        "outputs": ["head"],
    }


def _weights(content: bytes) -> dict[str, Any]:
    """Keras's weights as the healthy float flatbuffer has them."""
    shapes = {f"{n}/{k}": s for n in ("first", "second") for k, s in enumerate(((6, 24),) * 2)}
    zeros = {name: np.zeros(shape) for name, shape in shapes.items()}
    zeros |= {"first/2": np.zeros(24), "second/2": np.zeros(24), "head/0": np.zeros((6, 4))}
    zeros |= {"head/1": np.zeros(4)}
    _, aligned = align(content, _document(), zeros)
    found = dict(zeros)
    for one in aligned:
        if one.kernel is not None:
            found["head/0"] = one.kernel.values.T
        elif one.lstm is not None:
            p: Any = one.lstm.parameters
            for k, gates in enumerate((p.input_kernel, p.recurrent_kernel)):
                found[f"{one.layer}/{k}"] = np.concatenate([g.T for g in gates], axis=1)
            found[f"{one.layer}/2"] = np.concatenate(list(p.bias))
    return found


def test_a_gate_in_anothers_place_and_a_missing_bias_are_named(made: Path) -> None:
    content = (made / "float32.tflite").read_bytes()
    weights = _weights(content)
    assert audit(content, weights, _document()) == []
    swapped = dict(weights)
    i, f, c, o = np.split(weights["first/1"], 4, axis=1)
    swapped["first/1"] = np.concatenate([f, i, c, o], axis=1)
    messages = [d.message for d in audit(content, swapped, _document())]
    assert any("is the layer's recurrent kernel of the forget gate" in m for m in messages)
    biased = {**weights, "head/1": np.ones(4)}
    (missing,) = audit(content, biased, _document())
    assert (missing.kind, "is missing" in missing.message) == ("bias", True)


@pytest.mark.parametrize("between", [[], ["Dropout"]])
def test_a_layer_that_a_normalisation_is_folded_into_is_left_out(
    made: Path, between: list[str]
) -> None:
    content, document = (made / "float32.tflite").read_bytes(), _document()
    weights = {**_weights(content), "head/0": np.ones((6, 4))}
    assert [d.layer for d in audit(content, weights, document)] == ["head"]
    *before, head = document["nodes"]
    last, added = "second", []
    for kind in ("LayerNormalization", *between):
        node = {"name": kind, "class": kind, "config": {}, "inputs": [last], "initial_state": []}
        added.append(node)
        last = kind
    document["nodes"] = [*before, *added, {**head, "inputs": [last]}]
    assert audit(content, weights, document) == []
