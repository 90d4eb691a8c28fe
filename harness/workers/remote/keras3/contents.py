"""Read a Keras 3 file as data: JSON and numbers, within limits, and nothing that it points at.

Runs in a worker: needs NumPy and h5py. A `.keras` file is a zip archive of which three entries
are read, by name and in memory; nothing is extracted. The weights are HDF5: only plain datasets
of numbers are read, whose bytes are in the file itself. Links, virtual datasets, and datasets
whose bytes are in other files are not followed: each is a refusal.
"""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional

import numpy as np
from numpy.typing import NDArray

#: The most JSON that is read of a file: a model's layers take kilobytes each.
MOST_JSON_BYTES = 64 << 20
#: The most weights, in bytes, in memory. An LSTM model of a microcontroller has kilobytes.
MOST_WEIGHT_BYTES = 2 << 30
#: How much larger than the archive its weights may be: numbers hardly shrink, bombs a lot.
MOST_EXPANSION = 64
#: The most groups and datasets of a weights file.
MOST_OBJECTS = 100_000

_CONFIG, _METADATA, _WEIGHTS = "config.json", "metadata.json", "model.weights.h5"


class Contents(NamedTuple):
    """What a Keras 3 file holds.

    version: the Keras that wrote it. form: "keras" (archive) or "h5". model: the configuration
    as it stands in the file, {"class_name", "config", …}. datasets: by their path in the HDF5
    file. names: what each group says its layer is called (Keras 3.2 on says it).
    order: in an .h5 file, the weights of each group in their order.
    """

    version: str
    form: str
    model: Dict[str, Any]
    datasets: Dict[str, NDArray[Any]]
    names: Dict[str, str]
    order: Dict[str, List[str]]


def written_by_keras_3(path: Path) -> bool:
    """Whether a file says that Keras 3 wrote it. Raises ValueError for a damaged one."""
    if path.is_dir():
        return False
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if _METADATA not in archive.namelist():
                return False
            return _is_3(_json(_entry(archive, _METADATA, MOST_JSON_BYTES)).get("keras_version"))
    import h5py  # type: ignore[import-untyped]

    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return _is_3(_text(file.attrs.get("keras_version")))


def read(path: Path) -> Contents:
    """The contents of a file of Keras 3. Raises ValueError for one that breaks a limit or a rule
    above, or has not the parts that Keras writes."""
    try:
        return _archive(path) if zipfile.is_zipfile(path) else _legacy(path)
    except RecursionError as error:
        raise ValueError("a damaged Keras file: its configuration is nested too deeply") from error
    except (OSError, RuntimeError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"a damaged Keras file: {error}") from error


def _archive(path: Path) -> Contents:
    import h5py

    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if _WEIGHTS not in names:
            others = ", ".join(sorted(n for n in names if n.startswith("model.weights"))) or "none"
            raise ValueError(
                f"weights in {_WEIGHTS!r} were expected, found {others}; save the model with h5py "
                "installed and without sharding"
            )
        metadata = _json(_entry(archive, _METADATA, MOST_JSON_BYTES))
        model = _json(_entry(archive, _CONFIG, MOST_JSON_BYTES))
        most = min(MOST_WEIGHT_BYTES, MOST_EXPANSION * path.stat().st_size)
        weights = _entry(archive, _WEIGHTS, most)
    with h5py.File(io.BytesIO(weights), "r") as file:
        datasets, attributes = _datasets(file, len(weights))
    named = {
        group.rpartition("/")[0]: text
        for group, found in attributes.items()
        for text in [_text(found.get("name"))]
        if text and group.rpartition("/")[2] == "vars"
    }
    return Contents(str(metadata.get("keras_version")), "keras", model, datasets, named, {})


