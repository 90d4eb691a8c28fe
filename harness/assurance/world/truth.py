"""Measure what is true of a specimen on each runtime, without any check of the harness.

A runtime's answers stand beside Keras's own, on the samples that the gate sees. How far apart
the two may be says a third run: the Keras model with every tensor rounded ideally over its own
range (`harness.workers.remote.keras.ideal`), several times. Whatever is many times further away
than that, and by a share of the output's own spread that matters, is wrong; what is near is
right; between the two nothing is said.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fixtures.outcomes import Outcome
from fixtures.runtimes import Runtime
from harness.assurance.world.making import Specimen
from harness.execution.interpreters import Interpreters
from harness.flatbuffer.structure import Structure
from harness.flatbuffer.tensor_codec import from_runtime, to_runtime
from harness.workers import limits
from harness.workers.answers import Failure
from harness.workers.client import Worker

Array = NDArray[Any]
State = Literal["right", "wrong", "undecided", "refused", "crashed", "hung"]

#: Draws of the ideal run; each rounds otherwise.
DRAWS = 3
#: Up to so many times the ideal run's error a quantised answer is right, from so many on wrong:
#: a kernel's own arithmetic (gates of 12 fractional bits, tables) adds to the ideal rounding.
RIGHT, WRONG = 4.0, 10.0
#: An error below this share of the output's spread is right whatever the ideal run reaches, and
#: one above the second is needed to call an answer wrong.
NEGLIGIBLE, MATTERS = 0.01, 0.05
#: The same for float arithmetic, whose ideal run moves inputs and weights by their last bit.
FLOAT_RIGHT, FLOAT_WRONG = 30.0, 1000.0
FLOAT_NEGLIGIBLE, FLOAT_MATTERS = 1e-5, 1e-3
#: From this share of the output's spread on, ideal rounding itself leaves nothing of the answer;
#: what is off by more than half of it is not right either, however coarse the rounding is.
UNFIT = 0.5
#: Answers that use so many of the 255 steps of their int8 range or fewer are nearly one value: of
#: them the samples show nothing, and no recipe is unfit.
FLAT_STEPS = 16
#: An output whose spread is below this share of its size is constant on these samples.
CONSTANT = 1e-4

_SCHEMES = {
    **{"float32": "float", "float16": "float16", "dynamic-range": "dynamic"},
    **{"int8": "int8", "int8-float-io": "int8", "int16x8": "int16"},
}
_ENDED: dict[Outcome, State] = {
    **{Outcome.REFUSED: "refused", Outcome.CRASHED: "crashed", Outcome.HUNG: "hung"},
    Outcome.OUT_OF_MEMORY: "crashed",
}


@dataclass(frozen=True)
class Seen:
    """One runtime's truth. error: rms, as a share of the output's spread; noise: the ideal
    run's, likewise; worst output of several. detail: how it ended otherwise."""

    state: State
    error: float = 0.0
    noise: float = 0.0
    detail: str = ""


@dataclass(frozen=True)
class Expected:
    """What Keras says: outputs [N, …], the ideal run's of each draw, and the largest cell state
    of each LSTM layer."""

    outputs: tuple[Array, ...]
    ideal: tuple[tuple[Array, ...], ...]
    cells: Mapping[str, float] = field(default_factory=dict)

    @property
    def constant(self) -> bool:
        """Whether no output changes from sample to sample: these samples show nothing. In
        integers that is so where ideal rounding takes what little there is."""
        return all(
            _spread(y) <= CONSTANT * float(np.abs(y).max(initial=0.0))
            or (_flat(y) and self._noise(k) > UNFIT * _spread(y))
            for k, y in enumerate(self.outputs)
        )

    def _noise(self, k: int) -> float:
        return float(np.median([_rms(draw[k] - self.outputs[k]) for draw in self.ideal]))

    @property
    def unfit(self) -> bool:
        """Whether rounding alone, however well done, leaves nothing of an output."""
        return any(
            self._noise(k) > UNFIT * _spread(y) for k, y in enumerate(self.outputs) if not _flat(y)
        )


