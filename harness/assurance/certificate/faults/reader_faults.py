"""List faults in reading Keras 3 files: what a wrong reader would take a file for.

A golden file's contents are changed as a faulty reader would misread them, rebuilt, and held to the
record of the Keras that wrote the file and to the oracle's own reading of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.golden.keras3_files import KERAS3
from harness.assurance.certificate.fault import Fault
from harness.assurance.certificate.readings import InjectionBench, Reading
from harness.checks.keras3_files import Edit, GoldenReader, held_to_record
from harness.comparison.compare import Comparison

Arrays = dict[str, NDArray[Any]]
VERSIONS = ("3.0.5", "3.15.1")


def gates_swapped(document: dict[str, Any], arrays: Arrays) -> None:
    """The gates in the order i, f, o, c of other frameworks."""
    for path in _below(arrays, "layers/lstm/cell/vars/"):
        i, f, c, o = np.split(arrays[path], 4, axis=-1)
        arrays[path] = np.concatenate([i, f, o, c], axis=-1)


def transposed(document: dict[str, Any], arrays: Arrays) -> None:
    """The recurrent kernel [units, units] of each gate the other way round."""
    path = "layers/lstm/cell/vars/1"
    parts = [part.T for part in np.split(arrays[path], 4, axis=-1)]
    arrays[path] = np.concatenate(parts, axis=-1)


def biases_exchanged(document: dict[str, Any], arrays: Arrays) -> None:
    """The input's and the recurrent bias of a GRU with reset_after in each other's place."""
    path = "layers/gru/cell/vars/2"
    arrays[path] = arrays[path][::-1].copy()


def biases_added(document: dict[str, Any], arrays: Arrays) -> None:
    """The two biases of a GRU with reset_after as if they were one."""
    path = "layers/gru/cell/vars/2"
    total = arrays[path].sum(axis=0)
    arrays[path] = np.stack([total, np.zeros_like(total)])


def bias_dropped(document: dict[str, Any], arrays: Arrays) -> None:
    path = "layers/lstm/cell/vars/2"
    arrays[path] = np.zeros_like(arrays[path])


def by_name(document: dict[str, Any], arrays: Arrays) -> None:
    """Groups are taken for the layers of that name, which in this file they are not."""
    names = {"lstm": "lstm_2", "lstm_1": "lstm", "lstm_2": "lstm_1"}
    _regrouped(document, arrays, names)


def directions_exchanged(document: dict[str, Any], arrays: Arrays) -> None:
    for path in _below(arrays, "layers/bidirectional/forward_layer/"):
        other = path.replace("forward_layer", "backward_layer")
        arrays[path], arrays[other] = arrays[other], arrays[path]


def shared_twice(document: dict[str, Any], arrays: Arrays) -> None:
    """A shared layer is read as two: its second call has other weights, the next layer's."""
    layers = document["model"]["config"]["layers"]
    dense = next(layer for layer in layers if layer["config"]["name"] == "dense")
    first = dense["inbound_nodes"]
    again = {**dense, "name": "again", "config": {**dense["config"], "name": "again"}}
    layers.insert(layers.index(dense) + 1, {**again, "inbound_nodes": first[1:]})
    dense["inbound_nodes"] = first[:1]
    apart = next(layer for layer in layers if layer["config"]["name"] == "apart")
    second = apart["inbound_nodes"][0]["args"][0][1]
    second["config"]["keras_history"] = ["again", 0, 0]
    # The groups move on by one: dense_1 was that of the layer after it.
    arrays["layers/dense_2/vars/0"] = arrays["layers/dense_1/vars/0"]
    arrays["layers/dense_2/vars/1"] = arrays["layers/dense_1/vars/1"]
    arrays["layers/dense_1/vars/0"] = arrays["layers/dense/vars/0"][::-1].copy()
    arrays["layers/dense_1/vars/1"] = arrays["layers/dense/vars/1"]
    document["names"] = {}


def statistics_exchanged(document: dict[str, Any], arrays: Arrays) -> None:
    """Moving mean and variance before gamma and beta."""
    base = "layers/batch_normalization/vars"
    values = [arrays[f"{base}/{index}"] for index in (2, 3, 0, 1)]
    arrays.update({f"{base}/{index}": value for index, value in enumerate(values)})


def heads_exchanged(document: dict[str, Any], arrays: Arrays) -> None:
    """The projections of query and key in each other's place."""
    base = "layers/multi_head_attention"
    for path in _below(arrays, f"{base}/query_dense/"):
        other = path.replace("query_dense", "key_dense")
        arrays[path], arrays[other] = arrays[other], arrays[path]


def key_left_out(document: dict[str, Any], arrays: Arrays) -> None:
    """Several heads look for keys among the values."""
    del _calls(document, "heads")[0]["kwargs"]["key"]


def future_seen(document: dict[str, Any], arrays: Arrays) -> None:
    """Every step attends to those after it, too."""
    _calls(document, "past")[0]["kwargs"]["use_causal_mask"] = False


