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
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.diagnosis.candidates import Candidate
from harness.diagnosis.source_model import Arrays, Document, Source, Weight, described_weights
from harness.flatbuffer.schema import dtype_name, shared, stored
from harness.weights.audit import allowed_difference, lstm_constants
from harness.weights.layer_alignment import matches
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

    values: in Keras's layout, float64. wrong: how many of them rounding does not explain.
    tensor: the constant's name.
    """

    weight: Weight
    values: Array
    wrong: int
    tensor: str

    def told(self, want: Array) -> str:
        """What is wrong with it, in words."""
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
class _Form:
    """One form in which a weight may be in the file: itself, or with a normalisation folded in.

    want: the values then. times, plus: from such values back to those of the weight. computed:
    whether the converter computes them."""

    want: Array
    times: Array | float = 1.0
    plus: Array | float = 0.0
    computed: bool = True


@dataclass(frozen=True, eq=False)
class _Constant:
    name: str
    values: Array
    step: Array
    dtype: str


def held(content: bytes, document: Document, weights: Arrays) -> list[Held]:
    """Every weight of the model with its nearest constant, those that are in the file rightly
    too; none for a weight that no constant has the size of.

    Raises ValueError when the bytes are no .tflite file.
    """
    known = {weight.key: weight for weight in described_weights(document, weights)}
    found = {one.weight.key: one for one in _of_fused(content, weights, known)}
    pool = _constants(content)
    pairs: list[tuple[float, str, int, Held]] = []
    for key, weight in known.items():
        if key in found:
            continue
        with np.errstate(divide="ignore", invalid="ignore"):  # a factor may be zero
            forms = _forms(key, document, weights)
        for form in forms:
            for number, constant in enumerate(pool):
                if constant.values.size == form.want.size:
                    distance, one = _nearest(weight, form, constant)
                    pairs.append((distance, key, number, one))
    taken: set[int] = set()
    for _, key, number, one in sorted(pairs, key=lambda pair: pair[0]):
        # Equal constants share a tensor; a wrong one is nobody else's.
        if key not in found and (number not in taken or not one.wrong):
            found[key] = one
            taken.add(number)
    return [found[key] for key in known if key in found]


def of_file(source: Source, content: bytes) -> Iterator[Candidate]:
    """Candidates: one weight of the file in the place of the model's, all of a layer, and all."""
    wrong = [one for one in held(content, source.document, source.weights) if one.wrong]
    layers: dict[str, list[Held]] = {}
    for one in wrong:
        layers.setdefault(one.weight.layer, []).append(one)
        told = one.told(np.asarray(source.weights[one.weight.key], np.float64))
        yield Candidate("weight", told, _CURE, _placing([one]))
    for layer, ones in layers.items():
        if len(ones) > 1:
            titles = ", ".join(one.weight.title for one in ones)
            yield Candidate(
                "layer-weights", f"layer {layer!r} has another {titles}", _CURE, _placing(ones)
            )
    if len(layers) > 1:
        count = len(described_weights(source.document, source.weights))
        yield Candidate(
            "other-weights",
            f"the file holds other weights than the model, {len(wrong)} of {count} arrays differ "
            f"(layers {', '.join(map(repr, layers))}): an older checkpoint, or another training",
            "convert the checkpoint that you compare with, or compare with the one you converted",
            _placing(wrong),
        )


def _placing(ones: list[Held]) -> Callable[[Source], Source]:
    return lambda source: replace(
        source, weights={**source.weights, **{one.weight.key: one.values for one in ones}}
    )


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
                yield Held(weight, values, wrong, "")


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


def _constants(content: bytes) -> list[_Constant]:
    """Every constant with numbers in all graphs, as real numbers."""
    model = shared(content)
    found = []
    for graph in model.subgraphs:
        for tensor in graph.tensors:
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
            name = tensor.name.decode("utf-8", "replace") if tensor.name else ""
            found.append(_Constant(name, real, np.broadcast_to(step, real.shape), dtype))
    return found


