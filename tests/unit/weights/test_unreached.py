"""An input is found that reaches a limit which no sample reaches, where there is one."""

from __future__ import annotations

import numpy as np
import pytest

from harness.weights.unreached import Limit, search
from reference.network import evaluate
from tests.support.networks import document, lstm_weights, named, node

STEPS, FEATURES = 20, 4
#: Gates that are open, and a candidate that follows the input: the cell adds up what it is given.
MODEL = document(node("lstm", "LSTM", "x", units=5), x=[STEPS, FEATURES])


def _weights() -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    kernel, recurrent, bias = (array.astype(np.float64) for array in lstm_weights())
    kernel[:, 10:15] *= 3
    bias[:10] += 2.0
    return named("lstm", [kernel, 0.1 * recurrent, bias])


def _samples(size: float = 1.0) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    random = np.random.default_rng(3)
    return {"x": (size * random.uniform(-1, 1, (8, 1, STEPS, FEATURES))).astype(np.float32)}


def _clip(limit: float) -> Limit:
    return Limit("lstm", "lstm/cell", -limit, limit)


def test_an_input_is_found_that_no_sample_comes_near() -> None:
    found = search(MODEL, _weights(), _samples(), _clip(7.0))
    assert found.by_samples < 1
    assert found.beyond
    clipped = evaluate(MODEL, _weights(), found.sample, cell_clip=7.0)[0]
    exact = evaluate(MODEL, _weights(), found.sample)[0]
    (apart,) = found.apart
    assert apart == pytest.approx(float(np.abs(clipped - exact).max()))
    assert apart > 0


def test_it_stays_within_the_range_of_each_feature() -> None:
    samples = _samples()
    samples["x"][..., 1] *= 0.25
    found = search(MODEL, _weights(), samples, _clip(6.0))
    for feature in range(FEATURES):
        given, used = samples["x"][..., feature], found.sample["x"][..., feature]
        assert given.min() <= used.min()
        assert used.max() <= given.max()


def test_what_nothing_reaches_is_said_with_how_far_it_came() -> None:
    found = search(MODEL, _weights(), _samples(0.05), _clip(15.0))
    assert not found.beyond
    assert found.apart == ()
    assert found.by_samples < found.furthest < 1


def test_the_same_search_finds_the_same() -> None:
    first, second = (search(MODEL, _weights(), _samples(), _clip(7.0)) for _ in range(2))
    assert np.array_equal(first.sample["x"], second.sample["x"])


def test_samples_that_reach_it_need_no_search() -> None:
    found = search(MODEL, _weights(), _samples(), _clip(0.1))
    assert found.by_samples > 1
    assert found.beyond


def test_it_ends_in_time() -> None:
    found = search(MODEL, _weights(), _samples(0.05), _clip(15.0), seconds=0.0)
    assert found.tried == 8


def test_the_end_of_an_activation() -> None:
    model = document(node("dense", "Dense", "x", units=3, activation="relu"), x=[FEATURES])
    weights = named("dense", [np.full((FEATURES, 3), 2.0), np.zeros(3)])
    turned = np.array([1.0, -1.0, 1.0, -1.0])
    samples = {"x": np.linspace(-1, 1, 6).reshape(6, 1, 1) * turned}
    found = search(model, weights, samples, Limit("dense", "dense", 0.0, 6.0))
    assert found.by_samples < 1
    assert found.beyond
    assert found.apart[0] > 0


def test_words_are_drawn_from_those_of_the_samples() -> None:
    model = document(
        node("table", "Embedding", "x", input_dim=9, output_dim=FEATURES, mask_zero=False),
        node("lstm", "LSTM", "table", units=5),
        x=[STEPS],
    )
    model["inputs"][0]["dtype"] = "int32"
    table = np.random.default_rng(0).uniform(-1, 1, (9, FEATURES))
    weights = {**named("table", [table]), **_weights()}
    words = np.random.default_rng(1).integers(1, 6, (8, 1, STEPS)).astype(np.int32)
    found = search(model, weights, {"x": words}, _clip(4.0))
    assert set(np.unique(found.sample["x"])) <= set(np.unique(words))
    assert found.furthest > found.by_samples
