"""Write small Keras models as configurations with weights, for the rules of repair to rewrite."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.conversion.keras_description import from_keras_config
from harness.repair.rules.document import Document, Json

STEPS, FEATURES, UNITS = 6, 3, 4
SAMPLES = 8
Array = NDArray[Any]


def functional(*layers: Json, outputs: list[Any] | None = None) -> Json:
    """A Functional model of one input and these layers; each reads the one before, or what its
    `reads` says."""
    found: list[Json] = [
        {
            "class_name": "InputLayer",
            "name": "x",
            "config": {
                "batch_input_shape": [1, STEPS, FEATURES],
                "dtype": "float32",
                "name": "x",
            },
            "inbound_nodes": [],
        }
    ]
    for layer in layers:
        reads = layer.get("reads") or [[found[-1]["name"], 0, 0, {}]]
        config = {"name": layer["name"], **layer["config"]}
        found.append(
            {
                "class_name": layer["class_name"],
                "name": layer["name"],
                "config": config,
                "inbound_nodes": [reads],
            }
        )
    return {
        "name": "model",
        "layers": found,
        "input_layers": [["x", 0, 0]],
        "output_layers": outputs or [[found[-1]["name"], 0, 0]],
    }


def layer(class_name: str, name: str, reads: list[Any] | None = None, **config: Any) -> Json:
    """A layer for `functional`."""
    return {"class_name": class_name, "name": name, "config": config, "reads": reads}


def lstm(name: str = "lstm", reads: list[Any] | None = None, **options: Any) -> Json:
    """An LSTM of UNITS units, with Keras's own options where none are given."""
    return layer("LSTM", name, reads, **_options(**options))


def cell(**options: Any) -> Json:
    """An LSTMCell of UNITS units, for the option `cell` of an RNN."""
    return {"class_name": "LSTMCell", "config": _options(**options)}


def stack(*cells: Json) -> Json:
    """StackedRNNCells of them."""
    return {"class_name": "StackedRNNCells", "config": {"cells": list(cells)}}


def _options(**options: Any) -> Json:
    usual = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}
    return {"units": UNITS, **usual, **options}


def weights_of_lstm(name: str, first: int = 0, features: int = FEATURES, bias: bool = True) -> Any:
    """Random kernel, recurrent kernel and bias `name/first`, … of an LSTM of UNITS units."""
    random = np.random.default_rng([first, features, len(name)])
    shapes = [(features, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,)][: 3 if bias else 2]
    return {
        f"{name}/{first + index}": random.uniform(-0.7, 0.8, shape).astype(np.float32)
        for index, shape in enumerate(shapes)
    }


def document(config: Json, *weights: dict[str, Array]) -> Document:
    """A document that the oracle reads. Raises UnsupportedLayer where it does not."""
    from_keras_config(config)
    return Document.of(config, {k: v for part in weights for k, v in part.items()})


def stimulus(masked: bool = False) -> dict[str, Array]:
    """Samples [N, batch, time, features]. masked: the last two steps of every second are zeros."""
    random = np.random.default_rng(2015)
    x = random.uniform(-1, 1, (SAMPLES, 1, STEPS, FEATURES)).astype(np.float32)
    if masked:
        x[::2, :, -2:] = 0.0
    return {"x": x}
