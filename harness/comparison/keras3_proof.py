"""Prove that a model rebuilt from a Keras 3 file computes what the file says.

The oracle evaluates configuration and weights as they stand in the file, read a second time
(`harness.conversion.keras3`); the rebuilt model, in Keras, must give the same within the budget of
float32. What does not is refused before anything is converted: a wrong reading is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fixtures import stimuli
from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.stimuli import Arrays
from fixtures.subjects import Subject
from harness.comparison.budgets import expectation
from harness.comparison.compare import Allowed, compare
from harness.conversion.converter import Converter
from harness.conversion.keras3 import description, stored_weights
from harness.conversion.keras3.description import Reading
from harness.conversion.results import Built
from harness.support.cache import Store
from harness.support.files import file_digest
from harness.support.project import code
from harness.workers.answers import Failure
from reference.budgets.monte_carlo import budgets
from reference.network import UnsupportedLayer, evaluate

#: Samples of the proof, each with a different number of masked steps where something is masked.
SAMPLES = 4
AGREED = StepResult(Phase.BUILD, Outcome.AGREED)
_READERS = (
    *("harness.conversion.keras3", "harness.workers.remote.keras3", "reference"),
    __name__,
)


def proven(converter: Converter, subject: Subject, built: Built, store: Store) -> Built:
    """The model as it was built, or refused where it computes something else than its file.

    Models of other files than Keras 3's are returned as they are.
    """
    if built.reading is None or not built.reading["keras"] or not built.result.agreed:
        return built
    if subject.model_path is None:
        return built
    key = {"step": "keras3", "file": file_digest(subject.model_path), "code": code(*_READERS)}
    stored = store.read(key)
    if stored is None:
        wrong, last = _wrong(converter, subject, built, store)
        if last:
            store.write(key, {"wrong": wrong}, {})
    else:
        wrong = stored[0]["wrong"]
    if not wrong:
        return built
    message = f"a file of Keras {built.reading['keras']}: {wrong}"
    return replace(built, result=StepResult(Phase.BUILD, Outcome.REFUSED, message))


def _wrong(converter: Converter, subject: Subject, built: Built, store: Store) -> tuple[str, bool]:
    """What is wrong with the rebuilt model, empty for nothing; and whether that is final."""
    answer = converter.contents(subject)
    if isinstance(answer, Failure):
        return f"its contents cannot be read: {answer.message}", False
    file = answer.document
    try:
        reading = description.read(file["model"])
        weights = stored_weights.by_node(
            file["model"], reading.owners, answer.arrays, file["names"], file["order"]
        )
        if left := stored_weights.unread(answer.arrays, weights):
            return f"the oracle finds weights of no layer: {', '.join(left[:3])}", True
        if layer := unlike(reading, weights, built):
            return f"layer {layer!r}: the rebuilt model has other weights than the file", True
        stimulus = proof_stimulus(reading)
        want = expectation(reading.description, weights, stimulus, {}, "float32", store)
    except UnsupportedLayer as error:
        return f"the oracle cannot prove that it is read rightly: {error}", True
    except ValueError as error:
        return f"it cannot be proven that it is read rightly: {error}", True
    run = converter.answers(subject, stimulus, layers=False)
    if isinstance(run, Failure):
        return f"the rebuilt model does not run: {run.message}", False
    outputs = [run.arrays[f"output/{index}"] for index in range(len(run.arrays))]
    found = compare(want.outputs, outputs, want.budgets)
    if found.result.agreed:
        return "", True
    place = _place(converter, subject, reading, weights, stimulus)
    return f"{place}: the rebuilt model computes otherwise: {found.result.message}", True


def unlike(reading: Reading, weights: Mapping[str, Any], built: Built) -> str:
    """The first layer whose weights in the rebuilt model are not those of the file; empty for
    none. Models inside of the model are left to their answers."""
    for owner in reading.owners:
        index = 0
        while not owner.models and f"{owner.nodes[0]}/{index}" in weights:
            value = built.weights.get(f"{owner.path}/{index}")
            if value is None or not np.array_equal(value, weights[f"{owner.nodes[0]}/{index}"]):
                return owner.path
            index += 1
    return ""


def proof_stimulus(reading: Reading) -> Arrays:
    """Inputs [SAMPLES, 1, …] that go through all that the model has: tokens of its vocabulary, and
    masked steps at the end, a different number in each sample."""
    nodes = reading.description["nodes"]
    tokens = {n["inputs"][0]: n["config"]["input_dim"] for n in nodes if n["class"] == "Embedding"}
    padded = {
        node["inputs"][0]: 0.0
        for node in nodes
        if node["class"] == "Embedding" and node["config"].get("mask_zero")
    }
    interface = [
        {**entry, "shape": [1, *entry["shape"]], "vocabulary": tokens.get(entry["name"])}
        for entry in reading.description["inputs"]
    ]
    batch = reading.description["batch"]
    for entry in interface:
        entry["shape"][0] = batch
    found = stimuli.for_interface(interface, 0, SAMPLES, "stimulus", "keras3")
    for name, value in {**reading.masked, **padded}.items():
        steps = found[name].shape[2]
        for sample in range(1, SAMPLES):
            left = max(1, steps - sample * steps // (SAMPLES + 1))
            found[name][sample, :, left:] = value
    return found


def _place(
    converter: Converter,
    subject: Subject,
    reading: Reading,
    weights: Mapping[str, Any],
    stimulus: Arrays,
) -> str:
    """The first layer that answers otherwise than the oracle, in words."""
    answer = converter.answers(subject, stimulus, layers=True)
    if isinstance(answer, Failure):
        return "in a layer that could not be found"
    document = reading.description
    for node in document["nodes"]:
        for index in range(6):
            got = answer.arrays.get(f"{node['name']}/{index}")
            if got is None:
                break
            several = f"{node['name']}/1" in answer.arrays
            name = f"{node['name']}:{index}" if several else node["name"]
            one = {**document, "outputs": [name]}
            (exact,) = evaluate(one, weights, stimulus)
            (allowed,) = budgets(one, weights, stimulus, "float32")
            budget = Allowed(allowed.value, allowed.rms)
            if not compare([exact], [got], [budget]).result.agreed:
                return f"layer {node['name']!r} ({node['class']})"
    return "in a layer that is called several times, or in a model inside of the model"
