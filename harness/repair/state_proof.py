"""Prove that a fused operator carries on the state that a stateful Keras layer kept."""

from __future__ import annotations

from collections.abc import Sequence

from fixtures.recipes import RECIPES
from fixtures.runtimes import Runtime
from fixtures.subjects import Subject
from harness.laws.cases import LawCase
from harness.laws.models import Inapplicable
from harness.laws.runner import LawRunner
from harness.session.session import Session

#: A second invoke goes on where the first ended, and a reset starts anew: a stateful layer's
#: function, by the float64 value of the whole sequence.
LAWS = ("carrying", "resetting")
_EXAMINED_ON = ("tflite", "tflm")


def not_carried(session: Session, subject: Subject, runtimes: Sequence[Runtime]) -> list[str]:
    """Where a runtime does not carry the state of a rewritten model on, or cannot be examined."""
    chosen = [runtime for runtime in runtimes if runtime.name in _EXAMINED_ON]
    if not chosen:
        return [f"a carried state is proven on {' and '.join(_EXAMINED_ON)}: name one of them"]
    runner, found = session.keep(LawRunner), []
    for runtime in chosen:
        for law in LAWS:
            case = LawCase("repair", subject, RECIPES["float32"], runtime, law=law)
            try:
                result, _ = runner.examined(case, None, None)
            except Inapplicable as error:
                found.append(f"{runtime.name}: its state cannot be examined ({law}): {error}")
                continue
            if not result.result.agreed:
                found.append(f"{runtime.name}: {law}: {result.result}")
    return found
