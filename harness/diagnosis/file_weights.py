"""Find a model's weights among the constants of a flatbuffer, wherever the converter put them.

The audit (harness/weights/audit.py) knows LSTMs and FULLY_CONNECTED operators. Everything else
(convolutions, embeddings, normalisations, the loops of LSTMs that are not fused) is found by its
size: of the constants with as many values the one that lies nearest, with its axes in any order.
That is a guess, which `trial` proves: the source model with the constant in its weight's place
has to give the file's answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.diagnosis.candidates import Candidate
from harness.diagnosis.source_model import Arrays, Document, Source, Weight, described_weights
from harness.flatbuffer.schema import builtin_name, dtype_name, shared, stored
from harness.weights.audit import lstm_constants
from harness.weights.differences import allowed_difference
from harness.weights.lstm_matching import matches
from reference.lstm.weights import LstmWeights

Array = NDArray[Any]
#: Axes of a weight whose order is tried: 4! orders.
MOST_AXES = 4
#: Relative rounding of what the converter computes from weights in float32, some operations deep.
_COMPUTED = 2.0**-18
_NUMBERS = ("float32", "float16", "int8", "int16", "int32")
_CURE = "this file was not made from this model, or was changed: convert again"


@dataclass(frozen=True, eq=False)
class Held:
    """A weight as the file has it.

    values: as `want` would be, float64. wrong: how many of them rounding does not explain. tensor:
    the constant's name. puts: Keras's arrays that make the source model compute with these values.
    """

    weight: Weight
    values: Array
    want: Array
    wrong: int
    tensor: str
    put: Callable[[Arrays], Arrays]
    absorbs: str = ""

    def told(self) -> str:
        """What is wrong with it, in words."""
        want = self.want
        what = f"the {self.weight.title} of layer {self.weight.layer!r}"
        of = f" (tensor {self.tensor!r})" if self.tensor else ""
        found = self.values
        if not np.any(found) and np.any(want):
            return f"{what}{of} is zero"
        with np.errstate(all="ignore"):
            factor = float((found * want).sum() / np.square(want).sum())
            close = np.abs(found - factor * want) <= 0.01 * np.abs(want) + 1e-6
            if self.wrong > 1 and close.mean() > 0.9 and abs(factor - 1) > 0.02:
                return f"{what}{of} is {factor:.4g} times the layer's"
            error = np.where(np.isnan(found), np.inf, np.abs(found - want))
        at = tuple(int(k) for k in np.unravel_index(int(error.argmax()), error.shape))
        return (
            f"{what}{of} differs in {self.wrong} of {error.size} values, most at {list(at)}: "
            f"{found[at]:.6g}, the layer has {want[at]:.6g}"
        )


@dataclass(frozen=True, eq=False)
class _Constant:
    name: str
    values: Array
    step: Array
    dtype: str
    #: The operators that read it.
    reads: frozenset[str]


def held(content: bytes, document: Document, weights: Arrays) -> list[Held]:
    """The weights of the model that constants of the file stand for, rightly or not.

    Raises ValueError when the bytes are no .tflite file.
    """
    known = {weight.key: weight for weight in described_weights(document, weights)}
    found = {one.weight.key: one for one in _of_fused(content, weights, known)}
    wanted = [form for form in _forms(document, weights, known) if form.weight.key not in found]
    pool = _constants(content)
    pairs: list[tuple[float, int, _Form, Held]] = []
    for form in wanted:
        for number, constant in enumerate(pool):
            if constant.values.size == form.want.size and _may_be(form.kind, constant.reads):
                distance, one = _nearest(form, constant)
                pairs.append((distance, number, form, one))
    taken: set[int] = set()
    for _, number, form, one in sorted(pairs, key=lambda pair: pair[0]):
        # Equal constants share a tensor; a wrong one is nobody else's.
        if form.weight.key not in found and (number not in taken or not one.wrong):
            found[form.weight.key] = one
            taken.add(number)
    absorbed = {one.absorbs for one in found.values()}
    order = {key: position for position, key in enumerate(known)}
    kept = [one for one in found.values() if one.weight.layer not in absorbed]
    return sorted(kept, key=lambda one: order[one.weight.key.partition(_ROW)[0]])


def of_file(source: Source, content: bytes) -> Iterator[Candidate]:
    """Candidates: one weight of the file in the place of the model's, all of a layer, and all."""
    wrong = [one for one in held(content, source.document, source.weights) if one.wrong]
    layers: dict[str, list[Held]] = {}
    for one in wrong:
        layers.setdefault(one.weight.layer, []).append(one)
        yield Candidate("weight", one.told(), _CURE, _placing([one]))
    for layer, ones in layers.items():
        if len(ones) > 1:
            titles = ", ".join(one.weight.title for one in ones)
            yield Candidate(
                "layer-weights", f"layer {layer!r} has another {titles}", _CURE, _placing(ones)
            )
    if len(layers) > 1:
        yield Candidate(
            "other-weights",
            f"the file holds other weights than the model, in layers "
            f"{', '.join(map(repr, layers))}: an older checkpoint, or another training",
            "convert the checkpoint that you compare with, or compare with the one you converted",
            _placing(wrong),
        )


