"""Bidirectional and BASIC LSTM models have the inputs, options and states they are built with."""

from dataclasses import replace

import numpy as np
import pytest

from harness.flatbuffer.bidirectional_builder import (
    OperatorBidirectional,
    build_basic,
    build_bidirectional,
)
from harness.flatbuffer.schema import unpack
from reference.lstm.float64 import LstmOptions
from tests.support.reference_models import float_weights


def constant(model: object, tensor: object) -> np.ndarray:  # type: ignore[type-arg]
    raw = model.buffers[tensor.buffer].data  # type: ignore[attr-defined]
    values = np.frombuffer(bytes(bytearray(raw)), np.float32)
    return values.reshape(tensor.shape)  # type: ignore[attr-defined]


@pytest.mark.parametrize("merge", [False, True])
def test_bidirectional_inputs_stand_where_the_kernel_reads_them(merge: bool) -> None:
    ahead, back = float_weights(0), float_weights(1, units=4, peephole=True)
    options = LstmOptions(cell_clip=2.0, time_major=True)
    built = build_bidirectional(OperatorBidirectional(ahead, back, 7, 2, options, merge))
    model = unpack(built.content)
    graph = model.subgraphs[0]
    operator = graph.operators[0]
    assert len(operator.inputs) == 48
    assert list(operator.inputs[39:]) == [-1] * 9
    at = [graph.tensors[index] if index >= 0 else None for index in operator.inputs]
    assert (constant(model, at[4]) == ahead.input_kernel.o).all()
    assert (constant(model, at[20]) == back.input_kernel.c).all()
    assert (constant(model, at[22]) == back.recurrent_kernel.i).all()
    assert at[9] is None
    assert back.peephole is not None
    assert (constant(model, at[28]) == back.peephole.o).all()
    assert [tensor is not None and tensor.isVariable for tensor in at[35:39]] == [True] * 4
    shapes = [list(graph.tensors[index].shape) for index in built.outputs]
    assert shapes == ([[7, 2, 9]] if merge else [[7, 2, 5], [7, 2, 4]])
    assert operator.builtinOptions.mergeOutputs == merge
    assert operator.builtinOptions.timeMajor
    assert operator.builtinOptions.cellClip == 2.0


def test_basic_form_stacks_its_gates_as_i_c_f_o() -> None:
    weights = float_weights(2)
    built = build_basic(weights, batch=3)
    model = unpack(built.content)
    tensors = {tensor.name: tensor for tensor in model.subgraphs[0].tensors}
    kernel = constant(model, tensors[b"kernel"])
    assert (kernel[5:10, :3] == weights.input_kernel.c).all()
    assert (kernel[10:15, 3:] == weights.recurrent_kernel.f).all()
    assert (constant(model, tensors[b"bias"])[15:] == weights.bias.o).all()
    assert model.subgraphs[0].operators[0].builtinOptions.kernelType == 1


def test_impossible_models_are_refused() -> None:
    with pytest.raises(ValueError, match="layer"):
        OperatorBidirectional(float_weights(3), float_weights(3, layer_norm=True))
    with pytest.raises(ValueError, match="same input"):
        OperatorBidirectional(float_weights(3), float_weights(3, features=2))
    for variant in (float_weights(3, cifg=True), float_weights(3, peephole=True)):
        with pytest.raises(ValueError, match="plain"):
            build_basic(replace(variant))
