"""Play scripts with small LSTMs in NumPy: one healthy, and one for each fault of a law.

Each fault is as narrow as the real one it is named after, so that it breaks its own law and as
few others as logic allows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase, StepResult
from harness.laws.scripted_models import (
    Action,
    Allocate,
    Feed,
    Fresh,
    Keep,
    Reset,
    Resize,
    Restore,
    Trace,
    Traits,
)
from reference.lstm.float64 import sigmoid
from reference.lstm.weights import LstmWeights

Array = NDArray[Any]
FEATURES, UNITS = 3, 4


def weights(seed: int = 5) -> LstmWeights:
    random = np.random.default_rng(seed)
    shapes = ((FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,))
    return LstmWeights.from_keras(*(random.uniform(-0.9, 1.1, shape) for shape in shapes))


class Refused(Exception):
    """An action the model refuses."""


@dataclass
class Lstm:
    """A healthy LSTM that carries its state; every step is computed alike in every chunk and row.

    A fault overrides one method or attribute.
    """

    traits: Traits = field(default_factory=lambda: Traits("healthy", FEATURES, longest=20))
    weights: LstmWeights = field(default_factory=weights)
    cell_clip: float = 0.0
    masked: bool = False
    backwards: bool = False

    def run_script(self, script: Sequence[Action]) -> Trace:
        outputs: list[tuple[Array, ...]] = []
        for at, action in enumerate(script):
            try:
                found = self.act(action)
            except Refused as refusal:
                outcome = StepResult(Phase.INVOKE, Outcome.REFUSED, str(refusal))
                return Trace(tuple(outputs), outcome, at)
            if isinstance(found, StepResult):
                return Trace((), found)
            if found is not None:
                outputs.append((found,))
        return Trace(tuple(outputs))

    def real(self, outputs: Array, index: int = 0) -> Array:
        return np.asarray(outputs, np.float64)

    def act(self, action: Action) -> Array | StepResult | None:
        if isinstance(action, Fresh):
            self.fresh(action.length, action.batch)
        elif isinstance(action, Reset):
            self.reset()
        elif isinstance(action, Resize):
            self.resize(action)
        elif isinstance(action, Allocate):
            self.allocate()
        elif isinstance(action, Keep):
            self.kept = (self.hidden.copy(), self.cell.copy())
        elif isinstance(action, Restore):
            self.restore()
        else:
            return self.feed(action)
        return None

    def zero(self) -> None:
        self.hidden = np.zeros((self.batch, UNITS))
        self.cell = np.zeros((self.batch, UNITS))

    def fresh(self, length: int, batch: int) -> None:
        self.length, self.batch = self.traits.length or length, self.traits.batch
        self.resizes = self.feeds = 0
        self.grown = False
        self.last: Array | None = None
        self.zero()

    def reset(self) -> None:
        self.zero()

    def allocate(self) -> None:
        pass

    def resize(self, action: Resize) -> None:
        if action.batch != self.batch:
            raise Refused("the batch size is fixed")
        if action.strict and self.traits.length not in (None, action.length):
            raise Refused("only unknown dimensions can be resized strictly")
        self.resizes += 1
        self.grown = 0 < self.length < action.length
        if self.traits.memory == "none":
            self.zero()
        self.length = action.length

    def restore(self) -> None:
        self.hidden, self.cell = (part.copy() for part in self.kept)

    def feed(self, action: Feed) -> Array | StepResult:
        if action.unset:
            assert self.last is not None
            return self.answer(self.last)
        if action.x.shape[:2] != (self.batch, self.length):
            raise Refused(f"expected {(self.batch, self.length)}, got {action.x.shape[:2]}")
        if self.traits.memory == "none":
            self.zero()
        found = self.answer(action.x)
        self.last = action.x
        self.feeds += 1
        return found

    def answer(self, x: Array) -> Array:
        order = range(x.shape[1])
        found = [self.step(x[:, t]) for t in (reversed(order) if self.backwards else order)]
        return np.stack(found, axis=1) if found else np.zeros((len(x), 0, UNITS))

    def step(self, x: Array) -> Array:
        skipped = (x == 0).all(axis=1) if self.masked else np.zeros(len(x), bool)
        gates = self.gates(x)
        i, f, o = sigmoid(gates[[0, 1, 3]])
        cell = f * self.cell + i * np.tanh(gates[2])
        if self.cell_clip:
            cell = np.clip(cell, -self.cell_clip, self.cell_clip)
        hidden = o * np.tanh(cell)
        self.cell = np.where(skipped[:, None], self.cell, cell)
        self.hidden = np.where(skipped[:, None], self.hidden, hidden)
        return self.hidden.copy()

    def gates(self, x: Array) -> Array:
        """[4, batch, units]: what goes into the activations of i, f, candidate and o."""
        kernel, recurrent, bias = self.stacked
        # Not a matrix product: its sums would depend on the number of rows.
        from_input = (x.astype(np.float64)[:, None] * kernel).sum(axis=-1)
        return np.asarray(from_input + (self.hidden[:, None] * recurrent).sum(axis=-1) + bias)

    @cached_property
    def stacked(self) -> tuple[Array, Array, Array]:
        """All gates' weights: [4, 1, units, features], [4, 1, units, units], [4, 1, units]."""
        w = self.weights
        kernel, recurrent, bias = (
            np.stack([part for part in parts if part is not None])[:, None]
            for parts in (w.input_kernel, w.recurrent_kernel, w.bias)
        )
        return kernel, recurrent, bias


