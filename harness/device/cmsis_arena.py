"""Say how much larger a tensor arena must be where CMSIS-NN runs the integer LSTMs.

Measured on 16 shapes, emulated Cortex-M4 and M55, TFLM 90b983c2b with CMSIS-NN 4ab83cc3, within 16
bytes: its wrapper keeps eight arrays of effective biases and its parameters for as long as the
interpreter lives, and asks for three scratch buffers where the reference kernel asks for four.
"""

from __future__ import annotations

from harness.device.arena import ALIGNMENT
from harness.flatbuffer.lstm_reader import lstm_operators
from reference.lstm.integer_weights import IntegerLstm

#: Of one LSTM's parameters on a 32-bit board, aligned; 320 on a 64-bit host.
PARAMETER_BYTES = 224
_BIAS_BYTES = {"int8": 4, "int16": 8}
_BIASES, _CELL_BYTES = 8, 2


def cmsis_nn_extra(content: bytes) -> int | None:
    """Bytes of tensor arena beyond the reference kernel's, on a 32-bit board.

    None where there is no integer LSTM: float ones run in the reference kernel. Of several LSTMs
    the scratch memory that is saved is left out, since they take turns in it: the figure is then
    the most it can be. Raises ValueError when the bytes are no .tflite file.
    """
    kept, saved = [], []
    for found in lstm_operators(content):
        model = found.parameters
        if found.kind not in ("int8", "int16x8") or not isinstance(model, IntegerLstm):
            continue
        batch = found.input_shape[1 if model.time_major else 0]
        biases = _aligned(model.units * _BIAS_BYTES[model.activation_dtype])
        kept.append(_BIASES * biases + PARAMETER_BYTES)
        saved.append(_aligned(_CELL_BYTES * batch * model.units))
    if not kept:
        return None
    return sum(kept) - (saved[0] if len(saved) == 1 else 0)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
