"""Put the answers of Keras, TensorFlow Lite and TensorFlow Lite Micro on record.

`python -m tests.support.make_golden [networks] [integers] [derived]` writes tests/support/golden/:
what the oracles must say without any of them installed. Needed again when a version of them
changes, and for a new model in tests/support/recorded_models.py; the derived figures (budgets,
ranges) are the oracle's own of that day.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fixtures import stimuli
from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from harness.conversion.converter import Converter
from harness.execution.operator_runs import OperatorRuntimes
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.support.cache import Store
from harness.support.time_accounting import Account
from harness.workers.server_handle import Server
from tests.support import derived
from tests.support.recorded_models import integer_operators, networks
from tests.support.reference_models import integer_input

FOLDER = Path(__file__).parent / "golden"
SAMPLES = 2


def keras(heavy: Server, light: Server) -> None:
    """Weights, inputs and outputs of every network."""
    converter = Converter(heavy, light, Store(None), Account())
    arrays: dict[str, Any] = {}
    documents: dict[str, Any] = {}
    for name, variant in networks().items():
        subject = Subject(name, "catalogue", variant=variant)
        inputs = stimuli.for_variant(variant, 1, SAMPLES, "stimulus")
        built = converter.build(subject)
        run = converter.run_keras(subject, RECIPES["float32"], inputs)
        if not (built.result.agreed and run.result.agreed):
            raise SystemExit(f"{name}: {built.result} {run.result} {run.result.native[-500:]}")
        arrays |= {f"{name}/weight/{key}": value for key, value in built.weights.items()}
        arrays |= {f"{name}/input/{key}": value for key, value in inputs.items()}
        arrays |= {f"{name}/output/{k}": value for k, value in enumerate(run.outputs)}
        documents[name] = variant.document()
    converter.close()
    np.savez_compressed(FOLDER / "networks.npz", **arrays)
    (FOLDER / "networks.json").write_text(json.dumps(documents, indent=None) + "\n")


def integers(heavy: Server, light: Server) -> None:
    """Outputs and final states of every integer operator on its runtimes."""
    runtimes = OperatorRuntimes(heavy, light)
    arrays: dict[str, Any] = {}
    for name, (model, on) in integer_operators().items():
        x = integer_input(1, model, batch=3, time=7)
        batch, time = (x.shape[1], x.shape[0]) if model.time_major else x.shape[:2]
        made = build(OperatorLstm(model, time, batch))
        for runtime in on:
            states = (made.hidden_state, made.cell_state)
            run = runtimes.run(RUNTIMES[runtime], made.content, [x[np.newaxis]], states)
            if run.result is not None:
                raise SystemExit(f"{name} on {runtime}: {run.result} {run.result.native}")
            found = (run.outputs[0][0], run.states[0][0], run.states[1][0])
            for what, array in zip(("output", "hidden", "cell"), found, strict=True):
                arrays[f"{name}/{runtime}/{what}"] = array
    runtimes.close()
    np.savez_compressed(FOLDER / "integers.npz", **arrays)


def main(parts: Sequence[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    heavy = Server(("keras",))
    light = Server(("inspect", "tflite-tensors", "tflm-tensors"))
    try:
        if "networks" in parts:
            keras(heavy, light)
        if "integers" in parts:
            integers(heavy, light)
    finally:
        heavy.close()
        light.close()
    if "derived" in parts:
        text = json.dumps(derived.figures(), separators=(",", ":"))
        (FOLDER / "derived.json").write_text(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or ["networks", "integers", "derived"])
