"""The first tensor, step, gate and unit that are wrong: each fault is found at its own place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.runtimes import RUNTIMES
from harness.diagnosis.first_divergence import MOST_SAMPLES, Divergence, Followed, Row, follow
from harness.flatbuffer.schema import pack, unpack
from harness.flatbuffer.tensor_codec import to_runtime
from harness.workers.limits import Limits
from reference.budgets.monte_carlo import budgets
from tests.support import breaking
from tests.support.networks import document, node
from tests.support.small_models import (
    BATCH,
    FEATURES,
    STEPS,
    UNITS,
    Form,
    Runtimes,
    Weights,
    at,
    converted,
    gate,
    late,
    ranges_of,
    sampled,
    structure,
    swapped,
    weights_of,
)

Array = NDArray[Any]
Document = Mapping[str, Any]
SHAPE = [STEPS, FEATURES]
FORMS = pytest.mark.parametrize("form", ["float32", "int8", "int8-float-io"])
NATIVE = pytest.mark.parametrize("runtime", ["tflite", "tflm"])


def _lstm(name: str, inputs: str = "x", **config: Any) -> dict[str, Any]:
    return node(name, "LSTM", inputs, units=UNITS, **{"return_sequences": True, **config})


ONE = document(_lstm("lstm"), x=SHAPE)
STACK = document(
    node("before", "Dense", units=FEATURES, activation="tanh"),
    _lstm("first", "before"),
    _lstm("second", "first", return_sequences=False),
    node("head", "Dense", "second", units=3),
    node("end", "Activation", "head", activation="sigmoid"),
    x=SHAPE,
)


def _two_ways(**config: Any) -> dict[str, Any]:
    inner = {"class": "LSTM", "config": {"units": UNITS, "return_sequences": True, **config}}
    return node("both", "Bidirectional", layer=inner)


BOTH = document(_two_ways(), node("head", "Dense", "both", units=3), x=SHAPE)


def _follow(
    of: Document,
    broken: Callable[[Weights], Weights] = lambda weights: weights,
    form: Form = "float32",
    runtime: str = "tflite",
    runtimes: Runtimes | None = None,
    content: Callable[[bytes], bytes] = lambda content: content,
    samples: Mapping[str, Array] | None = None,
    weights: Weights | None = None,
    calibrated: Mapping[str, Array] | None = None,
    **more: Any,
) -> Divergence:
    """Follow a model whose flatbuffer was made from broken weights, or calibrated with other
    samples, or broken itself."""
    weights = weights or weights_of(of)
    stimulus = dict(samples or sampled(of))
    made = content(converted(of, broken(dict(weights)), calibrated or stimulus, form))
    scheme: Any = "float32" if form == "float32" else "int8"
    of_model = structure(made)
    what = Followed(
        made,
        of_model,
        of,
        weights,
        stimulus,
        to_runtime(of_model, list(stimulus), stimulus),
        (),
        scheme,
        None if form == "float32" else ranges_of(of, weights, stimulus),
        0,
        RUNTIMES[runtime],
        True,
    )
    fake: Any = runtimes or Runtimes()
    return follow(replace(what, **more), fake, Limits())


def _changed(name: str, change: Callable[[Array], Any]) -> Callable[[Weights], Weights]:
    """One of Keras's arrays, changed in the flatbuffer."""

    def broken(weights: Weights) -> Weights:
        array = weights[name].copy()
        result = change(array)
        return {**weights, name: array if result is None else result}

    return broken


def _add(place: Any, by: float) -> Callable[[Array], None]:
    def change(array: Array) -> None:
        array[place] += by

    return change


def _put(array: Array, which: str, values: Any) -> None:
    array[gate(array, which)] = values


# The healthy neighbour --------------------------------------------------------------------------


@FORMS
@NATIVE
@pytest.mark.parametrize("of", [ONE, STACK, BOTH], ids=["one", "stack", "both"])
def test_a_healthy_model_is_quiet(of: Document, form: Form, runtime: str) -> None:
    found = _follow(of, form=form, runtime=runtime)
    assert found.first is None
    assert found.inside is None
    assert found.text == "no single tensor leaves its budget"
    assert all(row.budget_used <= 1 for row in found.rows)


