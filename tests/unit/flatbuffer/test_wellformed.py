"""The structure check refuses what no reader and no interpreter survives, and no healthy file."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.conversion.trust import refuse_reaching_out
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.structure import Structure
from harness.flatbuffer.wellformed import damage
from harness.workers.remote import inspect
from tests.support.reference_models import float_weights, integer_model

FLOAT = build(OperatorLstm(float_weights(0), timesteps=4)).content
CIFG = build(OperatorLstm(float_weights(0, cifg=True), timesteps=4)).content
INT8 = build(OperatorLstm(integer_model(0), timesteps=4)).content


def describe(content: bytes) -> dict[str, Any]:
    """As an inspecting worker does, of files that are healthy."""
    return inspect.inspect({}, {}, {"tflite": np.frombuffer(content, np.uint8)})[0]


@pytest.mark.parametrize("content", [FLOAT, CIFG, INT8], ids=["float", "cifg", "int8"])
def test_a_healthy_file_is_not_damaged(content: bytes) -> None:
    assert damage(describe(content), len(content)) == ""


def _main(document: dict[str, Any]) -> dict[str, Any]:
    graph: dict[str, Any] = document["subgraphs"][0]
    return graph


def _operator(document: dict[str, Any]) -> dict[str, Any]:
    operator: dict[str, Any] = _main(document)["operators"][0]
    return operator


def _tensor(document: dict[str, Any], number: int) -> dict[str, Any]:
    tensor: dict[str, Any] = _main(document)["tensors"][_operator(document)["inputs"][number]]
    return tensor


def _as_while(document: dict[str, Any], graph: int) -> None:
    _operator(document).update(name="WHILE")
    _operator(document)["options"] = {"condSubgraphIndex": 0, "bodySubgraphIndex": graph}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(subgraphs=[]), "no subgraph"),
        (lambda d: _main(d).update(inputs=[999]), "inputs [999] of"),
        (lambda d: _main(d).update(outputs=[-1]), "outputs [-1] of"),
        (lambda d: _operator(d)["inputs"].append(999), "names a tensor beyond"),
        (lambda d: _operator(d).update(outputs=[-2]), "names a tensor beyond"),
        (lambda d: _operator(d).update(intermediates=[999]), "names a tensor beyond"),
        (lambda d: _operator(d).update(outputs=[-1]), "no tensor for an output"),
        (lambda d: _operator(d).update(outputs=[]), "no input 0 or no output"),
        (lambda d: _operator(d).update(inputs=[0, 1]), "has 2 inputs, expected 20"),
        (lambda d: _operator(d)["inputs"].__setitem__(0, -1), "no input 0"),
        (lambda d: _operator(d)["inputs"].__setitem__(18, -1), "no tensor for input 18"),
        (lambda d: _operator(d).update(options={}), "no option fusedActivationFunction"),
        (lambda d: _operator(d)["options"].pop("cellClip"), "no option cellClip"),
        (lambda d: _as_while(d, 1), "names graph 1 of 1"),
        (lambda d: _as_while(d, -1), "names graph -1 of 1"),
        (lambda d: _tensor(d, 0).update(shape=[1, 3], signature=[1, 3]), "expected 3 axes"),
        (lambda d: _tensor(d, 2).update(shape=[], signature=[]), "expected 2 axes"),
        (lambda d: _tensor(d, 2).update(shape=[-5, 3]), "the shape [-5, 3]"),
        (lambda d: _tensor(d, 2).update(signature=[5]), "2 axes and 1 in its signature"),
        (lambda d: _tensor(d, 2).update(scale=[0.1, 0.2]), "2 scales and"),
        (lambda d: _tensor(d, 2).update(name="x" * 100_000), "its vectors overlap"),
        (
            lambda d: d.update(
                signatures=[{"subgraph": 0, "inputs": [["x", 9]], "outputs": [], "key": ""}]
            ),
            "the signature's inputs",
        ),
    ],
)
def test_damage_is_named(change: Callable[[dict[str, Any]], None], message: str) -> None:
    document = copy.deepcopy(describe(FLOAT))
    change(document)
    assert message in damage(document, len(FLOAT))


def test_an_operation_that_touches_files_is_refused() -> None:
    refuse_reaching_out(["FlexTensorListReserve", "WriteFile", "FULLY_CONNECTED"])
    with pytest.raises(ValueError, match=r"WriteFile.*--trusted"):
        refuse_reaching_out(["FULLY_CONNECTED", "FlexWriteFile"])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: None, ""),
        (lambda d: _main(d).update(inputs=[]), "the model has 0 inputs and 1 outputs"),
        (lambda d: _tensor(d, 0).update(dtype="string"), "is of type string, which is no number"),
        (lambda d: _tensor(d, 0).update(dtype="complex64"), "is of type complex64"),
    ],
)
def test_a_model_of_no_numbers_is_sound_and_cannot_be_compared(
    change: Callable[[dict[str, Any]], None], why: str
) -> None:
    document = copy.deepcopy(describe(FLOAT))
    change(document)
    assert damage(document, len(FLOAT)) == ""
    assert why in Structure(document).uncomparable
    assert bool(why) == bool(Structure(document).uncomparable)
