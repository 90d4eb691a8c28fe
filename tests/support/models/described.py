"""Build Keras models and write down what Keras itself knows of them.

Imports TensorFlow.

`models.json` has for each model its configuration, and for each recurrent layer whether Keras
hands it a mask.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RECURRENT = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D")


def _special(tf: Any) -> Iterator[tuple[str, Any]]:
    """Models whose masks and states travel in ways that the catalogue has none of."""
    layers, keras = tf.keras.layers, tf.keras

    def tokens() -> Any:
        return keras.Input((9,), dtype="int32", name="tokens")

    def embedded(x: Any, **options: Any) -> Any:
        return layers.Embedding(11, 4, mask_zero=True, **options)(x)

    x = tokens()
    yield "mask-through-dropout", keras.Model(x, layers.LSTM(5)(layers.Dropout(0.1)(embedded(x))))
    x = tokens()
    yield "mask-through-dense", keras.Model(x, layers.LSTM(5)(layers.Dense(3)(embedded(x))))
    x = tokens()
    yield (
        "mask-ends-at-conv",
        keras.Model(
            x, layers.LSTM(5)(layers.Conv1D(3, 2)(layers.Lambda(lambda v: v)(embedded(x))))
        ),
    )
    x = tokens()
    yield (
        "mask-through-lstm",
        keras.Model(x, layers.LSTM(3)(layers.LSTM(5, return_sequences=True)(embedded(x)))),
    )
    x = tokens()
    yield (
        "mask-through-bidirectional",
        keras.Model(
            x,
            layers.LSTM(3)(
                layers.Bidirectional(layers.LSTM(5, return_sequences=True))(embedded(x))
            ),
        ),
    )
    x = tokens()
    joined = layers.Concatenate()([embedded(x), layers.Embedding(11, 2)(x)])
    yield "mask-through-concatenate", keras.Model(x, layers.LSTM(5)(joined))
    x = tokens()
    normal = layers.LayerNormalization()(embedded(x))
    yield "mask-through-norm", keras.Model(x, layers.LSTM(5)(layers.Activation("relu")(normal)))
    x = keras.Input((9, 4), name="x")
    hidden, h, c = layers.LSTM(5, return_state=True, return_sequences=True)(x)
    yield "states-read-by-layer", keras.Model(x, layers.Dense(2)(layers.Concatenate()([h, c])))
    yield "states-not-read", keras.Model(x, layers.Dense(2)(hidden))
    yield (
        "sequential",
        keras.Sequential(
            [
                keras.Input((9, 4)),
                layers.Masking(),
                layers.LSTM(5, return_sequences=True),
                layers.LSTM(5, use_bias=False),
            ]
        ),
    )
    inner_input = keras.Input((9, 4))
    inner = keras.Model(inner_input, layers.LSTM(5, recurrent_dropout=0.2)(inner_input))
    x = keras.Input((9, 4), name="x")
    yield "model-inside", keras.Model(x, layers.Dense(2)(inner(x)))
    x = keras.Input((9, 4), batch_size=1, name="x")
    state = [tf.constant([[0.5] * 5]), tf.constant([[0.25] * 5])]
    yield "constant-state", keras.Model(x, layers.LSTM(5)(x, initial_state=state))


def _masked(model: Any) -> dict[str, bool]:
    """Whether Keras hands a mask to each recurrent layer, by the layer's name."""
    found = {}
    for layer in model.layers:
        if type(layer).__name__ in RECURRENT:
            tensors = layer.inbound_nodes[0].input_tensors
            first = tensors[0] if isinstance(tensors, (list, tuple)) else tensors
            found[layer.name] = getattr(first, "_keras_mask", None) is not None
    return found


def main(folder: Path) -> None:
    import tensorflow as tf

    from fixtures.variants import VARIANTS
    from harness.workers.remote.keras import building

    models = dict(_special(tf))
    for variant in VARIANTS.values():
        tf.keras.backend.clear_session()
        models[variant.name] = building.build(tf, variant.document())
    document = {
        name: {"config": json.loads(model.to_json())["config"], "masked": _masked(model)}
        for name, model in models.items()
    }
    (folder / "models.json").write_text(json.dumps(document))
