"""Parameters that contradict each other are refused, and the refusal says which ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reference.arithmetic.affine import Affine, dequantise, quantise
from reference.lstm.integer_weights import GateScales
from reference.lstm.weights import Gates, LstmWeights
from tests.support.reference_models import float_weights, integer_model


def longer(gates: Gates) -> Gates:
    """One row too many in the output gate alone."""
    return gates._replace(o=np.concatenate([gates.o, gates.o[:1]]))


FLOAT = float_weights(0, peephole=True, outputs=4, layer_norm=True)
FIELDS = {
    "input_kernel": "input kernel",
    "recurrent_kernel": "recurrent kernel",
    "bias": "bias",
    "peephole": "peephole",
    "layer_norm": "layer norm",
}


def _with(field: str, value: Any) -> LstmWeights:
    changes: dict[str, Any] = {field: value}
    return replace(FLOAT, **changes)


@pytest.mark.parametrize("field", FIELDS)
def test_a_float_weight_of_another_shape_is_named(field: str) -> None:
    with pytest.raises(ValueError, match=f"^{FIELDS[field]} has shape .*, expected "):
        _with(field, longer(getattr(FLOAT, field)))


@pytest.mark.parametrize("field", FIELDS)
def test_a_gate_too_many_or_too_few_is_named(field: str) -> None:
    gates: Gates = getattr(FLOAT, field)
    for wrong in (
        gates._replace(i=None),
        gates._replace(c=None if gates.c is not None else gates.o),
    ):
        if field == "input_kernel" and wrong.i is None:
            continue  # that is how a coupled gate is recognised
        with pytest.raises(ValueError, match=f"^{FIELDS[field]}: wrong gates are absent$"):
            _with(field, wrong)


def test_a_projection_fits_its_units_and_its_bias() -> None:
    with pytest.raises(ValueError, match=r"^projection \(4, 6\) does not fit 5 units$"):
        replace(FLOAT, projection=np.zeros((4, 6)))
    with pytest.raises(ValueError, match=r"^projection bias has shape \(5,\)$"):
        replace(FLOAT, projection_bias=np.zeros(5))


def test_kerass_layout_keeps_the_type_and_has_zeros_for_no_bias() -> None:
    kernel, recurrent = np.zeros((3, 8), np.float32), np.zeros((2, 8), np.float32)
    found = LstmWeights.from_keras(kernel, recurrent)
    assert {gate.dtype for gate in found.bias.present()} == {np.dtype(np.float32)}
    assert [gate.tolist() for gate in found.bias.present()] == [[0, 0]] * 4


PEEPHOLE = Gates(*(None if k == 2 else np.ones(6, np.int16) for k in range(4)))  # type: ignore[arg-type]
SCALES = GateScales(0.1, 0.1, None, 0.1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (lambda m: {"input_kernel": longer(m.input_kernel)}, "^input kernel has shape"),
        (lambda m: {"recurrent_kernel": longer(m.recurrent_kernel)}, "^recurrent kernel has shape"),
        (lambda m: {"bias": longer(m.bias)}, "^bias has shape"),
        (
            lambda m: {"peephole": longer(PEEPHOLE), "peephole_scale": SCALES},
            "^peephole has shape",
        ),
        (
            lambda m: {"peephole": PEEPHOLE._replace(c=PEEPHOLE.o), "peephole_scale": SCALES},
            "^peephole: wrong gates are absent$",
        ),
        (lambda m: {"peephole": PEEPHOLE}, "^peephole weights and their scales come together$"),
        (lambda m: {"peephole_scale": SCALES}, "^peephole weights and their scales come together$"),
        (
            lambda m: {"input_kernel": m.input_kernel.as_type(np.int16)},
            "^kernels must be int8, got int16$",
        ),
        (
            lambda m: {"recurrent_kernel": m.recurrent_kernel.as_type(np.float32)},
            "^kernels must be int8, got float32$",
        ),
        (
            lambda m: {
                "projection": np.ones((4, 6), np.int8),
                "recurrent_kernel": Gates(*(k[:, :4] for k in m.recurrent_kernel)),
                "peephole": PEEPHOLE,
                "peephole_scale": SCALES,
            },
            "^the kernel reads peephole weights of the wrong length here$",
        ),
    ],
)
def test_integer_weights_that_contradict_each_other_are_named(changes: Any, words: str) -> None:
    model = integer_model(0)
    with pytest.raises(ValueError, match=words):
        replace(model, **changes(model))


def test_peepholes_and_a_projection_of_as_many_outputs_are_accepted() -> None:
    model = integer_model(0, peephole=PEEPHOLE, peephole_scale=SCALES)
    assert replace(model, projection=np.ones((6, 6), np.int8)).outputs == 6


# Quantisation -------------------------------------------------------------------------------


def test_the_ends_of_a_type_are_zero_points_and_no_more() -> None:
    for zero_point in (-128, 127):
        assert quantise(np.zeros(1), Affine(1.0, zero_point)).tolist() == [zero_point]
    for zero_point in (-129, 128):
        with pytest.raises(ValueError, match=f"^zero point {zero_point} lies outside int8$"):
            Affine(1.0, zero_point)


def test_channels_need_their_axis() -> None:
    several: list[tuple[Any, Any]] = [(np.ones(2), 0), (1.0, np.zeros(2, np.int64))]
    for scale, zero_point in several:
        with pytest.raises(ValueError, match=r"^per-axis scales need an axis$"):
            Affine(scale, zero_point)
        assert (
            quantise(np.ones((2, 3)), Affine(scale, zero_point, axis=0)).tolist() == [[1] * 3] * 2
        )


def test_channels_lie_along_any_axis() -> None:
    affine = Affine(np.array([1.0, 0.5]), np.array([0, 10]), axis=0)
    quantised = quantise(np.array([[4.0, 4.0, 2.0], [-4.0, -4.0, 2.0]]), affine)
    assert quantised.tolist() == [[4, 4, 2], [2, 2, 14]]
    assert dequantise(quantised, affine).tolist() == [[4.0, 4.0, 2.0], [-4.0, -4.0, 2.0]]
    one = Affine(np.array([1.0, 0.5]), 3, axis=-1)  # one zero point for all channels
    assert quantise(np.array([[[4.0, 4.0]]]), one).tolist() == [[[7, 11]]]


def test_a_quotient_beyond_float32_saturates() -> None:
    real = np.array([3e38, -3e38], np.float32)
    found = quantise(real, Affine(2.0**-40, 5), precision=np.float32)
    assert found.tolist() == [127, -128]


def test_the_scales_of_channels_are_of_that_precision_too() -> None:
    """0.25 over float32(0.1): a tie in float32, less than one in float64."""
    affine = Affine(np.full(2, np.float32(0.1), np.float64), 0, axis=0)
    real = np.full(2, 0.25, np.float32)
    assert quantise(real, affine, precision=np.float32).tolist() == [3, 3]
    assert quantise(real, affine).tolist() == [2, 2]
