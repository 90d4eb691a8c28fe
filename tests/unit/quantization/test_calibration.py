"""Each bad data set and each bad range of a calibration is named; good ones raise nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.stimuli import for_variant
from fixtures.variants import VARIANTS
from harness.flatbuffer.structure import Structure
from harness.quantization.calibration import (
    cell_findings,
    dependence_findings,
    range_findings,
    sample_findings,
)
from harness.structure.lstm_contract import CELL_STATE, Fused
from reference.arithmetic.affine import Affine, quantise

RANDOM = np.random.default_rng(5)
GOOD = RANDOM.uniform(-1, 1, (16, 1, 8, 4)).astype(np.float32)


def _with(value: float) -> NDArray[Any]:
    bad = GOOD.copy()
    bad[3, 0, 2, 1] = value
    return bad


@pytest.mark.parametrize(
    ("samples", "rules"),
    [
        ({"x": GOOD}, []),
        ({}, ["calibration-empty"]),
        ({"x": GOOD[:0]}, ["calibration-empty"]),
        ({"x": _with(np.nan)}, ["calibration-nan"]),
        ({"x": _with(np.inf)}, ["calibration-inf"]),
        ({"x": _with(-np.inf)}, ["calibration-inf"]),
        ({"x": np.zeros_like(GOOD)}, ["calibration-constant"]),
        ({"x": np.full_like(GOOD, 0.3)}, ["calibration-constant"]),
        ({"x": GOOD.astype(np.float64)}, ["calibration-dtype"]),
        ({"x": GOOD.astype(np.float16)}, ["calibration-dtype"]),
        ({"x": GOOD[:1]}, ["calibration-single"]),
    ],
)
def test_each_bad_data_set_is_named(samples: dict[str, NDArray[Any]], rules: list[str]) -> None:
    assert [f.rule for f in sample_findings(samples, {"x": "float32"})] == rules


def test_the_catalogues_own_calibration_raises_nothing() -> None:
    for variant in VARIANTS.values():
        samples = for_variant(variant, 2015, 16, "calibration")
        dtypes = {entry.name: entry.dtype for entry in variant.inputs}
        assert sample_findings(samples, dtypes) == [], variant.name


def calibrated(samples: NDArray[Any]) -> Affine:
    """The converter's int8 parameters for the range of these samples."""
    low, high = min(0.0, float(samples.min())), max(0.0, float(samples.max()))
    scale = (high - low) / 255
    return Affine(scale, round(-128 - low / scale), "int8")


@pytest.mark.parametrize(
    ("factor", "rules"),
    [(1.0, []), (1.3, []), (0.95, []), (0.5, ["too-narrow"]), (3.0, ["too-wide"]),
     (100.0, ["too-wide"])],
)  # fmt: skip
@pytest.mark.parametrize("seed", range(5))
def test_a_range_that_does_not_fit_the_samples_is_named(
    factor: float, rules: list[str], seed: int
) -> None:
    random = np.random.default_rng(seed)
    calibration = random.uniform(-1, 1, (16, 28, 4)) * factor
    samples = random.uniform(-1, 1, (4, 28, 4))
    found = range_findings("input 'x'", "x", calibrated(calibration), samples)
    if factor == 0.95:  # 5 % of the range is cut off: by how much decides
        overload = np.square(samples - np.clip(samples, -0.95, 0.95)).mean()
        rules = ["too-narrow"] if overload > calibrated(calibration).scale ** 2 / 12 else []
    assert [finding.rule for finding in found] == rules
    if factor == 0.5:
        assert "50." in found[0].message or "49." in found[0].message or "%" in found[0].message
    if factor == 100.0:
        assert found[0].level == "error"


def test_a_constant_input_is_not_called_too_wide() -> None:
    affine = Affine(0.01, 0, "int8")
    values = np.full((4, 8), 0.25)
    assert len(np.unique(quantise(values, affine))) == 1
    assert range_findings("input 'x'", "x", affine, values) == []


def _calibrated(scale: float, name: str = "hidden", size: int = 0) -> Structure:
    tensor = {
        "name": name,
        "dtype": "int8",
        "shape": [1, 4],
        "signature": [1, 4],
        "scale": [scale],
        "zero_point": [0],
        "axis": None,
        "variable": False,
        "bytes": size,
    }
    graph = {"inputs": [0], "outputs": [0], "tensors": [tensor], "operators": []}
    return Structure({"version": 3, "subgraphs": [graph], "signatures": []})


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (_calibrated(0.01), []),
        (_calibrated(0.0107), [("calibration-dependence", "note", "off by a factor 1.07")]),
        (_calibrated(0.0093), [("calibration-dependence", "note", "off by a factor 1.08")]),
        (_calibrated(0.0049), [("calibration-dependence", "warning", "off by a factor 2.04")]),
        (_calibrated(0.01, "float"), [("calibration-fragile", "warning", "another graph")]),
        (None, [("calibration-fragile", "warning", "not at all")]),
    ],
)
def test_scales_that_depend_on_the_samples_are_told(
    other: Structure | None, said: list[tuple[str, str, str]]
) -> None:
    found = dependence_findings(_calibrated(0.01), {"the samples in reverse order": other})
    assert [(f.rule, f.level) for f in found] == [entry[:2] for entry in said]
    for finding, (_, _, words) in zip(found, said, strict=True):
        assert words in finding.message


def test_weights_do_not_depend_on_calibration() -> None:
    """A constant's scale is its own; a bias follows its input's."""
    assert dependence_findings(_calibrated(1.0, size=16), {"x": _calibrated(2.0, size=16)}) == []


def _lstm(position: int, cell_scale: float) -> Fused:
    """A fused LSTM of which only the cell state's range counts."""
    cell = {"name": f"cell {position}", "dtype": "int16", "scale": [cell_scale], "zero_point": [0]}
    return Fused(position, {"inputs": [-1] * CELL_STATE + [0]}, [cell])


NARROW, WIDE = 2.0**-15, 8 * 2.0**-15
SMALL, LARGE = (-0.9, 0.5), (-0.1, 7.9)


@pytest.mark.parametrize(
    ("layers", "saturating"),
    [
        ({0: "forward", 4: "backward"}, []),
        ({0: "backward", 4: "forward"}, ["cell 0"]),
        ({4: "forward"}, []),  # no layer has the weights of the other one
        ({4: "backward"}, []),
        ({0: "backward"}, ["cell 0"]),
    ],
)
def test_a_cell_that_leaves_its_range_is_named_by_its_layer(
    layers: dict[int, str], saturating: list[str]
) -> None:
    """The layer whose weights the operator has, whatever the order of operators and layers is."""
    ranges = {"forward": SMALL, "backward": LARGE}
    found = cell_findings([_lstm(0, NARROW), _lstm(4, WIDE)], layers, ranges)
    assert [finding.tensors[0] for finding in found] == saturating
    assert all("'backward'" in f.message and f.rule == "cell-saturates" for f in found)


@pytest.mark.parametrize("largest", [1.0, -1.0])
def test_one_step_beyond_the_range_is_no_saturation(largest: float) -> None:
    for reached, wrong in ((largest, False), (largest * (1 + 3 * NARROW), True)):
        ends = (min(0.0, reached), max(0.0, reached))
        found = cell_findings([_lstm(0, NARROW)], {0: "lstm"}, {"lstm": ends})
        assert bool(found) is wrong
