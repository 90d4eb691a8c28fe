"""Compute what a golden model must answer, and keep it in the store."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.golden.catalogue import FOLDER, Golden, provenance
from harness.checks.golden_models import read
from harness.checks.golden_oracle import Answer, answer
from harness.flatbuffer.lstm_padding import padded
from harness.support import project
from harness.support.cache import Store, digests
from reference.lstm.float64 import LstmOptions


@dataclass(frozen=True, eq=False)
class Recorded:
    """What a model was given and what it must answer.

    inputs: [N, 1, time, features]. session: TensorFlow 1.15's answers [N, 1, classes].
    trained: the exact value of the float weights; own: of this file's weights, int8 ones as what
    they stand for.
    """

    inputs: NDArray[np.float32]
    session: NDArray[np.float32]
    trained: Answer
    own: Answer


def options(model: str) -> LstmOptions:
    """The options that a model was trained with, whatever its flatbuffer says."""
    cell = provenance()["models"][model]["cell"]
    return LstmOptions(
        cell_clip=cell.get("cell_clip", 0.0),
        projection_clip=cell.get("proj_clip", 0.0),
        activation=cell.get("activation", "tanh"),
    )


def content(golden: Golden) -> bytes:
    """The flatbuffer of a golden subject, padded where its name says so."""
    made = golden.path.read_bytes()
    # A hybrid LSTM is padded too: that TFLite Micro then answers NaN has to be seen.
    return padded(made, hybrid=True) if golden.padded else made


def recorded(model: str, quantised: bool, store: Store | None = None) -> Recorded:
    """The answers of a model's file. (Padding changes none.) store: where they are kept."""
    with np.load(FOLDER / f"{model}.npz") as archive:
        x, y = archive["x"], archive["y"]
    trained = _answer(model, False, x[:, 0], store or Store(None))
    own = _answer(model, True, x[:, 0], store or Store(None)) if quantised else trained
    return Recorded(x, y, trained, own)


def _answer(model: str, quantised: bool, x: NDArray[Any], store: Store) -> Answer:
    made = content(Golden(model, quantised, False))
    key = {
        "step": "golden",
        "model": hashlib.sha256(made).hexdigest(),
        "options": asdict(options(model)),
        **digests({"x": x}),
        "code": _code(),
    }
    found = store.read(key)
    if found is not None:
        return Answer(found[1]["value"], found[1]["budget"])
    answered = answer(read(made), options(model), x)
    store.write(key, {}, {"value": answered.value, "budget": answered.budget})
    return answered


@cache
def _code() -> list[str]:
    """What else decides an answer."""
    return project.code("harness.checks.golden_models", "harness.checks.golden_oracle", "reference")
