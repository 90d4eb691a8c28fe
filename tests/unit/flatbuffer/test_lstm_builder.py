"""One-operator LSTM models hold the very parameters they are built from."""

from dataclasses import replace

import numpy as np
import pytest

from harness.flatbuffer.graph_builder import GraphBuilder, elementwise_model
from harness.flatbuffer.int16_rewriter import to_int16x8
from harness.flatbuffer.lstm_builder import OperatorLstm, activation_code, build
from harness.flatbuffer.lstm_reader import isolate, lstm_operators
from harness.flatbuffer.schema import pack, schema, unpack
from reference.budgets.quantised_lstm import dequantised_weights
from reference.lstm.float64 import LstmOptions, LstmState, lstm
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_weights import GateScales, IntegerLstm
from reference.lstm.profiles import TFLITE_2_15, TFLM
from reference.lstm.weights import Gates, LstmWeights
from tests.support.reference_models import float_weights, integer_input, integer_model


@pytest.mark.parametrize("cifg", [False, True])
@pytest.mark.parametrize("outputs", [None, 5])
def test_a_float_model_reads_back_as_it_was_described(cifg: bool, outputs: int | None) -> None:
    weights = float_weights(0, cifg=cifg, peephole=True, outputs=outputs, layer_norm=True)
    options = LstmOptions(cell_clip=0.5, projection_clip=0.25, activation="relu6", time_major=True)
    model = build(OperatorLstm(weights, timesteps=4, batch=2, options=options))
    (found,) = lstm_operators(model.content)
    assert found.kind == "float"
    assert found.options == options
    assert found.input_shape == (4, 2, 3)
    assert isinstance(found.parameters, LstmWeights)
    x = np.random.default_rng(0).normal(size=(4, 2, 3))
    again = lstm(found.parameters, x, found.options)
    assert (again.outputs == lstm(weights, x, options).outputs).all()
    tensors = unpack(model.content).subgraphs[0].tensors
    names = [tensors[i].name for i in (found.input, found.output, found.cell_state)]
    assert names == [b"input", b"output", b"cell_state"]
    assert (model.hidden_state, model.cell_state) == (found.hidden_state, found.cell_state)
    assert tensors[found.hidden_state].isVariable


def test_an_integer_model_reads_back_as_it_was_described() -> None:
    model = integer_model(1, hidden_scale=0.009, hidden_zero_point=7, cell_clip=3.0)
    (found,) = lstm_operators(build(OperatorLstm(model, timesteps=9, batch=4)).content)
    assert found.kind == "int8"
    assert isinstance(found.parameters, IntegerLstm)
    x = integer_input(1, model)
    for profile in (TFLITE_2_15, TFLM):
        again = lstm_integer(found.parameters, x, profile)
        assert (again.outputs == lstm_integer(model, x, profile).outputs).all()
    assert found.parameters.hidden_zero_point == 7
    packed = unpack(build(OperatorLstm(model)).content)
    graph = packed.subgraphs[0]
    assert packed.operatorCodes[0].version == 3
    bias = graph.tensors[graph.operators[0].inputs[13]]
    assert bias.quantization.scale[0] == pytest.approx(0.02 * 0.009, rel=1e-6)


def test_an_integer_model_with_every_option_reads_back() -> None:
    scales = GateScales(None, 1e-5, None, 2e-5)
    changes = {
        name: getattr(integer_model(2), name)._replace(i=None)
        for name in (
            "input_kernel",
            "recurrent_kernel",
            "bias",
            "input_kernel_scale",
            "recurrent_kernel_scale",
        )
    }
    model = integer_model(
        2,
        **changes,
        peephole=Gates(None, np.full(6, 900, np.int16), None, np.full(6, -800, np.int16)),
        peephole_scale=scales,
        projection=np.eye(6, dtype=np.int8),
        projection_scale=0.9,
        projection_bias=np.arange(6, dtype=np.int32),
        projection_clip=0.5,
    )
    (found,) = lstm_operators(build(OperatorLstm(model, timesteps=9, batch=4)).content)
    x = integer_input(2, model)
    assert isinstance(found.parameters, IntegerLstm)
    again = lstm_integer(found.parameters, x, TFLITE_2_15)
    assert (again.outputs == lstm_integer(model, x, TFLITE_2_15).outputs).all()
    assert len(np.unique(again.outputs)) > 20


