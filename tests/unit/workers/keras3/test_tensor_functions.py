"""Functions of keras.ops are rewritten as TensorFlow's, or refused by name."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from harness.conversion.keras3 import description
from harness.workers.remote.keras3.models_rewritten import rewritten_model

Json = dict[str, Any]
SLICE = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}


def tensor(name: str, shape: tuple[int | None, ...] = (None, 6, 3), dtype: str = "float32") -> Json:
    config = {"shape": list(shape), "dtype": dtype, "keras_history": [name, 0, 0]}
    return {"class_name": "__keras_tensor__", "config": config}


def function(kind: str, args: list[Any], name: str = "f", **config: Any) -> Json:
    return {
        "module": "keras.src.ops.numpy",
        "class_name": kind,
        "config": {"name": name, **config},
        "registered_name": kind,
        "name": name,
        "inbound_nodes": [{"args": args, "kwargs": {}}],
    }


def model(*functions: Json, dtype: str = "float32") -> Json:
    entry: Json = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"batch_shape": [None, 6, 3], "dtype": dtype, "name": "x"},
        "registered_name": None,
        "name": "x",
        "inbound_nodes": [],
    }
    config = {
        "name": "model",
        "layers": [entry, *functions],
        "input_layers": [["x", 0, 0]],
        "output_layers": [[functions[-1]["name"], 0, 0]],
    }
    return {"module": "keras", "class_name": "Functional", "config": config}


def rewritten(*functions: Json) -> list[Json]:
    document, _ = rewritten_model(model(*functions))
    return list(document["config"]["layers"])[1:]


@pytest.mark.parametrize(
    ("kind", "args", "config", "symbol", "node"),
    [
        ("Add", [tensor("x"), 2.0], {}, "math.add", ["x", 0, 0, {"y": 2.0}]),
        (
            "Subtract",
            [1, tensor("x")],
            {},
            "math.subtract",
            ["_CONSTANT_VALUE", -1, 1, {"y": ["x", 0, 0]}],
        ),
        ("Tanh", [tensor("x")], {}, "math.tanh", ["x", 0, 0, {}]),
        (
            "Mean",
            [tensor("x")],
            {"axis": 1, "keepdims": False},
            "math.reduce_mean",
            ["x", 0, 0, {"axis": 1, "keepdims": False}],
        ),
        (
            "Concatenate",
            [[tensor("x"), tensor("x")]],
            {"axis": -1},
            "concat",
            [["x", 0, 0, {"axis": -1}], ["x", 0, 0, {"axis": -1}]],
        ),
    ],
)
def test_a_function_becomes_the_layer_that_keras_2_makes_of_it(
    kind: str, args: list[Any], config: Json, symbol: str, node: Any
) -> None:
    (found,) = rewritten(function(kind, args, **config))
    assert (found["class_name"], found["config"]["function"]) == ("TFOpLambda", symbol)
    assert found["inbound_nodes"] == [node]


def test_an_ellipsis_stands_for_the_axes_that_nothing_names() -> None:
    whole = {"start": None, "stop": None, "step": None}
    key = [{"class_name": "__ellipsis__", "config": {}}, -1]
    made = function("GetItem", [tensor("x"), key])
    (found,) = rewritten(made)
    assert found["class_name"] == "SlicingOpLambda"
    assert found["inbound_nodes"] == [["x", 0, 0, {"slice_spec": [whole, whole, -1]}]]
    reading = description.read(model(made))
    assert reading.description["nodes"][0]["config"]["arguments"][1] == [whole, whole, -1]


@pytest.mark.parametrize(
    ("kind", "args", "config", "told"),
    [
        ("Einsum", [tensor("x")], {"subscripts": "abc->cba"}, "keras.ops.Einsum is in no table"),
        ("Add", [tensor("x")], {}, "of something that is no tensor"),
        ("Add", [tensor("x"), tensor("x"), tensor("x")], {}, "with 3 arguments"),
        ("Add", [tensor("x", dtype="int32"), 1], {}, "of int32 numbers"),
        ("Tanh", [[tensor("x")]], {}, "of something that is no tensor"),
        ("Mean", [tensor("x")], {"axis": 1}, "without keepdims"),
        ("Max", [tensor("x")], {"axis": 1, "keepdims": False, "initial": 0.0}, "initial=0.0"),
        ("Softmax", [tensor("x")], {"axis": None}, "axis=None"),
        ("Squeeze", [tensor("x")], {"axis": None}, "axis=None"),
        ("Tanh", [tensor("x")], {"clip": 2}, "clip=2"),
        ("Matmul", [tensor("x"), tensor("x", (3,))], {}, "a product with a vector"),
        (
            "GetItem",
            [tensor("x"), [SLICE, tensor("x")]],
            {},
            "by something that is no whole number",
        ),
        ("GetItem", [tensor("x"), [SLICE, True]], {}, "by something that is no whole number"),
    ],
)
def test_what_does_not_surely_mean_the_same_is_refused_by_name(
    kind: str, args: list[Any], config: Json, told: str
) -> None:
    with pytest.raises(ValueError, match="layer 'f'") as error:
        rewritten(function(kind, args, **config))
    assert told in str(error.value)
    assert "--tflite" in str(error.value)


def test_a_function_that_reads_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="reads itself"):
        rewritten(function("Tanh", [tensor("f")]))


def test_a_chain_without_end_is_refused_and_does_not_end_the_worker() -> None:
    chain = [function("Tanh", [tensor("x")], "f0")]
    for k in range(1, 20_000):
        chain.append(function("Tanh", [tensor(f"f{k - 1}")], f"f{k}"))
    with pytest.raises(ValueError, match="too many"):
        rewritten(*chain)


def test_only_what_is_computed_is_written() -> None:
    """A mask's own operations stand in the file, and Keras 2.15 makes them itself."""
    idle = function("NotEqual", [tensor("x"), 0.0], "not_equal")
    found = rewritten(idle, function("Tanh", [tensor("x")]))
    assert [layer["name"] for layer in found] == ["f"]


def test_in_an_h5_file_a_function_is_known_by_its_options() -> None:
    """Such files name no modules, and a function and a layer may both be an Add."""
    made = function("Add", [tensor("x"), tensor("x")])
    layer = copy.deepcopy(made)
    layer["inbound_nodes"] = [{"args": [[tensor("x"), tensor("x")]], "kwargs": {}}]
    layer["config"] |= {"trainable": True, "dtype": "float32"}
    for one in (made, layer):
        del one["module"]
    assert rewritten(made)[0]["class_name"] == "TFOpLambda"
    assert rewritten(layer)[0]["class_name"] == "Add"
    kinds = [description.read(model(one)).description["nodes"][0]["class"] for one in (made, layer)]
    assert kinds == ["TFOpLambda", "Add"]
