"""Windows, rows quantised as they come, and budgets, by small cases worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from reference.operators.description import Tensor
from reference.operators.kernel import Answer, Call, NoOracle
from reference.operators.profiles import PROFILES
from reference.operators.sums.fully_connected import quantised_rows
from reference.operators.sums.products import UNDERFLOW, UNIT_ROUNDOFF, gamma
from reference.operators.table import compute


def _pooled(
    name: str, image: Any, dtype: str, zero: int = 0, runtime: str = "tflm", **options: Any
) -> Answer:
    """An image [H, W] under a window of 2 x 2, stride 1."""
    values = np.asarray(image, dtype)[None, :, :, None]
    scale: tuple[tuple[float, ...], tuple[int, ...]] = ((), ())
    if dtype != "float32":
        scale = ((0.5,), (zero,))
    x, y = (Tensor(which, dtype, values.shape, *scale) for which in "xy")
    chosen: Mapping[str, Any] = {
        "filter_height": 2,
        "filter_width": 2,
        "stride_h": 1,
        "stride_w": 1,
        "padding": "VALID",
        "fused_activation_function": "NONE",
        **options,
    }
    return compute(Call(name, 1, chosen, (x,), (values,), (y,)), PROFILES[runtime])


def _grid(answer: Answer) -> Any:
    return answer.values[0][0, :, :, 0].tolist()


def test_an_average_of_codes_is_rounded_away_from_the_code_zero() -> None:
    image = [[1, 2, -3], [3, 4, -5]]  # sums 10 and -2
    for dtype in ("int8", "int16"):
        assert _grid(_pooled("AVERAGE_POOL_2D", image, dtype)) == [[3, -1]]
    assert _grid(_pooled("AVERAGE_POOL_2D", [[-1, -2], [-3, -4]], "int8", zero=7)) == [[-3]]


def test_an_average_counts_the_image_only() -> None:
    found = _grid(_pooled("AVERAGE_POOL_2D", [[1, 2], [4, 9]], "int8", padding="SAME"))
    assert found == [[4, 6], [7, 9]]  # 16 / 4, 11 / 2, 13 / 2, 9


def test_a_pool_is_clamped() -> None:
    options: dict[str, Any] = {"fused_activation_function": "RELU6"}
    image = [[100, 120], [110, 127]]
    for name in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        assert _grid(_pooled(name, image, "int8", zero=3, **options)) == [[15]]
        assert _grid(_pooled(name, image, "float32", **options)) == [[6.0]]
        assert _grid(_pooled(name, np.negative(image), "float32", **options)) == [[0.0]]


def test_the_largest_is_of_the_image() -> None:
    image = [[-5, -7], [-9, -128]]
    want = [[-5, -7], [-9, -128]]
    assert _grid(_pooled("MAX_POOL_2D", image, "int8", padding="SAME")) == want
    assert _grid(_pooled("MAX_POOL_2D", image, "float32", padding="SAME")) == want


def test_the_budget_of_an_average() -> None:
    found = _pooled("AVERAGE_POOL_2D", [[1.0, -2.0], [4.0, 5.0]], "float32")
    assert _grid(found) == [[2.0]]
    assert found.allowed[0] is not None
    want = gamma(5) * 3.0 + UNIT_ROUNDOFF * 2.0
    assert found.allowed[0].ravel().tolist() == [pytest.approx(want, rel=1e-12)]


def test_a_pool_into_another_scale_is_refused() -> None:
    values = np.zeros((1, 2, 2, 1), np.int8)
    x = Tensor("x", "int8", values.shape, (0.5,), (0,))
    y = Tensor("y", "int8", values.shape, (0.25,), (0,))
    options: dict[str, Any] = {"filter_height": 1, "filter_width": 1, "stride_h": 1, "stride_w": 1}
    options |= {"padding": "VALID", "fused_activation_function": "NONE"}
    with pytest.raises(NoOracle, match="another scale"):
        compute(Call("MAX_POOL_2D", 1, options, (x,), (values,), (y,)), PROFILES["tflm"])


def test_rows_are_quantised_symmetrically() -> None:
    rows = np.array([[127.0, -63.5, 10.2, 0.0], [0.0, 0.0, 0.0, 0.0]], np.float32)
    codes, scale, unsure = quantised_rows(rows, asymmetric=False)
    assert scale.ravel().tolist() == [1.0, 1.0]
    assert codes.tolist() == [[127, -64, 10, 0], [0, 0, 0, 0]]
    assert unsure.tolist() == [[0, 1, 0, 0], [0, 0, 0, 0]]  # a tie may go either way


def test_rows_are_quantised_asymmetrically() -> None:
    rows = np.array([[51.0, -204.0, 10.2, 0.0], [255.0, 5.4, 1.0, 2.0]], np.float32)
    codes, scale, unsure = quantised_rows(rows, asymmetric=True)
    assert scale.ravel().tolist() == [1.0, 1.0]
    assert codes.tolist() == [[51, -204, 10, 0], [255, 5, 1, 2]]  # less the zero point
    assert not unsure.any()
    codes, scale, _ = quantised_rows(np.array([[-255.0, -5.4], [-1.0, 0.0]], np.float32), True)
    assert codes.tolist() == [[-255, -5], [-255, 0]]
    assert scale.ravel().tolist() == [1.0, pytest.approx(1 / 255)]
    assert quantised_rows(np.zeros((1, 2), np.float32), True)[0].tolist() == [[0, 0]]


def _connected(
    rows: Any, codes: Any, zero: int, bias: Any = None, dtype: str = "float32"
) -> Answer:
    x = np.asarray(rows, dtype)
    weights = np.asarray(codes, np.int8)
    quantised = ((0.5,), (0,)) if dtype == "int8" else ((), ())
    tensors = [
        Tensor("x", dtype, x.shape, *quantised),
        Tensor("w", "int8", weights.shape, (0.5,), (zero,)),
    ]
    y = Tensor("y", dtype, (len(x), len(weights)), *quantised)
    held = None if bias is None else np.asarray(bias, np.float32)
    values = (x, weights, held)
    last = None if held is None else Tensor("b", "float32", held.shape)
    call = Call("FULLY_CONNECTED", 1, {}, (*tensors, last), values, (y,))
    return compute(call, PROFILES["tflite"])


def test_float_rows_meet_integer_weights_less_their_zero_point() -> None:
    found = _connected([[127.0, 2.0]], [[3, 5]], 1, [4.0])
    assert found.values[0].tolist() == [[(127 * 2 + 2 * 4) * 0.5 + 4]]
    assert found.allowed[0] is not None
    assert found.allowed[0].tolist() == [[gamma(7) * (131.0 + 4) + UNDERFLOW]]


def test_a_code_that_may_go_either_way_is_allowed_for() -> None:
    found = _connected([[127.0, 2.5]], [[3, -5]], 0)
    assert found.values[0].tolist() == [[(127 * 3 + 2 * -5) * 0.5]]
    assert found.allowed[0] is not None
    assert found.allowed[0].tolist() == [[gamma(7) * 185.5 + 5 * 0.5 + UNDERFLOW]]


def test_integer_weights_are_taken_less_their_zero_point() -> None:
    found = PROFILES["tflite-reference"]
    x = np.array([[4, 6]], np.int8)
    weights = np.array([[3, 5]], np.int8)
    tensors = (
        Tensor("x", "int8", x.shape, (0.5,), (1,)),
        Tensor("w", "int8", weights.shape, (0.5,), (2,)),
    )
    y = Tensor("y", "int8", (1, 1), (0.25,), (-7,))
    call = Call("FULLY_CONNECTED", 1, {}, tensors, (x, weights), (y,))
    assert compute(call, found).values[0].tolist() == [[3 * 1 + 5 * 3 - 7]]


@pytest.mark.parametrize(("dtype", "other"), [("int8", "int16"), ("float16", "int8")])
def test_types_without_an_oracle_are_refused(dtype: str, other: str) -> None:
    x, weights = np.zeros((1, 2), dtype), np.zeros((1, 2), other)
    tensors = Tensor("x", dtype, x.shape, (1.0,), (0,)), Tensor("w", other, (1, 2), (1.0,), (0,))
    y = Tensor("y", dtype, (1, 1), (1.0,), (0,))
    call = Call("FULLY_CONNECTED", 1, {}, tensors, (x, weights), (y,))
    with pytest.raises(NoOracle, match=f"of {dtype} with {other}"):
        compute(call, PROFILES["tflm"])
