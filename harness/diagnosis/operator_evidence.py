"""Read from single LSTM operators what a divergence may come from: scales, ranges, arithmetic."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fixtures.runtimes import Runtime
from harness.flatbuffer.operator_extraction import Part
from harness.flatbuffer.schema import constant_name
from harness.operators.exactness import merged, profile_of
from harness.weights.operator_graph import OperatorGraph
from reference.arithmetic.affine import Affine, dequantise, limits
from reference.attribution import Attribution
from reference.budgets.quantised_lstm import kernel_budget
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_preparation import tanh_is_skipped
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.profiles import TFLITE_2_15

#: Share of an operator's inner input at the ends of its integer type from which its range, not
#: its step, decides the error. Of n + 1 exchangeable values two are expected beyond the extremes
#: of the other n, a share of 2 / (n + 1): a range that was calibrated with some hundred values or
#: more, as every one is, loses less than 1 in 100.
SATURATED = 0.01
End = Literal["low", "high"]
ENDS: frozenset[End] = frozenset(("low", "high"))
#: Functions with a range of their own: values at these ends are what they should be.
_OWN_ENDS: dict[str, tuple[End, ...]] = {
    "RELU": ("low",),
    "RELU_N1_TO_1": ("low", "high"),
    "RELU6": ("low", "high"),
    "LOGISTIC": ("low", "high"),
    "SOFTMAX": ("low", "high"),
    "TANH": ("low", "high"),
    "HARD_SWISH": ("low",),
    "ELU": ("low",),
}
#: Operators that leave each value as it is; those that choose among the values beside them.
_KEEPING = {
    *("RESHAPE", "TRANSPOSE", "SQUEEZE", "EXPAND_DIMS", "STRIDED_SLICE", "SLICE", "REVERSE_V2"),
    *("MAX_POOL_2D", "CONCATENATION", "PAD", "GATHER", "SPLIT", "UNPACK"),
}


def scale_fault(part: Part) -> str:
    """What the converter got wrong in an integer LSTM's scales; empty when nothing.

    Output, output state (input 18) and effective hidden state (intermediate 4) are one quantity
    and must have one scale and zero point: TFLite writes it with the last and reads it with the
    second, TFLite Micro writes it with the second, and the graph reads it with the first.
    """
    model = part.found.parameters
    if not isinstance(model, IntegerLstm) or model.projection is not None:
        return ""
    named = {
        "output": (model.output_scale, model.output_zero_point),
        "output state": (model.output_state_scale, model.output_state_zero_point),
        "intermediate 4": (model.hidden_scale, model.hidden_zero_point),
    }
    if len(set(named.values())) == 1:
        return ""
    texts = (f"{name} {scale:.6g} (zero point {zero})" for name, (scale, zero) in named.items())
    return f"scales that must be equal differ: {', '.join(texts)}"


def wrong_by_its_scales(part: Part) -> str:
    """Why no answer of TFLite's can be right: its scales contradict each other, or their kernel
    leaves tanh out."""
    if fault := scale_fault(part):
        return fault
    model = part.found.parameters
    if isinstance(model, IntegerLstm) and tanh_is_skipped(model, TFLITE_2_15):
        return f"cell scale 2^{model.cell_scale_log2}: TFLite leaves out tanh under 2^-15"
    return ""


def without_tanh(part: Part, runtime: Runtime) -> str:
    """That a kernel leaves out tanh at this operator's cell scale; empty where it does not."""
    model = part.found.parameters
    if not isinstance(model, IntegerLstm) or not tanh_is_skipped(model, profile_of(runtime)):
        return ""
    return (
        f"LSTM operator {part.position}: the cell state's scale 2^{model.cell_scale_log2} is "
        "under 2^-15, where the kernel leaves out tanh and reads an old buffer"
    )


def saturated(part: Part, own_ends: Collection[End] = ()) -> str:
    """That an integer operator's input, from inside of the model, lies at the ends of its range;
    empty where it does not. own_ends: those at which values are rightly (see `own_ends_of`)."""
    model = part.found.parameters
    if not isinstance(model, IntegerLstm):
        return ""
    real = _real_inputs(part)
    low, high = limits(model.activation_dtype)
    ends = [end for end, name in ((low, "low"), (high, "high")) if name not in own_ends]
    share = float(np.isin(real, ends).mean()) if real.size else 0.0
    if share <= SATURATED:
        return ""
    return (
        f"{share:.0%} of the input of LSTM operator {part.position} is at the ends of its "
        "range: the calibration samples were narrower than these"
    )


def own_ends_of(graph: OperatorGraph, tensor: int) -> frozenset[End]:
    """The ends of an integer tensor's range that are its function's own: the zeros of a ReLU, 0
    and 1 of a sigmoid. Values at them say nothing of a calibration.

    Through what leaves values as they are; of a CONCATENATION the ends of any part.
    """
    makers = {int(k): p for p, operator in enumerate(graph.operators) for k in operator.outputs}
    found: set[End] = set()
    waiting, seen = [tensor], set()
    while waiting:
        index = waiting.pop()
        if index in seen or index not in makers:
            continue
        seen.add(index)
        operator, name = graph.operators[makers[index]], graph.names[makers[index]]
        code = getattr(operator.builtinOptions, "fusedActivationFunction", 0)
        fused = constant_name("ActivationFunctionType", code) if code else ""
        found |= set(_OWN_ENDS.get(fused or name, ()))
        if name in _KEEPING and not fused:
            inputs = [int(k) for k in operator.inputs if k >= 0]
            waiting += inputs if name == "CONCATENATION" else inputs[:1]
    return frozenset(found)


def _real_inputs(part: Part) -> NDArray[Any]:
    """The inputs that the operator had in its model, without those drawn beside them."""
    return part.inputs[: len(part.inputs) - part.drawn]


def inexact(part: Part, runtime: Runtime) -> str:
    """That an operator is further from the ideal quantised LSTM than the kernel's own arithmetic
    can be; empty where it is not."""
    model = part.found.parameters
    if not isinstance(model, IntegerLstm):
        return ""
    if part.initial or model.peephole is not None or model.projection is not None:
        return ""
    real = _real_inputs(part)
    excess = ideal_excess(model, merged(real, part.found.options.time_major), runtime)
    if not excess > 1:
        return ""
    return (
        f"LSTM operator {part.position}: {excess:.2f} times as far from the ideal quantised "
        "LSTM as its fixed-point arithmetic explains"
    )


def ideal_excess(model: IntegerLstm, x: Any, runtime: Runtime) -> float:
    """How far the runtime's integer LSTM lies from the ideal one, as a share of what fixed-point
    noise explains; the output is read in the output tensor's own scale."""
    run = lstm_integer(model, x, profile_of(runtime))
    ideal, budget = kernel_budget(model, x)
    affine = Affine(model.output_scale, model.output_zero_point, model.activation_dtype)
    difference = np.abs(dequantise(run.outputs, affine) - ideal.outputs)
    return float((difference / budget.outputs).max(initial=0.0))


def factors_text(position: int, attribution: Attribution) -> str:
    """One line: what accounts for the differences between TFLite and TFLite Micro."""
    named = [f"{name} {count}" for name, count in attribution.by_factor.items() if count]
    return (
        f"LSTM operator {position}: TFLite and TFLM differ in {attribution.different} of "
        f"{attribution.values} values ({', '.join(named) or 'none'}), "
        f"residual {attribution.residual}"
    )
