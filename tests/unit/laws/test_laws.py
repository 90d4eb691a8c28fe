"""Each law is seen to fail: a named faulty model breaks it, and it shrinks to a few steps."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest

from fixtures.limitations import laws as law_limitations
from fixtures.limitations.laws import Example
from fixtures.limitations.registry import RegistryError
from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from fixtures.variants import VARIANTS
from harness.laws import examples
from harness.laws.cases import LAWS, LawCase, judge
from harness.laws.examples import LABELS, signal
from harness.laws.law import Meter, Specimen, diverged
from harness.laws.oracles import Prediction, Remembered
from harness.laws.scripted_models import Feed, Fresh, ScriptedModel, Trace, Traits
from harness.laws.search import examine, search, try_one
from reference.budgets.monte_carlo import NotFinite
from reference.lstm.float64 import LstmOptions, lstm
from tests.support import faulty_models as faulty
from tests.support.faulty_models import FEATURES, Lstm

#: What a scripted model is made for decides which laws apply to it.
OPEN = ("lengths", "empty", "fixed-batch", "causality", "unclipped", "streaming", "carrying")
STATE = ("resetting", "allocating", "resizing", "unset-inputs", "poisoning")
FIXED = ("fixed-length", "fixed-batch", "causality", "streaming", "carrying", "resetting")
NONE = ("lengths", "empty", "causality", "carrying", "resetting", "allocating", "published-loop")
KINDS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "carried": ({}, (*OPEN, *STATE)),
    "fixed": ({"length": 4}, (*FIXED, "allocating", "unset-inputs", "poisoning")),
    "none": ({"memory": "none"}, (*NONE, "unset-inputs", "poisoning")),
    "inexact": ({"stepwise_exact": False}, (*OPEN, *STATE)),
    "batch": ({"batch": 3}, ("rows", "batch")),
    "masked": ({}, ("padding", "causality", "resetting")),
    "transposed": ({}, ("transposed", "resetting", "allocating")),
    "backwards": ({"memory": "none"}, ("backwards", "resetting", "allocating")),
    "bidirectional": ({"memory": "none"}, ("bidirectional", "resetting", "allocating")),
    "unrolled": ({"length": 4}, ("unrolled", "resetting", "allocating")),
}

#: fault, the kind of model it is in, the laws it breaks: one, unless another follows from it.
#: Rows that are not independent cannot equal single runs; who sees the future sees its NaN.
FAULTS: list[tuple[type[Lstm], str, set[str]]] = [
    (faulty.OffByOneAfterGrowing, "carried", {"lengths"}),
    (faulty.DiesOfNothing, "carried", {"empty"}),
    (faulty.TakesAnyLength, "fixed", {"fixed-length"}),
    (faulty.FirstRowOfABatch, "carried", {"fixed-batch"}),
    (faulty.PeeksAhead, "inexact", {"causality", "poisoning"}),
    (faulty.IgnoresMask, "masked", {"padding"}),
    (faulty.SwapsTimeAndFeatures, "transposed", {"transposed"}),
    (faulty.ForgetsToReverse, "backwards", {"backwards"}),
    (faulty.SwapsHalves, "bidirectional", {"bidirectional"}),
    (faulty.LeavesBackwardOrder, "bidirectional", {"bidirectional"}),
    (faulty.ForgetsTheThirdStep, "unrolled", {"unrolled"}),
    (faulty.LastRowOnly, "batch", {"rows", "batch"}),
    (faulty.AnotherBatchKernel, "batch", {"batch"}),
    (faulty.ClipsTheCell, "carried", {"unclipped"}),
    (faulty.IgnoresInitialCell, "carried", {"streaming"}),
    (faulty.LeaksIntoAnotherSample, "none", {"carrying"}),
    (faulty.ResetKeepsCell, "carried", {"resetting"}),
    (faulty.AllocateResets, "carried", {"allocating"}),
    (faulty.ResizeLosesCell, "carried", {"resizing"}),
    (faulty.SecondResizeLeaks, "none", {"published-loop"}),
    (faulty.InvokeEatsInputs, "carried", {"unset-inputs"}),
    (faulty.SwallowsNan, "carried", {"poisoning"}),
]


def specimen(kind: str, fault: type[Lstm] = Lstm, law: str = "") -> Specimen:
    changes, _ = KINDS[kind]
    traits = replace(Traits(f"{kind}-{fault.__name__}", FEATURES, longest=20), **changes)
    made: Any = fault
    if kind == "bidirectional" and fault is Lstm:
        made = faulty.Bidirectional
    scripted = made(traits, masked=kind == "masked", backwards=kind == "backwards")
    plain, one = replace(traits, batch=1, memory="none"), faulty.weights()
    partners: tuple[ScriptedModel, ...] = (Lstm(plain, one), Lstm(plain, faulty.weights(6)))
    clip = 0.0 if law == "unclipped" else scripted.cell_clip
    oracle = _oracle(clip)
    directed = kind in ("transposed", "backwards", "bidirectional", "unrolled", "batch")
    return Specimen(scripted, None if directed else oracle, partners)


class _Exact:
    """The float64 value; the healthy model, in float64 too, is within its last digits."""

    causal = True

    def __init__(self, clip: float) -> None:
        self.options = LstmOptions(cell_clip=clip)

    def predict(self, x: Any) -> Prediction:
        values = lstm(faulty.weights(), x, self.options).outputs
        return Prediction(values, np.full(values.shape, 2.0**-30))


@lru_cache
def _oracle(clip: float) -> Remembered:
    return Remembered(_Exact(clip), FEATURES, 20)


def broken(kind: str, fault: type[Lstm], laws: Collection[str]) -> dict[str, Example]:
    """The laws that a system of a kind breaks, each with its minimal example.

    laws: those that have to be examined well, the others as the profile in force says.
    """
    found = {}
    for name in KINDS[kind][1]:
        most = 50 if name in laws else None
        examined = search(LAWS[name], specimen(kind, fault, name), most=most)
        if not examined.result.agreed:
            assert examined.example is not None, examined.result
            found[name] = examined.example
    return found


def test_every_law_has_a_fault_that_breaks_it() -> None:
    assert set(LAWS) == set().union(*(laws for _, _, laws in FAULTS))


@pytest.mark.parametrize("kind", KINDS)
def test_a_healthy_system_keeps_every_law(kind: str) -> None:
    assert broken(kind, Lstm, LAWS) == {}


@pytest.mark.parametrize(("fault", "kind", "laws"), FAULTS, ids=[f[0].__name__ for f in FAULTS])
def test_a_fault_breaks_its_law_and_no_other(fault: type[Lstm], kind: str, laws: set[str]) -> None:
    found = broken(kind, fault, laws)
    assert set(found) == laws, found
    for example in found.values():
        assert _steps(example) <= 5, example


def _steps(example: Example) -> int:
    """How many steps a minimal example has; models of one length have four."""
    if "visits" in example:
        return sum(length for length, _, _ in example["visits"])
    if "chunks" in example:
        return sum(example["chunks"])
    if "lengths" in example:
        return sum(example["lengths"])
    return len(example["kept"]) if "kept" in example else int(example["length"])


@pytest.mark.parametrize("kind", [Outcome.CRASHED, Outcome.HUNG, Outcome.OUT_OF_MEMORY])
def test_an_end_inside_native_code_shrinks_as_any_other(kind: Outcome) -> None:
    def how(length: int) -> StepResult | None:
        return StepResult(Phase.INVOKE, kind, "the worker is gone") if length > 2 else None

    found = specimen("carried")
    scripted = faulty.Ends(found.scripted.traits, how=how)
    examined = search(LAWS["lengths"], replace(found, scripted=scripted), most=50)
    assert examined.result.outcome is kind
    assert examined.example == {"visits": [[3, "zeros", False]]}


class _SaysNothingOfZeros(_Exact):
    """The value of a model whose answer to zeros is no number, as a mean over no step is."""

    def predict(self, x: Any) -> Prediction:
        if not np.any(x):
            raise NotFinite("0 / 0")
        return super().predict(x)


class _SaysNothing(_Exact):
    def predict(self, x: Any) -> Prediction:
        raise NotFinite("0 / 0")


def test_an_example_to_which_the_model_answers_no_number_shows_nothing() -> None:
    """Neither against a runtime nor for it: the other examples still decide."""
    for fault, right in ((Lstm, True), (faulty.LeaksIntoAnotherSample, False)):
        found = specimen("none", fault)
        some = Remembered(_SaysNothingOfZeros(0.0), FEATURES, 20)
        partly = replace(found, oracle=some, meter=Meter())
        assert search(LAWS["carrying"], partly, most=50).result.agreed is right
    assert partly.meter.unanswered
    none = Remembered(_SaysNothing(0.0), FEATURES, 20)
    nothing = replace(found, oracle=none, meter=Meter())
    search(LAWS["carrying"], nothing, most=5)
    assert (nothing.meter.unanswered, nothing.meter.values) == (5, 0)


def test_a_law_that_compared_nothing_does_not_pass() -> None:
    class Silent(Lstm):
        def answer(self, x: Any) -> Any:
            return super().answer(x)[:0]

    found = specimen("none")
    silent = replace(found, scripted=Silent(found.scripted.traits))
    assert not search(LAWS["allocating"], silent, most=10).result.agreed


def _registered(**changes: Any) -> law_limitations.BrokenLaw:
    table = {
        "id": "leak",
        "law": "published-loop",
        "phase": Phase.COMPARE,
        "outcome": Outcome.DIVERGED,
        "match": "sample 1 differs",
        "reason": "it leaks",
        "source": "here",
        "versions": "now",
        "example": {"lengths": [1, 1], "signal": "zeros"},
        "holds_when": "no two neighbours of equal length",
    }
    return law_limitations.BrokenLaw(**{**table, **changes})


def test_a_limitation_needs_its_pinned_example_to_break_the_law() -> None:
    entry = _registered()
    healthy = examine(LAWS["published-loop"], specimen("none"), entry)
    assert healthy.result.agreed  # the caller says: limitation gone
    leaking = specimen("none", faulty.SecondResizeLeaks)
    found = examine(LAWS["published-loop"], leaking, entry)
    # It leaks between unequal neighbours too, which the registry does not allow.
    assert not entry.allows({"lengths": [1, 1], "signal": "zeros"})
    assert found.example is not None
    assert found.example["lengths"] != [1, 1]


def test_a_limitation_is_met_where_the_law_holds_otherwise() -> None:
    class EqualNeighboursLeak(faulty.SecondResizeLeaks):
        def resize(self, action: Any) -> None:
            if action.length != self.length:
                self.zero()
                self.resizes = -10
            super().resize(action)
            if action.length != self.last_length():
                self.zero()

        def last_length(self) -> int:
            return 0 if self.last is None else int(self.last.shape[1])

    entry = _registered()
    found = examine(LAWS["published-loop"], specimen("none", EqualNeighboursLeak), entry)
    assert entry.explains(found.result), found


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('example = "{"', "leak: "),
        ('holds_when = "always"', "no condition is called 'always'"),
        ('surprise = "!"', "unknown keys surprise"),
        ('phase = "later"', "leak: 'later' is not a valid Phase"),
    ],
)
def test_a_malformed_entry_is_named(tmp_path: Any, line: str, message: str) -> None:
    lines = {
        "id": "leak",
        "law": "lengths",
        "phase": "compare",
        "outcome": "diverged",
        "match": "x",
        "reason": "x",
        "source": "x",
        "versions": "x",
        "example": "{}",
    }
    name, _, value = line.partition(" = ")
    lines[name] = value.strip('"')
    path = tmp_path / "laws.toml"
    text = "\n".join(f"{key} = '{value}'" for key, value in lines.items())
    path.write_text(f"[[broken]]\n{text}\n")
    with pytest.raises(RegistryError, match=message):
        law_limitations.load(path)


def test_every_registered_law_exists() -> None:
    for entry in law_limitations.load().entries:
        assert entry.law in LAWS, entry.id


@pytest.mark.parametrize("label", LABELS)
def test_signals_are_prefixes_of_longer_ones(label: str) -> None:
    long, short = signal(label, 50, 3), signal(label, 7, 3)
    assert (long[:, :7] == short).all()
    assert np.abs(long).max() <= 1


def test_different_labels_are_different_signals() -> None:
    found = {signal(label, 20, 5).tobytes() for label in LABELS}
    assert len(found) == len(LABELS)


def test_a_script_that_ends_early_names_its_action() -> None:
    found = specimen("fixed")
    trace = found.scripted.run_script([Fresh(4), Feed(np.zeros((1, 3, FEATURES)))])
    assert isinstance(trace, Trace)
    assert trace.ended is not None
    assert (trace.at, trace.ended.outcome) == (1, Outcome.REFUSED)


def test_a_law_broken_where_its_limitation_says_that_it_holds_fails() -> None:
    """Whatever the message says: here it is the registered limitation's own."""
    entry = law_limitations.load().of("poisoning", "sequences", "dynamic-sequence", "tflite")
    assert entry is not None
    assert entry.holds_when
    found = replace(specimen("carried", faulty.SwallowsNan), oracle=None)
    examined = examine(LAWS["poisoning"], found, entry)
    assert entry.explains(examined.result)
    assert examined.outside
    case = LawCase(
        "test_state",
        Subject("sequences", "catalogue", variant=VARIANTS["sequences"]),
        RECIPES["dynamic-sequence"],
        RUNTIMES["tflite"],
        law="poisoning",
    )
    judged, _ = judge(case, examined, found.meter, entry, 0.0)
    assert judged.verdict == "failed"
    assert f"broken where {entry.id} says that it holds" in judged.message
    pinned = try_one(LAWS["poisoning"], found, entry.example)
    assert judge(case, pinned, found.meter, entry, 0.0)[0].verdict == "limitation"


