"""Tell by which of the converter's and kernels' known defects an answer is wrong.

Read off the flatbuffer and Keras's own cell states; nothing here asks a rule of the harness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.assurance.world.truth import Expected
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.flatbuffer.schema import shared
from harness.flatbuffer.structure import Structure, quantised_inputs
from harness.flatbuffer.tensor_codec import affine_of, in_order
from reference.arithmetic.affine import dequantise
from reference.operators.sequence_lstm import CELL_STATE, OUTPUT_STATE

Array = NDArray[Any]

#: Below it TFLite's int8 kernel leaves tanh(cell) out (kernels/internal/reference: only 0..6
#: integer bits of the cell's scale 2^(n-15) are implemented).
SMALLEST_CELL_SCALE = 2.0**-15
#: TensorType of the schema.
_INT32 = 2
#: The share of an input's values that may lie a step beyond its range: a tail.
FEW_BEYOND = 0.002


@dataclass(frozen=True)
class Defect:
    """One defect. named: what a message has to say, as a regular expression. on: runtimes that
    it makes wrong, by the beginning of their names."""

    name: str
    title: str
    named: str
    on: tuple[str, ...] = ("tflite", "litert", "tflm")


SKIPPED_TANH = Defect(
    "skipped tanh",
    "cell-state scale below 2^-15: TFLite and LiteRT leave out tanh",
    r"cell-scale|tanh",
    ("tflite", "litert"),
)
CUT_BIAS = Defect(
    "bias cut off",
    "a bias beyond int32, input scale × weight scale being tiny",
    r"bias.*(cut off|int32)|bias-saturated",
)
CONTRADICTION = Defect(
    "contradicting scales",
    "output, hidden state and intermediate 4 have different scales",
    r"hidden-scale|hidden state.*scale|scale.*hidden",
)
CLIPPED = Defect(
    "clipped cell",
    "a cell state beyond the converter's cell_clip of 10",
    r"clip",
)
HYBRID_MICRO = Defect(
    "hybrid on TFLM",
    "TensorFlow Lite Micro's float kernel reads 8-bit weights",
    r"hybrid|dynamic|NaN|8-bit|int8 weights",
    ("tflm",),
)
LOOP_MICRO = Defect(
    "WHILE on TFLM",
    "TensorFlow Lite Micro loses what a WHILE loop collects",
    r"WHILE|loop",
    ("tflm",),
)
RELU_MICRO = Defect(
    "fused activation on TFLM",
    "a fused activation that the kernel ignores",
    r"activation",
    ("tflm",),
)
NARROW = Defect(
    "narrow calibration",
    "the samples go beyond what the conversion was calibrated with",
    r"calibrat|too-narrow|beyond",
)
DEFECTS = (CUT_BIAS, SKIPPED_TANH, CONTRADICTION, CLIPPED, NARROW, HYBRID_MICRO, LOOP_MICRO)
UNKNOWN = Defect("unexplained", "none of the known defects accounts for it", r".")


def defects_of(content: bytes, structure: Structure, keras: Expected) -> list[Defect]:
    """The defects that a file has, whether or not they show."""
    found = []
    model = shared(content)
    clip = 0.0
    if _cut_off(model):
        found.append(CUT_BIAS)
    for lstm in lstm_operators(content):
        graph = model.subgraphs[lstm.subgraph]
        operator = graph.operators[lstm.position]
        clip = max(clip, lstm.options.cell_clip)
        if lstm.kind == "hybrid":
            found.append(HYBRID_MICRO)
        if lstm.kind not in ("int8", "int16x8"):
            continue
        cell = _scale(graph.tensors[operator.inputs[CELL_STATE]])
        if cell is not None and cell < SMALLEST_CELL_SCALE:
            found.append(SKIPPED_TANH)
        hidden = [graph.tensors[operator.inputs[OUTPUT_STATE]], graph.tensors[operator.outputs[0]]]
        if operator.intermediates is not None and len(operator.intermediates) > 4:
            hidden.append(graph.tensors[operator.intermediates[4]])
        if len({_scale(tensor) for tensor in hidden}) > 1:
            found.append(CONTRADICTION)
    if clip and max(keras.cells.values(), default=0.0) > clip:
        found.append(CLIPPED)
    if "WHILE" in structure.operators:
        found.append(LOOP_MICRO)
    return list(dict.fromkeys(found))


def _cut_off(model: Any) -> bool:
    """Whether a constant of int32 that stands for real numbers is at the end of its type."""
    for tensor in model.subgraphs[0].tensors:
        content = model.buffers[tensor.buffer].data
        if tensor.type != _INT32 or content is None or not len(content) or not _scale(tensor):
            continue
        values = np.frombuffer(bytes(content), np.int32)
        if np.any((values == np.iinfo(np.int32).max) | (values == np.iinfo(np.int32).min)):
            return True
    return False


def of_runtime(defects: Sequence[Defect], runtime: str) -> list[Defect]:
    """The defects that a runtime suffers from."""
    return [defect for defect in defects if runtime.startswith(defect.on)]


def narrow(structure: Structure, inputs: Mapping[str, Array]) -> list[Defect]:
    """`NARROW` where more than a few of the samples [N, …] by input lie beyond what the integer
    inputs of the flatbuffer hold."""
    try:
        samples = in_order(structure, list(inputs), dict(inputs), by_shape=True)
    except ValueError:
        return []
    for tensor, values in zip(quantised_inputs(structure), samples, strict=True):
        affine = affine_of(tensor)
        if affine is None or values.dtype.kind != "f":
            continue
        ends = np.array([np.iinfo(affine.dtype).min, np.iinfo(affine.dtype).max], affine.dtype)
        low, high = dequantise(ends, affine)
        step = float(affine.scale)
        if np.mean((values < low - step) | (values > high + step)) > FEW_BEYOND:
            return [NARROW]
    return []


def cause(defects: list[Defect], runtime: str) -> Defect:
    """The defect that a wrong answer of a runtime comes from: the gravest that it has."""
    found = of_runtime([defect for defect in DEFECTS if defect in defects], runtime)
    return found[0] if found else UNKNOWN


def _scale(tensor: object) -> float | None:
    quantisation = getattr(tensor, "quantization", None)
    scale = None if quantisation is None else quantisation.scale
    return None if scale is None or not len(scale) else float(np.float32(scale[0]))