def _nearest(weight: Weight, form: _Form, constant: _Constant) -> tuple[float, Held]:
    """The order of axes in which a constant lies nearest to a form of a weight."""
    best: tuple[float, Array, Array, tuple[int, ...]] | None = None
    scale = float(np.sqrt(np.square(form.want).mean())) or 1.0
    axes = form.want.ndim if form.want.ndim <= MOST_AXES else 0
    for order in permutations(range(axes)) if axes else [tuple(range(form.want.ndim))]:
        turned = form.want.transpose(order)
        found = constant.values.reshape(turned.shape)
        with np.errstate(all="ignore"):
            distance = float(np.sqrt(np.square(found - turned).mean())) / scale
        distance = distance if np.isfinite(distance) else 1e300
        if best is None or distance < best[0]:
            best = distance, found, constant.step.reshape(turned.shape), order
    assert best is not None
    distance, found, step, order = best
    turned = form.want.transpose(order)
    allowed = allowed_difference(turned, step, constant.dtype)
    if form.computed:
        allowed = allowed + _COMPUTED * float(np.abs(turned).max(initial=0.0))
    wrong = int(np.count_nonzero(~(np.abs(found - turned) <= allowed)))
    back = np.argsort(order) if order else ()
    with np.errstate(all="ignore"):
        values = found.transpose(tuple(int(k) for k in back)) * form.times + form.plus
    return distance, Held(weight, values, wrong, constant.name)


def _forms(key: str, document: Document, weights: Arrays) -> list[_Form]:
    """The forms that the converter gives a weight: itself; with the factor and the offset of a
    BatchNormalization behind or before it; a BatchNormalization's own two constants."""
    want = np.asarray(weights[key], np.float64)
    forms = [_Form(want, computed=False)]
    nodes = {node["name"]: node for node in document["nodes"]}
    name, _, index = key.rpartition("/")
    node = nodes[name]
    if node["class"] == "BatchNormalization":
        return forms + _own_forms(node, index, weights)
    for other in document["nodes"]:
        if other["class"] == "BatchNormalization" and name in other["inputs"]:
            factor, offset = _folded(other, weights)
            if index == "0":
                forms.append(_Form(want * factor, 1 / factor))
            else:
                forms.append(_Form(want * factor + offset, 1 / factor, -offset / factor))
    before = nodes.get(node["inputs"][0]) if node["inputs"] else None
    if before is not None and before["class"] == "BatchNormalization" and node["class"] == "Dense":
        factor, offset = _folded(before, weights)
        if index == "0":
            forms.append(_Form(want * factor[:, None], 1 / factor[:, None]))
        else:
            added = offset @ np.asarray(weights[f"{name}/0"], np.float64)
            forms.append(_Form(want + added, 1.0, -added))
    return forms


def _batch(node: Mapping[str, Any], weights: Arrays) -> tuple[dict[str, Array], float]:
    config = node["config"]
    titles = ["gamma"] * bool(config.get("scale", True)) + ["beta"] * bool(
        config.get("center", True)
    )
    titles += ["mean", "variance"]
    arrays = [np.asarray(weights[f"{node['name']}/{k}"], np.float64) for k in range(len(titles))]
    found = dict(zip(titles, arrays, strict=True))
    found.setdefault("gamma", np.ones_like(found["mean"]))
    found.setdefault("beta", np.zeros_like(found["mean"]))
    return found, float(config.get("epsilon", 1e-3))


def _folded(node: Mapping[str, Any], weights: Arrays) -> tuple[Array, Array]:
    """A BatchNormalization as a factor and an offset."""
    of, epsilon = _batch(node, weights)
    factor = of["gamma"] / np.sqrt(of["variance"] + epsilon)
    return factor, of["beta"] - of["mean"] * factor


def _own_forms(node: Mapping[str, Any], index: str, weights: Arrays) -> list[_Form]:
    """gamma as the factor of a MUL, beta as the offset of an ADD."""
    of, epsilon = _batch(node, weights)
    root = np.sqrt(of["variance"] + epsilon)
    factor, offset = _folded(node, weights)
    scales, centers = node["config"].get("scale", True), node["config"].get("center", True)
    if scales and index == "0":
        return [_Form(factor, root)]
    if centers and index == ("1" if scales else "0"):
        return [_Form(offset, 1.0, of["mean"] * factor)]
    return []
