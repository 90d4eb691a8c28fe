"""Layers around an LSTM follow their formula, worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from reference.network import UnsupportedLayer, evaluate

#: [samples, batch, time, channels]
X = np.array([[[[1.0, -2.0], [3.0, 0.5], [-1.0, 4.0], [2.0, 2.0], [0.0, 1.0]]]])


def _value(kind: str, config: dict[str, Any], x: Any = X, weights: Any = ()) -> NDArray[Any]:
    return np.asarray(_all(kind, config, x, weights)[0][0, 0])


def _all(kind: str, config: dict[str, Any], x: Any, weights: Any = ()) -> list[NDArray[Any]]:
    node = {"name": "n", "class": kind, "config": config, "inputs": ["x"], "initial_state": []}
    entry = {"name": "x", "shape": list(x.shape[2:]), "dtype": "float32"}
    document = {"inputs": [entry], "nodes": [node], "outputs": ["n"]}
    named = {f"n/{k}": np.asarray(weight) for k, weight in enumerate(weights)}
    return evaluate(document, named, {"x": x})


def _merged(kind: str, *values: NDArray[Any]) -> NDArray[Any]:
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
        ("GlobalMaxPooling1D", {"keepdims": True}, [[3.0, 4.0]]),
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


def test_samples_rows_and_channels_keep_apart() -> None:
    """The same for many at once, of sizes that are all different."""
    x = np.random.default_rng(0).uniform(-1, 1, (2, 3, 5, 4))
    for kind, config in (
        ("MaxPooling1D", {"pool_size": 3, "strides": 2, "padding": "same"}),
        ("AveragePooling1D", {"pool_size": 2, "strides": 3, "padding": "same"}),
        ("AveragePooling1D", {"pool_size": 3, "strides": 1}),
        ("GlobalAveragePooling1D", {}),
        ("GlobalMaxPooling1D", {"keepdims": True}),
        ("Softmax", {"axis": 1}),
        ("Softmax", {"axis": 2}),
        ("ZeroPadding1D", {"padding": 2}),
        ("Cropping1D", {"cropping": 1}),
    ):
        (whole,) = _all(kind, config, x)
        for sample in range(2):
            for row in range(3):
                one = _value(kind, config, x[sample : sample + 1, row : row + 1])
                np.testing.assert_allclose(whole[sample, row], one, rtol=1e-12)


def test_a_window_that_starts_in_the_padding() -> None:
    x = np.arange(1.0, 6.0).reshape(1, 1, 5, 1)
    config = {"pool_size": 4, "strides": 1, "padding": "same"}  # one zero before, two after
    found = _value("AveragePooling1D", config, x).ravel()
    assert found.tolist() == [2.0, 2.5, 3.5, 4.0, 4.5]
    assert _value("MaxPooling1D", config, -x).ravel().tolist() == [-1, -1, -2, -3, -4]


def test_what_fits_is_not_padded() -> None:
    x = np.arange(6.0).reshape(1, 1, 6, 1)
    for size, want in ((2, [1, 3, 5]), (3, [2, 5])):
        found = _value("MaxPooling1D", {"pool_size": size, "padding": "same"}, x)
        assert found.ravel().tolist() == want


def test_paddings_of_one_number_are_for_both_ends() -> None:
    assert _value("ZeroPadding1D", {"padding": 1})[[0, -1]].tolist() == [[0, 0]] * 2
    np.testing.assert_array_equal(_value("Cropping1D", {"cropping": 1}), X[0, 0, 1:-1])


def test_batch_normalization_scales_and_centres_by_choice() -> None:
    mean, variance = np.array([1.0, 2.0]), np.array([4.0, 0.25])
    unit = (X[0, 0] - mean) / np.sqrt(variance)
    for learned, want in (("scale", unit * [3.0, 5.0]), ("center", unit + np.array([3.0, 5.0]))):
        config = {"scale": learned == "scale", "center": learned == "center", "epsilon": 0.0}
        got = _value("BatchNormalization", config, weights=[[3.0, 5.0], mean, variance])
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_softmax_over_the_batch() -> None:
    x = np.log(np.array([[[[1.0]], [[3.0]]]]))
    (found,) = _all("Softmax", {"axis": 0}, x)
    np.testing.assert_allclose(found.ravel(), [0.25, 0.75])


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
    np.testing.assert_allclose(_merged("Maximum", X, other, -2 * X), np.maximum(a, b).clip(-2 * a))
    np.testing.assert_allclose(_merged("Minimum", X, other), np.minimum(a, b))
    weights = np.array([[[[0.1], [0.2], [0.3], [0.4], [0.5]]]])
    np.testing.assert_allclose(_merged("Multiply", X, weights), a * weights[0, 0])


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("Softmax", {"axis": [1, 2]}),
        ("BatchNormalization", {"axis": [1, 2]}),
        ("MaxPooling1D", {"data_format": "channels_first"}),
    ],
)
def test_an_option_that_is_not_implemented_is_refused(kind: str, config: dict[str, Any]) -> None:
    with pytest.raises(UnsupportedLayer):
        _value(kind, config, weights=[[1.0, 1.0]] * (4 if kind == "BatchNormalization" else 0))
