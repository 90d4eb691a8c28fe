"""GRU and SimpleRNN of the operator level have the right types, biases, states, direction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reference.lstm.float64 import LstmOptions, bidirectional, lstm
from tests.support.reference_models import float_weights
from tests.support.rnn_float import gru, simple_rnn

X = np.random.default_rng(0).normal(size=(2, 6, 4))
UNITS = 3


def _draw(*shape: int) -> Any:
    return np.random.default_rng(list(shape)).normal(0, 0.5, shape)


def _gru(x: Any = X, bias: Any = None, **more: Any) -> Any:
    return gru(_draw(4, 3 * UNITS), _draw(UNITS, 3 * UNITS), bias, x, **more)


def _rnn(x: Any = X, bias: Any = None, **more: Any) -> Any:
    return simple_rnn(_draw(4, UNITS), _draw(UNITS, UNITS), bias, x, **more)


@pytest.mark.parametrize("run", [_gru, _rnn])
def test_the_type_that_is_asked_for_is_computed_in(run: Any) -> None:
    """From float64 arguments, and from float32 ones."""
    bias = _draw(2, 3 * UNITS) if run is _gru else _draw(UNITS)
    for given in (None, bias):
        for initial in (None, _draw(2, UNITS)):
            for dtype in (np.float32, np.float64):
                found = run(X, given, dtype=dtype, initial=initial)
                assert (found.outputs.dtype, found.hidden.dtype) == (dtype, dtype)
            one, two = (run(X, given, dtype=d, initial=initial) for d in (np.float32, np.float64))
            assert 0 < np.abs(one.outputs - two.outputs).max() < 1e-5
    narrow = run(X.astype(np.float32), None)
    assert narrow.outputs.dtype == np.float64


@pytest.mark.parametrize("run", [_gru, _rnn])
def test_no_bias_is_a_bias_of_zeros(run: Any) -> None:
    zeros = np.zeros((2, 3 * UNITS)) if run is _gru else np.zeros(UNITS)
    np.testing.assert_array_equal(run().outputs, run(X, zeros).outputs)
    some = run(X, zeros + 0.5)
    assert np.abs(some.outputs - run().outputs).max() > 0.01


@pytest.mark.parametrize("run", [_gru, _rnn])
def test_a_state_goes_on_and_backwards_is_the_reversed_sequence(run: Any) -> None:
    whole, head = run(), run(X[:, :2])
    tail = run(X[:, 2:], initial=head.hidden)
    np.testing.assert_allclose(tail.outputs, whole.outputs[:, 2:], rtol=1e-14)
    np.testing.assert_array_equal(whole.hidden, whole.outputs[:, -1])
    back = run(go_backwards=True)
    np.testing.assert_array_equal(back.outputs, run(X[:, ::-1]).outputs)
    assert np.abs(back.outputs - whole.outputs).max() > 0.01


def test_a_gru_that_resets_before_has_one_row_of_bias() -> None:
    bias = _draw(3 * UNITS)
    found = _gru(X, bias, reset_after=False)
    assert np.abs(found.outputs - _gru(reset_after=False).outputs).max() > 0.01
    both = np.stack([bias, np.zeros_like(bias)])
    np.testing.assert_allclose(
        _gru(X[:, :1], both).outputs, _gru(X[:, :1], bias, reset_after=False).outputs
    )


def test_the_activation_of_a_simple_rnn_is_the_one_that_is_named() -> None:
    assert _rnn(activation="relu").outputs.min() == 0.0
    assert np.abs(_rnn(activation="relu").outputs - _rnn().outputs).max() > 0.01


def test_both_directions_take_options_and_type() -> None:
    ahead, back = float_weights(1), float_weights(2)
    x = np.random.default_rng(1).normal(size=(2, 5, 3))
    options = LstmOptions(cell_clip=0.2)
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        one, other = bidirectional(ahead, back, x, options, merge=None, dtype=dtype)
        assert (one.dtype, other.dtype) == (dtype, dtype)
        np.testing.assert_array_equal(one, lstm(ahead, x, options, dtype=dtype).outputs)
        turned = LstmOptions(cell_clip=0.2, go_backwards=True)
        np.testing.assert_array_equal(other, lstm(back, x, turned, dtype=dtype).outputs)
    assert np.abs(one - lstm(ahead, x).outputs).max() > 1e-3
