"""The oracles give what Keras and the runtimes gave, as on record; none of them is needed here.

tests/support/make_golden.py made the records; the suites hold the same oracles to the runtimes
live.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from reference.attribution import attribute
from reference.lstm.integer import lstm_integer
from reference.lstm.profiles import TFLITE_2_15, TFLM, factors, with_factor
from reference.network import evaluate
from tests.support import derived
from tests.support.recorded_models import integer_operators, networks
from tests.support.reference_models import integer_input

PROFILES: dict[str, Any] = {"tflite": TFLITE_2_15, "tflm": TFLM}
#: float32 against float64 on ordinary weights (measured: 2.6e-7), with room for six layers.
ROUNDING = 2e-6


@lru_cache(maxsize=1)
def _integers() -> dict[str, Any]:
    with np.load(derived.FOLDER / "integers.npz", allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


@lru_cache(maxsize=1)
def _derived() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((derived.FOLDER / "derived.json").read_text())
    return found


@pytest.mark.parametrize("name", list(networks()))
def test_a_network_gives_what_keras_gave(name: str) -> None:
    document = derived.records()[0][name]
    assert document == json.loads(json.dumps(networks()[name].document())), "run make_golden"
    outputs = derived.part(name, "output")
    found = evaluate(document, derived.part(name, "weight"), derived.part(name, "input"))
    assert len(found) == len(outputs) > 0
    for k, value in enumerate(found):
        want = outputs[str(k)]
        assert value.shape == want.shape
        assert np.abs(value - want).max() <= ROUNDING * max(1.0, float(np.abs(want).max()))
        assert value.dtype == np.float64


@pytest.mark.parametrize(
    ("name", "runtime"),
    [(name, on) for name, (_, runtimes) in integer_operators().items() for on in runtimes],
)
def test_an_integer_operator_gives_what_its_runtime_gave(name: str, runtime: str) -> None:
    model, _ = integer_operators()[name]
    run = lstm_integer(model, integer_input(1, model, batch=3, time=7), PROFILES[runtime])
    found = {"output": run.outputs, "hidden": run.state.hidden, "cell": run.state.cell}
    for what, got in found.items():
        want = _integers()[f"{name}/{runtime}/{what}"]
        assert got.dtype == want.dtype
        assert np.array_equal(got, want), what
    # TFLite Micro applies a clip of less than one step: the cell stays 0.
    constant = (name, runtime) == ("vanishing-clip", "tflm")
    assert bool(np.ptp(found["output"].astype(np.int64)) == 0) is constant


@pytest.mark.parametrize("name", ["plain", "hidden-scale", "output-scale", "clipped"])
def test_factors_account_for_what_the_runtimes_gave(name: str) -> None:
    model, _ = integer_operators()[name]
    x = integer_input(1, model, batch=3, time=7)
    a, b = (_integers()[f"{name}/{runtime}/output"] for runtime in PROFILES)
    found = attribute(model, x, TFLITE_2_15, TFLM, a, b)
    assert (found.values, found.different, found.residual) == (a.size, int((a != b).sum()), 0)
    assert set(found.by_factor) == set(factors(TFLITE_2_15, TFLM))
    assert max(found.by_factor.values()) <= found.different <= sum(found.by_factor.values())
    assert attribute(model, x, TFLITE_2_15, TFLM, a).residual is None
    assert attribute(model, x, TFLITE_2_15, TFLM, None, b).residual is None
    wrong_a, wrong_b = a.copy(), b.copy()
    wrong_a[0, 0, 0] ^= 1
    wrong_b[0, 0, :2] ^= 1
    assert attribute(model, x, TFLITE_2_15, TFLM, wrong_a, wrong_b).residual == 3


def test_factors_start_from_the_given_state() -> None:
    model, _ = integer_operators()["plain"]
    x = integer_input(1, model, batch=3, time=7)
    state = lstm_integer(model, x, TFLM).state
    a, b = (lstm_integer(model, x, profile, state).outputs for profile in PROFILES.values())
    assert attribute(model, x, TFLITE_2_15, TFLM, a, b, state).residual == 0
    assert attribute(model, x, TFLITE_2_15, TFLM, a, b).residual != 0


def _same(found: Any, want: Any) -> None:
    assert found.keys() == want.keys()
    for key, values in want.items():
        assert found[key] == pytest.approx(values, rel=1e-6, abs=1e-300), key


@pytest.mark.parametrize("name", derived.BUDGETED)
def test_budgets_and_ranges_are_those_on_record(name: str) -> None:
    _same(derived.of_network(name), _derived()["networks"][name])


def test_budgets_of_operators_are_those_on_record() -> None:
    _same(derived.of_operators(), _derived()["operators"])


def test_activations_are_those_on_record() -> None:
    assert derived.tables() == _derived()["tables"]


def test_operators_of_any_scales_are_those_on_record() -> None:
    assert derived.of_drawn_operators() == _derived()["drawn"]


def test_a_walk_through_the_factors_counts_what_differs_in_the_end() -> None:
    """Against the profiles run one by one; the first step changes some values, and not all."""
    model, _ = integer_operators()["hidden-scale"]
    x = integer_input(1, model, batch=3, time=7)
    found = attribute(model, x, TFLITE_2_15, TFLM)
    profiles = [TFLITE_2_15]
    for name in factors(TFLITE_2_15, TFLM):
        profiles.append(with_factor(profiles[-1], name, TFLM))
        assert getattr(profiles[-1], name) == getattr(TFLM, name)
        assert profiles[-1].name == f"{profiles[-2].name} with {name}={getattr(TFLM, name)}"
    path = [lstm_integer(model, x, profile).outputs for profile in profiles]
    differs = path[0] != path[-1]
    assert 0 < found.different == differs.sum() < found.values == differs.size
    for k, name in enumerate(factors(TFLITE_2_15, TFLM)):
        assert found.by_factor[name] == ((path[k] != path[k + 1]) & differs).sum()
    assert any(
        (path[k] != path[k + 1]).sum() not in (0, differs.sum()) for k in range(len(path) - 1)
    )


def test_initial_states_of_wrong_shapes_are_refused() -> None:
    model, _ = integer_operators()["plain"]
    x = integer_input(1, model, batch=3, time=7)
    state = lstm_integer(model, x, TFLM).state
    for wrong in (state._replace(hidden=state.hidden[:2]), state._replace(cell=state.cell[:, :2])):
        with pytest.raises(ValueError, match="initial state has shapes"):
            lstm_integer(model, x, TFLM, wrong)
    for bad in (x[..., :2], x[0], x.astype(np.int16)):
        with pytest.raises(ValueError, match="expected int8 with 3 axes and 4 features"):
            lstm_integer(model, bad, TFLM)
