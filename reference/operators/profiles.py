"""Describe as data how each runtime's operators compute: two runtimes differ in named factors.

Every field is a factor of the attribution, with the source of each of its values.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, Literal

#: How a 32-bit accumulator is rescaled (reference/operators/rescaling.py).
Rescaling = Literal["double", "double_up", "single", "float32", "neon"]


@dataclass(frozen=True)
class OperatorProfile:
    """One runtime's operators.

    lstm: the name of its integer LSTM's profile (reference/lstm/profiles.py).
    rounding: of 32-bit rescaling: twice (the default of all builds) or once.
    float_lstm: whether the float LSTM sums in the order of the columns, one processor as the
        other, or in an order of the processor's.
    delegate: which XNNPACK takes operators over (reference/operators/delegation.py): none, that of
        TensorFlow 2.15.1 or that of LiteRT 2.3.0. It rescales in float32, ties to even.
    scale_product: the precision of input scale x weight scale of a FULLY_CONNECTED per tensor.
    matrix_rescaling: how the built-in kernels of FULLY_CONNECTED and CONV_2D rescale
        (reference/operators/rescaling.py); "double_up" is ruy's on x86-64.
    batch_rescaling: the same of BATCH_MATMUL.
    depthwise_rescaling: the same of DEPTHWISE_CONV_2D.
    int16_without_bias: the accumulator of an int16 FULLY_CONNECTED without a bias; with one it has
        64 bits. "as_written": what the option quantized_bias_type says, 32 bits unless it is INT64
        (kernels/fully_connected.cc of 2026; that of 2.15.1 asks for the bias alone).
    int16_rescaling: of such a 64-bit accumulator: by a mantissa of 15 bits, or in float64, ties
        away from zero (kernels/internal/reference/integer_ops/fully_connected.h of 2026).
    product_scale: the precision of the multiplier of MUL.
    delegated_product: how the delegate rescales MUL of int8: in float32, or with NEON's integers.
    int16_powers: whether ADD and SUB of int16 only shift where all scales are powers of two and
        the option pot_scale_int16 holds.
    hybrid: how float32 rows meet int8 weights in FULLY_CONNECTED: quantised as the options say, in
        the asymmetric way always (XNNPACK of 2026), or not at all.
    turned_batches: which matrices of a batch BATCH_MATMUL turns under adj_x when it broadcasts.
    int32_activation: what ADD does with a fused activation of int32: TFLite Micro ignores it.
    image_mean: how the built-in MEAN of int8 computes over rows and columns that it keeps: by one
        multiplier, with the zero points' share in whole steps, or as over any other axes.
    sum_rescaling: how the built-in SUM rescales: in float32, ties away from zero, or by a
        multiplier, twice rounded.
    sum_int16: SUM of int16 rescaled, or a sum of codes that wraps (TFLite takes only one scale).
    sum_codes: how SUM reads and writes int8 codes: as they are, or as uint8 (TFLite's reference
        kernel, whose sums of negative codes are wrong).
    square_root: of float32: rounded correctly, or estimated (XNNPACK of 2026 on x86-64).
    same_padding: what the delegate adds under SAME when the last window ends before the image
        does: nothing, or, by an unsigned subtraction that wraps, so much that windows see nothing.
    """

    name: str
    lstm: str
    rounding: Literal["double", "single"] = "double"
    float_lstm: Literal["in order", "any order"] = "any order"
    delegate: Literal["none", "xnnpack_2023", "xnnpack_2026"] = "none"
    scale_product: Literal["float32", "float64"] = "float32"
    matrix_rescaling: Rescaling = "double_up"
    batch_rescaling: Rescaling = "double_up"
    depthwise_rescaling: Rescaling = "double"
    int16_without_bias: Literal["int32", "int64", "as_written"] = "int32"
    int16_rescaling: Literal["mantissa15", "float64"] = "mantissa15"
    product_scale: Literal["float32", "float64"] = "float32"
    delegated_product: Literal["float32", "neon"] = "float32"
    int16_powers: Literal["shifted", "general"] = "shifted"
    hybrid: Literal["as_written", "asymmetric", "refused"] = "as_written"
    turned_batches: Literal["first", "all"] = "first"
    int32_activation: Literal["applied", "ignored"] = "applied"
    image_mean: Literal["one_multiplier", "as_any"] = "one_multiplier"
    sum_rescaling: Literal["float32", "multiplier"] = "float32"
    sum_int16: Literal["rescaled", "wraps"] = "wraps"
    sum_codes: Literal["signed", "unsigned"] = "signed"
    square_root: Literal["rounded", "estimated"] = "rounded"
    same_padding: Literal["saturates", "wraps"] = "saturates"

    # Rescaling, activations and softmax: requantise.py, activations.py, softmax.py --------------
    #: From float32 to int8 (uint8) and to int16: a division, ties away from zero; a product with
    #: the reciprocal, ties to even; or that in whole blocks of 8, and the rest divided in float64.
    quantize_int8: Literal["division", "reciprocal", "blocks"] = "blocks"
    quantize_int16: Literal["division", "blocks"] = "blocks"
    #: int8 to int8: gemmlowp's multiplier; that in whole blocks of 16 with ties up; or XNNPACK's
    #: 8.8 factor where it takes the scales, and blocks elsewhere.
    requantize_int8: Literal["multiplier", "blocks", "xnnpack"] = "blocks"
    #: (q - zero point) * scale, or q * scale - zero point * scale in whole blocks of 8.
    dequantize: Literal["product", "blocks"] = "blocks"
    #: The precision of an activation's quotient of scales before it becomes a multiplier.
    activation_quotient: Literal["float32", "float64"] = "float32"
    #: RELU6 of integers: between two scales, or a clamp that leaves scales aside.
    relu6: Literal["rescaled", "clamped"] = "rescaled"
    #: LEAKY_RELU of int8: gemmlowp's multipliers, or XNNPACK's 8.8 factors where it takes them.
    leaky_relu_int8: Literal["multiplier", "xnnpack"] = "multiplier"
    #: ELU of int8: a table rounded away from zero; XNNPACK's of 2023, rounded to even before the
    #: zero point is added; or XNNPACK's of 2026, after it.
    elu_int8: Literal["table", "xnnpack_2023", "xnnpack_2026"] = "table"
    #: LOGISTIC and TANH of int8: the same tables, or gemmlowp's 32-bit fixed point. The sigmoid's
    #: function is 1 / (1 + exp(-x)) in float32, 1 - 1 / (1 + exp(x)), or float64.
    sigmoid_int8: Literal["table", "xnnpack_2023", "xnnpack_2026", "gemmlowp"] = "table"
    #: LOGISTIC and TANH of int16 at scales of a power of two: gemmlowp's, or the table of sigmoid.
    sigmoid_int16: Literal["gemmlowp", "table"] = "gemmlowp"
    #: SOFTMAX of int8: a float32 table of exp; one of 16 bits (builds for ARM64); or gemmlowp's
    #: 32-bit fixed point.
    softmax_int8: Literal["table", "table16", "gemmlowp"] = "table"
    #: The precision that the two tables of SOFTMAX of int16 are filled in.
    softmax_int16: Literal["float32", "float64"] = "float64"
    #: LOGISTIC of float32: exp(x) under -9, or 1 / (1 + exp(-x)) throughout.
    sigmoid_float: Literal["exponential_tail", "whole"] = "whole"
    #: EXP of float32: by a reduced argument, or 2 to the power of a float32 product.
    exp_float: Literal["reduced", "product"] = "reduced"
    #: LOG of float32: within a relative error, or (XNNPACK of 2026) with 2 u of its own around 1,
    #: and minus infinity for denormal numbers.
    log_float: Literal["relative", "absolute"] = "relative"
    #: HARD_SWISH of float32: x (x + 3) / 6, or x (x / 6 + 1/2).
    hard_swish_float: Literal["product", "gate"] = "product"
    #: What TANH and RELU6 of float32 make of NaN.
    tanh_of_nan: Literal["kept", "one"] = "kept"
    relu6_of_nan: Literal["kept", "zero"] = "zero"
    #: Comparisons of int16: by their codes, or nothing that is known.
    compare_int16: Literal["codes", "unknown"] = "codes"
    #: LOG_SOFTMAX of int8: a float32 table of exp, or gemmlowp's 32-bit fixed point.
    log_softmax_int8: Literal["table", "gemmlowp"] = "table"


TFLITE_BUILTIN = OperatorProfile("TFLite 2.15.1, built-in kernels", "TFLite 2.15.1")
TFLITE_REFERENCE = replace(
    TFLITE_BUILTIN,
    name="TFLite 2.15.1, reference kernels",
    quantize_int8="division",
    quantize_int16="division",
    requantize_int8="multiplier",
    dequantize="product",
    sigmoid_int16="table",
    softmax_int8="gemmlowp",
    sigmoid_float="exponential_tail",
    log_softmax_int8="gemmlowp",
    matrix_rescaling="double",
    batch_rescaling="double",
    int16_without_bias="int64",
    image_mean="as_any",
    sum_rescaling="multiplier",
    sum_codes="unsigned",
)
TFLITE_DEFAULT = replace(
    TFLITE_BUILTIN,
    name="TFLite 2.15.1 with XNNPACK",
    quantize_int8="reciprocal",
    requantize_int8="xnnpack",
    dequantize="product",
    leaky_relu_int8="xnnpack",
    elu_int8="xnnpack_2023",
    sigmoid_int8="xnnpack_2023",
    delegate="xnnpack_2023",
    same_padding="wraps",
    hard_swish_float="gate",
    tanh_of_nan="one",
    relu6_of_nan="kept",
)
LITERT = replace(
    TFLITE_DEFAULT,
    name="LiteRT 2.3.0",
    lstm="LiteRT 2.3.0",
    elu_int8="xnnpack_2026",
    sigmoid_int8="xnnpack_2026",
    delegate="xnnpack_2026",
    square_root="estimated",
    int16_without_bias="as_written",
    int16_rescaling="float64",
    sum_int16="rescaled",
    turned_batches="all",
    hybrid="asymmetric",
    batch_rescaling="double",
    same_padding="saturates",
    exp_float="product",
    log_float="absolute",
    tanh_of_nan="kept",
)
#: Measured on an emulated Cortex-A72: of the operators described here these three differ from
#: x86-64, SOFTMAX of int8 alone among those of activations and movement.
LITERT_ARM64 = replace(
    LITERT,
    name="LiteRT 2.3.0 on ARM64",
    delegated_product="neon",
    matrix_rescaling="single",
    softmax_int8="table16",
)
TFLM = OperatorProfile(
    "TensorFlow Lite Micro",
    "TensorFlow Lite Micro",
    float_lstm="in order",
    quantize_int8="division",
    quantize_int16="division",
    requantize_int8="multiplier",
    dequantize="product",
    activation_quotient="float64",
    relu6="clamped",
    compare_int16="unknown",
    sigmoid_int8="gemmlowp",
    sigmoid_int16="table",
    softmax_int8="gemmlowp",
    softmax_int16="float32",
    sigmoid_float="exponential_tail",
    log_softmax_int8="gemmlowp",
    scale_product="float64",
    matrix_rescaling="double",
    batch_rescaling="double",
    int16_without_bias="int64",
    product_scale="float64",
    int16_powers="general",
    int32_activation="ignored",
    hybrid="refused",
    turned_batches="all",
    image_mean="as_any",
    sum_rescaling="multiplier",
    sum_int16="rescaled",
)

#: By the names of the harness's runtimes.
PROFILES = {
    "tflite": TFLITE_DEFAULT,
    "tflite-reference": TFLITE_REFERENCE,
    "tflite-no-xnnpack": TFLITE_BUILTIN,
    "litert": LITERT,
    "tflm": TFLM,
}

#: What computes a graph in which a size is only known once operators have run: XNNPACK of 2.15.1
#: takes no operator of it over (core/subgraph.cc: it "only supports static-sized tensors").
WITHOUT_DELEGATE = {TFLITE_DEFAULT: TFLITE_BUILTIN}

FACTORS = tuple(field.name for field in fields(OperatorProfile) if field.name not in ("name",))


def with_factor(base: OperatorProfile, factor: str, other: OperatorProfile) -> OperatorProfile:
    """base with one field taken from other. Raises KeyError for an unknown factor."""
    if factor not in FACTORS:
        raise KeyError(factor)
    value: Any = getattr(other, factor)
    return replace(base, name=f"{base.name} with {factor}={value}", **{factor: value})
