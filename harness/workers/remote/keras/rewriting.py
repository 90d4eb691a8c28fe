"""Build a model from a configuration and weights by name, and save it as a .keras file.

Runs in a worker: needs NumPy and TensorFlow only.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Dict

import numpy as np
from numpy.typing import NDArray

from harness.workers.remote.keras import building, safe_loading


def written(tf: Any, config: Dict[str, Any], weights: Dict[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """The bytes of a .keras file with the model and exactly these weights (`layer/index`).

    Raises ValueError for a configuration that carries code or cannot be built, and for weights
    that are not the model's.
    """
    code = safe_loading.code_in(config)
    if code:
        raise ValueError(f"the rewritten model {code}")
    class_ = tf.keras.Model if "input_layers" in config else tf.keras.Sequential
    try:
        model = class_.from_config(config)
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"Keras cannot build the rewritten model: {error}") from error
    wanted = {name: value.shape for name, value in building.named_weights(model).items()}
    given = {name: value.shape for name, value in weights.items()}
    if wanted != given:
        raise ValueError(f"the rewritten model has the weights {wanted}, not {given}")
    _set(model, weights, "")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(str(path))
        return np.frombuffer(path.read_bytes(), np.uint8)


def _set(model: Any, weights: Dict[str, NDArray[Any]], prefix: str) -> None:
    for layer in model.layers:
        name = prefix + layer.name
        inner = getattr(layer, "layer", None)
        inside = next((one for one in (layer, inner) if hasattr(one, "layers")), None)
        if inside is not None:
            _set(inside, weights, f"{name}/")
            continue
        count = len(layer.get_weights())
        if count:
            layer.set_weights([weights[f"{name}/{index}"] for index in range(count)])
