"""Carry out published conversions and prediction helpers in a worker; keep what they gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from fixtures.outcomes import Outcome, StepResult
from fixtures.published_recipes import CALIBRATION_SAMPLES, SAMPLES, SHAPE, Array, ConversionForm
from fixtures.recipes import RECIPES
from harness.comparison.budgets import expectation
from harness.comparison.compare import compare
from harness.support import project
from harness.support.cache import Store, digests
from harness.workers import limits
from harness.workers.answers import Failure
from harness.workers.client import Worker
from harness.workers.server_handle import Server

#: The small model of harness/workers/remote/keras/published.py as oracle and fusion rule read it.
MODEL: dict[str, Any] = {
    "inputs": [{"name": "x", "shape": list(SHAPE[1:]), "dtype": "float32"}],
    "nodes": [
        {"name": name, "class": kind, "config": config, "inputs": [x], "initial_state": []}
        for name, kind, config, x in (
            ("lstm", "LSTM", {"units": 8, "return_sequences": True}, "x"),
            ("dense", "Dense", {"units": 3}, "lstm"),
        )
    ],
    "outputs": ["dense"],
}
#: What else decides how a form ends.
_CODE = tuple(f"harness.workers.remote.keras.{name}" for name in ("recommended", "published"))


@dataclass(frozen=True)
class Done:
    """How a form ended: the kind and message of its end, and the arrays where it has them."""

    outcome: Outcome
    message: str
    arrays: dict[str, Array]


class Published:
    """Carries out forms in a worker of its own, and keeps what they gave in the store."""

    def __init__(self, heavy: Server, store: Store, seed: int) -> None:
        self._worker = Worker(heavy, "keras-published", limits.CONVERT)
        self._store = store
        random = np.random.default_rng([seed, 4])
        self.calibration = random.uniform(-1, 1, (CALIBRATION_SAMPLES, *SHAPE)).astype(np.float32)
        #: A fifth beyond the calibration: saturation has something to do.
        self.samples = random.uniform(-1.2, 1.2, (SAMPLES, *SHAPE)).astype(np.float32)

    def close(self) -> None:
        self._worker.close()

    def convert(self, form: ConversionForm) -> Done:
        """Convert as the form says, from its own kind of calibration samples."""
        return self._do("convert", {"calibration": self.calibration_of(form)}, form=form.form)

    def predict(self, tflite: Array, helper: str, samples: Array | None = None) -> Done:
        """The helper's answers [N, …] to samples, by themselves to `samples`."""
        given = self.samples if samples is None else samples
        return self._do("predict", {"tflite": tflite, "samples": given}, helper=helper)

    def compared(self, form: ConversionForm, tflite: Array) -> dict[str, StepResult]:
        """A form's flatbuffer and Keras itself on samples inside of the form's calibration, each
        held to the model's float64 value within what its own precision allows."""
        calibration = self.calibration_of(form)
        inside = calibration[:SAMPLES]
        weights = dict(self._do("keras", {"samples": inside}).arrays)
        outputs = {
            "keras": weights.pop("output"),
            form.name: self.predict(tflite, "corrected", inside).arrays["output"],
        }
        found = {}
        for name, output in outputs.items():
            quantization = "float32" if name == "keras" else RECIPES[form.recipe].quantization
            samples = {"x": inside}, {"x": calibration}
            wanted = expectation(MODEL, weights, *samples, quantization, self._store)
            found[name] = compare(wanted.outputs, [output], wanted.budgets).result
        return found

    def calibration_of(self, form: ConversionForm) -> Array:
        """The samples a form calibrates with, [N, 1, steps, features]."""
        kind, good = form.samples, self.calibration
        if kind in ("nan", "nan-first", "infinity"):
            bad = good.copy()
            bad[0 if kind == "nan-first" else 3] = np.inf if kind == "infinity" else np.nan
            return bad
        chosen: Mapping[str, Array] = {
            "good": good,
            "none": good[:0],
            "zeros": np.zeros_like(good),
            "float64": good.astype(np.float64),
            "single": good[:1],
            "reversed": good[::-1],
            "half": good[: len(good) // 2],
        }
        return chosen[kind]

    def _do(self, op: str, arrays: dict[str, Array], **fields: Any) -> Done:
        key = {
            "step": f"published-{op}",
            **fields,
            "arrays": digests(arrays),
            "tensorflow": version("tensorflow"),
            "code": project.code(*_CODE),
        }
        if (found := self._store.read(key)) is not None:
            document, stored = found
            return Done(Outcome(document["kind"]), document["message"], stored)
        answer = self._worker.call(op, arrays, **fields)
        if isinstance(answer, Failure):
            done = Done(answer.outcome, answer.message, {})
        else:
            done = Done(Outcome.AGREED, "", answer.arrays)
        if done.outcome in (Outcome.AGREED, Outcome.REFUSED, Outcome.CRASHED):
            document = {"kind": done.outcome.value, "message": done.message}
            self._store.write(key, document, done.arrays)
        return done
