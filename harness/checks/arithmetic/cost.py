"""Say what the rounding of each tensor of a quantised model costs, and which layer costs most.

Where the Keras model is known, what its weights lost on the way into the file is a part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.checks.arithmetic.held import INTEGERS
from harness.comparison import budgets
from harness.flatbuffer.graph_description import describe
from harness.flatbuffer.structure import Structure, quantization_of
from harness.flatbuffer.tensor_codec import affine_of, in_order
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case
from harness.session.session import Session
from harness.weights.layer_alignment import align
from reference.arithmetic.affine import dequantise
from reference.network import UnsupportedLayer
from reference.operators.cost import Costs, costs
from reference.operators.kernel import NoOracle

Array = NDArray[Any]

#: Samples that the costs are measured on, and tensors above which that takes too long.
SAMPLES, MOST_TENSORS = 16, 200
#: Tensors that a sentence names.
_NAMED = 3


class Kept:
    """What was measured of a conversion, for all its runtimes."""

    def __init__(self, session: Session) -> None:
        self.found: dict[Any, dict[str, Any] | None] = {}

    def close(self) -> None:
        self.found.clear()


def quantisation_cost(case: Case, session: Session) -> dict[str, Any] | None:
    """The entry `quantisation_cost` of a case; None for a model that is not quantised throughout,
    or has an operator without a float oracle."""
    known = session.keep(Kept).found
    key = (case.subject, case.recipe)
    if key not in known:
        with session.account.time("arithmetic"):
            known[key] = _measured(case, session.artifacts(case))
    return known[key]


def _measured(case: Case, artifacts: CaseArtifacts) -> dict[str, Any] | None:
    conversion = artifacts.conversion
    structure, data = conversion.structure, conversion.data
    if structure is None or data is None or not artifacts.stimulus:
        return None
    quantization, given = quantization_of(structure), case.subject.kind == "tflite"
    if quantization not in INTEGERS or len(structure.operators) > MOST_TENSORS:
        return None
    try:
        content = data.tobytes()
        found = costs(describe(content), _real_inputs(structure, artifacts, given))
        weights = _of_weights(structure, artifacts, found)
    except NoOracle:
        return None  # a graph that runs others, or an operator without a float oracle
    except Exception:  # what only explains a verdict must not take it away
        if case.subject.registered:
            raise
        return None
    if not np.isfinite(found.together) or not found.tensors:
        return None
    return document(quantization, found, weights, _layers(content, case, artifacts))


def document(
    quantization: str, found: Costs, weights: float | None, layers: dict[int, str]
) -> dict[str, Any]:
    """Costs as the report has them. weights: mean square of what the rounding of the constants
    moves the outputs by, in units of theirs; None where the original is not known."""
    whole = found.together + (weights or 0.0)
    # Shares of what the tensors cost together, which is not quite the sum of what each costs.
    part = found.together / whole if whole > 0 else 0.0
    rows = [
        {
            "tensor": cost.tensor,
            "operator": cost.operator,
            "layer": layers.get(cost.index, ""),
            "share": cost.share * part,
            "saturated": cost.saturated,
        }
        for cost in found.tensors
    ]
    return {
        "quantization": quantization,
        "error": float(np.sqrt(whole)),
        "weights": None if weights is None else (weights / whole if whole > 0 else 0.0),
        "tensors": rows,
        "text": _text(quantization, float(np.sqrt(whole)), rows, weights, whole),
    }


def _text(
    quantization: str,
    error: float,
    rows: Sequence[dict[str, Any]],
    weights: float | None,
    whole: float,
) -> str:
    parts = [f"{row['share']:.0%} {_name(row)}" for row in rows[:_NAMED] if row["share"] >= 0.005]
    if weights is not None and whole > 0:
        parts.append(f"{weights / whole:.0%} the constants")
    told = f"{quantization} moves the answers by {error:.2%} of their size (root mean square)"
    return f"{told}: of its square {', '.join(parts)}" if parts else told


def _name(row: dict[str, Any]) -> str:
    if row["operator"] == "input":
        return f"input {row['tensor']!r}"
    if row["layer"]:
        return f"layer {row['layer']!r} ({row['operator']})"
    name = str(row["tensor"]).partition(";")[0]
    return f"{row['operator']} {name!r}"


def _real_inputs(structure: Structure, artifacts: CaseArtifacts, given: bool) -> list[Array]:
    """The first samples in the order of the file's inputs, as real numbers."""
    arrays = in_order(structure, list(artifacts.stimulus), artifacts.stimulus, given)
    found = []
    for array, tensor in zip(arrays, structure.inputs, strict=True):
        affine = affine_of(tensor)
        few = array[:SAMPLES]
        if affine is not None and few.dtype == tensor.dtype:
            few = dequantise(few, affine)
        found.append(np.asarray(few, np.float64))
    return found


def _of_weights(structure: Structure, artifacts: CaseArtifacts, found: Costs) -> float | None:
    """How far the float interpretation of the file is from the original, squared, in units of its
    outputs; None where the original is not known."""
    expected = artifacts.expected
    if expected is None or expected.missing or artifacts.keras is None:
        return None
    order = structure.output_positions(artifacts.conversion.output_names)
    total = []
    for position, want in zip(order, expected.outputs, strict=True):
        got, want = found.outputs[position], np.asarray(want[:SAMPLES], np.float64)
        size = max(float(np.square(got).mean()), float(np.finfo(float).tiny))
        total.append(float(np.square(got.reshape(want.shape) - want).mean()) / size)
    return float(np.mean(total))


def _layers(content: bytes, case: Case, artifacts: CaseArtifacts) -> dict[int, str]:
    """The layer of each tensor that ends one, where the Keras model is known."""
    built = artifacts.built
    if built is None or not built.result.agreed:
        return {}
    try:
        document = budgets.description(case.subject, built.config)
        graph, aligned = align(content, document, built.weights)
    except (UnsupportedLayer, ValueError):
        return {}
    return {int(k): one.layer for one in aligned for k in graph.operators[one.position].outputs}
