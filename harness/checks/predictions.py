"""Hold a user's own predictions to the flatbuffer's answers, and name what gives them."""

from __future__ import annotations

from fixtures.outcomes import Outcome, Phase, StepResult
from harness.diagnosis.predictions import diagnose, from_file
from harness.execution.interpreters import Interpreters
from harness.flatbuffer.tensor_codec import in_order
from harness.pipeline.cases import Case, Measured
from harness.session.session import Session


def own_interpreters(session: Session) -> Interpreters:
    return Interpreters(session.heavy, session.light)


def measure_predictions(case: Case, session: Session) -> Measured:
    """The phase compare of the predictions that the settings name."""
    assert session.settings.predictions is not None
    artifacts = session.artifacts(case)
    conversion = artifacts.conversion
    if not conversion.result.agreed or conversion.structure is None:
        return Measured(conversion.result)
    assert conversion.data is not None
    try:
        stimulus = artifacts.stimulus
        samples = in_order(conversion.structure, list(stimulus), stimulus, by_shape=True)
        given = from_file(session.settings.predictions, conversion.structure, len(samples[0]))
        found = diagnose(
            given,
            conversion.data,
            conversion.structure,
            samples,
            case.confirm_on,
            session.keep(own_interpreters),
            session.settings.bounds(case.subject),
        )
    except (ValueError, RuntimeError) as error:
        return Measured(StepResult(Phase.COMPARE, Outcome.REFUSED, str(error)))
    outcome = Outcome.AGREED if found.right else Outcome.DIVERGED
    return Measured(
        StepResult(Phase.COMPARE, outcome, str(found)),
        found.error,
        found.same,
        found.error / found.same,
        found.values,
        budget_rule="the same value of the output, or the same float32 to rounding",
    )
