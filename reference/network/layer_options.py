"""List the Keras 2.15 layers that the oracle knows, with each option's default and meaning."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from reference.network.activations import ACTIVATIONS

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

_POINTWISE: dict[str, Any] = {"depth_multiplier": 1}
_AXES: dict[str, Any] = {"epsilon": 1e-3, "center": True, "scale": True}
_CONVOLUTION: dict[str, Any] = {**_CONV, "groups": 1, "activation": "linear", "use_bias": True}
_DEPTHWISE: dict[str, Any] = {
    **{key: value for key, value in _CONVOLUTION.items() if key != "filters"},
    "depth_multiplier": 1,
}
_TRANSPOSED: dict[str, Any] = {**_CONVOLUTION, "output_padding": ()}
_CONV_LSTM: dict[str, Any] = {**_RNN, **_CONV, **_TANH, "recurrent_activation": "hard_sigmoid"}
_CHANNELS: dict[str, Any] = {"data_format": "channels_last"}


def _by_rank(name: str, known: Mapping[str, Any], *ranks: int) -> dict[str, Mapping[str, Any]]:
    return {name.replace("#", f"{rank}D"): known for rank in ranks}


#: Options that decide a layer's value, or how it is converted, with Keras's defaults. None:
#: Keras has no default either. (): Keras's default is None.
OPTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "Activation": {"activation": None},
        "ActivityRegularization": {},
        "Add": {},
        "AdditiveAttention": {"use_scale": True, "causal": False},
        "AlphaDropout": {},
        "Attention": {"use_scale": False, "score_mode": "dot", "causal": False},
        "Average": {},
        **_by_rank("AveragePooling#", _POOL, 1, 2, 3),
        "BatchNormalization": {"axis": -1, **_AXES},
        "Bidirectional": {"layer": None, "merge_mode": "concat", "backward_layer": {}},
        "CategoryEncoding": {"num_tokens": None, "output_mode": "multi_hot"},
        "Concatenate": {"axis": -1},
        "Constant": {"value": None},
        **_by_rank("Conv#", _CONVOLUTION, 1, 2, 3),
        **_by_rank("Conv#Transpose", _TRANSPOSED, 1, 2, 3),
        **_by_rank("ConvLSTM#", _CONV_LSTM, 1, 2, 3),
        **_by_rank("Cropping#", {"cropping": 1, **_CHANNELS}, 2, 3),
        "Cropping1D": {"cropping": (1, 1)},
        "Dense": _DENSE,
        **_by_rank("DepthwiseConv#", _DEPTHWISE, 1, 2),
        "Dot": {"axes": None, "normalize": False},
        "Dropout": {},
        "ELU": {"alpha": 1.0},
        "EinsumDense": {
            "equation": None,
            "output_shape": None,
            "activation": "linear",
            "bias_axes": (),
        },
        "Embedding": {"input_dim": None, "output_dim": None, "mask_zero": False},
        "Flatten": {"data_format": "channels_last"},
        "FoldTime": {},
        "GRU": {**_RNN, **_GATED, "reset_after": True},
        "GRUCell": {**_GATED, "reset_after": True},
        "GaussianDropout": {},
        "GaussianNoise": {},
        **_by_rank("GlobalAveragePooling#", _GLOBAL, 1, 2, 3),
        **_by_rank("GlobalMaxPooling#", _GLOBAL, 1, 2, 3),
        "GroupNormalization": {"groups": 32, "axis": -1, **_AXES},
        "Identity": {},
        "LSTM": {**_RNN, **_GATED},
        "LSTMCell": _GATED,
        "LayerNormalization": {"axis": [-1], **_AXES},
        "LeakyReLU": {"alpha": 0.3},
        "Masking": {"mask_value": 0.0},
        **_by_rank("MaxPooling#", _POOL, 1, 2, 3),
        "Maximum": {},
        "Minimum": {},
        "MultiHeadAttention": {
            "num_heads": None,
            "key_dim": None,
            "value_dim": (),
            "use_bias": True,
            "output_shape": (),
            "attention_axes": (),
        },
        "Multiply": {},
        "Normalization": {"axis": (-1,), "mean": (), "variance": (), "invert": False},
        "PReLU": {"shared_axes": ()},
        "Permute": {"dims": None},
        "RNN": {**_RNN, "cell": None},
        "ReLU": {"max_value": (), "negative_slope": 0.0, "threshold": 0.0},
        "RepeatVector": {"n": None},
        "Rescaling": {"scale": None, "offset": 0.0},
        "Reshape": {"target_shape": None},
        **_by_rank("SeparableConv#", {**_CONVOLUTION, **_POINTWISE}, 1, 2),
        "SimpleRNN": {**_RNN, **_CELL},
        "SimpleRNNCell": _CELL,
        "Softmax": {"axis": -1},
        **_by_rank("SpatialDropout#", {}, 1, 2, 3),
        "StackedRNNCells": {"cells": None},
        "Subtract": {},
        "TFOpLambda": {"function": None, "arguments": None, "keywords": {}},
        "ThresholdedReLU": {"theta": 1.0},
        "TimeDistributed": {"layer": None},
        "UnfoldTime": {},
        "UnitNormalization": {"axis": -1},
        "UpSampling1D": {"size": 2},
        "UpSampling2D": {"size": 2, "interpolation": "nearest", **_CHANNELS},
        "UpSampling3D": {"size": 2, **_CHANNELS},
        "ZeroPadding1D": {"padding": (1, 1)},
        **_by_rank("ZeroPadding#", {"padding": 1, **_CHANNELS}, 2, 3),
    }
)

#: Options of a call that decide what a layer gives, with their defaults. A tensor is
#: {"input": k}, the layer's k-th input.
CALL_OPTIONS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "AdditiveAttention": {"use_causal_mask": False, "return_attention_scores": False},
        "Attention": {"use_causal_mask": False, "return_attention_scores": False},
        "MultiHeadAttention": {
            "value": None,
            "key": None,
            "use_causal_mask": False,
            "return_attention_scores": False,
        },
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
        *(
            f"{part}_{kind}"
            for part in (
                *("kernel", "recurrent", "bias", "beta", "gamma", "embeddings", "alpha"),
                *("depthwise", "pointwise"),
            )
            for kind in ("initializer", "regularizer", "constraint")
        ),
        "activity_regularizer",
        # Of a loss in training alone.
        *("l1", "l2"),
        # Of MultiHeadAttention: what it was built for.
        *("query_shape", "key_shape", "value_shape"),
    }
)

#: Options that every layer may have, of which only one value is implemented.
ABOUT_TENSORS = frozenset({"dtype", "ragged", "sparse"})

#: Values of options that are implemented, where not all are.
ONLY: Mapping[str, tuple[Any, ...]] = MappingProxyType(
    {
        "data_format": ("channels_last",),
        "padding": ("valid", "same", "causal"),
        "merge_mode": ("concat", "sum", "mul", "ave", None),
        "activation": tuple(ACTIVATIONS),
        "recurrent_activation": tuple(ACTIVATIONS),
        "interpolation": ("nearest", "bilinear"),
        "output_mode": ("one_hot", "multi_hot"),
        "score_mode": ("dot", "concat"),
        "dtype": ("float32", None),
        "ragged": (False,),
        "sparse": (False,),
    }
)

#: Options that are numbers in one layer and a choice in others.
NUMBERS = frozenset({(f"ZeroPadding{rank}D", "padding") for rank in (1, 2, 3)})

#: Options that name an activation function, for which a layer may stand.
ACTIVATION_OPTIONS = ("activation", "recurrent_activation")