def _legacy(path: Path) -> Contents:
    import h5py

    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
        if text is None:
            raise ValueError(
                "an HDF5 file without a configuration: weights alone; save the whole model with "
                "model.save('my.keras')"
            )
        if len(text) > MOST_JSON_BYTES:
            raise ValueError(f"{len(text)} bytes of JSON in the model")
        version = _text(file.attrs.get("keras_version")) or ""
        datasets, attributes = _datasets(file, path.stat().st_size)
    if not any(name.startswith("model_weights/") for name in (*datasets, *attributes)):
        raise ValueError("an HDF5 file without the group model_weights")
    prefix = "model_weights/"
    weights = {n[len(prefix) :]: v for n, v in datasets.items() if n.startswith(prefix)}
    order: Dict[str, List[str]] = {}
    for group, found in attributes.items():
        listed = found.get("weight_names")
        if listed is not None and group.startswith(prefix):
            order[group[len(prefix) :]] = [_text(name) or "" for name in np.ravel(listed)]
    return Contents(version, "h5", _json(text), weights, {}, order)


def _entry(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    entries = [entry for entry in archive.infolist() if entry.filename == name]
    if len(entries) != 1:
        raise ValueError(f"{len(entries)} entries {name!r} in the model, expected one")
    if entries[0].file_size > most:
        raise ValueError(f"{name} in the model has {entries[0].file_size} bytes, at most {most}")
    return archive.read(entries[0])


def _json(text: Any) -> Dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ValueError(f"a damaged Keras file: its configuration is no JSON: {error}") from error
    if not isinstance(document, dict):
        raise ValueError("a damaged Keras file: its configuration is no JSON object")
    return document


def _datasets(file: Any, size: int) -> Any:
    """All datasets, and the attributes of all groups, by path. size: of the file, in bytes."""
    import h5py

    datasets: Dict[str, NDArray[Any]] = {}
    attributes: Dict[str, Dict[str, Any]] = {}
    total = 0
    waiting = [("", file)]
    count = 0
    seen = set()
    while waiting:
        path, group = waiting.pop()
        # A group that holds itself would be walked without end.
        identity = h5py.h5o.get_info(group.id).addr
        if identity in seen:
            raise ValueError(f"the group {path!r} is in the weights file twice")
        seen.add(identity)
        attributes[path] = {
            name: group.attrs[name] for name in ("name", "weight_names") if name in group.attrs
        }
        for name in group:
            count += 1
            if count > MOST_OBJECTS:
                raise ValueError(f"more than {MOST_OBJECTS} objects in the weights file")
            inner = f"{path}/{name}" if path else name
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{inner!r} in the weights file points at something else")
            found = group[name]
            if isinstance(found, h5py.Group):
                waiting.append((inner, found))
                continue
            if path.split("/")[0] == "optimizer_weights" or inner.startswith("optimizer/"):
                continue
            total += _checked(inner, found, size)
            if total > MOST_WEIGHT_BYTES:
                raise ValueError(f"more than {MOST_WEIGHT_BYTES} bytes of weights")
            datasets[inner] = np.asarray(found[()])
    return datasets, attributes


def _checked(name: str, dataset: Any, size: int) -> int:
    """The bytes of a dataset. Raises ValueError for one that is not plain numbers in the file."""
    if not hasattr(dataset, "shape") or dataset.shape is None or dataset.dtype.kind not in "fiub":
        raise ValueError(f"{name!r} in the weights file is no array of numbers")
    if dataset.is_virtual or dataset.external:
        raise ValueError(f"{name!r} in the weights file has its numbers in another file")
    if dataset.compression not in (None, "gzip"):
        raise ValueError(f"{name!r} in the weights file is compressed by {dataset.compression}")
    count = 1  # in Python's integers, which do not overflow
    for length in dataset.shape:
        count *= int(length)
    expansion = 1 if dataset.compression is None else MOST_EXPANSION
    if count * dataset.dtype.itemsize > expansion * size:
        raise ValueError(
            f"{name!r} in the weights file has the shape {list(dataset.shape)}, more numbers than "
            "there are in the file"
        )
    return count * int(dataset.dtype.itemsize)


def _is_3(version: Any) -> bool:
    first = str(version).split(".")[0]
    return first.isdigit() and int(first) >= 3


def _text(value: Any) -> Optional[str]:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)