def expected(
    worker: Worker, specimen: Specimen, inputs: Mapping[str, Array], quantisation: str
) -> Expected | str:
    """Keras's answers to inputs [N, …] and the ideal run's, or why there are none."""
    answer = worker.call(
        "answers",
        {f"input/{name}": array for name, array in inputs.items()},
        limits.CONVERT,
        path=str(specimen.keras),
        scheme=_SCHEMES[quantisation],
        draws=DRAWS,
        seed=specimen.plan.seed,
    )
    if isinstance(answer, Failure):
        return f"{answer.outcome.value}: {answer.message}"
    arrays = answer.arrays
    count = sum(name.startswith("output/") for name in arrays)
    return Expected(
        tuple(arrays[f"output/{k}"].astype(np.float64) for k in range(count)),
        tuple(
            tuple(arrays[f"ideal/{draw}/{k}"].astype(np.float64) for k in range(count))
            for draw in range(DRAWS)
        ),
        answer.document["cells"],
    )


def seen(
    interpreters: Interpreters,
    runtimes: Sequence[Runtime],
    content: Array,
    structure: Structure,
    names: tuple[str, ...],
    inputs: Mapping[str, Array],
    keras: Expected,
    quantisation: str,
    bounds: limits.Limits,
) -> dict[str, Seen]:
    """How each runtime answers the inputs [N, …] with a flatbuffer, beside Keras."""
    batched = {name: array[:, np.newaxis] for name, array in inputs.items()}
    try:
        samples = to_runtime(structure, list(batched), batched, by_shape=True)
    except ValueError as error:
        return {runtime.name: Seen("refused", detail=str(error)) for runtime in runtimes}
    found = {}
    for runtime in runtimes:
        run = interpreters.run(runtime, content, structure, samples, bounds=bounds)
        if run.result is not None:
            found[runtime.name] = Seen(_ENDED[run.result.outcome], detail=str(run.result))
            continue
        outputs = from_runtime(structure, names, run.outputs)
        found[runtime.name] = compared(outputs, keras, quantisation == "float32")
    return found


def compared(outputs: Sequence[Array], keras: Expected, exact: bool) -> Seen:
    """The truth of answers [N, 1, …]. exact: of float arithmetic."""
    right, wrong = (FLOAT_RIGHT, FLOAT_WRONG) if exact else (RIGHT, WRONG)
    negligible, matters = (FLOAT_NEGLIGIBLE, FLOAT_MATTERS) if exact else (NEGLIGIBLE, MATTERS)
    if len(outputs) != len(keras.outputs):
        return Seen("wrong", np.inf, detail=f"{len(outputs)} outputs, Keras {len(keras.outputs)}")
    each = []
    for k, want in enumerate(keras.outputs):
        if outputs[k].size != want.size:
            return Seen("wrong", np.inf, detail=f"{outputs[k].shape}, Keras {want.shape}")
        got = outputs[k].reshape(want.shape).astype(np.float64)
        if not np.isfinite(got).all():
            return Seen("wrong", np.inf, detail="NaN or infinity")
        spread = max(_spread(want), CONSTANT * float(np.abs(want).max(initial=0.0)), 1e-12)
        error = _rms(got - want) / spread
        noise = float(np.median([_rms(draw[k] - want) for draw in keras.ideal])) / spread
        if error <= max(negligible, min(right * noise, UNFIT / 2)):
            state: State = "right"
        elif error >= max(matters, wrong * noise):
            state = "wrong"
        else:
            state = "undecided"
        each.append(Seen(state, error, noise))
    order = ("right", "undecided", "wrong")
    return max(each, key=lambda one: (order.index(one.state), one.error))


def _flat(y: Array) -> bool:
    """Whether answers [N, …] are nearly one value beside a range that holds them and zero."""
    variety = float(np.ptp(y, axis=0).max(initial=0.0))
    return variety <= FLAT_STEPS / 255 * float(max(0.0, y.max()) - min(0.0, y.min()))


def _spread(y: Array) -> float:
    """How far an output is from its own mean over the samples, rms."""
    return _rms(y - y.mean(axis=0, keepdims=True))


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2))) if values.size else 0.0