def test_hybrid_kernels_are_int8_and_read_back_dequantised() -> None:
    weights = float_weights(3)
    (found,) = lstm_operators(build(OperatorLstm(weights, hybrid=True)).content)
    assert found.kind == "hybrid"
    assert isinstance(found.parameters, LstmWeights)
    error = np.abs(found.parameters.input_kernel.f - weights.input_kernel.f).max()
    step = np.abs(weights.input_kernel.f).max() / 127
    assert 0 < error <= step / 2 * 1.001


def test_the_older_form_has_20_inputs_and_states_keep_their_buffers() -> None:
    state = LstmState(np.full((1, 5), 0.25), np.full((1, 5), -0.5))
    model = build(OperatorLstm(float_weights(4), input_count=20, initial=state))
    graph = unpack(model.content).subgraphs[0]
    assert len(graph.operators[0].inputs) == 20
    buffers = unpack(model.content).buffers
    raw = bytes(bytearray(buffers[graph.tensors[model.cell_state].buffer].data))
    assert np.frombuffer(raw, np.float32).tolist() == [-0.5] * 5


def test_impossible_descriptions_are_refused() -> None:
    with pytest.raises(ValueError, match="24 inputs"):
        OperatorLstm(float_weights(5, layer_norm=True), input_count=20)
    with pytest.raises(ValueError, match="hybrid"):
        OperatorLstm(integer_model(5), hybrid=True)
    with pytest.raises(ValueError, match="backward"):
        OperatorLstm(float_weights(5), options=LstmOptions(go_backwards=True))
    with pytest.raises(ValueError, match="one step"):
        OperatorLstm(float_weights(5), operator="LSTM", timesteps=2)
    with pytest.raises(ValueError, match="sigmoid"):
        activation_code("sigmoid")
    with pytest.raises(ValueError, match="TFL3"):
        lstm_operators(b"\0" * 64)


def test_weights_that_are_not_constant_are_a_problem_not_a_crash() -> None:
    content = build(OperatorLstm(float_weights(6))).content
    model = unpack(content)
    graph = model.subgraphs[0]
    model.buffers[graph.tensors[graph.operators[0].inputs[3]].buffer].data = None
    (found,) = lstm_operators(pack(model))
    assert found.parameters is None
    assert "input 3" in found.problem


def test_isolating_keeps_the_operator_and_drops_the_rest() -> None:
    model = integer_model(7)
    content = build(OperatorLstm(model, timesteps=9, batch=4)).content
    whole = unpack(content)
    extra = schema().TensorT()
    extra.name, extra.shape, extra.type = "unrelated", [1], 0
    whole.subgraphs[0].tensors.append(extra)
    alone = isolate(pack(whole), lstm_operators(content)[0])
    (found,) = lstm_operators(alone)
    names = [tensor.name for tensor in unpack(alone).subgraphs[0].tensors]
    assert b"unrelated" not in names
    assert list(unpack(alone).subgraphs[0].operators[0].inputs[9:12]) == [-1] * 3
    x = integer_input(7, model)
    assert isinstance(found.parameters, IntegerLstm)
    again = lstm_integer(found.parameters, x, TFLM)
    assert (again.outputs == lstm_integer(model, x, TFLM).outputs).all()


