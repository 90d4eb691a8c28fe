"""Does every operator give what its own arithmetic says, on every runtime?

Every conversion (or your model, or a flatbuffer from whatever converter): each operator is held
to its oracle at the inputs that the runtime gave it, 0 LSB in integers and a derived budget in
floats, and the model's own answer to the oracles' from its inputs on. What differs from Keras
after that is conversion and quantisation, and nothing else.
"""

from __future__ import annotations

from harness.checks.whole_models import measure_arithmetic
from harness.pipeline.cases import Case
from harness.pipeline.selection import Selection
from harness.pipeline.suite import Suite, Verdict
from harness.session.session import Session

SUITE = Suite(Selection.arithmetics, unit="conversions", of_file=True)


def test_arithmetic(case: Case, session: Session, verdict: Verdict) -> None:
    verdict(case, measure_arithmetic(case, session))
