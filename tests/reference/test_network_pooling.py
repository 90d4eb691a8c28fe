"""Layers around an LSTM, each against its formula worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reference.network import UnsupportedLayer, evaluate

#: [samples, batch, time, channels]
X = np.array([[[[1.0, -2.0], [3.0, 0.5], [-1.0, 4.0], [2.0, 2.0], [0.0, 1.0]]]])


def _value(kind: str, config: dict[str, Any], x: Any = X, weights: Any = ()) -> np.ndarray:
    node = {"name": "n", "class": kind, "config": config, "inputs": ["x"], "initial_state": []}
    entry = {"name": "x", "shape": list(x.shape[2:]), "dtype": "float32"}
    document = {"inputs": [entry], "nodes": [node], "outputs": ["n"]}
    named = {f"n/{k}": np.asarray(weight) for k, weight in enumerate(weights)}
    return np.asarray(evaluate(document, named, {"x": x})[0][0, 0])


def _merged(kind: str, *values: np.ndarray) -> np.ndarray:
    names = [f"x{k}" for k in range(len(values))]
    node = {"name": "n", "class": kind, "config": {}, "inputs": names, "initial_state": []}
    entries = [
        {"name": name, "shape": list(value.shape[2:]), "dtype": "float32"}
        for name, value in zip(names, values, strict=True)
    ]
    document = {"inputs": entries, "nodes": [node], "outputs": ["n"]}
    return np.asarray(evaluate(document, {}, dict(zip(names, values, strict=True)))[0][0, 0])


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        ("GlobalAveragePooling1D", {}, [1.0, 1.1]),
        ("GlobalAveragePooling1D", {"keepdims": True}, [[1.0, 1.1]]),
        ("GlobalMaxPooling1D", {}, [3.0, 4.0]),
        ("MaxPooling1D", {"pool_size": 2}, [[3.0, 0.5], [2.0, 4.0]]),
        ("MaxPooling1D", {"pool_size": [2], "padding": "same"}, [[3, 0.5], [2, 4], [0, 1]]),
        ("MaxPooling1D", {"pool_size": 3, "strides": 2}, [[3, 4], [2, 4]]),
        ("AveragePooling1D", {"pool_size": 2}, [[2.0, -0.75], [0.5, 3.0]]),
        # The padding does not count: the last window is the last step alone.
        ("AveragePooling1D", {"padding": "same"}, [[2.0, -0.75], [0.5, 3.0], [0.0, 1.0]]),
        ("ReLU", {}, [[1, 0], [3, 0.5], [0, 4], [2, 2], [0, 1]]),
        ("ReLU", {"max_value": 2.0}, [[1, 0], [2, 0.5], [0, 2], [2, 2], [0, 1]]),
        ("LeakyReLU", {"alpha": 0.5}, [[1, -1], [3, 0.5], [-0.5, 4], [2, 2], [0, 1]]),
        ("ZeroPadding1D", {"padding": (1, 0)}, [[0, 0], *X[0, 0].tolist()]),
        ("Cropping1D", {"cropping": (2, 1)}, [[-1, 4], [2, 2]]),
        ("GaussianNoise", {"stddev": 0.1}, X[0, 0].tolist()),
        ("SpatialDropout1D", {"rate": 0.5}, X[0, 0].tolist()),
    ],
)
def test_a_layer_has_the_value_of_its_formula(
    kind: str, config: dict[str, Any], expected: list[Any]
) -> None:
    np.testing.assert_allclose(_value(kind, config), expected, rtol=1e-14)


def test_batch_normalization_uses_the_moving_mean_and_variance() -> None:
    gamma, beta, mean, variance = [2.0, 0.5], [0.1, -0.1], [1.0, 2.0], [4.0, 0.25]
    got = _value("BatchNormalization", {"epsilon": 0.0}, weights=[gamma, beta, mean, variance])
    want = np.array(gamma) * (X[0, 0] - mean) / np.sqrt(variance) + beta
    np.testing.assert_allclose(got, want, rtol=1e-14)
    config = {"scale": False, "center": False, "epsilon": 1e-3}
    got = _value("BatchNormalization", config, weights=[mean, variance])
    np.testing.assert_allclose(got, (X[0, 0] - mean) / np.sqrt(np.add(variance, 1e-3)))


def test_softmax_goes_along_its_axis() -> None:
    over_time = _value("Softmax", {"axis": 1})
    np.testing.assert_allclose(over_time.sum(axis=0), 1.0)
    np.testing.assert_allclose(over_time[1, 0] / over_time[0, 0], np.exp(2.0))
    np.testing.assert_allclose(_value("Softmax", {}).sum(axis=1), 1.0)


def test_repeat_vector_makes_an_axis_of_time() -> None:
    got = _value("RepeatVector", {"n": 3}, x=np.array([[[1.0, 2.0]]]))
    np.testing.assert_array_equal(got, [[1, 2]] * 3)


def test_merging_layers() -> None:
    other = X[:, :, ::-1]
    a, b = X[0, 0], other[0, 0]
    np.testing.assert_allclose(_merged("Subtract", X, other), a - b)
    np.testing.assert_allclose(_merged("Average", X, other, X), (2 * a + b) / 3)
    np.testing.assert_allclose(_merged("Multiply", X, other, X), a * b * a)
    np.testing.assert_allclose(_merged("Maximum", X, other), np.maximum(a, b))
    np.testing.assert_allclose(_merged("Minimum", X, other), np.minimum(a, b))
    weights = np.array([[[[0.1], [0.2], [0.3], [0.4], [0.5]]]])
    np.testing.assert_allclose(_merged("Multiply", X, weights), a * weights[0, 0])


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("ReLU", {"negative_slope": 0.1}),
        ("ReLU", {"threshold": 1.0}),
        ("Softmax", {"axis": [1, 2]}),
        ("BatchNormalization", {"axis": 1}),
        ("MaxPooling1D", {"data_format": "channels_first"}),
    ],
)
def test_an_option_that_is_not_implemented_is_refused(kind: str, config: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedLayer):
        _value(kind, config, weights=[[1.0, 1.0]] * (4 if kind == "BatchNormalization" else 0))