@FORMS
def test_the_tensors_come_in_the_order_of_computation(form: Form) -> None:
    rows = _follow(STACK, form=form).rows
    assert [row.layer for row in rows] == ["x", "before", "first", "second", "head"]
    assert [row.operator for row in rows] == [
        "input",
        "FULLY_CONNECTED",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "FULLY_CONNECTED",
    ]
    tensors = [row.tensor for row in rows]
    quantised = form == "int8-float-io"
    assert tensors[0] == ("x/quantised" if quantised else "x")
    assert tensors[1:4] == ["before", "first:output", "second/last"]
    assert tensors[4] == ("end/real" if quantised else "end")  # where the run behind head ends


def test_an_output_without_a_layer_of_its_own_is_held_too() -> None:
    found = _follow(BOTH)
    assert [(row.layer, row.operator) for row in found.rows] == [
        ("x", "input"),
        ("head", "FULLY_CONNECTED"),
    ]
    alone = document(_two_ways(), x=SHAPE)
    found = _follow(alone)
    assert [(row.layer, row.operator) for row in found.rows] == [("x", "input"), ("both", "output")]


def test_an_input_is_exact_in_float_and_rounded_in_int8() -> None:
    assert _follow(ONE).rows[0].error == 0.0
    error = _follow(ONE, form="int8").rows[0].error
    assert 0 < error <= 0.5001 * 2 / 255


def test_tokens_are_no_row() -> None:
    tokens = {**ONE, "inputs": [{"name": "x", "shape": SHAPE, "dtype": "int32"}]}
    stimulus = {"x": np.ones((2, BATCH, *SHAPE), np.float32)}
    assert [row.layer for row in _follow(tokens, samples=stimulus).rows] == ["lstm"]


# Faults of the flatbuffer -----------------------------------------------------------------------