def operands_exchanged(document: dict[str, Any], arrays: Arrays) -> None:
    """b - a for a - b."""
    name = _named(document, "Subtract")
    _calls(document, name)[0]["args"].reverse()


def other_step(document: dict[str, Any], arrays: Arrays) -> None:
    """The first step for the last, h[:, 0] for h[:, -1]."""
    for call in _calls(document, _named(document, "GetItem")):
        call["args"][1][1] = 0


def other_axis(document: dict[str, Any], arrays: Arrays) -> None:
    """A softmax over the queries."""
    _layer(document, _named(document, "Softmax"))["config"]["axis"] = 1


def filter_reversed(document: dict[str, Any], arrays: Arrays) -> None:
    """A convolution for a correlation."""
    path = "layers/depthwise_conv1d/vars/0"
    arrays[path] = arrays[path][::-1].copy()


def mean_for_variance(document: dict[str, Any], arrays: Arrays) -> None:
    base = "layers/normalization/vars"
    arrays[f"{base}/0"], arrays[f"{base}/1"] = arrays[f"{base}/1"], np.abs(arrays[f"{base}/0"])


#: Name, family, the golden file, and what the reader makes of it.
_FAULTS: tuple[tuple[str, str, str, Edit], ...] = (
    ("gates in the order i, f, o, c", "gate order", "stacked.keras", gates_swapped),
    ("recurrent kernel transposed", "transposed kernel", "stacked.keras", transposed),
    ("bias dropped", "bias layout", "stacked.keras", bias_dropped),
    ("biases of a GRU exchanged", "two biases of a GRU", "gru.keras", biases_exchanged),
    ("biases of a GRU added up", "two biases of a GRU", "gru.keras", biases_added),
    ("groups taken for layers by name", "wrong layer by name", "renamed.keras", by_name),
    ("directions exchanged", "directions exchanged", "bidirectional.keras", directions_exchanged),
    ("a shared layer read as two", "shared layer counted twice", "shared.keras", shared_twice),
    ("query and key exchanged", "several heads", "attention.keras", heads_exchanged),
    ("the key of several heads left out", "several heads", "attention.keras", key_left_out),
    ("a causal mask left out", "several heads", "attention.keras", future_seen),
    ("operands exchanged", "functions of tensors", "functions.keras", operands_exchanged),
    ("another step sliced out", "functions of tensors", "functions.keras", other_step),
    ("softmax along another axis", "functions of tensors", "functions.keras", other_axis),
    ("a depthwise filter reversed", "order of a layer", "filters.keras", filter_reversed),
    ("mean and variance exchanged", "order of a layer", "filters.keras", mean_for_variance),
    ("statistics before the scale", "order of a layer", "convolution.keras", statistics_exchanged),
)


def reader_faults() -> list[Fault]:
    return [
        Fault(name, family, "reader", f"{file} · Keras {version}", examined(version, file, edit))
        for version in VERSIONS
        for name, family, file, edit in _FAULTS
    ]


def examined(
    version: str, file: str, edit: Edit | None
) -> Callable[[InjectionBench], list[Reading]]:
    """What the suite says of a golden file that is read so; edit None is the healthy reading."""

    def examine(bench: InjectionBench) -> list[Reading]:
        golden = KERAS3[f"keras3-{version}"]
        found = held_to_record(golden, file, bench.session.keep(GoldenReader), edit)
        if isinstance(found, Comparison):
            return [Reading("keras3 record", found.budget_used)]
        said = "" if found is None else found.message
        return [Reading("keras3 record", None, said)]

    return examine


def healthy_files() -> list[tuple[str, str]]:
    """Version and file of each golden file that a fault changes."""
    files = sorted({file for _, _, file, _ in _FAULTS})
    return [(version, file) for version in VERSIONS for file in files]


def _layer(document: dict[str, Any], name: str) -> dict[str, Any]:
    layers = document["model"]["config"]["layers"]
    found: dict[str, Any] = next(layer for layer in layers if layer["name"] == name)
    return found


def _calls(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _layer(document, name)["inbound_nodes"]
    return found


def _named(document: dict[str, Any], kind: str) -> str:
    """The name of the first function of a class."""
    layers = document["model"]["config"]["layers"]
    return next(
        str(layer["name"])
        for layer in layers
        if layer["class_name"] == kind and str(layer["module"]).startswith("keras.src.ops")
    )


def _below(arrays: Arrays, prefix: str) -> list[str]:
    return [path for path in arrays if path.startswith(prefix)]


def _regrouped(document: dict[str, Any], arrays: Arrays, names: dict[str, str]) -> None:
    """Rename groups of layers. names: the new name of each."""
    moved = {}
    for old, new in names.items():
        for path in _below(arrays, f"layers/{old}/"):
            moved[path.replace(f"layers/{old}/", f"layers/{new}/", 1)] = arrays.pop(path)
    arrays.update(moved)
    document["names"] = {}
