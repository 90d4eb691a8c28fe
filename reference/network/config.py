"""List the Keras 2.15 layers the oracle knows, with each option's default and meaning.

Nothing is ignored in silence: an option that is in none of the tables below, or has a value
that is not implemented, raises `UnsupportedLayer`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from reference.network.hooks import ACTIVATIONS, UnsupportedLayer

_DENSE: dict[str, Any] = {"units": None, "activation": "linear", "use_bias": True}
_RNN: dict[str, Any] = {
    "return_sequences": False,
    "return_state": False,
    "go_backwards": False,
    "stateful": False,
    "unroll": False,
    "time_major": False,
    "zero_output_for_mask": False,
}
_TANH: dict[str, Any] = {"activation": "tanh", "use_bias": True, "recurrent_dropout": 0.0}
_CELL: dict[str, Any] = {"units": None, **_TANH}
_GATED: dict[str, Any] = {**_CELL, "recurrent_activation": "sigmoid"}
_CONV: dict[str, Any] = {
    "filters": None,
    "kernel_size": None,
    "strides": 1,
    "padding": "valid",
    "data_format": "channels_last",
    "dilation_rate": 1,
}
_POOL: dict[str, Any] = {
    "pool_size": 2,
    "strides": (),
    "padding": "valid",
    "data_format": "channels_last",
}
_GLOBAL: dict[str, Any] = {"keepdims": False, "data_format": "channels_last"}

#: Options that decide a layer's value, or how it is converted, with Keras's defaults. None:
#: Keras has no default either.
OPTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "Activation": {"activation": None},
        "Add": {},
        "AlphaDropout": {},
        "Average": {},
        "AveragePooling1D": _POOL,
        "BatchNormalization": {"axis": -1, "epsilon": 1e-3, "center": True, "scale": True},
        "Bidirectional": {"layer": None, "merge_mode": "concat", "backward_layer": {}},
        "Concatenate": {"axis": -1},
        "Conv1D": {**_CONV, "groups": 1, "activation": "linear", "use_bias": True},
        "ConvLSTM1D": {**_RNN, **_CONV, **_TANH, "recurrent_activation": "hard_sigmoid"},
        "Cropping1D": {"cropping": (1, 1)},
        "Dense": _DENSE,
        "Dropout": {},
        "Embedding": {"input_dim": None, "output_dim": None, "mask_zero": False},
        "Flatten": {"data_format": "channels_last"},
        "GRU": {**_RNN, **_GATED, "reset_after": True},
        "GRUCell": {**_GATED, "reset_after": True},
        "GaussianDropout": {},
        "GaussianNoise": {},
        "GlobalAveragePooling1D": _GLOBAL,
        "GlobalMaxPooling1D": _GLOBAL,
        "LSTM": {**_RNN, **_GATED},
        "LSTMCell": _GATED,
        "LayerNormalization": {"axis": [-1], "epsilon": 1e-3, "center": True, "scale": True},
        "LeakyReLU": {"alpha": 0.3},
        "Masking": {"mask_value": 0.0},
        "MaxPooling1D": _POOL,
        "Maximum": {},
        "Minimum": {},
        "Multiply": {},
        "Permute": {"dims": None},
        "RNN": {**_RNN, "cell": None},
        "ReLU": {"max_value": (), "negative_slope": 0.0, "threshold": 0.0},
        "RepeatVector": {"n": None},
        "Reshape": {"target_shape": None},
        "SimpleRNN": {**_RNN, **_CELL},
        "SimpleRNNCell": _CELL,
        "Softmax": {"axis": -1},
        "SpatialDropout1D": {},
        "StackedRNNCells": {"cells": None},
        "Subtract": {},
        "TimeDistributed": {"layer": None},
        "ZeroPadding1D": {"padding": (1, 1)},
    }
)

#: Options that do not change what a trained layer computes: how weights came to be, what is
#: only active in training, and the order in which Keras multiplies.
HARMLESS = frozenset(
    {
        "name",
        "trainable",
        "batch_input_shape",
        "input_length",
        "implementation",
        "unit_forget_bias",
        "dropout",
        "rate",
        "stddev",
        "momentum",
        "renorm",
        "synchronized",
        *(f"moving_{part}_initializer" for part in ("mean", "variance")),
        "noise_shape",
        "seed",
        *(f"{part}_initializer" for part in ("kernel", "recurrent", "bias", "beta", "gamma")),
        *(f"{part}_regularizer" for part in ("kernel", "recurrent", "bias", "beta", "gamma")),
        *(f"{part}_constraint" for part in ("kernel", "recurrent", "bias", "beta", "gamma")),
        "embeddings_initializer",
        "embeddings_regularizer",
        "embeddings_constraint",
        "activity_regularizer",
    }
)

#: Options that every layer may have, of which only one value is implemented.
_ABOUT_TENSORS = frozenset({"dtype", "ragged", "sparse"})

#: Values of options that are implemented, where not all are.
_ONLY: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "data_format": ("channels_last",),
        "groups": (1,),
        "padding": ("valid", "same", "causal"),
        "merge_mode": ("concat", "sum", "mul", "ave", None),
        "activation": tuple(ACTIVATIONS),
        "recurrent_activation": tuple(ACTIVATIONS),
        "dtype": ("float32", None),
        "ragged": (False,),
        "sparse": (False,),
    }
)

#: Options that are numbers in one layer and a choice in others.
_NUMBERS = frozenset({("ZeroPadding1D", "padding")})


def options(name: str, layer: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """All deciding options of a layer, defaults filled in.

    Raises UnsupportedLayer for an unknown class, option or value, and for a missing option.
    """
    what = f"layer {name!r} ({layer})"
    known = OPTIONS.get(layer)
    if known is None:
        raise UnsupportedLayer(f"{what}: no such layer in the oracle")
    found = dict(known)
    for key, value in config.items():
        if key in known:
            found[key] = value
        elif key not in HARMLESS and key not in _ABOUT_TENSORS:
            raise UnsupportedLayer(f"{what}: unknown option {key}={value!r}")
        allowed = None if (layer, key) in _NUMBERS else _ONLY.get(key)
        if allowed is not None and not _among(value, allowed):
            raise UnsupportedLayer(f"{what}: {key}={value!r} is not implemented")
    missing = [k for k, v in found.items() if v is None and known[k] is None and k not in config]
    if missing:
        raise UnsupportedLayer(f"{what}: option {missing[0]} is missing")
    return found


def _among(value: Any, allowed: tuple[Any, ...]) -> bool:
    return any(value is one or (type(value) is type(one) and value == one) for one in allowed)


def wrapped(name: str, document: Any) -> tuple[str, dict[str, Any]]:
    """Class and options of a layer inside a wrapper, from its {"class", "config"} document."""
    if not isinstance(document, Mapping) or not {"class", "config"} <= set(document):
        raise UnsupportedLayer(f"layer {name!r}: a wrapped layer must be a description")
    return document["class"], options(name, document["class"], document["config"])


def single(name: str, option: str, value: Any) -> int:
    """An integer option that Keras also takes as a list of one."""
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if len(values) != 1 or isinstance(values[0], bool) or not isinstance(values[0], int):
        raise UnsupportedLayer(f"layer {name!r}: {option}={value!r} is not one integer")
    return values[0]