@pytest.mark.parametrize("breaks", [True, False])
def test_what_happens_once_and_not_again_is_told(breaks: bool) -> None:
    """A worker that another program kills, say: a value of the case, whatever was raised."""
    law, seen = LAWS["resetting"], []

    def once(specimen: Specimen, example: Example) -> None:
        seen.append(example)
        if len(seen) == 3:
            if breaks:
                diverged("only now")
            raise OSError("no room for a moment")
        law.check(specimen, example)

    found = search(replace(law, check=once), specimen("carried"))
    assert found.result.outcome is (Outcome.DIVERGED if breaks else Outcome.REFUSED)
    assert found.result.message.startswith("not reproducible: ")


class _StartsAnew(Lstm):
    """Every invoke begins from rest."""

    def act(self, action: Any) -> Any:
        if isinstance(action, Feed):
            self.reset()
        return super().act(action)


@pytest.mark.parametrize("law", ["carrying", "streaming"])
@pytest.mark.parametrize("length", [4, examples.MANY_STEPS, examples.MANY_STEPS + 1])
def test_few_signals_suffice_for_a_model_of_many_steps(law: str, length: int) -> None:
    """A long model is streamed fewer different signals, and still breaks what it has to break."""
    found = specimen("carried")
    traits = replace(found.scripted.traits, length=length, resizable=False)
    healthy = replace(found, scripted=Lstm(traits))
    assert search(LAWS[law], healthy).result.agreed
    broken_one = search(LAWS[law], replace(found, scripted=_StartsAnew(traits)), most=50)
    assert "is not the oracle's value" in broken_one.result.message
    assert broken_one.example is not None
    asked = {broken_one.example[key] for key in ("first", "signal") if key in broken_one.example}
    assert length <= examples.MANY_STEPS or asked <= set(examples.FEW_LABELS)
