"""Answers of another framework are read in the file's order; nothing else is taken for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.comparison.recorded_answers import from_file, load, reversed_in_time
from harness.flatbuffer.structure import Structure

SCORES = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
STEPS = np.random.default_rng(1).normal(size=(5, 4, 2)).astype(np.float32)


def _structure(*outputs: tuple[str, list[int]], scale: float | None = None) -> Structure:
    tensors = [
        {
            "name": f"tensor_{name}",
            "dtype": "int8" if scale else "float32",
            "shape": [abs(size) for size in shape],
            "signature": shape,
            "scale": [scale] if scale else [],
            "zero_point": [0] if scale else [],
            "axis": None,
            "variable": False,
            "bytes": 0,
        }
        for name, shape in outputs
    ]
    numbers = list(range(len(outputs)))
    graph = {"tensors": tensors, "inputs": [], "outputs": numbers, "operators": []}
    named = [[name, k] for k, (name, _) in enumerate(outputs)]
    signature = {"subgraph": 0, "inputs": [], "outputs": named}
    return Structure({"subgraphs": [graph], "signatures": [signature]})


ONE = _structure(("scores", [1, 3]))
#: The flatbuffer's own order is not that of the numbers in its names.
TWO = _structure(("output_1", [1, 4, 2]), ("output_0", [1, 3]))


def _saved(folder: Path, **arrays: NDArray[Any]) -> Path:
    np.savez(folder / "expected.npz", **arrays)
    return folder / "expected.npz"


def test_one_output_may_have_any_name_and_gets_its_batch_axis(tmp_path: Path) -> None:
    found = from_file(_saved(tmp_path, logits=SCORES), ONE, 5)
    np.testing.assert_array_equal(found.outputs[0], SCORES[:, None].astype(np.float64))
    assert found.origin == "float32"
    assert 0 < found.rounding[0] < 2.0**-22


@pytest.mark.parametrize(
    "names", [("output_1", "output_0"), ("tensor_output_1", "tensor_output_0"), ("arr_1", "arr_0")]
)
def test_several_are_known_by_name_or_number(tmp_path: Path, names: tuple[str, str]) -> None:
    found = from_file(_saved(tmp_path, **{names[0]: STEPS, names[1]: SCORES}), TWO, 5)
    assert [array.shape for array in found.outputs] == [(5, 1, 4, 2), (5, 1, 3)]


def test_an_open_size_takes_any(tmp_path: Path) -> None:
    open_steps = _structure(("steps", [-1, -1, 2]))
    assert from_file(_saved(tmp_path, a=STEPS), open_steps, 5).outputs[0].shape == (5, 1, 4, 2)


@pytest.mark.parametrize(
    ("numbers", "rounding", "origin"),
    [
        (SCORES.astype(np.float16), 2.0**-10, "float16"),
        (SCORES.astype(np.float64), 2.0**-51, "float64"),
        (np.round(SCORES.astype(np.float64), 3), 0.0005, "3 decimals"),
        (np.round(SCORES, 2), 0.005, "2 decimals"),
        (np.eye(5, 3, dtype=np.float32), 2.0**-24, "float32"),
    ],
)
def test_the_numbers_say_how_they_were_rounded(
    tmp_path: Path, numbers: NDArray[Any], rounding: float, origin: str
) -> None:
    found = from_file(_saved(tmp_path, a=numbers), ONE, 5)
    assert found.origin == origin
    assert rounding / 2 <= found.rounding[0] <= rounding * (1 + 1e-12)


@pytest.mark.parametrize(
    ("arrays", "structure", "told"),
    [
        ({"a": SCORES[:4]}, ONE, r"expected 5 answers, .* found 4"),
        ({"a": SCORES[:, :2]}, ONE, r"expected answers of shape \[N, 3\]; found \[5, 2\]"),
        ({"a": STEPS}, ONE, r"expected answers of shape \[N, 3\]; found \[5, 4, 2\]"),
        ({"a": SCORES, "b": SCORES}, ONE, "expected the arrays scores; found a, b"),
        ({"a": STEPS}, TWO, "expected the arrays output_1, output_0; found a"),
        ({"arr_0": STEPS, "arr_1": SCORES}, TWO, "expected answers of shape"),
        ({"a": SCORES > 0}, ONE, "of type bool; expected real numbers"),
        ({"a": np.full((5, 3), "x")}, ONE, "expected real numbers"),
        ({"a": np.where(SCORES > 0, np.nan, SCORES)}, ONE, "are NaN or infinite"),
        ({"a": np.ones((5, 3), np.int8)}, ONE, "have to be dequantised"),
        ({"a": np.zeros(())}, ONE, r"expected \[N, …\] answers"),
        ({}, ONE, "no array; expected one for each output"),
    ],
)
def test_what_cannot_be_the_answers_is_refused(
    tmp_path: Path, arrays: dict[str, NDArray[Any]], structure: Structure, told: str
) -> None:
    with pytest.raises(ValueError, match=f"--expected .*{told}"):
        from_file(_saved(tmp_path, **arrays), structure, 5)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no such file; expected an \.npz file"):
        load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("0.1 0.2")
    with pytest.raises(ValueError, match=r"not a readable \.npz"):
        load(tmp_path / "text.npz")


def test_only_steps_are_reversed() -> None:
    scores, steps = reversed_in_time([SCORES[:, None], STEPS[:, None]])
    np.testing.assert_array_equal(scores, SCORES[:, None])
    np.testing.assert_array_equal(steps, STEPS[:, None, ::-1])
