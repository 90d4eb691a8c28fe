"""Try what a file could compute instead of its model, and name what gives its answers.

As `predictions` does with a user's own code: every candidate is carried out on the source model,
and one that gives the runtime's answers within the budget, where the model as it is does not, is
the explanation. Nothing is said where none does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.comparison.compare import Allowed
from harness.diagnosis.candidates import Candidate
from harness.diagnosis.layer_candidates import RECURRENT
from harness.diagnosis.source_model import Source, Stored
from reference.arithmetic.affine import Affine
from reference.budgets.monte_carlo import SAFETY, Scheme, budgets
from reference.budgets.precision_schemes import Ranges
from reference.network import UnsupportedLayer

Array = NDArray[Any]
#: Samples that sort out most candidates, and those that confirm the rest.
SCREENED, CONFIRMED = 3, 16
#: Beyond the budget of the model as it is, a candidate as near as this share of what has to be
#: explained is held to the budget of its own: a model with larger inputs rounds larger numbers.
PROMISING = 0.01
#: The candidate that has all others of a file's weights in it: named where nothing narrower fits.
BROADEST = "other-weights"
#: Share of what is to be explained that may be left where something else is wrong too.
PARTLY = 0.2
#: How far from a factor that fits others are tried, as multiples of it, either way.
_STEPS = (1.003, 1.02, 1.1, 1.25, 1.6, 2.5, 5.0, 10.0, 30.0, 100.0)
#: How many steps of all samples one trial may confirm with: longer sequences take fewer samples.
MOST_STEPS = 4096
#: How many steps of recurrent layers all trials together may evaluate, some ten seconds: of longer
#: models the first candidates are tried only, and the first of those of the file's own weights.
ALL_STEPS = 150_000


@dataclass(frozen=True)
class Explanation:
    """What the file computes instead, and how well that fits.

    budget_used: of the runtime's answers held to the candidate's; above 1 where something else,
    which is known to be wrong too, is left. without: the same held to the model as it is. answers:
    whose these are.
    """

    name: str
    says: str
    cure: str
    budget_used: float
    without: float
    answers: str = "these answers"

    def document(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        if self.budget_used > 1:
            return (
                f"{self.says}: the source model changed so gives most of {self.answers}, within "
                f"{self.budget_used:.2g} times the budget, as it is {_times(self.without)} → "
                f"{self.cure}"
            )
        return (
            f"{self.says}: the source model changed so gives {self.answers} within "
            f"{self.budget_used:.2g} of the budget, as it is {_times(self.without)} the budget "
            f"→ {self.cure}"
        )


def _times(value: float) -> str:
    return f"{value:.3g} times" if np.isfinite(value) else "beyond"


@dataclass(frozen=True, eq=False)
class Answered:
    """What a runtime answered, and what it is held to.

    outputs: [N, batch, …] each, real numbers. allowed: the budgets of the model as it is. scheme,
    ranges: how a budget of a candidate's own is derived. ends: of integer outputs the least and
    the greatest value there is, for any model behind them; None for float ones. affines: scale and
    zero point of the file's integer tensors, by the input or layer that they are of.
    """

    outputs: Sequence[Array]
    allowed: Sequence[Allowed]
    scheme: Scheme
    ranges: Ranges | None = None
    ends: Sequence[tuple[float, float] | None] = ()
    affines: Mapping[str, Affine] = field(default_factory=dict)

    def first(self, count: int) -> Answered:
        return replace(self, outputs=[y[:count] for y in self.outputs])


def explain(
    source: Source, answered: Answered, tried: Iterable[Candidate], partly: bool = False
) -> Explanation | None:
    """The candidate that gives the runtime's answers; of several the first that fits about as
    well as the best. None where none does, or where there is nothing to explain.

    A fit is within the budget and leaves at most a third (1 / SAFETY) of what the model as it is
    leaves: a sound implementation is one more draw of those that the budget is SAFETY times of.
    partly: where something else is known to be wrong too (scales that contradict each other), so
    that no candidate can be within the budget: then what leaves a fifth is one.
    """
    with np.errstate(all="ignore"):  # a change may leave what a layer is defined for
        return _explain(*_bounded(source, answered), tried, partly)


def _explain(
    source: Source, answered: Answered, tried: Iterable[Candidate], partly: bool
) -> Explanation | None:
    if not all(np.isfinite(y).all() for y in answered.outputs):
        return None
    few = answered.first(SCREENED)
    try:
        without = _used(answered, source.answers())
        screened = _used(few, source.first(SCREENED).answers())
        alone = _within_ranges(source, answered)
    except (UnsupportedLayer, ValueError):
        return None
    if without <= 1:
        return None
    fits: list[tuple[float, Candidate]] = []
    for candidate in islice(tried, ALL_STEPS // _steps_of(source)):
        try:
            changed = candidate.change(source)
            used = _used(few, changed.first(SCREENED).answers())
            if used <= 1 or used <= (PARTLY if partly else PROMISING) * screened:
                used = _of_its_own(changed, answered, alone)
        except (UnsupportedLayer, ValueError, KeyError, IndexError):
            continue  # a change that this model cannot have
        limit = max(1.0, PARTLY * without) if partly else 1.0
        if used <= limit and SAFETY * used <= without:
            fits.append((used, candidate))
    if not fits:
        return None
    if any(found.name != BROADEST for _, found in fits):
        # All weights of a file fit wherever one of them does, and a little better in an integer
        # model, whose own rounding they have.
        fits = [fit for fit in fits if fit[1].name != BROADEST]
    best = min(used for used, _ in fits)
    kind = next(found.name for used, found in fits if used <= 2 * best + 0.01)
    # Of one kind the first: factors that are all large enough to saturate fit alike.
    used, found = next(fit for fit in fits if fit[1].name == kind)
    says = found.says if found.by is None else _with_range(source, few, found)
    return Explanation(found.name, says, found.cure, used, without)


def _with_range(source: Source, few: Answered, found: Candidate) -> str:
    """What a scaling says: one factor only where no other fits about as well, within the budget or
    SAFETY times as far off. Of a function that saturates every large one does."""
    count, by = len(few.outputs[0]), found.by
    assert by is not None

    def used(factor: float) -> float:
        return _used(few, by(factor).change(source).first(count).answers())

    most = max(1.0, SAFETY * used(found.factor))

    def bound(way: int) -> float:
        for step in _STEPS:
            factor = found.factor * step**way
            if factor <= 1 or used(factor) > most:
                return max(factor, 1.0)
        return np.inf if way > 0 else 1.0

    low, high = bound(-1), bound(1)
    if high <= low * _STEPS[0] ** 2 * (1 + 1e-9):
        return found.says
    least, greatest = (f"{float(f'{k:.3g}'):g}" for k in (low, high))
    start = found.says[: found.says.rindex(" by ") + len(" by ")]
    if np.isinf(high):
        return f"{start}more than {least} (larger factors fit alike)"
    return f"{start}{least} to {greatest} (these factors fit alike)"


def _steps_of(source: Source) -> int:
    """Steps that its recurrent layers take for a batch of samples."""
    longest = max([1, *(a.shape[2] for a in source.stimulus.values() if a.ndim > 2)])
    kinds = [str(node["class"]) for node in source.document["nodes"]]
    looped = sum(kind in RECURRENT or kind == "Bidirectional" for kind in kinds)
    return longest * max(1, looped)


def ranges_explain(source: Source, answered: Answered, affines: Mapping[str, Affine]) -> bool:
    """Whether the ranges of its tensors are all that keeps a file from its model's answers.

    affines: of its integer tensors, by the input or layer that they are of: they cut off what is
    beyond and round what is within. Raises what `evaluate` raises.
    """
    return budget_used(replace(source, hooks=Stored(affines)), answered) <= 1


def budget_used(source: Source, answered: Answered) -> float:
    """The largest share of a budget that the answers of a bounded number of samples take. Raises
    what `evaluate` raises."""
    source, answered = _bounded(source, answered)
    return _used(answered, source.answers())


def _bounded(source: Source, answered: Answered) -> tuple[Source, Answered]:
    """As many samples as confirm, fewer of long sequences."""
    steps = max([1, *(a[0].size // a.shape[-1] for a in source.stimulus.values() if a.ndim > 1)])
    count = max(SCREENED, min(CONFIRMED, MOST_STEPS // steps))
    return source.first(count), answered.first(count)


def _within_ranges(source: Source, answered: Answered) -> float:
    """The budget used by a model whose tensors have the file's ranges; infinite where those are
    not known."""
    if not answered.affines:
        return np.inf
    return _used(answered, replace(source, hooks=Stored(answered.affines)).answers())


def _of_its_own(changed: Source, answered: Answered, alone: float) -> float:
    """The budget used, by the model's budget or, beyond that, by the changed model's own. alone:
    that of the model as it is within the file's ranges, which a change has to beat within them."""
    answers = changed.answers()
    used = _used(answered, answers)
    if used <= 1 or changed.carries:
        return used
    if answered.scheme in ("int8", "int16x8"):
        # Ranges that a change leaves would make any budget wide; but what the file's own ranges
        # cut off, they cut off whatever was converted.
        within = _within_ranges(changed, answered)
        return min(used, within) if SAFETY * within <= alone else used
    own = budgets(
        changed.document, changed.weights, changed.stimulus, answered.scheme, answered.ranges
    )
    allowed = [Allowed(budget.value, budget.rms) for budget in own]
    try:
        # What becomes of the answers becomes of their budgets: an order of outputs.
        order = changed.after([np.asarray(k) for k in range(len(allowed))])
        allowed = [allowed[int(k)] for k in order]
    except (ValueError, IndexError):
        return used
    return _used(replace(answered, allowed=allowed), answers)


def _used(answered: Answered, answers: Sequence[Array]) -> float:
    """The largest share of a budget that a difference takes, of both measures."""
    worst = 0.0
    ends = answered.ends or [None] * len(answered.outputs)
    for got, given, allowed, end in zip(
        answered.outputs, answers, answered.allowed, ends, strict=True
    ):
        want = given if end is None else np.clip(given, *end)
        if got.shape != want.shape:
            raise ValueError(f"shape {got.shape}, expected {want.shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            error = np.abs(np.asarray(got, np.float64) - want)
            rms = float(np.sqrt(np.square(error).mean()))
        for found, limit in ((float(error.max()), allowed.largest), (rms, allowed.rms)):
            share = found / limit if limit > 0 else (0.0 if found == 0 else np.inf)
            worst = max(worst, float(share) if not np.isnan(share) else np.inf)
    return worst
