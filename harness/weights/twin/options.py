"""Compare the options of two paired operators, what they read, and what the graphs put out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from harness.flatbuffer.schema import constant_name
from harness.weights.twin.graphs import Graph, Operator, signature
from harness.weights.twin.pairing import Paired

#: Options that decide nothing, or that another one or the sizes say again.
_IDLE = {
    "RESHAPE": ("newShape",),
    "SQUEEZE": ("squeezeDims",),
    "FULLY_CONNECTED": ("keepNumDims", "weightsFormat", "quantizedBiasType"),
    "CONV_2D": ("quantizedBiasType",),
    "TRANSPOSE_CONV": ("quantizedBiasType",),
    "CAST": ("inDataType", "outDataType"),
    "WHILE": ("condSubgraphIndex", "bodySubgraphIndex"),
    "IF": ("thenSubgraphIndex", "elseSubgraphIndex"),
    "CALL_ONCE": ("initSubgraphIndex",),
    "VAR_HANDLE": ("container", "sharedName"),
    "ADD": ("potScaleInt16",),
    "SUB": ("potScaleInt16",),
    "SHAPE": ("outType",),
}
#: How the inputs of hybrid kernels are rounded: what the recipe decides.
_OF_RECIPE = ("asymmetricQuantizeInputs",)
#: Options that are an axis, counted from either end.
_AXES = ("axis", "batchDims")
_NAMES = {"fusedActivationFunction": "ActivationFunctionType", "padding": "Padding"}
_TITLES = {
    "fusedActivationFunction": "activation",
    "cellClip": "cell clip",
    "projClip": "projection clip",
    "strideW": "stride (width)",
    "strideH": "stride (height)",
    "dilationWFactor": "dilation (width)",
    "dilationHFactor": "dilation (height)",
    "timeMajor": "time_major",
    "keepDims": "keep_dims",
}
_FUNCTIONS = ("RELU", "RELU6", "RELU_N1_TO_1", "TANH")
#: Of a float32 option that was computed.
_COMPUTED = 2.0**-22


def differences(
    pairs: Paired, own: Operator, twin: Operator, same_recipe: bool
) -> Iterator[tuple[str, str]]:
    """Kind and message, without its operator, of each option that is not the twin's.

    same_recipe: whether the twin was converted by the file's own recipe.
    """
    mine, its = own.raw.builtinOptions, twin.raw.builtinOptions
    if own.name != twin.name or (mine is None and its is None):
        return
    # Options that are left out are the schema's defaults.
    mine, its = type(its)() if mine is None else mine, type(mine)() if its is None else its
    given_kind, right_kind = type(mine).__name__, type(its).__name__
    if given_kind != right_kind:
        told = f"has {_kind(given_kind)}, the model's own conversion {_kind(right_kind)}"
        yield "option", told
        return
    idle = (*_IDLE.get(own.kind, ()), *(() if same_recipe else _OF_RECIPE))
    rank = len(pairs.own.shape(own.outputs[0])) if own.outputs else 0
    for name in sorted(vars(mine)):
        given, right = getattr(mine, name), getattr(its, name, None)
        if name in idle or _same(given, right) or right is None:
            continue
        if name in _AXES and rank and int(given) % rank == int(right) % rank:
            continue
        kind = "activation" if name == "fusedActivationFunction" else "option"
        if kind == "activation" and _beside(pairs, own, twin, given, right):
            continue
        told = f"has the {_TITLES.get(name, name)} {_shown(name, given)}, the model's own "
        yield kind, f"{told}conversion {_shown(name, right)}"


def _kind(name: str) -> str:
    """A class of options of the schema's object API, as the schema calls it."""
    return name.removesuffix("T")


def _same(given: Any, right: Any) -> bool:
    if isinstance(given, float) or isinstance(right, float):
        return bool(abs(float(given) - float(right)) <= _COMPUTED * abs(float(right)))
    if isinstance(given, (list, np.ndarray)) or isinstance(right, (list, np.ndarray)):
        return bool(np.array_equal(np.asarray(given), np.asarray(right)))
    return bool(given == right)


def _beside(pairs: Paired, own: Operator, twin: Operator, given: int, right: int) -> bool:
    """Whether the function that one has fused stands behind the other as an operator."""
    for graph, operator, fused, alone in (
        (pairs.own, own, right, pairs.alone),
        (pairs.twin, twin, given, pairs.missing),
    ):
        if (given if graph is pairs.own else right) != 0:
            continue
        wanted = constant_name("ActivationFunctionType", int(fused))
        for one in alone:
            if one.kind == wanted and one.inputs and one.inputs[0] in operator.outputs:
                return True
    return False


def fused(operator: Operator) -> str:
    """The function that an operator applies to its own result; NONE where it applies none."""
    number = getattr(operator.raw.builtinOptions, "fusedActivationFunction", 0)
    return constant_name("ActivationFunctionType", int(number))


