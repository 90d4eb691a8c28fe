"""Hold the repair of scales to what it may change, and to nothing else."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from harness.assurance.certificate.editing import Editable, edited, set_quantisation
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.flatbuffer.scale_repair import (
    HIDDEN_INTERMEDIATE,
    cell_scale,
    consistent,
    quantisation_of,
    repaired,
    steps_apart,
)
from harness.flatbuffer.schema import builtin_name, pack, unpack
from harness.repair.scale_proof import other_changes
from reference.operators.sequence_lstm import CELL_STATE, OUTPUT_STATE
from tests.support.networks import document, node
from tests.support.reference_models import integer_model
from tests.support.small_models import converted, sampled, weights_of

BIDIRECTIONAL = document(
    node(
        "bi",
        "Bidirectional",
        merge_mode="concat",
        layer={"class": "LSTM", "config": {"units": 4, "return_sequences": True}},
    ),
    x=[5, 3],
)
SEQUENCES = document(node("a", "LSTM", units=4, return_sequences=True), x=[5, 3])


def int8(of: dict[str, Any]) -> bytes:
    return converted(of, weights_of(of), sampled(of), "int8")


def both_ways() -> bytes:
    """A Bidirectional whose halves write with the scale that their CONCATENATION is read with, as
    the kernels of int8 demand."""
    model = unpack(int8(BIDIRECTIONAL))
    graph = model.subgraphs[0]
    result = graph.tensors[graph.outputs[0]].quantization
    for operator in graph.operators:
        written = [int(k) for k in operator.outputs]
        if builtin_name(model, operator) == "UNIDIRECTIONAL_SEQUENCE_LSTM":
            written += [operator.inputs[OUTPUT_STATE], operator.intermediates[HIDDEN_INTERMEDIATE]]
        elif operator.inputs[0] in graph.inputs:
            written = []
        for index in written:
            graph.tensors[index].quantization = result
    return pack(model)


def operators(content: bytes) -> list[str]:
    model = unpack(content)
    return [builtin_name(model, o) for o in model.subgraphs[0].operators]


def of_first(content: bytes) -> dict[str, Any]:
    """Scale and zero point of what the first LSTM writes, keeps and remembers."""
    model = unpack(content)
    graph = model.subgraphs[0]
    found = lstm_operators(content)[0]
    lstm = Editable(model, graph, graph.operators[found.position])
    return {
        "output": quantisation_of(lstm.output),
        "hidden": quantisation_of(lstm.tensor(OUTPUT_STATE)),
        "inner": quantisation_of(lstm.intermediate(HIDDEN_INTERMEDIATE)),
        "cell": quantisation_of(lstm.tensor(CELL_STATE)),
    }


@pytest.mark.parametrize("content", [int8(SEQUENCES), both_ways()], ids=["one", "both"])
def test_a_healthy_file_comes_back_byte_for_byte(content: bytes) -> None:
    again, changes = repaired(content)
    assert again == content
    assert changes == ()


def test_a_float_file_comes_back_byte_for_byte() -> None:
    content = converted(SEQUENCES, weights_of(SEQUENCES), sampled(SEQUENCES), "float32")
    assert repaired(content) == (content, ())


def test_a_cell_scale_that_tflite_has_no_tanh_for_is_raised_and_nothing_else() -> None:
    def small(lstm: Editable) -> None:
        set_quantisation(lstm.tensor(CELL_STATE), scale=2.0**-17)

    content = edited(int8(SEQUENCES), small)
    again, (change,) = repaired(content)
    assert of_first(again)["cell"] == (2.0**-15, 0)
    assert of_first(again) | {"cell": None} == of_first(content) | {"cell": None}
    assert "cell state (scale 2^-17, zero point 0) → (scale 2^-15, zero point 0)" in str(change)
    assert other_changes(content, again, [change]) == []
    assert repaired(again) == (again, ())


def test_a_cell_gets_the_room_that_it_is_known_to_need() -> None:
    content = edited(
        int8(SEQUENCES), lambda lstm: set_quantisation(lstm.tensor(CELL_STATE), scale=2.0**-17)
    )
    again, _ = repaired(content, cells={(0, 0): 3.0})
    assert of_first(again)["cell"] == (2.0**-13, 0)


@pytest.mark.parametrize(
    ("scale", "clip", "reached", "wanted"),
    [
        (2.0**-15, 0.0, 0.0, -15),
        (2.0**-12, 10.0, 0.0, -12),
        (2.0**-16, 0.0, 0.0, -15),
        (2.0**-20, 10.0, 0.9, -15),
        (2.0**-16, 0.0, 1.5, -14),
        (2.0**-15, 1.0, 5.0, -14),  # 1.0 is one step more than 2^-15 holds
        (2.0**-15, 0.5, 5.0, -15),  # the clip ends it before
        (2.0**-13, 0.0, 1.0, -13),  # coarser than needed is no fault
        (2.0**-7, 10.0, 0.0, -9),
        (2.0**-7, 0.0, 0.0, -7),  # without a clip nothing says what the cell may lose
        (3.0e-5, 0.0, 0.0, -15),  # no power of two
    ],
)
def test_the_cell_scale(scale: float, clip: float, reached: float, wanted: int) -> None:
    assert cell_scale(scale, clip, reached) == 2.0**wanted


@pytest.mark.parametrize("which", ["hidden", "inner", "both"])
def test_three_scales_of_the_hidden_state_become_the_output_s(which: str) -> None:
    def change(lstm: Editable) -> None:
        if which in ("hidden", "both"):
            set_quantisation(lstm.tensor(OUTPUT_STATE), 0.7, shift=3)
        if which in ("inner", "both"):
            set_quantisation(lstm.intermediate(HIDDEN_INTERMEDIATE), 0.8, shift=-2)

    content = edited(int8(SEQUENCES), change)
    again, changes = repaired(content)
    found = of_first(again)
    assert found["output"] == found["hidden"] == found["inner"] == of_first(content)["output"]
    assert len(changes) == (2 if which == "both" else 1)
    assert other_changes(content, again, changes) == []
    assert repaired(again) == (again, ())


def test_the_hidden_state_can_keep_its_own_scale_with_a_quantize_behind() -> None:
    content = edited(
        int8(SEQUENCES),
        lambda lstm: set_quantisation(lstm.intermediate(HIDDEN_INTERMEDIATE), 0.5, shift=4),
    )
    again, changes = repaired(content, own={(0, 0)})
    found, before = of_first(again), of_first(content)
    assert found["output"] == found["hidden"] == found["inner"] == before["inner"]
    assert operators(again) == ["UNIDIRECTIONAL_SEQUENCE_LSTM", "QUANTIZE"]
    model = unpack(again)
    (output,) = model.subgraphs[0].outputs
    assert quantisation_of(model.subgraphs[0].tensors[output]) == before["output"]
    assert other_changes(content, again, changes) == []
    assert repaired(again) == (again, ())


def test_an_lstm_writes_with_the_scale_that_those_who_hand_it_on_are_read_with() -> None:
    content = both_ways()
    model = unpack(content)
    graph = model.subgraphs[0]
    names = [builtin_name(model, o) for o in graph.operators]
    last = max(k for k, name in enumerate(names) if name == "REVERSE_V2")
    reverse = graph.operators[last]
    lstm_output = int(reverse.inputs[0])
    lstm = next(o for o in graph.operators if lstm_output in o.outputs)
    own = [lstm_output, lstm.inputs[OUTPUT_STATE], lstm.intermediates[HIDDEN_INTERMEDIATE]]
    for index in own:
        set_quantisation(graph.tensors[index], 0.8, shift=5)
    broken = pack(model)
    again, changes = repaired(broken)
    assert operators(again) == operators(content)
    assert {change.role for change in changes} == {"output", "hidden state", "intermediate 4"}
    fixed = unpack(again).subgraphs[0]
    assert len({quantisation_of(fixed.tensors[index]) for index in own}) == 1
    wanted = quantisation_of(fixed.tensors[reverse.outputs[0]])
    assert quantisation_of(fixed.tensors[lstm_output]) == wanted
    assert other_changes(broken, again, changes) == []
    assert repaired(again) == (again, ())


def test_numbers_that_others_read_too_are_requantised() -> None:
    content = both_ways()
    model = unpack(content)
    graph = model.subgraphs[0]
    reverse = next(o for o in graph.operators if builtin_name(model, o) == "REVERSE_V2")
    result = graph.tensors[reverse.outputs[0]]  # the input, reversed
    set_quantisation(result, 1.5)
    broken = pack(model)
    again, changes = repaired(broken)
    assert operators(again).count("QUANTIZE") == operators(broken).count("QUANTIZE") + 1
    assert [change.inserted for change in changes] == [True]
    assert other_changes(broken, again, changes) == []
    assert repaired(again) == (again, ())


def test_steps_apart_are_those_at_the_far_end() -> None:
    assert steps_apart("int8", (0.5, 0), (0.5, 0)) == 0.0
    assert steps_apart("int8", (0.5, 1), (0.5, 0)) == 1.0
    assert steps_apart("int8", (1.0, 0), (0.5, 0)) == 128.0


def test_consistent_is_what_the_file_becomes() -> None:
    model = integer_model(3, cell_scale=2.0**-17, hidden_scale=0.004, output_state_scale=0.005)
    object.__setattr__(model, "output_scale", 0.006)
    found = consistent(model, reached=1.5)
    assert (found.hidden_scale, found.output_state_scale, found.output_scale) == (0.006,) * 3
    assert found.cell_scale == 2.0**-14
    assert model.cell_scale == 2.0**-17
    assert found.input_kernel is model.input_kernel


# What the proof must see ------------------------------------------------------------------------


def _kernel(lstm: Editable) -> None:
    lstm.write(2, lstm.values(2) + 1)


def _input(lstm: Editable) -> None:
    set_quantisation(lstm.tensor(0), 2.0)


def _order(lstm: Editable) -> None:
    inputs = list(lstm.operator.inputs)
    inputs[1], inputs[2] = inputs[2], inputs[1]
    lstm.operator.inputs = inputs


def _clip(lstm: Editable) -> None:
    lstm.operator.builtinOptions = copy.copy(lstm.operator.builtinOptions)
    lstm.operator.builtinOptions.cellClip = 1.0


@pytest.mark.parametrize("fault", [_kernel, _input, _order, _clip])
def test_a_repair_that_changes_anything_else_is_seen(fault: Any) -> None:
    content = edited(
        int8(SEQUENCES), lambda lstm: set_quantisation(lstm.tensor(CELL_STATE), scale=2.0**-17)
    )
    again, changes = repaired(content)
    assert other_changes(content, edited(again, fault), changes) != []


def test_an_output_that_goes_elsewhere_is_seen() -> None:
    content = int8(BIDIRECTIONAL)
    model = unpack(content)
    graph = model.subgraphs[0]
    graph.outputs = [int(graph.operators[0].outputs[0])]
    assert other_changes(content, pack(model), ()) == ["inputs or outputs are others"]
