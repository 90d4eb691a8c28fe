"""A fused LSTM of a PyTorch model is held to its state dict, and each slip has its name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.operators.quantizer import integer_lstm
from harness.weights.differences import Difference
from harness.weights.state_dict import load, read
from harness.weights.state_dict_audit import audit
from reference.lstm.float64 import LstmOptions
from reference.lstm.weights import LstmWeights

Array = NDArray[Any]
UNITS, FEATURES = 6, 6


def _state(seed: int = 0, suffix: str = "_l0", features: int = FEATURES) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    shapes = {
        "weight_ih": (4 * UNITS, features),
        "weight_hh": (4 * UNITS, UNITS),
        "bias_ih": (4 * UNITS,),
        "bias_hh": (4 * UNITS,),
    }
    return {
        f"lstm.{part}{suffix}": random.uniform(-0.4, 0.4, shape).astype(np.float32)
        for part, shape in shapes.items()
    }


def _weights(state: dict[str, Array], **changed: Array) -> LstmWeights:
    """What a converter makes of it, by PyTorch's own equations: gates in blocks of rows."""
    given = {name.removeprefix("lstm.").removesuffix("_l0"): a for name, a in state.items()}
    given |= changed
    bias = given.get("bias", given["bias_ih"] + given["bias_hh"])
    kernel, recurrent = given["weight_ih"], given["weight_hh"]
    return LstmWeights.from_keras(kernel.T, recurrent.T, bias)


def _audit(weights: LstmWeights, state: dict[str, Array]) -> list[Difference]:
    return audit(build(OperatorLstm(weights)).content, read(state))


def test_the_conversion_of_a_state_dict_is_its_own() -> None:
    state = _state()
    assert _audit(_weights(state), state) == []


def test_an_int8_conversion_is_its_own_and_another_checkpoint_is_named() -> None:
    state = _state()
    samples = np.random.default_rng(1).uniform(-1, 1, (8, 1, 5, FEATURES))
    weights = _weights(state)
    content = build(OperatorLstm(integer_lstm(weights, samples, LstmOptions()))).content
    assert audit(content, read(state)) == []
    (found,) = audit(content, read(_state(5)))
    assert "another checkpoint" in found.message


def _swapped(array: Array, one: int, other: int) -> Array:
    parts = np.split(array, 4)
    parts[one], parts[other] = parts[other], parts[one]
    return np.concatenate(parts)


def test_swapped_gates_are_named() -> None:
    state = _state()
    swapped = {
        part: _swapped(state[f"lstm.{part}_l0"], 1, 2)
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }
    found = _audit(_weights(state, **swapped), state)
    assert len(found) == 6
    assert {one.kind for one in found} == {"gate"}
    told = " ".join(one.message for one in found)
    assert "is the layer's input kernel of the cell gate" in told
    assert "is the layer's bias of the c gate (PyTorch's order is i, f, g, o)" in told


@pytest.mark.parametrize(("kept", "lost"), [("bias_ih", "bias_hh"), ("bias_hh", "bias_ih")])
def test_a_bias_that_was_dropped_is_named(kept: str, lost: str) -> None:
    state = _state()
    found = _audit(_weights(state, bias=state[f"lstm.{kept}_l0"]), state)
    assert len(found) == 4
    for one in found:
        assert one.layer == "lstm.l0"
        assert f"is the layer's {kept} alone: the bias lacks {lost}" in one.message


def test_a_transposed_kernel_is_named() -> None:
    state = _state()
    parts = np.split(state["lstm.weight_hh_l0"], 4)
    turned = np.concatenate([part.T for part in parts])
    found = _audit(_weights(state, weight_hh=turned), state)
    assert [one.kind for one in found] == ["transposed"] * 4


def test_one_wrong_value_is_found() -> None:
    state = _state()
    kernel = state["lstm.weight_ih_l0"].copy()
    kernel[3, 2] += 1e-3
    (found,) = _audit(_weights(state, weight_ih=kernel), state)
    assert "differs in 1 of 36 values, most at [3, 2]" in found.message


