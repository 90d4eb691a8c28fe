"""The laws' oracles and their store never take an answer for another's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fixtures.variants import VARIANTS
from harness.laws.oracles import FloatLstm, Identified, Stored, WholeModel
from harness.support.cache import Store
from reference.lstm.float64 import LstmOptions
from tests.support import faulty_models as faulty

X = np.random.default_rng(0).uniform(-1, 1, (2, 3, faulty.FEATURES)).astype(np.float32)

LONG = np.random.default_rng(0).uniform(-1, 1, (1, 28, 28)).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "cache")


def _whole(cell_clip: float = 0.0) -> WholeModel:
    variant = VARIANTS["sequences"]
    random = np.random.default_rng(1)
    shapes = {"lstm_1/0": (28, 80), "lstm_1/1": (20, 80), "lstm_1/2": (80,)}
    weights = {name: random.normal(0, 0.3, shape) for name, shape in shapes.items()}
    return WholeModel(variant.document(), weights, cell_clip=cell_clip)


def test_what_is_stored_is_the_oracles_answer(store: Store) -> None:
    for _ in range(2):
        found = Stored(FloatLstm(faulty.weights()), store).predict(X)
        made = FloatLstm(faulty.weights()).predict(X)
        assert np.array_equal(found.values, made.values)
        assert np.array_equal(found.tolerance, made.tolerance)
        assert found.raw is made.raw is False
    assert (store.hits, store.misses) == (1, 1)


def test_another_model_option_or_sequence_is_another_answer(store: Store) -> None:
    plain = FloatLstm(faulty.weights())
    others: list[Identified] = [
        FloatLstm(faulty.weights(6)),
        FloatLstm(faulty.weights(), LstmOptions(cell_clip=0.1)),
        FloatLstm(replace(plain.weights, peephole=None), LstmOptions(go_backwards=True)),
        _whole(),
        _whole(cell_clip=0.1),
    ]
    Stored(plain, store).predict(X)
    Stored(plain, store).predict(X[:1])
    Stored(plain, store).predict(X.astype(np.float64))
    for other in others:
        x = X if isinstance(other, FloatLstm) else LONG
        Stored(other, store).predict(x)
    assert (store.hits, store.misses) == (0, 3 + len(others))