# Faults -------------------------------------------------------------------------------------


class OffByOneAfterGrowing(Lstm):
    """Resized to a longer sequence and reset, it runs one step too few."""

    def reset(self) -> None:
        super().reset()
        self.short, self.grown = self.grown, False

    def answer(self, x: Array) -> Array:
        found = super().answer(x)
        if getattr(self, "short", False) and x.shape[1]:
            found[:, -1] = 0
            self.short = False
        return found


class DiesOfNothing(Lstm):
    """An input without steps kills it."""

    def feed(self, action: Feed) -> Array | StepResult:
        if action.x.shape[1] == 0:
            return StepResult(Phase.INVOKE, Outcome.CRASHED, "SIGFPE")
        return super().feed(action)


class TakesAnyLength(Lstm):
    """Made for one length, it runs on any."""

    def feed(self, action: Feed) -> Array | StepResult:
        self.length = action.x.shape[1]
        return super().feed(action)


class FirstRowOfABatch(Lstm):
    """A batch that is too large is taken, and its first row answered."""

    def resize(self, action: Resize) -> None:
        super().resize(replace(action, batch=self.batch))

    def feed(self, action: Feed) -> Array | StepResult:
        return super().feed(replace(action, x=action.x[: self.batch]))


class PeeksAhead(Lstm):
    """The next step's input shows, far below any budget, in each output."""

    def answer(self, x: Array) -> Array:
        found = super().answer(x)
        found[:, :-1] += 1e-12 * x[:, 1:, :1]
        return found


class IgnoresMask(Lstm):
    """Masked steps count."""

    def step(self, x: Array) -> Array:
        self.masked = False
        return super().step(x)


class SwapsTimeAndFeatures(Lstm):
    """Reads a time-major input in the wrong order."""

    def answer(self, x: Array) -> Array:
        return super().answer(x.swapaxes(1, 2).reshape(x.shape))


class ForgetsToReverse(Lstm):
    """go_backwards that runs forwards."""

    def answer(self, x: Array) -> Array:
        self.backwards = False
        return super().answer(x)


class Bidirectional(Lstm):
    """Two directions, concatenated."""

    turn_back = True
    swap = False

    def answer(self, x: Array) -> Array:
        ahead = super().answer(x)
        self.zero()
        other = Lstm(self.traits, weights(6))
        other.fresh(x.shape[1], len(x))
        back = other.answer(x[:, ::-1])
        back = back[:, ::-1] if self.turn_back else back
        return np.concatenate([back, ahead] if self.swap else [ahead, back], axis=2)


