"""Read functions of keras.ops in a Keras 3 file for the oracle, apart from the rebuilt model.

A second reading, which shares nothing with `harness.workers.remote.keras3.tensor_functions`: an
operation becomes a node of the oracle's with its arguments in the order of TensorFlow's function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reference.network.hooks import UnsupportedLayer

Config = Mapping[str, Any]

#: Functions of one tensor, and of two operands.
_ONE = {
    "Absolute": "math.abs",
    "Abs": "math.abs",
    "Cos": "math.cos",
    "Exp": "math.exp",
    "Log": "math.log",
    "Negative": "math.negative",
    "Relu": "nn.relu",
    "Sigmoid": "math.sigmoid",
    "Silu": "nn.silu",
    "Sin": "math.sin",
    "Softplus": "math.softplus",
    "Softsign": "nn.softsign",
    "Sqrt": "math.sqrt",
    "Square": "math.square",
    "Tanh": "math.tanh",
}
_TWO = {
    "Add": "math.add",
    "Divide": "math.divide",
    "Matmul": "linalg.matmul",
    "Maximum": "math.maximum",
    "Minimum": "math.minimum",
    "Multiply": "math.multiply",
    "Power": "math.pow",
    "Subtract": "math.subtract",
    "TrueDivide": "math.truediv",
}
#: Functions of a tensor, or of a list, and options that follow it.
_WITH_OPTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Clip": ("clip_by_value", ("x_min", "x_max")),
    "Concatenate": ("concat", ("axis",)),
    "ExpandDims": ("expand_dims", ("axis",)),
    "Max": ("math.reduce_max", ("axis", "keepdims")),
    "Mean": ("math.reduce_mean", ("axis", "keepdims")),
    "Min": ("math.reduce_min", ("axis", "keepdims")),
    "Reshape": ("reshape", ("newshape",)),
    "Softmax": ("nn.softmax", ("axis",)),
    "Squeeze": ("squeeze", ("axis",)),
    "Stack": ("stack", ("axis",)),
    "Sum": ("math.reduce_sum", ("axis", "keepdims")),
    "Transpose": ("transpose", ("axes",)),
}


def described(
    layer: Config, node: Config, tensor: Callable[[Config], str]
) -> tuple[dict[str, Any], list[str]]:
    """The options of an operation's node and the tensors that it reads.

    tensor: the name of what a serialised tensor is. Raises UnsupportedLayer for another function
    or other arguments.
    """
    kind, options = str(layer["class_name"]), {**layer["config"], **node["kwargs"]}
    own = f"{layer.get('name') or options.get('name')!r}: keras.ops {kind}"
    args, inputs = list(node["args"]), list[str]()

    def operand(value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("class_name") == "__keras_tensor__":
            inputs.append(tensor(value))
            return {"input": len(inputs) - 1}
        if isinstance(value, (list, tuple)):
            return [operand(one) for one in value]
        if not isinstance(value, (int, float)):
            raise UnsupportedLayer(f"{own}: an argument that is no number")
        return value

    def next_operand(*names: str) -> Any:
        return operand(args.pop(0) if args else next(options[n] for n in names if n in options))

    if kind == "GetItem":
        function, found = "__operators__.getitem", [next_operand("x")]
        found.append(_key(args.pop(0) if args else options["key"], own, node))
    elif kind in _ONE:
        function, found = _ONE[kind], [next_operand("x")]
    elif kind in _TWO:
        function, found = _TWO[kind], [next_operand("x1"), next_operand("x2")]
    elif kind in _WITH_OPTIONS:
        function, names = _WITH_OPTIONS[kind]
        found = [next_operand("x", "xs"), *(options[name] for name in names)]
    else:
        raise UnsupportedLayer(f"{own}: no such function in the oracle's reading")
    if args:
        raise UnsupportedLayer(f"{own}: {len(args)} more arguments")
    return {"function": function, "arguments": found, "keywords": {}}, inputs


def _key(key: Any, own: str, node: Config) -> list[Any]:
    """Slices, numbers and new axes; an ellipsis stands for the axes that nothing else names."""
    entries = list(key) if isinstance(key, (list, tuple)) else [key]
    rank = len(node["args"][0]["config"]["shape"])
    named = sum(one is not None and not _is(one, "__ellipsis__") for one in entries)
    found: list[Any] = []
    for one in entries:
        if _is(one, "__slice__"):
            found.append({end: one["config"].get(end) for end in ("start", "stop", "step")})
        elif _is(one, "__ellipsis__"):
            found += [{"start": None, "stop": None, "step": None}] * (rank - named)
        elif one is None or isinstance(one, int):
            found.append(one)
        else:
            raise UnsupportedLayer(f"{own}: a key that is no number")
    return found


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, Mapping) and value.get("class_name") == kind
