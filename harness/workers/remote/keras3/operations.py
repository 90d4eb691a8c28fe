"""Answer requests about Keras 3 files: rebuild one, or hand over what it holds.

Runs in a worker: the Keras 2 to rebuild in is given, so that it imports NumPy alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Tuple

import numpy as np
from numpy.typing import NDArray

from harness.workers.remote.keras3 import contents, rebuild
from harness.workers.remote.keras3.models_rewritten import rewritten_model
from harness.workers.remote.keras3.weights import set_weights

Request = Dict[str, Any]
Arrays = Dict[str, NDArray[Any]]

applies = contents.written_by_keras_3


def load(tf: Any, path: Path) -> Tuple[Any, Request]:
    """The rebuilt model of a Keras 3 file, and {"keras": its version, "notes": […]}.

    Raises ValueError for a file or model that is refused.
    """
    found = contents.read(path)
    try:
        model, notes = rebuild.rebuilt(tf, found)
    except ValueError as error:
        raise ValueError(f"a file of Keras {found.version}: {error}") from error
    return model, {"keras": found.version, "notes": notes}


def contents_of(state: Dict[Any, Any], request: Request, arrays: Arrays) -> Tuple[Request, Arrays]:
    """The configuration and the numbers of the file `path`, as they stand in it."""
    found = contents.read(Path(request["path"]))
    document = {
        "keras": found.version,
        "model": found.model,
        "names": found.names,
        "order": found.order,
    }
    return document, found.datasets


def answers_of_contents(
    tf: Any, state: Dict[Any, Any], request: Request, arrays: Arrays
) -> Tuple[Request, Arrays]:
    """What the model of a file's contents answers, `output/INDEX` [N, …].

    request: what `contents_of` gave. arrays: its arrays as `weights/PATH`, and `input/NAME`
    [N, …]. A model that was just rebuilt from the same configuration gets the weights again.
    """
    datasets = {n[len("weights/") :]: v for n, v in arrays.items() if n.startswith("weights/")}
    form = "h5" if request["order"] else "keras"
    found = contents.Contents(
        request["keras"], form, request["model"], datasets, request["names"], request["order"]
    )
    document, notes = rewritten_model(found.model)
    document["config"]["name"] = "model"  # which Keras versions make up, each in its way
    known = state.setdefault("keras3", {})
    text = json.dumps(document, sort_keys=True)
    if text not in known:
        known[text] = rebuild.built(tf, document)
    model = known[text]
    set_weights(model, found)
    given = [tf.constant(arrays[f"input/{name}"]) for name in model.input_names]
    answer = model(given[0] if len(given) == 1 else given, training=False)
    parts = tf.nest.flatten(answer)
    return {"notes": notes}, {f"output/{k}": np.asarray(part) for k, part in enumerate(parts)}


def answers(tf: Any, model: Any, arrays: Arrays, layers: bool) -> Arrays:
    """What the model answers, `output/INDEX` [N, batch, …]; with `layers` what each layer with
    one call does, `LAYER/INDEX`.

    arrays: `input/NAME` [N, batch, …], of any length where the model leaves it open.
    """
    named = [(f"output/{index}", tensor) for index, tensor in enumerate(model.outputs)]
    if layers:
        named = []
        for layer in model.layers:
            if len(layer.inbound_nodes) == 1 and not hasattr(layer, "input_names"):
                tensors = tf.nest.flatten(layer.output)
                named += [(f"{layer.name}/{index}", one) for index, one in enumerate(tensors)]
    if not named:
        return {}
    inner = tf.keras.Model(model.inputs, [tensor for _, tensor in named])
    rows = []
    for index in range(len(arrays[f"input/{model.input_names[0]}"])):
        given = [tf.constant(arrays[f"input/{name}"][index]) for name in model.input_names]
        if getattr(model, "stateful", False):
            model.reset_states()
        answer = inner(given[0] if len(given) == 1 else given, training=False)
        rows.append([np.asarray(part) for part in tf.nest.flatten(answer)])
    return {
        name: np.stack([row[position] for row in rows]) for position, (name, _) in enumerate(named)
    }
