"""Stimuli that a faulty harness would notice, and clear errors for the user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures import stimuli
from fixtures.variants import VARIANTS

INPUTS: list[dict[str, Any]] = [
    {"name": "x", "shape": [None, 28, 3], "dtype": "float32"},
    {"name": "tokens", "shape": [None, 5], "dtype": "int32"},
]
ONE = INPUTS[:1]


@pytest.mark.parametrize("name", list(VARIANTS))
def test_stimuli_fit_the_variant_and_vary(name: str) -> None:
    variant = VARIANTS[name]
    arrays = stimuli.for_variant(variant, 1, 4, "stimulus")
    assert list(arrays) == [entry.name for entry in variant.inputs]
    for entry in variant.inputs:
        array = arrays[entry.name]
        assert array.shape == (4, variant.batch, *entry.shape)
        assert array.dtype == entry.dtype
        used = array[:, :, : array.shape[2] - entry.padded_steps]
        for axis in range(used.ndim):
            if used.shape[axis] > 1:
                assert np.ptp(used, axis=axis).max() > 0, f"constant along axis {axis}"
        if entry.padded_steps:
            assert not array[:, :, -entry.padded_steps :].any()


def test_stimuli_are_reproducible_and_differ_by_seed_and_purpose() -> None:
    def first(seed: int, purpose: str) -> Any:
        return stimuli.for_variant(VARIANTS["last"], seed, 4, purpose)["x"]

    np.testing.assert_array_equal(first(1, "stimulus"), first(1, "stimulus"))
    assert (first(1, "stimulus") != first(2, "stimulus")).any()
    assert (first(1, "stimulus") != first(1, "calibration")).any()


def test_float_stimuli_reach_both_ends() -> None:
    x = stimuli.for_variant(VARIANTS["last"], 1, 4, "stimulus")["x"]
    assert (x.min(), x.max()) == (-1.0, 1.0)


def test_an_open_signature_gets_batch_1_and_28_steps() -> None:
    arrays = stimuli.for_interface(
        [{"name": "x", "shape": [None, None, 3], "dtype": "float32"}], 1, 2, "stimulus", "m"
    )
    assert arrays["x"].shape == (2, 1, 28, 3)


def test_tokens_stay_below_their_vocabulary_and_use_it() -> None:
    entry = {"name": "x", "shape": [None, 50], "dtype": "float32", "vocabulary": 7}
    x = stimuli.for_interface([entry], 1, 4, "stimulus", "m")["x"]
    assert x.dtype == np.float32
    assert set(np.unique(x)) == set(range(7))


def _save(tmp_path: Path, **arrays: Any) -> Path:
    path = tmp_path / "inputs.npz"
    np.savez(path, **arrays)
    return path


def test_users_samples_get_their_batch_axis(tmp_path: Path) -> None:
    path = _save(tmp_path, x=np.zeros((6, 28, 3)), tokens=np.zeros((6, 1, 5), np.int64))
    arrays = stimuli.from_file(path, INPUTS, "--inputs")
    assert arrays["x"].shape == (6, 1, 28, 3)
    assert arrays["x"].dtype == np.float32
    assert arrays["tokens"].shape == (6, 1, 5)


def test_one_array_serves_one_input_whatever_its_name(tmp_path: Path) -> None:
    path = _save(tmp_path, arr_0=np.zeros((6, 28, 3)))
    assert list(stimuli.from_file(path, ONE, "--inputs")) == ["x"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": np.zeros((6, 28, 3)), "z": np.zeros(3)}, "expected the arrays x; found y, z"),
        ({"x": np.zeros((6, 27, 3))}, r"expects samples of shape \[N, 28, 3\]; found \[6, 27, 3\]"),
        ({"x": np.zeros((0, 28, 3))}, "no samples"),
        ({"x": np.full((6, 28, 3), np.nan)}, "NaN or infinity"),
        ({"x": np.full((6, 28, 3), np.inf)}, "NaN or infinity"),
        ({"x": np.zeros((6, 28, 3), complex)}, "dtype complex128"),
        ({"x": np.full((6, 28, 3), "a")}, "dtype <U1"),
        ({"x": np.array([{}], dtype=object)}, "not a readable .npz of plain arrays"),
    ],
)
def test_samples_that_do_not_fit_are_named(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    path = _save(tmp_path, **arrays)
    with pytest.raises(ValueError, match=message):
        stimuli.from_file(path, ONE, "--inputs")


def test_different_counts_are_named(tmp_path: Path) -> None:
    path = _save(tmp_path, x=np.zeros((6, 28, 3)), tokens=np.zeros((5, 5)))
    with pytest.raises(ValueError, match="a different number of samples"):
        stimuli.from_file(path, INPUTS, "--inputs")


def test_files_that_are_no_npz_are_named(tmp_path: Path) -> None:
    text = tmp_path / "a.npz"
    text.write_text("not a zip")
    with pytest.raises(ValueError, match=r"a\.npz: not a readable \.npz"):
        stimuli.from_file(text, ONE, "--inputs")
    with pytest.raises(ValueError, match="no such file"):
        stimuli.from_file(tmp_path / "missing.npz", ONE, "--inputs")


def test_samples_fill_the_range_of_an_input_that_has_one() -> None:
    entry = {"name": "x", "shape": [1, 28, 3], "dtype": "float32", "range": (2.0, 10.0)}
    drawn = stimuli.for_interface([entry], 1, 4, "stimulus", "lone")["x"]

    assert drawn.min() >= 2
    assert drawn.max() <= 10
    assert np.ptp(drawn) > 7.5
