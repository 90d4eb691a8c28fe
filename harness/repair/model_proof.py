"""Prove that a rewritten Keras model is the same function, fuses, and runs as it must."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures import stimuli
from fixtures.outcomes import Outcome
from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES, Runtime
from fixtures.subjects import Subject
from harness.checks.parity import measure_parity
from harness.comparison import budgets
from harness.conversion.keras_description import from_keras_config
from harness.conversion.model_interface import with_vocabularies
from harness.conversion.recurrent_layers import recurrent_layers
from harness.conversion.results import Arrays
from harness.device.macs import count_macs
from harness.device.resources import Tools, Unfit, arena_bytes, model_of
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case, Measured
from harness.repair.invoke_time import Timers
from harness.repair.rules.document import Document
from harness.session.session import Session
from harness.structure.fusion import verdicts
from harness.support.cache import Store
from reference.network import evaluate

SUITE = "repair"
#: Unit roundoff of float64 by that of float32: 2^-53 / 2^-24.
_FINER = 2.0**-29
#: Seeds of drawn samples beside those that the runtimes are run on.
_MORE_SEEDS = 3

Array = NDArray[Any]


@dataclass(frozen=True)
class Judged:
    """What a model's float32 conversion is, and how each runtime fares with it.

    fused and layers: how many recurrent layers are fused operators, of how many. loops: WHILE
    operators that are left. arena: of TFLite Micro; None where it does not run.
    """

    fused: int
    layers: int
    loops: int
    unfused: tuple[str, ...]
    outcomes: dict[str, Measured]
    flatbuffer_bytes: int | None = None
    arena: int | None = None
    macs: int | None = None
    #: What it was judged by; None where nothing was converted.
    artifacts: CaseArtifacts | None = None
    #: Seconds of one invoke on this host, by runtime; measured with the other model's, in turns.
    seconds: Mapping[str, float | None] = field(default_factory=dict)


def cases_of(subject: Subject, runtimes: Sequence[Runtime]) -> list[Case]:
    """The float32 cases of a model: Keras's own answer, and each runtime's."""
    return [
        Case(SUITE, subject, RECIPES["float32"], runtime)
        for runtime in (RUNTIMES["keras"], *runtimes)
    ]


def judge(session: Session, subject: Subject, runtimes: Sequence[Runtime]) -> Judged:
    """Convert a Keras file in float32 and take it to every runtime."""
    cases = cases_of(subject, runtimes)
    session.plan(cases)
    artifacts = session.artifacts(cases[0])
    outcomes = {case.runtime.name: measure_parity(case, session) for case in cases if case.runtime}
    conversion, built = artifacts.conversion, artifacts.built
    if conversion.structure is None or conversion.data is None or built is None:
        return Judged(0, 0, 0, (), outcomes)
    found = verdicts(recurrent_layers(built.config or {}), conversion.structure)
    return Judged(
        sum(one.found == "fused" for one in found),
        len(found),
        loops_of(artifacts),
        tuple(str(one) for one in found if one.found != "fused"),
        outcomes,
        int(conversion.data.nbytes),
        _arena(session, cases, artifacts),
        count_macs(conversion.structure, conversion.data.tobytes()).total,
        artifacts,
    )


def timed(
    session: Session, runtimes: Sequence[Runtime], before: Judged, after: Judged
) -> tuple[Judged, Judged]:
    """Both with the seconds of an invoke on each runtime that answers rightly, in turns."""
    both, timers = (before, after), session.keep(Timers)
    found: list[dict[str, float | None]] = [{}, {}]
    for runtime in runtimes:
        right = [one.outcomes[runtime.name].result.agreed for one in both]
        models = [one.artifacts if ok else None for one, ok in zip(both, right, strict=True)]
        for kept, seconds in zip(found, timers.seconds(runtime, models), strict=True):
            kept[runtime.name] = seconds
    return replace(before, seconds=found[0]), replace(after, seconds=found[1])


def loops_of(artifacts: CaseArtifacts) -> int:
    """How many WHILE operators a conversion has."""
    structure = artifacts.conversion.structure
    return 0 if structure is None else list(structure.operators).count("WHILE")


def _arena(session: Session, cases: Sequence[Case], artifacts: CaseArtifacts) -> int | None:
    run = artifacts.runs.get("tflm")
    if run is None or run.result is not None:
        return None
    model = model_of(cases[0], artifacts, run.outputs, session.settings.bounds(cases[0].subject))
    try:
        return arena_bytes(model, session.keep(Tools).bench)
    except Unfit:
        return None


def samples(session: Session, artifacts: CaseArtifacts, drawn: bool = True) -> Arrays:
    """What the oracles are held to each other on: what the runtimes get, and more that is drawn.

    drawn: False for the user's samples alone, where only they are said to have no masked step.
    """
    given = {name: np.asarray(array) for name, array in artifacts.stimulus.items()}
    if not drawn or artifacts.built is None:
        return given
    interface = stimuli.of_sizes(with_vocabularies(artifacts.built), given)
    for seed in range(session.settings.seed + 1, session.settings.seed + 1 + _MORE_SEEDS):
        more = stimuli.for_interface(interface, seed, stimuli.SAMPLES, "stimulus", "repair")
        given = {name: np.concatenate([array, more[name]]) for name, array in given.items()}
    return given


@dataclass(frozen=True)
class Apart:
    """How far two documents are apart in float64. largest: in the output's unit. used: of what
    rounding allows; above 1 they are two functions."""

    faults: tuple[str, ...]
    largest: float
    used: float


def difference(store: Store, before: Document, after: Document, stimulus: Arrays) -> Apart:
    """Where the float64 value of the rewritten model is another.

    Two float64 evaluations may differ by twice what rounding makes of each: the float32 budget of
    the model, which is linear in the unit roundoff, at float64's.
    Raises UnsupportedLayer for a model that the oracle does not know.
    """
    old, new = (from_keras_config(document.config) for document in (before, after))
    expected = budgets.expectation(old, before.weights, stimulus, {}, "float32", store)
    got = evaluate(new, after.weights, stimulus)
    never = float("inf")
    if [value.shape for value in got] != [value.shape for value in expected.outputs]:
        shapes = [[list(value.shape) for value in values] for values in (got, expected.outputs)]
        return Apart((f"the outputs are {shapes[0]}, not {shapes[1]}",), never, never)
    found, largest, most = [], 0.0, 0.0
    for index, (value, want) in enumerate(zip(got, expected.outputs, strict=True)):
        apart = float(np.abs(value - want).max(initial=0.0))
        allowed = 2 * _FINER * expected.budgets[index].largest
        if not apart <= allowed:
            found.append(
                f"output {index} of the rewritten model is another by {apart:.3g}, where rounding "
                f"allows {allowed:.3g}"
            )
        used = apart / allowed if allowed else never if apart else 0.0
        largest, most = max(largest, apart), max(most, used)
    return Apart(tuple(found), largest, most)


def state_taken(before: Document, after: Document) -> bool:
    """Whether a layer's state no longer goes on from call to call in Keras."""
    old, new = _stateful(before), _stateful(after)
    kept = all(new) if all(old) else sum(new) >= sum(old)
    return any(old) and not kept