def test_int16x8_computes_the_same_function_more_finely() -> None:
    model = integer_model(8)
    content = to_int16x8(build(OperatorLstm(model, timesteps=9, batch=4)).content)
    (found,) = lstm_operators(content)
    wide = found.parameters
    assert found.kind == "int16x8"
    assert isinstance(wide, IntegerLstm)
    assert (wide.input_zero_point, wide.output_state_zero_point, wide.hidden_zero_point) == (
        0,
        0,
        0,
    )
    assert wide.input_scale == pytest.approx(133 * model.input_scale / 32767)
    x = integer_input(8, model)
    real = (x.astype(float) - model.input_zero_point) * model.input_scale
    narrow = lstm_integer(model, x, TFLM).outputs
    fine = lstm_integer(wide, np.rint(real / wide.input_scale).astype(np.int16), TFLM).outputs
    exact = lstm(dequantised_weights(model), real).outputs
    errors = [
        np.abs(outputs.astype(float) * scale - zero - exact).mean()
        for outputs, scale, zero in (
            (narrow, model.output_state_scale, -3 * model.output_state_scale),
            (fine, wide.output_state_scale, 0.0),
        )
    ]
    assert errors[1] < errors[0] / 4


def test_int16x8_gives_equal_biases_buffers_of_their_own() -> None:
    bias = np.full(6, 500, np.int32)
    model = replace(integer_model(9), bias=Gates(bias, bias, bias, bias))
    content = build(OperatorLstm(model)).content
    shared = unpack(content)
    graph = shared.subgraphs[0]
    tensors = [graph.tensors[index] for index in graph.operators[0].inputs[12:16]]
    for tensor in tensors[1:]:
        tensor.buffer = tensors[0].buffer
    wide = unpack(to_int16x8(pack(shared)))
    graph = wide.subgraphs[0]
    buffers = {graph.tensors[index].buffer for index in graph.operators[0].inputs[12:16]}
    assert len(buffers) == 4


def test_int16x8_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="no int8"):
        to_int16x8(build(OperatorLstm(float_weights(10))).content)
    graph = GraphBuilder()
    x, y = (graph.tensor(name, [1, 4], "int8", 0.1) for name in "xy")
    graph.operator("CUMSUM", [x], [y])
    with pytest.raises(ValueError, match="CUMSUM"):
        to_int16x8(graph.pack([x], [y]))


def test_an_elementwise_model_has_no_lstm() -> None:
    assert lstm_operators(elementwise_model("TANH", 8, "int16", 0.1, 2.0**-15)) == ()


def test_int16x8_rescales_the_bias_of_a_dense_layer_behind_the_lstm() -> None:
    graph = GraphBuilder()
    dense = [
        graph.tensor("kernel", [2, 6], "int8", 0.5, data=np.ones((2, 6))),
        graph.tensor("bias", [2], "int32", 0.5 * 0.0078, data=np.array([1000, -2000])),
        graph.tensor("y", [1, 2], "int8", 0.1, 10),
    ]
    model = unpack(build(OperatorLstm(integer_model(11))).content)
    main, first_buffer = model.subgraphs[0], len(model.buffers)
    first_tensor = len(main.tensors)
    for tensor in graph.tensors:
        tensor.buffer += first_buffer
    model.buffers += graph.buffers
    x = int(main.outputs[0])
    kernel, bias, y = (first_tensor + index for index in dense)
    graph.operator("FULLY_CONNECTED", [x, kernel, bias], [y])
    graph.operators[0].opcodeIndex = 1
    model.operatorCodes += graph.codes
    main.tensors += graph.tensors
    main.operators += graph.operators
    main.outputs = [y]
    wide = unpack(to_int16x8(pack(model)))
    main = wide.subgraphs[0]
    found = main.tensors[main.operators[1].inputs[2]]
    scale = (127 + 3) * 0.0078 / 32767
    values = np.frombuffer(bytes(bytearray(wide.buffers[found.buffer].data)), np.int64)
    assert found.quantization.scale[0] == pytest.approx(0.5 * scale, rel=1e-6)
    assert np.abs(values - np.array([1000, -2000]) * 0.0078 / scale).max() < 1
    output = main.tensors[main.outputs[0]]
    assert output.quantization.zeroPoint[0] == 0
    assert output.quantization.scale[0] == pytest.approx(138 * 0.1 / 32767, rel=1e-6)
    kernel_tensor = main.tensors[main.operators[1].inputs[1]]
    assert kernel_tensor.quantization.scale[0] == 0.5