def _placing(ones: list[Held]) -> Callable[[Source], Source]:
    def placed(source: Source) -> Source:
        weights = dict(source.weights)
        for one in ones:
            weights |= one.put(weights)
        return replace(source, weights=weights)

    return placed


def _of_fused(content: bytes, weights: Arrays, known: Mapping[str, Weight]) -> Iterator[Held]:
    """Kernels and biases of the fused LSTMs, in Keras's layout."""
    for match in matches(content, weights):
        if match.weights is None:
            continue
        name, _, way = match.layer.partition("/")
        first = 3 if way == "backward" else 0
        kernel, recurrent, bias = _keras_layout(match.lstm, match.weights)
        for k, (values, wrong) in enumerate((kernel, recurrent, bias)):
            weight = known.get(f"{name}/{first + k}")
            if weight is not None and values.shape == np.shape(weights[weight.key]):
                want = np.asarray(weights[weight.key], np.float64)
                yield Held(weight, values, want, wrong, "", partial(_itself, weight.key, values))


def _keras_layout(lstm: Any, keras: LstmWeights) -> list[tuple[Array, int]]:
    """Kernel, recurrent kernel and bias, and how many values of each are wrong."""
    gates = list(lstm_constants(lstm, keras, ""))
    assert len(gates) == 12
    found = []
    for k in range(0, 12, 4):
        parts = gates[k : k + 4]
        wrong = sum(int((part.share(part.want) > 1).sum()) for part in parts)
        found.append((np.concatenate([part.found.T for part in parts], axis=-1), wrong))
    return found


#: What reads the constants of a layer, by its kind: a loop's are in graphs of their own.
_READERS: Mapping[str, tuple[str, ...]] = {
    "Conv1D": ("CONV_2D", "ADD", "DEPTHWISE_CONV_2D"),
    "Conv2D": ("CONV_2D", "ADD", "DEPTHWISE_CONV_2D"),
    "Dense": ("FULLY_CONNECTED", "BATCH_MATMUL", "ADD"),
    "Embedding": ("GATHER",),
    "BatchNormalization": ("MUL", "ADD", "SUB"),
    "LayerNormalization": ("MUL", "ADD", "SUB"),
}


def _may_be(kind: str, readers: frozenset[str]) -> bool:
    if "UNIDIRECTIONAL_SEQUENCE_LSTM" in readers:
        return False
    return kind not in _READERS or not readers or bool(readers & set(_READERS[kind]))


