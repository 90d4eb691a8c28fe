"""Make a plan that is judged wrongly as small as it can be and still be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace

from harness.assurance.world.plan import Plan

#: Genes that say how large something is, by their least value.
_SIZES = {"depth": 1, "units": 1, "features": 1, "steps": 1, "outputs": 1}
#: Genes that make it another question.
_KEPT = ("recipe", "fault", "seed")


def smaller(plan: Plan) -> Iterator[Plan]:
    """Plans that are plainer in one gene, the boldest steps first."""
    plainest = Plan()
    for name in (f.name for f in fields(Plan) if f.name not in (*_SIZES, *_KEPT)):
        if getattr(plan, name) != getattr(plainest, name):
            yield replace(plan, **{name: getattr(plainest, name)})
    for name, least in _SIZES.items():
        value = getattr(plan, name)
        for other in dict.fromkeys((least, (value + least) // 2, value - 1)):
            if least <= other < value:
                yield replace(plan, **{name: other})


def shrunk(plan: Plan, still: Callable[[Plan], bool], most: int = 60) -> Plan:
    """The smallest plan that `still` says yes to, after at most so many questions."""
    asked = 0
    tried = {plan}
    while True:
        for other in smaller(plan):
            if other in tried:
                continue
            if asked >= most:
                return plan
            tried.add(other)
            asked += 1
            if still(other):
                plan = other
                break
        else:
            return plan
