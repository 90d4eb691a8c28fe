"""Compute the fused sequence LSTM with the oracle of its arithmetic: integer, float or hybrid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reference.budgets.float_lstm import Budget, float_budget
from reference.budgets.hybrid_lstm import hybrid_budget
from reference.lstm.float32_micro import lstm_float32
from reference.lstm.float64 import LstmOptions, LstmRun, LstmState, lstm
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_preparation import tanh_is_skipped
from reference.lstm.integer_weights import GateScales, IntegerLstm
from reference.lstm.profiles import PROFILES
from reference.lstm.weights import Gates, LstmWeights
from reference.operators.description import Tensor
from reference.operators.kernel import Answer, Call, Kernel, NoOracle
from reference.operators.profiles import OperatorProfile

Array = NDArray[Any]
Arithmetic = Literal["float", "hybrid", "int8", "int16x8"]

#: Input numbers of UNIDIRECTIONAL_SEQUENCE_LSTM (tensorflow/lite/kernels/lstm_shared.h, 2.15.1).
INPUT_KERNELS, RECURRENT_KERNELS = (1, 2, 3, 4), (5, 6, 7, 8)
PEEPHOLES, BIASES = (9, 10, 11), (12, 13, 14, 15)
PROJECTION, PROJECTION_BIAS = 16, 17
OUTPUT_STATE, CELL_STATE = 18, 19
LAYER_NORM = (20, 21, 22, 23)
#: Of the intermediate tensors, the hidden state before projection.
HIDDEN = 4
ACTIVATION_NAMES = {"NONE": "none", "RELU": "relu", "RELU6": "relu6", "TANH": "tanh"}

#: Found by the fuzz: without CIFG the buffer that the skipped tanh leaves holds the input gate.
NO_INPUT_GATE = "TFLite skips tanh(cell) and, under CIFG, reads memory that nothing has written"
CHAOTIC = "the model amplifies rounding errors up to its own outputs: float32 decides nothing"
NO_HYBRID = "TFLite Micro has no hybrid LSTM (int8 kernels, float activations)"


def arithmetic(call: Call) -> Arithmetic:
    """By the types of the input and of a kernel that is always there."""
    activation, kernel = call.tensor(0).dtype, call.tensor(2).dtype
    if activation == "float32":
        return "float" if kernel == "float32" else "hybrid"
    return "int8" if activation == "int8" else "int16x8"


def options_of(call: Call) -> LstmOptions:
    given = call.options
    return LstmOptions(
        cell_clip=float(given.get("cell_clip", 0.0)),
        projection_clip=float(given.get("proj_clip", 0.0)),
        activation=activation_of(call),  # type: ignore[arg-type]
        time_major=bool(given.get("time_major", False)),
    )


def activation_of(call: Call) -> str:
    name = str(call.options.get("fused_activation_function", "TANH"))
    return ACTIVATION_NAMES.get(name, name)


def float_weights(call: Call) -> LstmWeights:
    """Weights in real units, int8 kernels times their scales in float32. Raises ValueError."""
    return LstmWeights(
        _gates(call, INPUT_KERNELS, real=True),
        _gates(call, RECURRENT_KERNELS, real=True),
        _gates(call, BIASES),
        _gates(call, PEEPHOLES, real=True) if _there(call, PEEPHOLES[1]) else None,
        _real(call, PROJECTION) if _there(call, PROJECTION) else None,
        _constant(call, PROJECTION_BIAS),
        _gates(call, LAYER_NORM) if _there(call, LAYER_NORM[1]) else None,
    )


def integer_parameters(call: Call) -> IntegerLstm:
    """What the integer kernels read. Raises ValueError."""
    if _there(call, LAYER_NORM[1]):
        raise ValueError("integer layer normalisation has no oracle")
    x, y, state = call.tensor(0), call.outputs[0], call.tensor(OUTPUT_STATE)
    options, peephole = options_of(call), _there(call, PEEPHOLES[1])
    hidden = call.intermediates[HIDDEN] if len(call.intermediates) > HIDDEN else state
    return IntegerLstm(
        input_kernel=_gates(call, INPUT_KERNELS),
        recurrent_kernel=_gates(call, RECURRENT_KERNELS),
        bias=_gates(call, BIASES),
        input_scale=x.step,
        input_zero_point=x.zero,
        input_kernel_scale=_scales(call, INPUT_KERNELS),
        recurrent_kernel_scale=_scales(call, RECURRENT_KERNELS),
        output_state_scale=state.step,
        output_state_zero_point=state.zero,
        hidden_scale=hidden.step,
        hidden_zero_point=hidden.zero,
        cell_scale=call.tensor(CELL_STATE).step,
        cell_clip=options.cell_clip,
        time_major=options.time_major,
        activation_dtype="int8" if x.dtype == "int8" else "int16",
        peephole=_gates(call, PEEPHOLES) if peephole else None,
        peephole_scale=_scales(call, PEEPHOLES) if peephole else None,
        projection=_constant(call, PROJECTION),
        projection_scale=call.tensor(PROJECTION).step if _there(call, PROJECTION) else 1.0,
        projection_bias=_constant(call, PROJECTION_BIAS),
        projection_clip=options.projection_clip,
        output_scale=y.step,
        output_zero_point=y.zero,
        activation=activation_of(call),
    )


def sequence_lstm(call: Call, profile: OperatorProfile) -> Answer:
    """The whole sequence from the state of its variables, at rest where they have no value."""
    kind = arithmetic(call)
    try:
        if kind in ("int8", "int16x8"):
            return _integer(call, profile)
        if profile.float_lstm == "in order":
            return _in_order(call, kind)
        return _within_rounding(call, kind)
    except ValueError as error:
        raise NoOracle(f"UNIDIRECTIONAL_SEQUENCE_LSTM: {error}") from None


def _integer(call: Call, profile: OperatorProfile) -> Answer:
    parameters, arithmetic = integer_parameters(call), PROFILES[profile.lstm]
    if parameters.cifg and tanh_is_skipped(parameters, arithmetic):
        raise ValueError(NO_INPUT_GATE)
    return _exact(lstm_integer(parameters, call.value(0), arithmetic, _initial(call)))


def _in_order(call: Call, kind: Arithmetic) -> Answer:
    if kind == "hybrid":
        raise ValueError(NO_HYBRID)
    options = options_of(call)
    return _exact(lstm_float32(float_weights(call), call.value(0), options, _initial(call)))


def _within_rounding(call: Call, kind: Arithmetic) -> Answer:
    weights, options, x, initial = float_weights(call), options_of(call), call.value(0), None
    initial = _initial(call)
    budget: Budget
    if kind == "hybrid":
        asymmetric = bool(call.options.get("asymmetric_quantize_inputs", False))
        run, budget = hybrid_budget(weights, x, options, initial, asymmetric)
    else:
        run = lstm(weights, x, options, initial)
        budget = float_budget(weights, x, options, initial)
    if not budget.decides(run.outputs):
        raise ValueError(CHAOTIC)
    states = {OUTPUT_STATE: run.state.hidden, CELL_STATE: run.state.cell}
    return Answer((run.outputs,), (budget.outputs,), states)


def _exact(run: LstmRun) -> Answer:
    states = {OUTPUT_STATE: run.state.hidden, CELL_STATE: run.state.cell}
    return Answer((run.outputs,), (None,), states)


def _initial(call: Call) -> LstmState | None:
    hidden, cell = (_optional(call.values, k) for k in (OUTPUT_STATE, CELL_STATE))
    return None if hidden is None or cell is None else LstmState(hidden, cell)


def _optional(found: Sequence[Any], position: int) -> Any:
    return found[position] if position < len(found) else None


def _there(call: Call, position: int) -> bool:
    return _optional(call.inputs, position) is not None


def _constant(call: Call, position: int) -> Array | None:
    tensor: Tensor | None = _optional(call.inputs, position)
    if tensor is None:
        return None
    if tensor.data is None:
        raise ValueError(f"input {position} of the LSTM is not constant")
    return tensor.data


def _real(call: Call, position: int) -> Array | None:
    values = _constant(call, position)
    if values is None or values.dtype == np.float32:
        return values
    return np.float32(call.tensor(position).step) * values.astype(np.float32)


def _gates(call: Call, positions: Sequence[int], real: bool = False) -> Gates:
    values = [_real(call, k) if real else _constant(call, k) for k in positions]
    if len(values) == 3:
        values.insert(2, None)
    return Gates(*values)  # type: ignore[arg-type]


def _scales(call: Call, positions: Sequence[int]) -> GateScales:
    scales = [call.tensor(k).step if _there(call, k) else None for k in positions]
    if len(scales) == 3:
        scales.insert(2, None)
    return GateScales(*scales)  # type: ignore[arg-type]


KERNELS: dict[str, Kernel] = {"UNIDIRECTIONAL_SEQUENCE_LSTM": sequence_lstm}