def _constants(content: bytes) -> list[_Constant]:
    """Every constant with numbers in all graphs, as real numbers."""
    model = shared(content)
    found = []
    for graph in model.subgraphs:
        readers: dict[int, set[str]] = {}
        behind: dict[int, int] = {}
        for operator in graph.operators:
            name = builtin_name(model, operator)
            if name == "DEQUANTIZE":  # of a float16 constant
                behind[int(operator.inputs[0])] = int(operator.outputs[0])
            for index in operator.inputs:
                readers.setdefault(int(index), set()).add(name)
        for index, tensor in enumerate(graph.tensors):
            dtype = dtype_name(tensor)
            values = stored(model, tensor) if dtype in _NUMBERS else None
            if values is None or not values.size:
                continue
            given = tensor.quantization
            scaled = given is not None and given.scale is not None and len(given.scale) > 0
            if dtype not in ("float32", "float16") and not scaled:
                continue
            step: Array = np.zeros(())
            real = values.astype(np.float64)
            if scaled:
                step = np.asarray(given.scale, np.float64)
                if step.size > 1:
                    shape = [1] * values.ndim
                    shape[given.quantizedDimension] = -1
                    step = step.reshape(shape)
                zero = given.zeroPoint
                real = (real - (0 if zero is None or not len(zero) else int(zero[0]))) * step
            text = tensor.name.decode("utf-8", "replace") if tensor.name else ""
            reads = frozenset(readers.get(behind.get(index, index), set()))
            found.append(_Constant(text, real, np.broadcast_to(step, real.shape), dtype, reads))
    return found


def _nearest(form: _Form, constant: _Constant) -> tuple[float, Held]:
    """The order of axes in which a constant lies nearest to a form of a weight."""
    scale = float(np.sqrt(np.square(form.want).mean())) or 1.0
    axes = form.want.ndim if form.want.ndim <= MOST_AXES else 0
    orders = list(permutations(range(axes))) if axes else [tuple(range(form.want.ndim))]
    distances = []
    for order in orders:
        turned = form.want.transpose(order)
        with np.errstate(all="ignore"):
            off = np.square(constant.values.reshape(turned.shape) - turned)
            distance = float(np.sqrt(off.mean())) / scale
        distances.append(distance if np.isfinite(distance) else 1e300)
    best = int(np.argmin(distances))
    turned = form.want.transpose(orders[best])
    found, step = constant.values.reshape(turned.shape), constant.step.reshape(turned.shape)
    allowed = allowed_difference(turned, step, constant.dtype)
    if form.computed:
        allowed = allowed + _COMPUTED * float(np.abs(turned).max(initial=0.0))
    wrong = int(np.count_nonzero(~(np.abs(found - turned) <= allowed)))
    back = tuple(int(k) for k in np.argsort(orders[best]))
    values = found.transpose(back)
    # A weight beside a normalisation is there by itself only where it is so to the bit.
    distance = distances[best] * (1.0 if not form.doubtful or not wrong else _DOUBT)
    put = partial(form.put, form.weight.key, values)
    return distance, Held(form.weight, values, form.want, wrong, constant.name, put, form.absorbs)


#: How much nearer than itself the folded form of a weight counts.
_DOUBT = 10.0
Put = Callable[[str, Array, Arrays], Arrays]


@dataclass(frozen=True, eq=False)
class _Form:
    """One form in which a weight may be in the file: itself, or with a normalisation folded in.

    want: the values then. put: Keras's arrays, among others, that such values of a key come from.
    computed: whether the converter computes them. doubtful: where it usually folds. absorbs: the
    normalisation that is then no longer there."""

    weight: Weight
    kind: str
    want: Array
    put: Put
    computed: bool = True
    doubtful: bool = False
    absorbs: str = ""


def _forms(document: Document, weights: Arrays, known: Mapping[str, Weight]) -> Iterator[_Form]:
    """The forms that the converter gives each weight: itself; with the factor and the offset of a
    normalisation behind or before it; a BatchNormalization's own two constants."""
    nodes = {node["name"]: node for node in document["nodes"]}
    for key, weight in known.items():
        name, _, index = key.rpartition("/")
        node = nodes[name]
        kind = str((node["config"].get("layer") or {}).get("class", node["class"]))
        want = np.asarray(weights[key], np.float64)
        if kind == "BatchNormalization":
            yield from _of_batch(node, weight, index, weights)
            continue
        if want.ndim == 2 and weight.title.endswith("bias"):  # a GRU's, of both its products
            for row, values in enumerate(want):
                own = Weight(f"{key}{_ROW}{row}", name, f"{weight.title} (row {row})")
                yield _Form(own, kind, values, _row, computed=False)
            continue
        before = nodes.get(node["inputs"][0].partition(":")[0]) if node["inputs"] else None
        folds = before is not None and before["class"] in _FOLDED and kind == "Dense"
        yield _Form(weight, kind, want, _itself, computed=False, doubtful=folds)
        for other in document["nodes"]:
            if other["class"] == "BatchNormalization" and name in other["inputs"]:
                factor, offset = folded(other, weights)
                folding = want * factor + (0 if index == "0" else offset)
                put = partial(_before, other, index == "0")
                yield _Form(weight, kind, folding, put, absorbs=other["name"])
        if folds and before is not None:
            factor, offset = folded(before, weights)
            folding = want * factor[:, None] if index == "0" else want
            if index != "0":
                folding = want + offset @ np.asarray(weights[f"{name}/0"], np.float64)
            put = partial(_behind, before, index == "0")
            yield _Form(weight, kind, folding, put, absorbs=before["name"])


