"""List the layers of Keras 3 that Keras 2.15 computes alike, and how each option is written there.

An option is kept as it is, renamed, or dropped where it has the only value that changes nothing.
What is in no table is refused: a name that both versions know may mean different things.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Mapping, Tuple

_RNN = (
    *("return_sequences", "return_state", "go_backwards", "stateful", "unroll"),
    "zero_output_for_mask",
)
_CELL = ("units", "activation", "use_bias", "dropout", "recurrent_dropout")
_GATED = (*_CELL, "recurrent_activation")
_CONV = (
    *("filters", "kernel_size", "strides", "padding", "data_format", "dilation_rate", "groups"),
    *("activation", "use_bias"),
)
_DEPTHWISE = (
    *("kernel_size", "strides", "padding", "data_format", "dilation_rate", "depth_multiplier"),
    *("activation", "use_bias"),
)
_SEPARABLE = (*_DEPTHWISE, "filters")
_POOL = ("pool_size", "strides", "padding", "data_format")
_NORM = ("axis", "epsilon", "center", "scale")

#: The options of each layer that are kept.
LAYERS: Mapping[str, Tuple[str, ...]] = MappingProxyType(
    {
        "Activation": ("activation",),
        "Add": (),
        "AdditiveAttention": ("use_scale", "dropout"),
        "AlphaDropout": ("rate", "noise_shape"),
        "Attention": ("use_scale", "score_mode", "dropout"),
        "Average": (),
        "AveragePooling1D": _POOL,
        "AveragePooling2D": _POOL,
        "BatchNormalization": (*_NORM, "momentum"),
        "Bidirectional": ("layer", "backward_layer", "merge_mode"),
        "Concatenate": ("axis",),
        "Conv1D": _CONV,
        "Conv2D": _CONV,
        "Cropping1D": ("cropping",),
        "Dense": ("units", "activation", "use_bias"),
        "DepthwiseConv1D": _DEPTHWISE,
        "DepthwiseConv2D": _DEPTHWISE,
        "Dot": ("axes", "normalize"),
        "Dropout": ("rate", "noise_shape"),
        "ELU": ("alpha",),
        "Embedding": ("input_dim", "output_dim", "mask_zero"),
        "Flatten": ("data_format",),
        "GRU": (*_RNN, *_GATED, "reset_after"),
        "GRUCell": (*_GATED, "reset_after"),
        "GaussianDropout": ("rate",),
        "GaussianNoise": ("stddev",),
        "GlobalAveragePooling1D": ("data_format", "keepdims"),
        "GlobalAveragePooling2D": ("data_format", "keepdims"),
        "GlobalMaxPooling1D": ("data_format", "keepdims"),
        "GlobalMaxPooling2D": ("data_format", "keepdims"),
        "GroupNormalization": (*_NORM, "groups"),
        "Identity": (),
        "LSTM": (*_RNN, *_GATED, "unit_forget_bias"),
        "LSTMCell": (*_GATED, "unit_forget_bias"),
        "LayerNormalization": _NORM,
        "LeakyReLU": ("alpha",),
        "Masking": ("mask_value",),
        "MaxPooling1D": _POOL,
        "MaxPooling2D": _POOL,
        "Maximum": (),
        "Minimum": (),
        "MultiHeadAttention": (
            *("num_heads", "key_dim", "value_dim", "use_bias", "output_shape", "attention_axes"),
            "dropout",
        ),
        "Multiply": (),
        "Normalization": ("axis", "mean", "variance", "invert"),
        "Permute": ("dims",),
        "RNN": (*_RNN, "cell"),
        "ReLU": ("max_value", "negative_slope", "threshold"),
        "RepeatVector": ("n",),
        "Rescaling": ("scale", "offset"),
        "Reshape": ("target_shape",),
        "SeparableConv1D": _SEPARABLE,
        "SeparableConv2D": _SEPARABLE,
        "SimpleRNN": (*_RNN, *_CELL),
        "SimpleRNNCell": _CELL,
        "Softmax": ("axis",),
        "SpatialDropout1D": ("rate",),
        "SpatialDropout2D": ("rate", "data_format"),
        "StackedRNNCells": ("cells",),
        "Subtract": (),
        "TimeDistributed": ("layer",),
        "UnitNormalization": ("axis",),
        "UpSampling1D": ("size",),
        "ZeroPadding1D": ("padding",),
        "ZeroPadding2D": ("padding", "data_format"),
    }
)

#: Models that may stand inside of a model.
MODELS = ("Functional", "Sequential")

#: Layers whose first input is a sequence and whose others are initial states.
RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional")

#: Layers that compute otherwise where an input has a mask.
ATTENTION = ("AdditiveAttention", "Attention", "MultiHeadAttention")

#: Keywords of a call that decide what a layer gives; {} for those of other layers.
CALL_OPTIONS: Mapping[str, Tuple[str, ...]] = MappingProxyType(
    {
        "AdditiveAttention": ("use_causal_mask",),
        "Attention": ("use_causal_mask",),
        "MultiHeadAttention": ("use_causal_mask",),
    }
)

#: Options that Keras 2.15 calls otherwise.
RENAMED: Mapping[Tuple[str, str], str] = MappingProxyType(
    {("LeakyReLU", "negative_slope"): "alpha"}
)

#: Options that change nothing with these values, and have no place in Keras 2.15.
WITHOUT_EFFECT: Mapping[str, Tuple[Any, ...]] = MappingProxyType(
    {
        "quantization_config": (None,),
        "lora_rank": (None,),
        "rms_scaling": (False,),
        "renorm": (False,),
        "renorm_clipping": (None,),
        "sparse": (False,),
        "ragged": (False,),
        "optional": (False,),
        "flash_attention": (None, False),
        "use_gate": (False,),
        "sliding_window": (None,),
    }
)

#: Options that matter in training only, or decided values that the file replaces.
OF_TRAINING = ("seed", "synchronized", "renorm_momentum", "shared_object_id")
OF_TRAINING_ENDINGS = ("_initializer", "_regularizer", "_constraint")

#: Activation functions that are the same in both, and their names in Keras 2.15.
ACTIVATIONS: Mapping[str, str] = MappingProxyType(
    {
        **{
            name: name
            for name in (
                *("linear", "tanh", "sigmoid", "relu", "softmax", "elu", "selu", "softplus"),
                *("softsign", "exponential", "gelu"),
            )
        },
        "silu": "swish",
        "swish": "swish",
    }
)

#: Activation functions of one name that compute something else in Keras 2.15.
OTHERWISE: Mapping[str, str] = MappingProxyType(
    {
        "hard_sigmoid": "relu6(x + 3) / 6 in Keras 3, clip(0.2 x + 0.5) in Keras 2.15",
    }
)

#: Policies that keep float32 variables and compute in half precision.
MIXED = ("mixed_float16", "mixed_bfloat16")