#: what is changed of `lstm`, step, gate, unit (None: whichever)
FAULTS: dict[str, tuple[Callable[[Weights], Weights], int, str, int | None]] = {
    "a bias is dropped": (
        _changed("lstm/2", lambda a: _put(a, "o", 0.0)),
        *(0, "output gate", None),
    ),
    "one bias": (_changed("lstm/2", _add(3, 0.01)), 0, "input gate", 3),
    "one weight of the forget gate": (
        _changed("lstm/0", _add((2, 4 + 1), 0.3)),
        *(0, "forget gate", 1),
    ),
    "one weight of the candidate": (_changed("lstm/0", _add((0, 8), 0.3)), 0, "candidate", 0),
    "one recurrent weight": (_changed("lstm/1", _add((1, 12 + 2), 0.3)), 1, "output gate", 2),
    "gates are swapped": (
        _changed("lstm/0", lambda a: swapped(a, "i", "f")),
        *(0, "input gate", None),
    ),
    "recurrent gates are swapped": (
        _changed("lstm/1", lambda a: swapped(a, "c", "o")),
        *(1, "candidate", None),
    ),
    "a recurrent kernel is transposed": (
        _changed("lstm/1", lambda a: _put(a, "f", a[gate(a, "f")].T)),
        *(1, "forget gate", None),
    ),
    "a scale is doubled": (
        _changed("lstm/0", lambda a: _put(a, "c", 2 * a[gate(a, "c")])),
        *(0, "candidate", None),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@NATIVE
def test_each_fault_is_found_at_its_step_gate_and_unit(fault: str, runtime: str) -> None:
    broken, step, name, unit = FAULTS[fault]
    found = _follow(ONE, broken, runtime=runtime)
    assert found.first is not None
    assert (found.first.layer, found.first.tensor) == ("lstm", "lstm:output")
    assert found.inside is not None
    first = found.inside.first
    assert (found.inside.layer, first.step, first.gate) == ("lstm", step, name)
    assert unit in (None, first.unit)
    assert first.error > first.budget
    assert first.error == pytest.approx(abs(first.actual - first.expected))
    assert f"it starts at step {step} in the {name} of unit {first.unit}" in found.text
    assert found.text.startswith("tensor 'lstm:output' of layer 'lstm' (UNIDIRECTIONAL_SEQUENCE")


@pytest.mark.parametrize("fault", ["a bias is dropped", "gates are swapped", "a scale is doubled"])
def test_a_large_fault_is_found_in_int8_too(fault: str) -> None:
    broken, step, name, _ = FAULTS[fault]
    found = _follow(ONE, broken, form="int8")
    assert found.inside is not None
    assert (found.inside.first.step, found.inside.first.gate) == (step, name)


def test_what_feeds_a_wrong_gate_is_within_and_what_it_feeds_is_not() -> None:
    found = _follow(ONE, FAULTS["one recurrent weight"][0])
    assert found.inside is not None
    wrong = [gate.gate for gate in found.inside.gates if gate.error > gate.budget]
    assert wrong == ["output gate", "hidden state"]
    assert [gate.gate for gate in found.inside.gates] == [
        *("input gate", "forget gate", "candidate", "output gate", "cell state", "hidden state")
    ]
    assert {gate.step for gate in found.inside.gates} == {1}


def test_how_the_error_grows_is_that_of_the_hidden_state() -> None:
    found = _follow(ONE, FAULTS["one recurrent weight"][0])
    assert found.inside is not None
    growth = found.document()["growth"]
    assert growth["tensor"] == "hidden state of layer lstm"
    assert growth["axis"] == "time step"
    assert growth["steps"] == [0, 1, 2, 3, 4]
    assert growth["error"][0] < growth["budget"][0] < 1e-5 < growth["error"][1]
    hidden = found.inside.gates[5]
    assert growth["error"][hidden.step] == hidden.error
    assert growth["budget"][hidden.step] == hidden.budget


def test_the_last_step_alone_is_found() -> None:
    """A recurrent weight that meets zero until the last step: an input that is zero before."""
    weights = weights_of(ONE)
    weights["lstm/2"][:] = 0
    stimulus = sampled(ONE)
    stimulus["x"][:, :, : STEPS - 2] = 0  # with no bias hidden stays zero until then
    broken = _changed("lstm/1", _add((1, 4 + 2), 0.3))
    found = _follow(ONE, broken, samples=stimulus, weights=weights)
    assert found.inside is not None
    first = found.inside.first
    assert (first.step, first.gate, first.unit) == (STEPS - 1, "forget gate", 2)
    within = [e <= b for e, b in zip(found.inside.errors, found.inside.budgets, strict=True)]
    assert within == [True] * (STEPS - 1) + [False]
    assert f"by at most {found.inside.errors[-1]:.3g} after step {STEPS - 1}" in found.text


# The right layer --------------------------------------------------------------------------------


@FORMS
@pytest.mark.parametrize(
    ("array", "layer", "inside"),
    [
        ("before/1", "before", ""),
        ("first/2", "first", "first"),
        ("second/2", "second", "second"),
        ("head/1", "head", ""),
    ],
)
def test_the_layer_that_is_wrong_is_the_first(
    array: str, layer: str, inside: str, form: Form
) -> None:
    # All candidates, biases or logits by 2: beyond int8 rounding, and no saturation at ranges
    # that the broken weights give.
    found = _follow(STACK, _changed(array, lambda a: a + 2.0), form=form)
    assert found.first is not None
    assert found.first.layer == layer
    assert (found.inside.layer if found.inside else "") == inside
    assert not any(row.leaves for row in found.rows[: found.rows.index(found.first)])
    if not inside:
        growth = found.document()["growth"]
        assert growth["steps"] == [0, 1, 2, 3, 4]
        assert growth["error"] == [row.error for row in found.rows]
        assert growth["budget"] == [row.budget for row in found.rows]
        assert "gates" not in found.document()


def test_the_positions_of_stacked_lstms_are_their_operators() -> None:
    for layer, position in (("first", 2), ("second", 3)):
        found = _follow(STACK, _changed(f"{layer}/0", lambda a: 2 * a))
        assert found.inside is not None
        assert (found.inside.layer, found.inside.position) == (layer, position)


@pytest.mark.parametrize("form", ["float32", "int8"])
@pytest.mark.parametrize(("k", "way", "step"), [(2, "forward", 0), (5, "backward", 0)])
def test_either_direction_of_a_bidirectional_is_found(
    k: int, way: str, step: int, form: Form
) -> None:
    found = _follow(BOTH, _changed(f"both/{k}", lambda a: a + 1.0), form=form)
    assert found.inside is not None
    assert found.inside.layer == f"both/{way}"
    assert (found.inside.first.step, found.inside.first.gate) == (step, "input gate")
    assert found.first is not None
    assert found.first.layer == "head"


def test_a_head_that_is_wrong_leaves_the_directions_alone() -> None:
    found = _follow(BOTH, _changed("head/1", lambda a: a + 1.0))
    assert found.inside is None
    assert found.first is not None
    assert found.first.layer == "head"


def test_what_reads_a_wrong_tensor_is_not_looked_into() -> None:
    """A Bidirectional has no tensor of its own; behind a wrong layer its values are no evidence."""
    of = document(
        node("before", "Dense", units=FEATURES),
        {**_two_ways(), "inputs": ["before"]},
        x=SHAPE,
    )
    found = _follow(of, _changed("before/1", lambda a: a + 1.0))
    assert found.first is not None
    assert found.first.layer == "before"
    assert found.inside is None


def test_an_input_that_is_wrong_leaves_the_directions_alone() -> None:
    """A calibration that was too narrow: the LSTMs do what they should with what they get."""
    alone = document(_two_ways(), x=SHAPE)
    narrow = {"x": 0.1 * sampled(alone)["x"]}
    found = _follow(alone, form="int8", calibrated=narrow)
    assert found.first is not None
    assert (found.first.layer, found.first.operator) == ("x", "input")
    assert found.inside is None


def test_an_lstm_that_gives_what_it_should_is_not_looked_into() -> None:
    """One step forgets nothing: the forget gate is wrong, and not the cause of a wrong head."""
    of = document(_lstm("lstm"), node("head", "Dense", "lstm", units=3), x=[1, FEATURES])
    forgetful = _changed("lstm/0", _add((2, 4 + 1), 0.3))
    both = _follow(of, lambda weights: _changed("head/1", _add(0, 1.0))(forgetful(weights)))
    assert both.first is not None
    assert (both.first.layer, both.inside) == ("head", None)
    alone = _follow(of, forgetful)
    assert alone.first is None
    assert alone.inside is not None
    assert alone.inside.first.gate == "forget gate"


def test_an_input_that_two_layers_share() -> None:
    of = document(_lstm("a"), _lstm("b"), node("sum", "Add", "a b"), x=SHAPE)
    assert _follow(of).first is None
    for layer, position in (("a", 0), ("b", 1)):
        found = _follow(of, _changed(f"{layer}/2", lambda a: a + 0.5))
        assert found.first is not None
        assert found.first.layer == layer
        assert found.inside is not None
        assert (found.inside.layer, found.inside.position) == (layer, position)
    assert [row.layer for row in found.rows] == ["x", "a", "b", "sum"]


@pytest.mark.parametrize("form", ["float32", "int8"])
def test_two_inputs_are_held_each_to_its_own_samples(form: Form) -> None:
    of = document(
        _lstm("a"), _lstm("b", "y"), node("sum", "Add", "a b"), x=SHAPE, y=[STEPS, FEATURES]
    )
    found = _follow(of, form=form)
    assert [row.layer for row in found.rows] == ["x", "y", "a", "b", "sum"]
    assert found.first is None
    samples = sampled(of)
    narrow = {**samples, "y": np.float32(0.1) * samples["y"]}
    found = _follow(of, form="int8", calibrated=narrow)
    assert found.first is not None
    assert (found.first.layer, found.first.tensor) == ("y", "y")


def test_a_wrong_activation_is_found_behind_its_layer() -> None:
    of = document(_lstm("lstm"), node("head", "Dense", "lstm", units=3, activation="tanh"), x=SHAPE)
    found = _follow(of, content=breaking.another_activation)
    assert found.first is not None
    assert (found.first.layer, found.first.tensor) == ("head", "head")
    assert found.inside is None


# Sizes and directions ---------------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 3])
def test_the_unit_is_found_in_any_row(batch: int) -> None:
    """The weight meets a feature that only the last row has."""
    stimulus = sampled(ONE, batch=batch)
    stimulus["x"][:, : batch - 1, :, 2] = 0
    found = _follow(ONE, _changed("lstm/0", _add((2, 12 + 1), 0.3)), samples=stimulus)
    assert found.inside is not None
    first = found.inside.first
    assert (first.step, first.gate, first.unit) == (0, "output gate", 1)


@pytest.mark.parametrize("exact", [True, False])
def test_time_major(exact: bool) -> None:
    of = document(_lstm("lstm", time_major=True), x=[BATCH, FEATURES])
    stimulus = sampled(of, batch=STEPS)
    assert _follow(of, samples=stimulus, exact=exact).first is None
    assert _follow(of, samples=stimulus, exact=exact).inside is None
    found = _follow(of, _changed("lstm/1", _add((1, 12 + 2), 0.3)), samples=stimulus, exact=exact)
    assert found.inside is not None
    assert len(found.inside.errors) == STEPS
    wanted = (1, "output gate", 2) if exact else (1, "hidden state", 2)
    first = found.inside.first
    assert (first.step, first.gate, first.unit) == wanted


def test_backwards_counts_steps_in_the_order_of_computation() -> None:
    of = document(_lstm("lstm", go_backwards=True), x=SHAPE)
    assert _follow(of).first is None
    stimulus = sampled(of)
    stimulus["x"][:, :, 1:, 2] = 0  # the changed weight counts at the input's first step alone
    found = _follow(of, _changed("lstm/0", _add((2, 8 + 3), 0.3)), samples=stimulus)
    assert found.inside is not None
    first = found.inside.first
    assert (first.step, first.gate, first.unit) == (STEPS - 1, "candidate", 3)


def test_one_step_has_no_growth_to_tell() -> None:
    of = document(_lstm("lstm"), x=[1, FEATURES])
    found = _follow(of, _changed("lstm/2", _add(0, 0.5)))
    assert found.inside is not None
    assert found.inside.errors == (found.inside.gates[5].error,)
    assert "after the first step" not in found.text


# Faults of a kernel -----------------------------------------------------------------------------


def _nan(value: Array) -> Array:
    value[1, 2, 3] = np.nan
    return value


KERNEL_FAULTS: dict[str, tuple[Callable[[Array], Array], int, int | None]] = {
    "a late step": (late, 0, None),
    "a value at the last step": (lambda y: _place(y, (0, STEPS - 1, 2), 0.2), STEPS - 1, 2),
    "not a number": (_nan, 2, 3),
    "a constant": (np.zeros_like, 0, None),
}


def _place(value: Array, where: tuple[int, ...], by: float) -> Array:
    value[where] += by
    return value


@pytest.mark.parametrize("fault", KERNEL_FAULTS)
def test_an_inexact_kernel_is_followed_by_its_outputs(fault: str) -> None:
    change, step, unit = KERNEL_FAULTS[fault]
    found = _follow(ONE, runtimes=Runtimes(at(0, change)), exact=False)
    assert found.first is not None
    assert found.first.layer == "lstm"
    assert found.inside is not None
    first = found.inside.first
    assert (first.step, first.gate) == (step, "hidden state")
    assert unit in (None, first.unit)
    assert [gate.gate for gate in found.inside.gates] == ["hidden state"]
    if fault == "not a number":
        assert np.isnan(first.error)
        assert np.isnan(found.first.error)
        assert found.first.budget_used == pytest.approx(np.nan, nan_ok=True)


def test_int8_outputs_are_read_in_the_outputs_own_scale() -> None:
    runtimes = Runtimes(at(0, lambda y: _place(y, (0, 3, 1), 0)))
    assert _follow(ONE, form="int8", runtimes=runtimes, exact=False).inside is None

    def off(value: Array) -> Array:
        value[0, 3, 1] = np.where(value[0, 3, 1] > 0, value[0, 3, 1] - 90, value[0, 3, 1] + 90)
        return value

    found = _follow(ONE, form="int8", runtimes=Runtimes(at(0, off)), exact=False)
    assert found.inside is not None
    first = found.inside.first
    assert (first.step, first.gate, first.unit) == (3, "hidden state", 1)
    content = converted(ONE, weights_of(ONE), sampled(ONE), "int8")
    scale = structure(content).outputs[0].scale[0]
    assert first.error == pytest.approx(90 * scale, abs=2 * scale)


def test_states_left_over_show_from_the_second_sample_on() -> None:
    """The worst sample comes first: a state that is not reset needs its sample before it."""
    count = 3
    stimulus = sampled(ONE, count=count)
    runtimes = Runtimes(carries=True)
    found = _follow(ONE, runtimes=runtimes, exact=False, samples=stimulus)
    assert found.first is not None
    assert found.first.layer == "lstm"
    assert found.inside is None  # the first that is run starts from rest
    assert "inside" not in found.text


def test_a_kernel_of_one_runtime_alone() -> None:
    change = at(2, lambda y: y + np.float32(0.01), runtime="tflm")
    assert _follow(STACK, runtimes=Runtimes(change), exact=False).first is None
    found = _follow(STACK, runtime="tflm", runtimes=Runtimes(change), exact=False)
    assert found.first is not None
    assert found.first.layer == "first"


def test_a_zero_point_that_is_off_by_one() -> None:
    """In the tensor behind the LSTM: every value of it is one step off."""

    def broken(content: bytes) -> bytes:
        model = unpack(content)
        (operator,) = model.subgraphs[0].operators
        tensor = model.subgraphs[0].tensors[int(operator.outputs[0])]
        tensor.quantization.zeroPoint = [int(tensor.quantization.zeroPoint[0]) + 12]
        return pack(model)

    found = _follow(ONE, form="int8", content=broken)
    assert found.first is not None
    assert found.first.layer == "lstm"


# What cannot be followed ------------------------------------------------------------------------


def test_tensors_that_cannot_be_read_are_said() -> None:
    found = _follow(STACK, runtimes=Runtimes(fails=("tflite",)))
    assert [row.layer for row in found.rows] == ["x"]
    assert found.first is None
    assert found.text == ("the tensors inside cannot be read on tflite: crashed in invoke: SIGSEGV")
    assert "growth" not in found.document()


def test_an_lstm_behind_the_input_is_known_without_reading_tensors() -> None:
    """Its input is the model's own, and its gates are the oracle's."""
    found = _follow(ONE, FAULTS["one bias"][0], runtimes=Runtimes(fails=("tflite",)))
    assert found.first is None
    assert found.inside is not None
    assert found.inside.first.unit == 3
    assert found.text.startswith("inside LSTM operator 0 (layer 'lstm') it starts at step 0")
    blind = _follow(ONE, FAULTS["one bias"][0], runtimes=Runtimes(fails=("tflite",)), exact=False)
    assert blind.inside is None


def test_a_tensor_of_another_size_is_left_out() -> None:
    found = _follow(ONE, runtimes=Runtimes(at(0, lambda y: y[:, :-1])))
    assert [row.layer for row in found.rows] == ["x"]


@pytest.mark.parametrize("form", ["float32", "int8"])
def test_an_output_of_another_length_has_no_steps_to_hold(form: Form) -> None:
    short = Runtimes(at(0, lambda y: y[:, :-1]))
    assert _follow(ONE, form=form, runtimes=short, exact=False).inside is None
    single = Runtimes(at(0, lambda y: y[:1]))
    assert _follow(ONE, form=form, runtimes=single, exact=False).inside is None


# Samples ----------------------------------------------------------------------------------------


def test_the_worst_sample_is_the_one_that_is_looked_into() -> None:
    stimulus = sampled(ONE, count=3)
    stimulus["x"][:2, :, :, 2] = 0  # the changed weight counts in the third sample alone
    broken = _changed("lstm/0", _add((2, 4 + 1), 0.3))
    found = _follow(ONE, broken, samples=stimulus, worst=2)
    assert found.inside is not None
    assert found.inside.first.unit == 1
    assert _follow(ONE, broken, samples=stimulus, worst=0).inside is None
    assert _follow(ONE, broken, samples=stimulus, worst=0).first is not None


@pytest.mark.parametrize(
    ("count", "worst", "chosen"),
    [
        (1, 0, [0]),
        (3, 1, [1, 0, 2]),
        (MOST_SAMPLES, MOST_SAMPLES - 1, [15, *range(15)]),
        (40, 20, [20, *range(15)]),
        (40, 3, [3, 0, 1, 2, *range(4, 16)]),
    ],
)
def test_the_worst_sample_and_the_first_others_are_followed(
    count: int, worst: int, chosen: list[int]
) -> None:
    of = document(node("head", "Dense", units=1), x=[1])
    stimulus = {"x": np.arange(count, dtype=np.float32).reshape(count, 1, 1)}
    runtimes = Runtimes()
    _follow(of, samples=stimulus, weights=_identity(), runtimes=runtimes, worst=worst)
    assert [list(x[:, 0, 0]) for (x,) in runtimes.given] == [chosen]


def _identity() -> Weights:
    return {"head/0": np.ones((1, 1), np.float32), "head/1": np.zeros(1, np.float32)}


# Rows -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "budget", "used", "leaves"),
    [
        (0.5, 1.0, 0.5, False),
        (1.0, 1.0, 1.0, False),
        (1.0000001, 1.0, 1.0000001, True),
        (0.0, 0.0, 0.0, False),
        (1e-30, 0.0, float("inf"), True),
        (float("nan"), 1.0, float("nan"), True),
        (float("nan"), 0.0, float("inf"), True),
        (float("inf"), 1.0, float("inf"), True),
    ],
)
def test_what_a_row_uses_of_its_budget(
    error: float, budget: float, used: float, leaves: bool
) -> None:
    row = Row(3, "t", "ADD", "layer", error, budget)
    assert row.budget_used == pytest.approx(used, nan_ok=True)
    assert row.leaves is leaves
    assert row.document() == {
        "tensor": "t",
        "operator": "ADD",
        "layer": "layer",
        "error": pytest.approx(error, nan_ok=True),
        "budget": budget,
        "budget_used": pytest.approx(used, nan_ok=True),
        "leaves": leaves,
    }


def test_a_divergence_tells_its_first_row_and_its_cause() -> None:
    good, bad = Row(0, "a", "ADD", "", 0.0, 1.0), Row(1, "b", "MUL", "", 2.0, 1.0)
    found = Divergence((good, bad, replace(bad, tensor="c")))
    assert found.first is bad
    assert found.text == "tensor 'b' (MUL) is the first beyond its budget: off by 2, budget 1"
    assert found.document("because")["cause"] == "because"
    assert "cause" not in found.document()
    assert found.document()["growth"]["error"] == [0.0, 2.0, 2.0]
    assert Divergence((good, bad)).document()["growth"]["steps"] == [0, 1]
    assert "growth" not in Divergence((bad,)).document()
    assert Divergence((), problem="blind").text == "blind"
    assert Divergence((bad,), problem="blind").text.startswith("tensor 'b'")


def test_a_fault_that_is_everywhere_is_measured_by_its_root_mean_square() -> None:
    """Just under the largest budget in every value: more than rounding can do everywhere."""
    (budget,) = budgets(ONE, weights_of(ONE), sampled(ONE), "float32")
    off = np.float32((budget.value + 2 * budget.rms) / 3)
    assert budget.rms < off < budget.value
    found = _follow(ONE, runtimes=Runtimes(at(0, lambda y: y + off)))
    assert found.first is not None
    assert found.first.budget == budget.rms
    assert found.first.error == pytest.approx(float(off), rel=0.1)
    once = iter([1e-3, 0.0, 0.0, 0.0])  # in one value of the first sample alone
    found = _follow(ONE, runtimes=Runtimes(at(0, lambda y: _place(y, (0, 0, 0), next(once)))))
    assert found.first is not None
    assert found.first.budget == budget.value


def test_fewer_outputs_are_asked_for_than_there_are_tensors() -> None:
    runtimes = Runtimes()
    _follow(STACK, runtimes=runtimes)
    assert runtimes.asked == [("tflite", 5)]  # before, first, its input, second and last, end