def state_faults(before: Document) -> list[str]:
    """Why no fused operators can take the state of a model over; empty where they can.

    A runtime carries the state of every fused layer on, so each must have been stateful.
    """
    if all(_stateful(before)):
        return []
    return ["a runtime would carry on the state of layers that start each call from zeros"]


def _stateful(document: Document) -> list[bool]:
    return [bool(one.config.get("stateful")) for one in recurrent_layers(document.config)]


def masks_taken(before: Document, after: Document) -> bool:
    """Whether a layer that made a mask no longer does."""
    made = [len(_masking(from_keras_config(one.config))) for one in (before, after)]
    return made[1] < made[0]


def _masking(described: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The nodes of a description that make a mask."""
    return [
        node
        for node in described["nodes"]
        if node["class"] == "Masking"
        or (node["class"] == "Embedding" and node["config"].get("mask_zero"))
    ]


def masked_steps(document: Document, stimulus: Arrays) -> list[str]:
    """The layers that mask a step of the samples, with how many steps; empty for none."""
    described = from_keras_config(document.config)
    found = []
    for node in _masking(described):
        read = {**described, "outputs": [node["inputs"][0]]}
        (value,) = evaluate(read, document.weights, stimulus)
        if node["class"] == "Masking":
            of_mask = np.float32(node["config"].get("mask_value", 0.0))
            masked = np.all(value.astype(np.float32) == of_mask, axis=-1)
        else:
            masked = value == 0
        if masked.any():
            found.append(f"{node['name']!r} masks {int(masked.sum())} of {masked.size} steps")
    return found


def not_as_rewritten(
    document: Document, config: Mapping[str, Any] | None, weights: Arrays
) -> list[str]:
    """Where the file that was written is another model than the rewritten one."""
    if config is None or _described(config) != _described(document.config):
        return ["the file that was written has another configuration"]
    if set(weights) != set(document.weights):
        return ["the file that was written has other weights"]
    return [
        f"the weight {name} of the file that was written is another"
        for name, value in document.weights.items()
        if not np.array_equal(weights[name], value)
    ]


def _described(config: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration says, whatever the order of its layers, which Keras chooses itself."""
    found = from_keras_config(config)
    return {**found, "nodes": {node["name"]: node for node in found["nodes"]}}


def shortcomings(before: Judged, after: Judged) -> list[str]:
    """What keeps the rewritten model from being proven: a layer that is no fused operator, a
    runtime that answers wrongly, or one that does not carry out what it carried out before."""
    found = [f"not fused: {text}" for text in after.unfused]
    if after.loops and not after.unfused:
        found.append(f"{after.loops} WHILE loops are left")
    if not after.layers:
        found.append("the rewritten model did not convert")
    for name, measured in after.outcomes.items():
        refused = measured.result.outcome is Outcome.REFUSED
        if not measured.result.agreed and (before.outcomes[name].result.agreed or not refused):
            found.append(f"{name}: {measured.result}")
    return found
