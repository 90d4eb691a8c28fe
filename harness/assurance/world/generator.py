"""Draw plans with Hypothesis: the models that users build, in every combination of its genes."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st

from fixtures.recipes import RECIPES
from harness.assurance.world import plan as genes
from harness.assurance.world.faults import CONVERTED, FAULTS, applicable
from harness.assurance.world.plan import Plan

#: How many of a hundred models get a fault.
FAULTY = 25
#: How many plans are drawn for each that is taken.
_SPARE = 10
#: In how many of its genes each of them differs from any other.
_APART = 6
#: Recipes by how often a user takes them; every other one has weight 1.
_WEIGHTS = {"int8": 14, "int8-float-io": 5, "float32": 8, "dynamic-range": 8}
_RECIPES = [name for name in RECIPES for _ in range(_WEIGHTS.get(name, 1))]


def _often(first: str, others: tuple[str, ...], times: int) -> st.SearchStrategy[str]:
    """One of several, the first so many times as often as another."""
    return st.sampled_from([first] * times + [name for name in others if name != first])


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any plan whose genes go together."""
    front = draw(_often("none", genes.FRONTS, 6))
    shape = draw(_often("chain", genes.SHAPES, 5))
    layer = draw(_often("LSTM", genes.LAYERS, 9))
    recipe = draw(st.sampled_from(_RECIPES))
    data = draw(_often("normal", genes.DATA, 2))
    entry = draw(st.sampled_from(["--model"] * 3 + ["both"] * 2 + ["--tflite"]))
    plan = Plan(
        shape=shape,
        front="none" if shape in ("autoencoder", "seq2seq") and front == "conv1d-pool" else front,
        layer=layer,
        depth=draw(st.sampled_from([1, 1, 1, 2, 2, 3])),
        joint=draw(_often("last", genes.JOINTS, 4)),
        head=draw(_often("linear", genes.HEADS, 2)),
        units=draw(st.sampled_from([1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48])),
        features=draw(st.sampled_from([1, 2, 3, 4, 5, 6, 8, 12, 16, 32])),
        steps=draw(st.sampled_from([1, 2, 3, 5, 8, 10, 14, 20, 28, 40])),
        outputs=draw(st.integers(1, 5)),
        weights=draw(st.sampled_from(["initial"] * 3 + ["trained"] * 5 + [*genes.WEIGHTS[2:]])),
        data="normal" if front.startswith("embedding") and data == "drawn" else data,
        calibration=draw(_often("same", genes.CALIBRATIONS, 6)),
        recipe=recipe,
        entry=entry,
        seed=draw(st.integers(0, 2**20)),
    )
    if RECIPES[recipe].slow:  # seconds for each layer: one shows as much as three
        plan = replace(plan, depth=1)
    if plan.layer == "LSTM-unrolled":
        plan = replace(plan, steps=min(plan.steps, 10), depth=1)
    if draw(st.integers(0, 99)) < FAULTY:
        plan = _with_fault(plan, draw(st.sampled_from(FAULTS)))
    return plan


def _with_fault(plan: Plan, fault: str) -> Plan:
    """The plan with a fault, its other genes such that the fault can be put into it."""
    changes: dict[str, object] = {"fault": fault, "calibration": "same"}
    if plan.data == "drawn":
        changes["data"] = "normal"
    if fault in CONVERTED and plan.entry != "both":
        changes["entry"] = "both"
    elif plan.entry == "--tflite":
        changes["entry"] = "--model"
    return applicable(replace(plan, **changes))  # type: ignore[arg-type]


def drawn(count: int, start: int) -> list[Plan]:
    """`count` different plans of a seed: the same ones every time."""
    found: dict[Plan, None] = {}

    # Hypothesis varies an example several times before it draws another: those that are too much
    # alike are left out.
    @seed(start)
    @settings(
        max_examples=_SPARE * count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
        derandomize=False,
    )
    @given(plans())
    def collect(plan: Plan) -> None:
        found.setdefault(plan, None)

    collect()
    taken: list[Plan] = []
    everything = list(found)
    for number in np.random.default_rng(start).permutation(len(everything)):
        plan = everything[number]
        if len(taken) < count and all(_different(plan, other) for other in taken):
            taken.append(plan)
    return taken


def _different(one: Plan, other: Plan) -> bool:
    pairs = zip(astuple(one), astuple(other), strict=True)
    return sum(1 for a, b in pairs if a != b) >= _APART