_FOLDED = ("BatchNormalization", "LayerNormalization")


#: Between a weight's key and the row that is a constant of its own.
_ROW = "#"


def _row(key: str, values: Array, weights: Arrays) -> Arrays:
    name, _, row = key.partition(_ROW)
    array = np.array(weights[name], np.float64)
    array[int(row)] = values
    return {name: array}


def _itself(key: str, values: Array, weights: Arrays) -> Arrays:
    return {key: values}


def _before(other: Mapping[str, Any], kernel: bool, key: str, values: Array, w: Arrays) -> Arrays:
    """Kernel or bias of a layer whose result a BatchNormalization takes further."""
    factor, offset = folded(other, w)
    return {key: values / factor if kernel else (values - offset) / factor}


def _behind(before: Mapping[str, Any], kernel: bool, key: str, values: Array, w: Arrays) -> Arrays:
    """Kernel or bias of a Dense behind a normalisation."""
    factor, offset = folded(before, w)
    if kernel:
        return {key: values / factor[:, None]}
    return {key: values - offset @ np.asarray(w[f"{key.rpartition('/')[0]}/0"], np.float64)}


def folded(node: Mapping[str, Any], weights: Arrays) -> tuple[Array, Array]:
    """A normalisation's last step as a factor and an offset; of a BatchNormalization all of it."""
    config, name = node["config"], node["name"]
    scales, centers = bool(config.get("scale", True)), bool(config.get("center", True))
    titles = ["gamma"] * scales + ["beta"] * centers
    if node["class"] == "BatchNormalization":
        titles += ["mean", "variance"]
    of = {t: np.asarray(weights[f"{name}/{k}"], np.float64) for k, t in enumerate(titles)}
    if node["class"] != "BatchNormalization":
        size = next((array.shape for array in of.values()), (1,))
        return of.get("gamma", np.ones(size)), of.get("beta", np.zeros(size))
    factor = of.get("gamma", 1.0) / np.sqrt(of["variance"] + float(config.get("epsilon", 1e-3)))
    return np.asarray(factor), np.asarray(of.get("beta", 0.0) - of["mean"] * factor)


def _of_batch(
    node: Mapping[str, Any], weight: Weight, index: str, weights: Arrays
) -> Iterator[_Form]:
    """gamma as the factor of a MUL, beta as the offset of an ADD."""
    if not (node["config"].get("scale", True) and node["config"].get("center", True)):
        return
    said = ("factor (gamma, moving variance)", "offset (beta, moving mean)")
    if index in ("0", "1"):
        own = Weight(weight.key, weight.layer, said[int(index)])
        want = folded(node, weights)[int(index)]
        yield _Form(own, "BatchNormalization", want, partial(_plain, node))


def _plain(node: Mapping[str, Any], key: str, values: Array, weights: Arrays) -> Arrays:
    """The arrays of a BatchNormalization whose statistics are 0 and 1."""
    name, epsilon = node["name"], float(node["config"].get("epsilon", 1e-3))
    factor, offset = folded(node, weights)
    unit = np.full_like(factor, 1 - epsilon)
    plain = {f"{name}/0": factor, f"{name}/1": offset, f"{name}/2": 0 * factor, f"{name}/3": unit}
    return {**plain, key: values}
