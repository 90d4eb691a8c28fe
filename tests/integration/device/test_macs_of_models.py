"""Multiply-accumulates of converted models: three forms of one LSTM, and the digits model."""

from __future__ import annotations

from typing import Any

import numpy as np

from fixtures.recipes import RECIPES
from fixtures.subjects import Subject
from fixtures.variants import VARIANTS, Input, Node, Variant
from harness.device.macs import count_macs
from harness.flatbuffer.schema import pack, unpack
from harness.flatbuffer.structure import Structure
from harness.pipeline.cases import Case
from harness.session.session import Session


def _converted(session: Session, variant: Variant) -> tuple[Structure, bytes]:
    subject = Subject(variant.name, "catalogue", variant=variant)
    case = Case("test_resources", subject, RECIPES["float32"])
    session.prefetch([case])
    conversion = session.artifacts(case).conversion
    assert conversion.structure is not None, conversion.result
    assert conversion.data is not None
    return conversion.structure, conversion.data.tobytes()


def _variant(name: str, steps: int = 6, **config: Any) -> Variant:
    layer = {"units": 5, "return_sequences": True, **config}
    node = Node("lstm_1", "LSTM", layer, ("x",))
    return Variant(name, name, (Input("x", (steps, 3)),), (node,), ("lstm_1",), fusion="fused")


def test_fused_loop_and_unrolled_have_the_same_work(session: Session) -> None:
    """Three forms of one LSTM through three formulas: an operator, a body times its trips, and
    the steps written out, of which the first has no recurrent product."""
    expected = 6 * 4 * 5 * (3 + 5)
    for form, config, missing in (
        ("fused", {}, 0),
        ("while", {"use_bias": False}, 0),
        ("unrolled", {"unroll": True}, 4 * 5 * 5),
    ):
        structure, content = _converted(session, _variant(f"macs-{form}", **config))
        assert structure.fusion == form
        found = count_macs(structure, content)
        assert found.total == expected - missing, form


def test_a_loop_whose_end_is_not_known_leaves_no_sum(session: Session) -> None:
    """The bound of the loop becomes a variable: then nobody can tell how often it runs."""
    structure, content = _converted(session, _variant("macs-loop", use_bias=False))
    assert count_macs(structure, content).total == 6 * 4 * 5 * 8
    model = unpack(content)
    (loop,) = [
        operator
        for operator in model.subgraphs[0].operators
        if hasattr(operator.builtinOptions, "condSubgraphIndex")
    ]
    cond = model.subgraphs[loop.builtinOptions.condSubgraphIndex]
    bound = cond.tensors[cond.operators[0].inputs[1]]
    model.buffers[bound.buffer].data = np.array([9], "<i4").view(np.uint8)
    assert count_macs(structure, pack(model)).total == 9 * 4 * 5 * 8
    bound.buffer = 0
    found = count_macs(structure, pack(model))
    assert found.total is None
    assert "number of steps" in found.problem


def test_the_digits_model(session: Session) -> None:
    """28 steps of 4 gates of 20 units on 28 + 20 values, then 560 values to 10 classes."""
    found = count_macs(*_converted(session, VARIANTS["digits"]))
    assert found.total == 28 * 4 * 20 * (28 + 20) + 560 * 10
