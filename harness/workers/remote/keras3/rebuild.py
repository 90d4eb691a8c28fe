"""Rebuild the model of a Keras 3 file in Keras 2.15, from data alone.

Runs in a worker: needs TensorFlow. Nothing of the file is deserialised but JSON and numbers: the
configuration that Keras gets is written by `models_rewritten`, whose tables name every class.
"""

from __future__ import annotations

from typing import Any, List, Tuple

from harness.workers.remote.keras3.contents import Contents
from harness.workers.remote.keras3.layers_rewritten import Json
from harness.workers.remote.keras3.models_rewritten import rewritten_model
from harness.workers.remote.keras3.weights import set_weights


def rebuilt(tf: Any, contents: Contents) -> Tuple[Any, List[str]]:
    """The model with its weights, and notes for the reader of the report.

    Raises ValueError for a model that is not known to compute the same; it names the layer.
    """
    document, notes = rewritten_model(contents.model)
    model = built(tf, document)
    set_weights(model, contents)
    return model, notes


def built(tf: Any, document: Json) -> Any:
    """The model of a rewritten configuration, with weights of no meaning."""
    class_ = tf.keras.Sequential if document["class_name"] == "Sequential" else tf.keras.Model
    try:
        return class_.from_config(document["config"])
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"Keras 2.15 cannot build the model: {error}") from error