def test_another_checkpoint_is_one_message() -> None:
    (found,) = _audit(_weights(_state(1)), _state(0))
    assert "12 of the 12 weight tensors" in found.message
    assert "another checkpoint" in found.message


def test_layers_and_directions_are_told_apart() -> None:
    state = _state() | _state(1, "_l0_reverse") | _state(2, "_l1", 2 * UNITS)
    found = read(state)
    assert list(found.biases) == ["lstm.l0", "lstm.l0_reverse", "lstm.l1"]
    backward = {name.replace("_reverse", ""): a for name, a in _state(1, "_l0_reverse").items()}
    (one, other) = _audit(_weights(backward), state)
    assert {one.kind, other.kind} == {"uncompared"}
    assert {one.layer, other.layer} == {"lstm.l0", "lstm.l1"}


def test_a_fused_lstm_of_other_shapes_is_none_of_it() -> None:
    found = _audit(_weights(_state(features=3)), _state())
    assert [one.kind for one in found] == ["unknown", "uncompared"]
    assert "no LSTM of the state dict has weights of its shapes" in found[0].message


def _dense(kernel: Array, bias: Array | None) -> bytes:
    graph = GraphBuilder()
    x = graph.tensor("x", [1, kernel.shape[1]], "float32")
    inputs = [x, graph.tensor("w", list(kernel.shape), "float32", data=kernel)]
    if bias is not None:
        inputs.append(graph.tensor("b", [len(bias)], "float32", data=bias))
    y = graph.tensor("y", [1, len(kernel)], "float32")
    graph.operator("FULLY_CONNECTED", inputs, [y])
    return graph.pack([x], [y])


def test_linear_layers_are_compared() -> None:
    random = np.random.default_rng(3)
    kernel = random.normal(size=(3, UNITS)).astype(np.float32)
    bias = random.normal(size=3).astype(np.float32)
    state = read({"fc.weight": kernel, "fc.bias": bias})
    assert audit(_dense(kernel, bias), state) == []
    (found,) = audit(_dense(kernel, bias[::-1].copy()), state)
    assert (found.kind, found.layer) == ("bias", "fc")
    (found,) = audit(_dense(kernel, None), state)
    assert "the bias of FULLY_CONNECTED operator 0 (layer 'fc') is missing" in found.message
    (found,) = audit(_dense(1.5 * kernel, bias), state)
    assert "1.5 times" in found.message


def test_linear_layers_beside_a_normalisation_are_not_compared() -> None:
    kernel = np.ones((3, 4), np.float32)
    state = read({"fc.weight": kernel, "norm.running_mean": np.zeros(3, np.float32)})
    (found,) = audit(_dense(2 * kernel, None), state)
    assert found.kind == "uncompared"


def _without(state: dict[str, Array], part: str) -> dict[str, Array]:
    return {name: array for name, array in state.items() if part not in name}


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ({**_state(), "lstm.weight_hr_l0": np.ones((2, 6))}, "an LSTM with proj_size"),
        (_without(_state(), "bias_hh"), "bias_hh is missing"),
        (_without(_state(), "weight_ih"), "weight_ih is missing"),
        ({**_state(), "lstm.weight_ih_l0": np.ones((18, 6))}, r"expected weight_ih \[4 units"),
        ({**_state(), "lstm.bias_ih_l0": np.ones(6)}, r"biases \[4 units\]"),
        ({**_state(), "lstm.bias_ih_l0": np.ones(24, int)}, "expected real numbers"),
        ({"a": np.ones(3)}, "no LSTM"),
        ({}, "found nothing"),
    ],
)
def test_what_is_no_lstm_is_refused(state: dict[str, Array], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read(state)


def test_without_biases_they_are_zeros() -> None:
    state = _without(_state(), "bias")
    assert not np.any(read(state).weights["lstm.l0/2"])


def test_files_of_code_are_never_opened(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(ValueError, match="holds code and is never opened"):
        load(tmp_path / "model.pt")
    with pytest.raises(ValueError, match="no such file"):
        load(tmp_path / "none.safetensors")
    np.savez(tmp_path / "state.npz", **_state())
    assert list(load(tmp_path / "state.npz").biases) == ["lstm.l0"]