class SwapsHalves(Bidirectional):
    swap = True


class LeavesBackwardOrder(Bidirectional):
    turn_back = False


class ForgetsTheThirdStep(Lstm):
    """Unrolled, it starts anew at its third step."""

    def answer(self, x: Array) -> Array:
        head = super().answer(x[:, :2])
        self.zero()
        return np.concatenate([head, super().answer(x[:, 2:])], axis=1)


class LastRowOnly(Lstm):
    """Every row of a batch answers what the last one answers."""

    def answer(self, x: Array) -> Array:
        found = super().answer(x)
        return np.repeat(found[-1:], len(found), axis=0)


class AnotherBatchKernel(Lstm):
    """The kernel for batches rounds to half precision."""

    def answer(self, x: Array) -> Array:
        return super().answer(x).astype(np.float16).astype(np.float64)


@dataclass
class ClipsTheCell(Lstm):
    """A limit of the cell state that the original model has not."""

    cell_clip: float = 0.5


class IgnoresInitialCell(Lstm):
    """Restores the hidden state and not the cell."""

    def restore(self) -> None:
        super().restore()
        self.cell = np.zeros_like(self.cell)


class LeaksIntoAnotherSample(Lstm):
    """Should start each invoke anew, but carries state when the inputs change."""

    def feed(self, action: Feed) -> Array | StepResult:
        if self.last is None or self.last.shape != action.x.shape or np.isnan(self.hidden).any():
            return super().feed(action)
        if (self.last == action.x).all():
            return super().feed(action)
        hidden, cell = self.hidden, self.cell
        zero, self.zero = self.zero, lambda: None  # type: ignore[method-assign]
        self.hidden, self.cell = hidden, cell
        found = super().feed(action)
        self.zero = zero  # type: ignore[method-assign]
        return found

    def resize(self, action: Resize) -> None:
        same, hidden, cell = action.length == self.length, self.hidden, self.cell
        super().resize(action)
        if same:
            self.hidden, self.cell = hidden, cell


class ResetKeepsCell(Lstm):
    """After two invokes a reset clears the hidden state only."""

    def reset(self) -> None:
        cell = self.cell
        super().reset()
        if self.feeds > 1 and not self.resizes and not np.isnan(cell).any():
            self.cell = cell


class AllocateResets(Lstm):
    """Allocating again loses the state."""

    def allocate(self) -> None:
        self.zero()


class ResizeLosesCell(Lstm):
    """A resize to another length loses the cell state."""

    def resize(self, action: Resize) -> None:
        other = action.length != self.length
        super().resize(action)
        if other:
            self.cell = np.zeros_like(self.cell)


class SecondResizeLeaks(Lstm):
    """Should start each invoke anew; from the second resize on it does not."""

    def feed(self, action: Feed) -> Array | StepResult:
        if self.resizes < 2:
            return super().feed(action)
        memory, self.traits = self.traits, replace(self.traits, memory="carried")
        found = super().feed(action)
        self.traits = memory
        return found

    def resize(self, action: Resize) -> None:
        hidden, cell = self.hidden, self.cell
        super().resize(action)
        self.hidden, self.cell = hidden, cell


class InvokeEatsInputs(Lstm):
    """The input's memory is used for something else meanwhile."""

    def feed(self, action: Feed) -> Array | StepResult:
        found = super().feed(action)
        self.last = np.full_like(action.x, 0.5)
        return found


class SwallowsNan(Lstm):
    """A NaN counts as zero."""

    def answer(self, x: Array) -> Array:
        return super().answer(np.nan_to_num(x))


@dataclass
class Ends(Lstm):
    """Ends in a crash, a hang or no memory from some length on: a function of the length."""

    how: Callable[[int], StepResult | None] = lambda length: None

    def feed(self, action: Feed) -> Array | StepResult:
        return self.how(action.x.shape[1]) or super().feed(action)
