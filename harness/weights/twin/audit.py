"""Audit a flatbuffer against a conversion of its source that the harness has made itself.

The same converter makes of the same source the same operators, so each operator of the file has a
partner, and each constant, option and input of it one to be held to. The twin is a float32
conversion: what it holds is the source's own arithmetic, folded as the converter folds it
(normalisations with their epsilon), before any rounding. Where the two graphs differ, because
another version converted the file, what has no partner is said and not judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from harness.weights.differences import Difference
from harness.weights.twin import constants, options
from harness.weights.twin.graphs import Graph, Operator, converter_of
from harness.weights.twin.pairing import Paired, paired

#: Operators beyond which a graph is an unrolled loop, whose parts are alike: not audited.
MOST_OPERATORS = 3000
#: Operators without a partner beyond which, with a quarter of all, two graphs are not compared.
MOST_APART = 3
#: What a recurrent layer becomes, one way or another, and what is TensorFlow's own.
_FORMS = {
    *("WHILE", "IF", "CUSTOM", "RNN", "LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN"),
    *("UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM"),
}
#: Operators that run other graphs, and the options that say which.
_CALLS = {
    "WHILE": ("condSubgraphIndex", "bodySubgraphIndex"),
    "IF": ("thenSubgraphIndex", "elseSubgraphIndex"),
}


@dataclass(frozen=True)
class Audit:
    """differences: constants, options and wires that are not the source's. apart: operators that
    only one of the two has. compared: numbers of operators and of constants that were held."""

    differences: tuple[Difference, ...] = ()
    apart: tuple[Difference, ...] = ()
    operators: int = 0
    constants: int = 0
    #: Whether file and twin say that one version of TensorFlow converted both.
    one_converter: bool = False
    problem: str = ""
    #: Layers that end at another function than the model's: layer, the file's, the model's.
    functions: tuple[tuple[str, str, str], ...] = ()


def audit(
    content: bytes,
    twin: bytes,
    layers: Sequence[str] = (),
    lstms: Mapping[int, str] = MappingProxyType({}),
    same_recipe: bool = False,
) -> Audit:
    """What of a flatbuffer is not as in its source's conversion.

    twin: that conversion, float32 or by the file's own recipe (`same_recipe`). layers: the names
    of the source's layers. lstms: the layer of each fused LSTM, by position. Raises ValueError when
    the bytes are no .tflite file.
    """
    own, other = Graph(content), Graph(twin)
    if max(len(own.operators), len(other.operators)) > MOST_OPERATORS:
        return Audit(problem=f"more than {MOST_OPERATORS} operators")
    found: list[Difference] = []
    apart: list[Difference] = []
    counts = [0, 0]
    first = paired(own, other)
    if problem := _another_form(first):
        return Audit(problem=problem)
    todo = [(0, first)]
    seen = {(0, 0)}
    while todo:
        number, pairs = todo.pop()
        found += _of_graph(pairs, number, layers, {} if number else lstms, same_recipe)
        apart += [
            Difference("operator", "", told, position if number == 0 else None)
            for position, told in options.missing(pairs)
        ]
        counts[0] += len(pairs.partner)
        counts[1] += sum(len(a.constants) for a, _ in pairs.pairs)
        if number == 0:
            found += [Difference(k, "", told) for k, told in options.outputs(pairs)]
        for a, b in _called(pairs):
            if (a, b) not in seen:
                seen.add((a, b))
                todo.append((a, paired(Graph(content, a), Graph(twin, b), main=False)))
    version = converter_of(content)
    one = bool(version) and version == converter_of(twin)
    functions = tuple(_functions(first, layers))
    return Audit(tuple(found), tuple(apart), counts[0], counts[1], one, functions=functions)


def _functions(pairs: Paired, layers: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    for own, twin in pairs.pairs:
        given, right = (options.fused(one) for one in (own, twin))
        if given != right and (layer := layer_of(pairs.twin, twin, layers)):
            yield layer, given, right


def _another_form(pairs: Paired) -> str:
    """Why the two graphs are not one model converted in one way; empty where they are. What is
    left of such a pair by chance says nothing of a fault."""
    forms = {o.name for o in (*pairs.alone, *pairs.missing) if o.name in _FORMS}
    if forms:
        return f"its layers have another form than in the model's own conversion ({_list(forms)})"
    apart = max(len(pairs.alone), len(pairs.missing))
    if apart > max(MOST_APART, len(pairs.twin.operators) // 4):
        return f"{apart} of its operators have no part in the model's own conversion"
    return ""


def _list(names: set[str]) -> str:
    return ", ".join(sorted(names))


def _called(pairs: Paired) -> Iterator[tuple[int, int]]:
    for a, b in pairs.pairs:
        for name in _CALLS.get(a.kind, ()):
            yield int(getattr(a.raw.builtinOptions, name)), int(getattr(b.raw.builtinOptions, name))


def _of_graph(
    pairs: Paired,
    number: int,
    layers: Sequence[str],
    lstms: Mapping[int, str],
    same_recipe: bool,
) -> Iterator[Difference]:
    of = f" of subgraph {number}" if number else ""
    same_batch = _batches(pairs.own) == _batches(pairs.twin)
    for own, twin in pairs.pairs:
        layer = lstms.get(own.position) or layer_of(pairs.twin, twin, layers)
        where = f"{own.name} operator {own.position}{of}" + (f" (layer {layer!r})" if layer else "")
        position = own.position if number == 0 else None
        rank = len(pairs.own.shape(own.activations[0][1])) if own.activations else 0
        for kind, told, share in constants.differences(own, twin, rank, same_batch):
            yield Difference(kind, layer, f"{where}: {told}", position, share)
        for kind, told in options.differences(pairs, own, twin, same_recipe):
            yield Difference(kind, layer, f"{where} {told}", position)
        for told in options.wiring(pairs, own, twin):
            yield Difference("wiring", layer, f"{where} {told}", position)


def _batches(graph: Graph) -> list[tuple[int, ...]]:
    return [graph.shape(tensor)[:1] for tensor in graph.inputs]


def layer_of(graph: Graph, operator: Operator, layers: Sequence[str]) -> str:
    """The layer that names the operator's results or constants, of a conversion of the harness's:
    the converter keeps Keras's scopes, `model/layer/operation`."""
    known = set(layers)
    texts = [graph.tensor_name(tensor) for tensor in operator.outputs]
    texts += [value.name for value in operator.constants.values()]
    for text in texts:
        for part in text.replace(";", "/").split("/"):
            if part in known:
                return part
    return ""
