"""Hold the flatbuffer of a case to its operators' oracles on a runtime."""

from __future__ import annotations

import math
import platform

from fixtures.runtimes import Runtime
from harness.flatbuffer.structure import quantization_of
from harness.flatbuffer.tensor_codec import to_runtime
from harness.operators.held_model import HeldModel
from harness.operators.whole_model import WholeModels
from harness.pipeline.cases import Case
from harness.session.session import Session
from reference.operators.profiles import PROFILES

#: Samples that every operator is held at, each a whole tensor of values: of a float model, whose
#: budgets cost many runs of its LSTMs, and of an integer one.
FLOAT_SAMPLES, SAMPLES = 8, 32
#: Values of computed tensors, over all samples, that are read of one model at most.
MOST_VALUES = 20_000_000
INTEGERS = ("int8", "int8-float-io", "int16x8")
#: Processors whose kernels the profiles describe.
HOSTS = ("x86_64", "AMD64")
#: What the operators of a model are held to.
RULE = "0 LSB in integers, the budget of each float operator at its runtime's own inputs"
OTHER_PYTHON = "its kernels are another version's, of which no profile is known"
OTHER_HOST = "the profiles of its kernels are those of x86-64"


def whole_models(session: Session) -> WholeModels:
    return WholeModels(session.operators)


def no_profile(runtime: Runtime) -> str:
    """Why nothing is known of a runtime's arithmetic; empty where its profile holds."""
    if runtime.base not in PROFILES or runtime.python or runtime.transport:
        return OTHER_PYTHON
    if runtime.adapter.kernels == "tflite" and platform.machine() not in HOSTS:
        return OTHER_HOST
    return ""


def held(case: Case, session: Session, runtime: Runtime) -> HeldModel | str:
    """What the operators of a case's flatbuffer answer on a runtime, or why that was not asked.

    Where the runtime does not run the model, the suite of parity says so.
    """
    artifacts = session.artifacts(case)
    conversion, ran = artifacts.conversion, artifacts.runs.get(runtime.name)
    if conversion.data is None or conversion.structure is None or ran is None:
        return "there is no flatbuffer to run"
    if why := no_profile(runtime):
        return why
    if ran.result is not None:
        return f"it does not run the model: {ran.result}"
    names, stimulus = list(artifacts.stimulus), artifacts.stimulus
    users = case.subject.kind == "tflite"
    samples = to_runtime(conversion.structure, names, stimulus, users)
    floats = quantization_of(conversion.structure) not in INTEGERS
    most = FLOAT_SAMPLES if floats else SAMPLES
    sizes = sum(math.prod(t.shape) for t in conversion.structure.tensors if not t.constant)
    count = max(1, min(most, MOST_VALUES // max(1, sizes)))
    with session.account.time("arithmetic"):
        try:
            return session.keep(whole_models).hold(
                conversion.data.tobytes(),
                [array[:count] for array in samples],
                runtime,
                [array[:count] for array in ran.outputs],
                session.settings.bounds(case.subject),
            )
        except (TypeError, ValueError) as error:
            return f"the file cannot be described: {error}"
