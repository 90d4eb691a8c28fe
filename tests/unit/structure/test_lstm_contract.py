"""A state that another operator takes for a constant is found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.flatbuffer.graph_builder import tensor_type
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.schema import pack, schema, unpack
from harness.structure.findings import Finding
from harness.structure.lstm_contract import CELL_STATE, HIDDEN_STATE, contract_findings
from reference.lstm.weights import LstmWeights
from tests.support.networks import lstm_weights
from tests.support.small_models import structure


def _with_dense(reads: str) -> list[Finding]:
    """What is said of an LSTM with a FULLY_CONNECTED behind it, whose weights are a tensor of zeros
    of its own, or one of the LSTM's states."""
    weights = [w.astype(np.float32) for w in lstm_weights(4, 3)]
    content = build(OperatorLstm(LstmWeights.from_keras(*weights), 5, 1)).content
    model = unpack(content)
    graph, types = model.subgraphs[0], schema()
    lstm = graph.operators[0]

    def tensor(name: str, shape: list[int], data: Any = None) -> int:
        made, buffer = types.TensorT(), types.BufferT()
        made.name, made.shape, made.type = name, shape, tensor_type("float32")
        if data is not None:
            buffer.data = np.frombuffer(np.asarray(data, np.float32).tobytes(), np.uint8)
        made.buffer = len(model.buffers)
        model.buffers.append(buffer)
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    own = tensor("zeros", [1, 4], np.zeros((1, 4)))
    kernel = {"own": own, "hidden": lstm.inputs[HIDDEN_STATE], "cell": lstm.inputs[CELL_STATE]}
    operator, code = types.OperatorT(), types.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = types.BuiltinOperator.FULLY_CONNECTED
    operator.opcodeIndex = len(model.operatorCodes)
    model.operatorCodes.append(code)
    operator.inputs, operator.outputs = [lstm.outputs[0], kernel[reads]], [tensor("y", [1, 5, 1])]
    graph.operators.append(operator)
    graph.outputs = list(operator.outputs)
    return contract_findings(structure(pack(model)))


@pytest.mark.parametrize("state", ["hidden", "cell"])
def test_a_weight_that_is_the_state_is_an_error(state: str) -> None:
    """The converter makes it of a Dense whose kernel is all zeros."""
    (found,) = _with_dense(state)
    assert (found.rule, found.level, found.operator) == ("state-shared", "error", 0)
    assert "is an input of FULLY_CONNECTED (operator 1), too" in found.message


def test_a_weight_of_zeros_of_its_own_is_none() -> None:
    assert _with_dense("own") == []
