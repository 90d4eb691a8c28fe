"""Every layer and operation that the oracle knows answers as Keras does, and faults are seen."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.conversion.keras_description import from_keras_config
from reference.budgets.monte_carlo import budgets, calibrate
from reference.network import convolution, evaluate
from reference.network.layer_options import OPTIONS
from reference.network.operations import OPERATIONS

Arrays = dict[str, NDArray[Any]]
Document = dict[str, Any]


@dataclass(frozen=True)
class Answered:
    """A model's description, and what Keras says that it answers."""

    document: Document
    weights: Arrays
    inputs: Arrays
    outputs: Arrays

    def share(self, document: Document | None = None) -> float:
        """The largest error of Keras's outputs as a share of the float32 budget."""
        document = document or self.document
        allowed = budgets(self.document, self.weights, self.inputs, "float32")
        exact = evaluate(document, self.weights, self.inputs)
        assert len(exact) == len(self.outputs)
        worst = 0.0
        for number, (value, budget) in enumerate(zip(exact, allowed, strict=True)):
            want = self.outputs[str(number)]
            if want.shape != value.shape:
                return np.inf
            error = float(np.abs(want - value).max())
            worst = max(worst, error / (budget.value or 1e-30))
        return worst


@pytest.fixture(scope="module")
def answered(layer_models: Path) -> Mapping[str, Answered]:
    configs = json.loads((layer_models / "models.json").read_text())
    found: dict[str, dict[str, Arrays]] = {
        name: {"weight": {}, "input": {}, "output": {}} for name in configs
    }
    with np.load(layer_models / "answers.npz") as answers:
        for key in answers.files:
            name, kind, part = key.split("|")
            found[name][kind][part] = answers[key]
    return {
        name: Answered(
            from_keras_config(config),
            found[name]["weight"],
            found[name]["input"],
            found[name]["output"],
        )
        for name, config in configs.items()
    }


def test_keras_stays_within_the_float32_budget(answered: Mapping[str, Answered]) -> None:
    shares = {name: model.share() for name, model in answered.items()}
    assert len(shares) > 200
    assert {name: share for name, share in shares.items() if not share <= 1} == {}


def test_every_precision_has_a_budget(answered: Mapping[str, Answered]) -> None:
    """Every tensor that an integer scheme rounds has a range, whatever the layer."""
    for name, model in answered.items():
        given = (model.document, model.weights, model.inputs)
        ranges = calibrate(*given)
        for scheme in ("float16", "dynamic-range", "int8", "int16x8"):
            for budget in budgets(*given, scheme, ranges, trials=4):
                assert np.isfinite(budget.value), (name, scheme)