def _shown(name: str, value: Any) -> str:
    if name in _NAMES:
        return constant_name(_NAMES[name], int(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def wiring(pairs: Paired, own: Operator, twin: Operator) -> Iterator[str]:
    """Inputs that are not made by the partner of what makes the twin's."""
    mine, its = own.activations, twin.activations
    if len(mine) != len(its):
        yield f"reads {len(mine)} computed inputs, in the model's own conversion {len(its)}"
        return
    for (place, a), (_, b) in zip(mine, its, strict=True):
        a, b = pairs.before(pairs.own, a), pairs.before(pairs.twin, b)
        if pairs.tensors.get(a) == b or _unknown(pairs, a, b):
            continue
        told = f"reads {_maker(pairs.own, a)} as input {place}, in the model's own conversion "
        yield f"{told}{_maker(pairs.twin, b)}"


def _unknown(pairs: Paired, a: int, b: int) -> bool:
    """Whether what makes either has no partner: it is told of itself."""
    made, its = pairs.own.producer.get(a), pairs.twin.producer.get(b)
    return (made is not None and made.position not in pairs.partner) or (
        its is not None and its.position not in pairs.taken
    )


def _maker(graph: Graph, tensor: int) -> str:
    made = graph.producer.get(tensor)
    if made is None:
        return f"tensor {graph.tensor_name(tensor)!r}"
    number = made.outputs.index(tensor)
    of = f"output {number} of " if len(made.outputs) > 1 else ""
    return f"{of}{made.name} operator {made.position}"


def outputs(pairs: Paired) -> Iterator[tuple[str, str]]:
    """Kind and message of outputs that stand elsewhere or go by another's name: `output-names`,
    `output-order`."""
    own, twin = pairs.own, pairs.twin
    mine = [pairs.tensors.get(pairs.before(own, own.origin(t))) for t in own.outputs]
    its = [pairs.before(twin, twin.origin(t)) for t in twin.outputs]
    if len(mine) != len(its) or len(its) < 2 or len(set(its)) != len(its):
        return
    if sorted(map(str, mine)) != sorted(map(str, its)):
        return  # an operator before has no partner, which is told
    called, right = signature(own.model, "outputs"), signature(twin.model, "outputs")
    known = sorted(called.values()) == sorted(right.values()) and len(called) == len(its)
    if known:
        name_of = dict(zip(its, (right.get(t, "") for t in twin.outputs), strict=True))
        wrong = [
            (called.get(t, ""), name_of[partner])
            for t, partner in zip(own.outputs, mine, strict=True)
            if partner is not None and called.get(t, "") != name_of[partner]
        ]
        if wrong:
            told = "; ".join(f"what it calls {a!r} is the model's {b!r}" for a, b in wrong)
            yield "output-names", f"the signature's outputs have each other's names: {told}"
            return
    if mine != its:
        order = [its.index(tensor) for tensor in mine if tensor is not None]
        told = "the outputs stand in another order than in the model's own conversion: the file's "
        yield "output-order", f"{told}are the model's {', '.join(map(str, order))}"


def missing(pairs: Paired) -> Iterator[tuple[int | None, str]]:
    """Operators that only one of the two has: position in the file, and message."""
    back = {b: a for a, b in pairs.partner.items()}
    fused = {
        *_fused_beside(pairs.own, pairs.twin, pairs.alone, pairs.partner),
        *_fused_beside(pairs.twin, pairs.own, pairs.missing, back),
    }
    for one in pairs.missing:
        if one.kind != "RESHAPE" and (id(pairs.twin), one.position) not in fused:
            behind = _neighbour(pairs, one)
            yield None, f"{one.name} is missing{behind}, which the model's own conversion has"
    for one in pairs.alone:
        if one.kind != "RESHAPE" and (id(pairs.own), one.position) not in fused:
            told = f"{one.name} operator {one.position} has no part in the model's own conversion"
            yield one.position, told


def _fused_beside(
    graph: Graph, other: Graph, alone: Sequence[Operator], partner: Mapping[int, int]
) -> set[tuple[int, int]]:
    """Functions that are operators here and fused into the partner of what they stand behind."""
    found = set()
    for one in alone:
        made = graph.producer.get(one.inputs[0]) if one.inputs else None
        if one.kind not in _FUNCTIONS or made is None or made.position not in partner:
            continue
        its = other.by_position[partner[made.position]].raw.builtinOptions
        fused = getattr(its, "fusedActivationFunction", None)
        if fused is not None and constant_name("ActivationFunctionType", int(fused)) == one.kind:
            found.add((id(graph), one.position))
    return found


def _neighbour(pairs: Paired, one: Operator) -> str:
    """Behind which operator of the file it would stand."""
    back = {b: a for a, b in pairs.partner.items()}
    for _, tensor in one.activations:
        made = pairs.twin.producer.get(pairs.before(pairs.twin, tensor))
        if made is not None and made.position in back:
            return f" behind {made.name} operator {back[made.position]}"
    return ""
