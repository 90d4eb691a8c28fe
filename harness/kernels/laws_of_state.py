"""Hold the kernels of a device to the laws of state, as if they were a runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase, StepResult
from harness.laws.law import Law, Specimen
from harness.laws.oracles import Prediction, Remembered
from harness.laws.scripted_models import Action, Feed, Fresh, Reset, Trace, Traits
from harness.laws.search import search
from harness.laws.state import CARRYING, RESETTING, STREAMING
from reference.arithmetic.affine import Affine, dequantise
from reference.lstm.float64 import LstmState
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.profiles import Profile

Array = NDArray[Any]
LAWS = (STREAMING, CARRYING, RESETTING)
#: Examples of each law: a kernel that clears its state breaks the first that has two invokes.
_EXAMPLES = 20


@dataclass(eq=False)
class ProfileModel:
    """One integer LSTM with a profile's arithmetic and state, for sequences of any length."""

    model: IntegerLstm
    profile: Profile
    traits: Traits = field(init=False)

    def __post_init__(self) -> None:
        name = f"{self.profile.name} {self.model.units}"
        self.model = replace(self.model, time_major=False)
        self.traits = Traits(
            name, self.model.features, resizable=False, float_io=False, rechunking="free"
        )

    def run_script(self, script: Sequence[Action]) -> Trace:
        """Fresh, Reset and Feed; the state goes on from one invoke to the next, or not."""
        outputs: list[tuple[Array, ...]] = []
        state: LstmState | None = None
        for at, action in enumerate(script):
            if isinstance(action, (Fresh, Reset)):
                state = None
            elif isinstance(action, Feed):
                run = lstm_integer(self.model, self.quantised(action.x), self.profile, state)
                state = run.state if self.profile.state == "carried" else None
                outputs.append((run.outputs,))
            else:
                message = f"a profile has no {type(action).__name__}"
                refused = StepResult(Phase.INVOKE, Outcome.REFUSED, message)
                return Trace(tuple(outputs), refused, at)
        return Trace(tuple(outputs))

    def quantised(self, x: Array) -> Array:
        """Signals in [-1, 1] over the whole range of the type, around its zero point."""
        info = np.iinfo(self.model.activation_dtype)
        wide = np.rint(np.asarray(x, np.float64) * info.max) + self.model.input_zero_point
        return np.asarray(np.clip(wide, info.min, info.max), info.dtype)

    def real(self, outputs: Array, index: int = 0) -> NDArray[np.float64]:
        model = self.model
        scale, zero_point = model.output_state_scale, model.output_state_zero_point
        return dequantise(outputs, Affine(scale, zero_point, model.activation_dtype))


@dataclass(eq=False)
class WholeSequence:
    """What the same kernel gives for a whole sequence in one invoke, to the bit."""

    scripted: ProfileModel
    causal: bool = True

    def predict(self, x: Array) -> Prediction:
        scripted = self.scripted
        found = lstm_integer(scripted.model, scripted.quantised(x), scripted.profile).outputs
        return Prediction(found, np.zeros(found.shape), raw=True)


def laws_of_state(model: IntegerLstm, profile: Profile) -> dict[str, str]:
    """For each law of state, what breaks it with its smallest example; empty where it holds."""
    scripted = ProfileModel(model, profile)
    oracle = Remembered(WholeSequence(scripted), model.features, longest=64)
    return {law.name: _broken(law, Specimen(scripted, oracle)) for law in LAWS}


def _broken(law: Law, specimen: Specimen) -> str:
    found = search(law, specimen, most=_EXAMPLES)
    return "" if found.result.agreed else f"{found.result.message}; {found.text}"
