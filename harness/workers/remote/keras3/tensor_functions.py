"""Write functions of keras.ops and operators on tensors as Keras 2.15 has them.

`h[:, -1]`, `a + b`, `ops.mean(h, axis=1)` stand in a Keras 3 file as operations; Keras 2.15 has
TFOpLambda and SlicingOpLambda for them (keras/layers/core/tf_op_layer.py), each with the name of
one function of TensorFlow. Pure functions on JSON; what is in no table is refused.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Tuple

from harness.workers.remote.keras3.layers_rewritten import Json, name_of, refusal

Reference = Tuple[str, int, int]
_FLOATS = ("float16", "bfloat16", "float32")
_CURE = (
    "write it as a layer (Add, Multiply, Concatenate, …), or convert it yourself and use --tflite"
)


class Function(NamedTuple):
    """What Keras 2.15 calls for an operation of Keras 3.

    symbol: of TensorFlow, without `tf.`. second: the keyword of the second operand, where there
    are two. options: those of the operation, and their keywords in TensorFlow. several: whether
    the operand is a list of tensors. moves: whether it only moves numbers, of any type.
    """

    symbol: str
    second: str = ""
    options: Mapping[str, str] = MappingProxyType({})
    several: bool = False
    moves: bool = False


_AXIS = {"axis": "axis"}
_ALONG = {"axis": "axis", "keepdims": "keepdims"}

#: Operations that compute the same in both, by class. (The `nn` and `numpy` of keras.ops have no
#: class of one name that means two things.)
FUNCTIONS: Mapping[str, Function] = MappingProxyType(
    {
        "Absolute": Function("math.abs"),
        "Abs": Function("math.abs"),
        "Add": Function("math.add", "y"),
        "Clip": Function(
            "clip_by_value", options={"x_min": "clip_value_min", "x_max": "clip_value_max"}
        ),
        "Concatenate": Function("concat", options=_AXIS, several=True, moves=True),
        "Cos": Function("math.cos"),
        "Divide": Function("math.divide", "y"),
        "Exp": Function("math.exp"),
        "ExpandDims": Function("expand_dims", options=_AXIS, moves=True),
        "Log": Function("math.log"),
        "Matmul": Function("linalg.matmul", "b"),
        "Max": Function("math.reduce_max", options=_ALONG),
        "Maximum": Function("math.maximum", "y"),
        "Mean": Function("math.reduce_mean", options=_ALONG),
        "Min": Function("math.reduce_min", options=_ALONG),
        "Minimum": Function("math.minimum", "y"),
        "Multiply": Function("math.multiply", "y"),
        "Negative": Function("math.negative"),
        "Power": Function("math.pow", "y"),
        "Relu": Function("nn.relu"),
        "Reshape": Function("reshape", options={"newshape": "shape"}, moves=True),
        "Sigmoid": Function("math.sigmoid"),
        "Silu": Function("nn.silu"),
        "Sin": Function("math.sin"),
        "Softmax": Function("nn.softmax", options=_AXIS),
        "Softplus": Function("math.softplus"),
        "Softsign": Function("nn.softsign"),
        "Sqrt": Function("math.sqrt"),
        "Square": Function("math.square"),
        "Squeeze": Function("squeeze", options=_AXIS, moves=True),
        "Stack": Function("stack", options=_AXIS, several=True, moves=True),
        "Subtract": Function("math.subtract", "y"),
        "Sum": Function("math.reduce_sum", options=_ALONG),
        "Tanh": Function("math.tanh"),
        "Transpose": Function("transpose", options={"axes": "perm"}, moves=True),
        "TrueDivide": Function("math.divide", "y"),
    }
)
_SLICING = "GetItem"
#: Options that change nothing with these values.
_IDLE: Mapping[str, Tuple[Any, ...]] = MappingProxyType({"initial": (None,), "where": (None,)})
#: Operations whose option must be told: without it batches would be mixed, or squeezed.
_TOLD = ("Softmax", "Squeeze", "Transpose")


class OperationCall(NamedTuple):
    """One call of an operation. inputs: the tensors that it reads. node: what stands in the
    `inbound_nodes` of Keras 2.15."""

    inputs: List[Reference]
    node: Any


def known(operation: Json) -> bool:
    """Whether an operation is in the tables."""
    return operation.get("class_name") in FUNCTIONS or operation.get("class_name") == _SLICING


def rewritten_operation(operation: Json) -> Json:
    """{"class_name", "config"} for Keras 2.15."""
    kind = operation["class_name"]
    symbol = "__operators__.getitem" if kind == _SLICING else FUNCTIONS[kind].symbol
    config = {"name": name_of(operation), "trainable": True, "dtype": "float32"}
    class_ = "SlicingOpLambda" if kind == _SLICING else "TFOpLambda"
    return {"class_name": class_, "config": {**config, "function": symbol}}


def rewritten_call(
    operation: Json,
    node: Json,
    source: Callable[[Json], Reference],
    written: Callable[[Reference], List[Any]],
) -> OperationCall:
    """One of an operation's `inbound_nodes`. source: the tensor behind a serialised one. written:
    a tensor as Keras 2.15 names it.

    Raises ValueError for arguments that are not known to mean the same.
    """
    args, keywords = list(node.get("args", [])), dict(node.get("kwargs", {}))
    if operation["class_name"] == _SLICING:
        return _sliced(operation, args, keywords, source, written)
    function = FUNCTIONS[operation["class_name"]]
    operands = args[: 2 if function.second else 1]
    if function.second and len(operands) == 1:
        operands.append(keywords.pop("x2", None))
    if not operands and "x" in keywords:
        operands.append(keywords.pop("x"))
    if len(args) > len(operands) or len(operands) != 1 + bool(function.second):
        raise refusal(operation, f"a function of keras.ops with {len(args)} arguments", _CURE)
    filled = _options(operation, function, keywords)
    inputs: List[Reference] = []

    def operand(value: Any) -> Any:
        if is_tensor(value):
            _check_type(operation, function, value)
            inputs.append(source(value))
            return written(inputs[-1])
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not function.second:
            raise refusal(
                operation, "a function of keras.ops of something that is no tensor", _CURE
            )
        return value

    if function.several:
        listed = operands[0]
        if not isinstance(listed, list) or not listed:
            raise refusal(operation, "a function of keras.ops without a list of tensors", _CURE)
        return OperationCall(inputs, [[*operand(one), filled] for one in listed])
    if operation["class_name"] == "Matmul" and any(_rank(one) < 2 for one in operands):
        raise refusal(operation, "a product with a vector", _CURE)
    first = operand(operands[0])
    if function.second:
        filled = {function.second: operand(operands[1]), **filled}
    if not inputs:
        raise refusal(operation, "a function of keras.ops of no tensor", _CURE)
    start = first if isinstance(first, list) else ["_CONSTANT_VALUE", -1, first]
    return OperationCall(inputs, [*start, filled])


def _options(operation: Json, function: Function, keywords: Json) -> Json:
    found: Dict[str, Any] = {}
    given = {k: v for k, v in operation["config"].items() if k not in ("name", "dtype")}
    for option, value in {**given, **keywords}.items():
        if option in function.options:
            if not _plain(value) or (value is None and operation["class_name"] in _TOLD):
                raise refusal(operation, f"a function of keras.ops with {option}={value!r}", _CURE)
            found[function.options[option]] = value
        elif value not in _IDLE.get(option, ()):
            raise refusal(operation, f"a function of keras.ops with {option}={value!r}", _CURE)
    missing = [one for one in function.options if function.options[one] not in found]
    if missing:
        raise refusal(operation, f"a function of keras.ops without {missing[0]}", _CURE)
    return found


def _plain(value: Any) -> bool:
    """Whether it is a number, nothing, or a list of whole numbers."""
    if isinstance(value, list):
        return all(isinstance(one, int) and not isinstance(one, bool) for one in value)
    return value is None or isinstance(value, (bool, int, float))


def _sliced(
    operation: Json,
    args: List[Any],
    keywords: Json,
    source: Callable[[Json], Reference],
    written: Callable[[Reference], List[Any]],
) -> OperationCall:
    """x[key], the key written out: an ellipsis as the slices that it stands for."""
    key = args[1] if len(args) == 2 else keywords.get("key")
    if not args or not is_tensor(args[0]) or len(args) > 2 or set(keywords) - {"key"}:
        raise refusal(operation, "a slice of something that is no tensor", _CURE)
    entries = key if isinstance(key, list) else [key]
    whole = {"start": None, "stop": None, "step": None}
    places = [_place(operation, entry) for entry in entries]
    if places.count(Ellipsis) > 1:
        raise refusal(operation, "a slice with two ellipses", _CURE)
    if Ellipsis in places:
        rest = _rank(args[0]) - sum(one is not None for one in places) + 1
        at = places.index(Ellipsis)
        places[at : at + 1] = [dict(whole) for _ in range(rest)]
    tensor = source(args[0])
    return OperationCall([tensor], [*written(tensor), {"slice_spec": places}])


def _place(operation: Json, entry: Any) -> Any:
    """One part of a key: a whole number, None for a new axis, a slice, or Ellipsis."""
    if isinstance(entry, dict):
        kind = entry.get("class_name")
        if kind == "__ellipsis__":
            return Ellipsis
        ends = entry.get("config")
        if (
            kind == "__slice__"
            and isinstance(ends, dict)
            and set(ends) <= {"start", "stop", "step"}
        ):
            found = {end: ends.get(end) for end in ("start", "stop", "step")}
            if all(value is None or _whole(value) for value in found.values()):
                return found
    elif entry is None or _whole(entry):
        return entry
    raise refusal(operation, "a slice by something that is no whole number", _CURE)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_type(operation: Json, function: Function, tensor: Json) -> None:
    dtype = tensor["config"].get("dtype")
    if not function.moves and dtype not in _FLOATS:
        raise refusal(operation, f"a function of keras.ops of {dtype} numbers", _CURE)


def _rank(tensor: Any) -> int:
    return len(tensor["config"]["shape"]) if is_tensor(tensor) else 0


def is_tensor(value: Any) -> bool:
    """Whether it is a serialised tensor of Keras 3."""
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"