def test_the_models_have_every_layer_and_every_operation(
    answered: Mapping[str, Answered],
) -> None:
    """But for those of the catalogue, which the parity suite holds to Keras."""
    nodes = [node for model in answered.values() for node in model.document["nodes"]]
    inner = [node["config"]["layer"] for node in nodes if "layer" in node["config"]]
    elsewhere = {
        *("ActivityRegularization", "AlphaDropout", "GaussianDropout", "GaussianNoise"),
        *("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "Identity"),
        *("RNN", "LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells", "SimpleRNN"),
        *("ConvLSTM3D",),
    }
    assert OPTIONS.keys() - {node["class"] for node in (*nodes, *inner)} - elsewhere == set()
    used = {n["config"]["function"] for n in nodes if n["class"] == "TFOpLambda"}
    same = {
        *("gather", "ones", "ones_like", "pad", "shape", "squeeze", "transpose", "zeros_like"),
        *("compat.v1.ones_like", "compat.v1.zeros_like", "zeros", "math.divide"),
        *("nn.l2_normalize", "linalg.l2_normalize", "tensordot"),
    }
    assert OPERATIONS.keys() - used - same == set()


# Faults --------------------------------------------------------------------------------------


def _changed(**options: Any) -> Callable[[Document], None]:
    """Other options of the first node that has them."""

    def change(document: Document) -> None:
        for key, value in options.items():
            node = next(
                n for n in document["nodes"] if key in n["config"] or key in n.get("call", {})
            )
            place = node["config"] if key in node["config"] else node["call"]
            assert place[key] != value
            place[key] = value

    return change


def _swapped(document: Document) -> None:
    """The inputs of the last node that has two."""
    node = [n for n in document["nodes"] if len(n["inputs"]) == 2][-1]
    node["inputs"] = node["inputs"][::-1]


def _first_call(document: Document) -> None:
    """What reads a layer's second call reads its first."""
    twice = next(n["name"] for n in document["nodes"] if n["name"].endswith("@1"))
    for node in document["nodes"]:
        node["inputs"] = [twice.removesuffix("@1") if k == twice else k for k in node["inputs"]]
    document["outputs"] = [
        twice.removesuffix("@1") if k == twice else k for k in document["outputs"]
    ]


_FIRST: dict[str, Any] = {"slice_spec": [{"start": None, "stop": None, "step": None}, 0]}
FAULTS: dict[str, tuple[str, Callable[[Document], None]]] = {
    "dilation": ("conv-1d-0", _changed(dilation_rate=3)),
    "no activation": ("dense-of-a-layer", _changed(activation="linear")),
    "another slope": ("LeakyReLU", _changed(alpha=0.2)),
    "epsilon": ("BatchNormalization-axis", _changed(epsilon=0.02)),
    "epsilon of a layer": ("LayerNormalization", _changed(epsilon=2e-3)),
    "axes of a layer": ("LayerNormalization-axes", _changed(axis=[1])),
    "groups": ("GroupNormalization-axis", _changed(groups=2)),
    "an axis of a norm": ("UnitNormalization-axes", _changed(axis=[1])),
    "inverted": ("Normalization-invert", _changed(invert=False)),
    "offset": ("Rescaling", _changed(offset=0.0)),
    "interpolation": ("UpSampling-bilinear", _changed(interpolation="nearest")),
    "an uneven border": ("Cropping-uneven", _changed(cropping=[[1, 0], [2, 3]])),
    "zeros before": ("ZeroPadding-uneven", _changed(padding=[[1, 0], [2, 3]])),
    "no scale of scores": ("Attention-1", _changed(use_scale=False)),
    "scores by concat": ("Attention-0", _changed(score_mode="concat")),
    "into the future": ("MultiHeadAttention-causal", _changed(use_causal_mask=False)),
    "key is value": ("Dot-0", _swapped),
    "an order": ("Subtract", _swapped),
    "siamese order": ("siamese", _swapped),
    "a call left out": ("called-twice", _first_call),
    "another axis": ("operation-shares", lambda d: _keywords(d, "nn.softmax", axis=-1)),
    "another step": ("operation-a-step", lambda d: _keywords(d, "__operators__.getitem", **_FIRST)),
    "not transposed": (
        "operation-scores",
        lambda d: _keywords(d, "linalg.matmul", transpose_b=False),
    ),
    "exclusive": ("operation-running", lambda d: _keywords(d, "math.cumsum", reverse=True)),
    "a constant": ("operation-sum", lambda d: _keywords(d, "math.subtract", y=1.001)),
    "a state": ("constant-state", _changed(value=[[0.1, 0.0, 0.0, 0.0]])),
}


def _keywords(document: Document, function: str, **keywords: Any) -> None:
    node = next(n for n in document["nodes"] if n["config"].get("function") == function)
    before = dict(node["config"]["keywords"])
    node["config"]["keywords"].update(keywords)
    assert node["config"]["keywords"] != before


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_the_budget(answered: Mapping[str, Answered], fault: str) -> None:
    name, change = FAULTS[fault]
    model = answered[name]
    document = copy.deepcopy(model.document)
    change(document)
    with contextlib.suppress(ValueError):  # weights or shapes that do not fit are told at once
        assert model.share(document) > 1


def test_padding_on_the_wrong_side_leaves_the_budget(
    answered: Mapping[str, Answered], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The odd zero of `same` comes last, as in TensorFlow and not as in other frameworks."""
    right = convolution.padding
    monkeypatch.setattr(convolution, "padding", lambda *given: right(*given)[::-1])
    told = {
        name: model.share()
        for name, model in answered.items()
        if name.startswith(("conv-2d", "MaxPooling-2-same", "separable-2d", "depthwise-2d"))
        and any(n["config"].get("padding") == "same" for n in model.document["nodes"])
        and any(_is_odd(model, n) for n in model.document["nodes"])
    }
    assert told
    assert {name: share for name, share in told.items() if not share > 1} == {}


def _is_odd(model: Answered, node: Mapping[str, Any]) -> bool:
    size = node["config"].get("kernel_size") or node["config"].get("pool_size") or []
    shape = model.document["inputs"][0]["shape"]
    stride = node["config"]["strides"]
    dilation = node["config"].get("dilation_rate", [1, 1])
    pairs = [
        convolution.padding("same", *each)
        for each in zip(size, stride, dilation, shape, strict=False)
    ]
    return any(first != last for first, last in pairs)
