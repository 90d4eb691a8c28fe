"""The device profiles give what compiled kernels gave, and each of their factors is told.

The recorded CRCs are of all outputs, little-endian, in C order: CMSIS-NN at 99f736a6 as portable C,
inside tflite-micro 90b983c2b on the host, and on emulated Cortex-M4 and M55, all alike.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reference.arithmetic.fixed_point import quantised_multiplier, reduced_mantissa
from reference.attribution import attribute
from reference.lstm.device_profiles import (
    CMSIS_NN,
    CMSIS_NN_2023,
    CMSIS_NN_CARRIED,
    CMSIS_NN_HELIUM,
    CMSIS_NN_SINGLE,
    KERNELS,
    TFLM_FLOAT32,
    contract,
    kernels_named,
)
from reference.lstm.float64 import LstmState
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_preparation import prepare
from reference.lstm.integer_weights import GateScales, IntegerLstm
from reference.lstm.invokes import lstm_invokes
from reference.lstm.profiles import FACTORS, TFLITE_2_15, TFLM, Profile, factors, with_factor
from reference.lstm.weights import Gates
from tests.support.lcg_lstms import recorded

#: Of each LSTM: first outputs, CRC, of CMSIS-NN whole, streamed step by step, and the reference.
RECORDED = {
    "A": ([11, 4, -1, -25, 4, 18, 37, -1], "9949573e", "c0ec0421", "9949573e"),
    "B": ([-7, 1, -8, 29, -7, -7, 34, 20], "9349eb2b", "2df6b543", "d5d4ddd1"),
    "C": ([3361, -1419, -2367, 12865, -2870, 2588, 3811, 2074], "2dbd43ca", "51d6c509", "6cee6870"),
}
#: Values that differ: reference from CMSIS-NN (whole), and CMSIS-NN streamed from whole.
DIFFERING = {"A": (0, 45), "B": (34, 61), "C": (5, 16)}


def crc(outputs: NDArray[Any]) -> str:
    return f"{zlib.crc32(np.ascontiguousarray(outputs).tobytes()):08x}"


def steps_of(model: IntegerLstm, x: NDArray[Any]) -> int:
    return int(x.shape[0 if model.time_major else 1])


@pytest.mark.parametrize("name", RECORDED)
def test_cmsis_nn_gives_the_recorded_answers_whole_and_streamed(name: str) -> None:
    model, x = recorded(name)
    first, whole, streamed, reference = RECORDED[name]
    of_whole = lstm_integer(model, x, CMSIS_NN).outputs
    of_steps = lstm_invokes(model, x, CMSIS_NN, [1] * steps_of(model, x)).outputs
    assert of_whole.ravel()[:8].tolist() == first
    assert (crc(of_whole), crc(of_steps)) == (whole, streamed)
    of_reference = lstm_integer(model, x, TFLM).outputs
    assert crc(of_reference) == reference
    differing = tuple(int((of_whole != other).sum()) for other in (of_reference, of_steps))
    assert differing == DIFFERING[name]


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("profile", [TFLM, TFLM_FLOAT32, CMSIS_NN_CARRIED], ids=lambda p: p.name)
def test_a_carried_state_makes_pieces_equal_the_whole(name: str, profile: Profile) -> None:
    model, x = recorded(name)
    steps = steps_of(model, x)
    whole = lstm_integer(model, x, profile)
    for lengths in ([1] * steps, [2, steps - 3, 1], [steps]):
        pieces = lstm_invokes(model, x, profile, lengths)
        assert np.array_equal(pieces.outputs, whole.outputs)
        assert all(map(np.array_equal, pieces.state, whole.state))


@pytest.mark.parametrize("name", RECORDED)
@pytest.mark.parametrize("lengths", [[1, 2, 2], [2, 1, 1, 1], [3, 2]])
def test_a_cleared_state_makes_every_piece_a_beginning(name: str, lengths: list[int]) -> None:
    model, x = recorded(name)
    axis = 0 if model.time_major else 1
    x = x.take(range(5), axis)
    found = lstm_invokes(model, x, CMSIS_NN, lengths)
    pieces = np.split(x, np.cumsum(lengths)[:-1], axis)
    alone = [lstm_integer(model, piece, CMSIS_NN).outputs for piece in pieces]
    assert np.array_equal(found.outputs, np.concatenate(alone, axis))


def test_a_kernel_that_clears_its_state_leaves_the_variable_tensors_alone() -> None:
    model, x = recorded("A")
    rest = lstm_invokes(model, x, CMSIS_NN, [6]).state
    assert (rest.hidden == model.output_state_zero_point).all()
    assert not rest.cell.any()
    written = LstmState(np.full((2, 5), 9, np.int8), np.full((2, 5), 1000, np.int16))
    run = lstm_invokes(model, x, CMSIS_NN, [6], written)
    assert run.state is written
    assert np.array_equal(run.outputs, lstm_integer(model, x, CMSIS_NN).outputs)


def test_lengths_must_make_up_the_sequence() -> None:
    model, x = recorded("A")
    for lengths in ([], [1, 2], [6, 0]):
        with pytest.raises(ValueError, match="do not make up"):
            lstm_invokes(model, x, CMSIS_NN, lengths)


def test_the_legacy_kernel_shifts_a_fine_cell_state_away() -> None:
    """By the equations of CMSIS-NN 5.0: after every step c becomes c >> (-12 - log2 of its scale),
    rounding down, before tanh reads it as Q3.12."""
    model, x = recorded("A")  # cell scale 2**-13
    run = lstm_integer(model, x, CMSIS_NN_2023, keep_steps=True)
    other = lstm_integer(model, x, with_factor(CMSIS_NN_2023, "cell_shift", TFLM), keep_steps=True)
    assert np.array_equal(run.steps[0].cell, other.steps[0].cell >> 1)
    assert (run.outputs != other.outputs).mean() > 0.5
    assert contract(model, CMSIS_NN_2023) == "destroyed"


def test_the_legacy_kernel_is_like_todays_at_a_coarse_cell_scale() -> None:
    model, x = recorded("A", cell_scale=2.0**-12)
    want = lstm_integer(model, x, CMSIS_NN).outputs
    assert np.array_equal(lstm_integer(model, x, CMSIS_NN_2023).outputs, want)
    assert contract(model, CMSIS_NN_2023) == "carried"


def test_the_legacy_kernel_refuses_what_has_no_defined_answer() -> None:
    coarse, x = recorded("A", cell_scale=2.0**-8)
    with pytest.raises(ValueError, match="refuses cell scale"):
        lstm_integer(coarse, x, CMSIS_NN_2023)
    odd, x = recorded("A", cell_scale=1.1 * 2.0**-12)
    with pytest.raises(ValueError, match="no power of two"):
        lstm_integer(odd, x, CMSIS_NN_2023)
    time_major, x = recorded("B")
    with pytest.raises(ValueError, match="reads past its biases"):
        lstm_integer(time_major, x, CMSIS_NN_2023)


def big_bias() -> tuple[IntegerLstm, NDArray[Any]]:
    """int16x8 whose biases, up to 10, do not fit 32 bits: its input scale is 1e-7."""
    small, x = recorded("C", input_scale=1e-7)
    wide = (np.asarray(bias) * 250_000 for bias in small.bias)
    return recorded("C", input_scale=1e-7, bias=Gates(*wide))


def wide_gates() -> tuple[IntegerLstm, NDArray[Any]]:
    """int16x8 whose gate arguments exceed 2**30."""
    scales = GateScales(*[5000.0] * 4)
    return recorded("C", input_kernel_scale=scales, recurrent_kernel_scale=scales)


def long() -> tuple[IntegerLstm, NDArray[Any]]:
    """A on 100 times 60 steps, for what a rounding changes."""
    model, _ = recorded("A", cell_scale=2.0**-12)
    return model, np.random.default_rng(0).integers(-128, 128, (100, 60, 3)).astype(np.int8)


def fine_product() -> tuple[IntegerLstm, NDArray[Any]]:
    """int16x8 whose product of scales, in float32, has another 15-bit mantissa than in float64."""
    operand = float(np.float32(0.7 * 2.0**-14))
    for kernel in np.random.default_rng(0).uniform(0.01, 0.03, 10_000).astype(np.float32):
        product = float(kernel) * operand
        both = [quantised_multiplier(real) for real in (product, float(np.float32(product)))]
        if reduced_mantissa(both[0]) != reduced_mantissa(both[1]):
            scales = GateScales(*[float(kernel)] * 4)
            return recorded("C", input_scale=operand, input_kernel_scale=scales)
    raise AssertionError("no such scale")


def odd_clip() -> tuple[IntegerLstm, NDArray[Any]]:
    """A clip that is 99 steps of the cell scale in float64 and 100 in float32."""
    for scale in np.random.default_rng(0).uniform(1.0, 1.4, 1000).astype(np.float32) / 2**12:
        clip = np.nextafter(np.float32(100 * scale), np.float32(0))
        if clip / scale == 100 and float(clip) / float(scale) < 100:
            return recorded("A", cell_scale=float(scale), cell_clip=float(clip))
    raise AssertionError("no such clip")


def hidden_rest() -> tuple[IntegerLstm, NDArray[Any]]:
    return recorded("A", hidden_scale=1 / 100, hidden_zero_point=-4)


#: For each factor a model that tells it: a profile that has it, one that has not.
TELLING: dict[str, tuple[Any, Profile, Profile]] = {
    "accumulator": (big_bias(), CMSIS_NN_HELIUM, CMSIS_NN),
    "half_bit": (wide_gates(), CMSIS_NN, TFLM_FLOAT32),
    "rounding": (long(), CMSIS_NN_SINGLE, CMSIS_NN),
    "recurrent_product": (recorded("B"), CMSIS_NN, TFLM),
    "other_activation": (recorded("A", activation="none"), CMSIS_NN, TFLM),
    "cell_update": (long(), CMSIS_NN_2023, CMSIS_NN),
    "input_times_candidate": (recorded("C"), CMSIS_NN, TFLM),
    "cell_clip": (recorded("B", time_major=False, cell_clip=0.1), CMSIS_NN_2023, CMSIS_NN),
    "vanishing_cell_clip": (recorded("A", cell_clip=1e-6), CMSIS_NN, TFLM),
    "cell_shift": (recorded("A"), CMSIS_NN_2023, CMSIS_NN),
    "hidden_quantisation": (hidden_rest(), CMSIS_NN_2023, CMSIS_NN),
    "scale_product": (fine_product(), CMSIS_NN, TFLM),
    "clip_quotient": (odd_clip(), CMSIS_NN, TFLITE_2_15),
}
#: Factors in which no device differs from another, nor from TFLite Micro's wheel.
SHARED = {"gate_activation", "cell_activation"}
#: A recurrent product left out of a step whose hidden state is at its zero point is 0.
EQUIVALENT = {"first_recurrent"}


@pytest.mark.parametrize("factor", TELLING)
def test_dropping_a_factor_is_told(factor: str) -> None:
    (model, x), profile, other = TELLING[factor]
    assert factor in factors(profile, other)
    mutant = with_factor(profile, factor, other)
    want, found = (lstm_integer(model, x, p, keep_steps=True) for p in (profile, mutant))
    cells = [np.stack([step.cell for step in run.steps]) for run in (want, found)]
    assert (found.outputs != want.outputs).any() or (cells[0] != cells[1]).any()


def test_the_precision_of_the_hidden_multiplier_is_told_by_its_mantissa() -> None:
    """It moves a product by 2**-25 of itself: no output of 30,000 here lies so near to a tie."""
    model, _ = long()
    model = replace(model, hidden_scale=float(np.float32(1 / 127)))
    double = with_factor(CMSIS_NN_2023, "hidden_multiplier", CMSIS_NN)
    real = 2.0**-30 / model.hidden_scale
    for profile, want in ((CMSIS_NN_2023, float(np.float32(real))), (double, real)):
        assert prepare(model, profile).hidden_multiplier == quantised_multiplier(want)
    assert real != float(np.float32(real))


def test_every_factor_is_told_or_is_known_not_to_be() -> None:
    acting = set(TELLING) | SHARED | EQUIVALENT | {"state", "hidden_multiplier"}
    assert acting == set(FACTORS)


@pytest.mark.parametrize("name", RECORDED)
def test_dropping_the_state_is_told(name: str) -> None:
    model, x = recorded(name)
    mutant = with_factor(CMSIS_NN, "state", TFLM)
    pieces = [1] * steps_of(model, x)
    want = lstm_invokes(model, x, CMSIS_NN, pieces).outputs
    assert (lstm_invokes(model, x, mutant, pieces).outputs != want).any()


@pytest.mark.parametrize("name", RECORDED)
def test_a_recurrent_product_left_out_of_the_first_step_changes_nothing(name: str) -> None:
    model, x = recorded(name)
    mutant = with_factor(CMSIS_NN, "first_recurrent", TFLM)
    want = lstm_integer(model, x, CMSIS_NN).outputs
    assert np.array_equal(lstm_integer(model, x, mutant).outputs, want)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"stm32: unknown; known are .*cmsis-nn, .*ethos-u"):
        kernels_named(["stm32"])
    assert [k.name for k in kernels_named(["esp-nn", "cmsis-nn", "esp-nn"])] == [
        "esp-nn",
        "cmsis-nn",
    ]


def test_what_is_not_known_has_no_arithmetic_and_says_why() -> None:
    unknown = [kernels for kernels in KERNELS.values() if not kernels.known]
    assert {kernels.name for kernels in unknown} == {"hifi", "ethos-u"}
    assert all(kernels.note for kernels in unknown)


def test_the_contract_of_each_profile() -> None:
    model, _ = recorded("A")
    found = {name: contract(model, k.int8) for name, k in KERNELS.items() if k.int8 is not None}
    assert {name for name, word in found.items() if word == "cleared"} == {
        "cmsis-nn",
        "cmsis-nn-float64",
        "cmsis-nn-helium",
        "cmsis-nn-single-rounding",
        "cmsis-nn-2024",
    }
    assert [name for name, word in found.items() if word == "destroyed"] == ["cmsis-nn-2023"]


@pytest.mark.parametrize("factor", TELLING)
def test_attribution_counts_a_factor_that_acts(factor: str) -> None:
    """And leaves none out that it takes to be idle."""
    (model, x), profile, other = TELLING[factor]
    mutant = with_factor(profile, factor, other)
    found = attribute(model, x, profile, mutant)
    outputs = [lstm_integer(model, x, p).outputs for p in (profile, mutant)]
    assert found.by_factor == {factor: int((outputs[0] != outputs[1]).sum())}
