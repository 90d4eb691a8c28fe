"""Hold what a run was asked for, beyond its cases."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from fixtures.subjects import Subject
from harness.comparison.overrides import Override
from harness.conversion.user_modules import UserModule
from harness.pipeline.cases import Asked
from harness.workers import limits
from harness.workers.environments import Environment
from harness.workers.limits import Limits


@dataclass(frozen=True)
class Settings:
    """What a run was asked for, beyond its cases."""

    seed: int
    cache: Path | None
    jobs: int = 1
    trusted: bool = False
    inputs: Path | None = None
    calibration: Path | None = None
    #: Processor seconds that loading and one invoke may take, None for the usual ones.
    deadline: float | None = None
    #: The class of each of the user's samples: accuracy is measured beside parity.
    labels: Path | None = None
    #: Budgets that the project overrides.
    budgets: tuple[Override, ...] = ()
    #: Another Python that builds, runs and converts Keras models, None for the harness's own.
    converter: Environment | None = None
    #: The runtimes that were chosen, by name; empty for all.
    runtimes: tuple[str, ...] = ()
    #: What was named, and so has to hold for a user's model.
    asked: Asked = field(default_factory=Asked)
    #: The answers of the user's own code.
    predictions: Path | None = None
    #: What the original model of the user's flatbuffers answered to `inputs`.
    expected: Path | None = None
    #: The PyTorch weights that the user's flatbuffers were converted from.
    state_dict: Path | None = None
    #: The folder of the report, which takes the files for the device too.
    report: Path = Path("report")
    #: The most bytes that a model's tensor arena and its flatbuffer may have, None for any.
    arena_limit: int | None = None
    size_limit: int | None = None
    #: Whether the user says that the models are streamed, their state going on.
    streaming: bool = False
    #: The C++ compiler that checks the C arrays, None for the usual ones.
    cxx: str | None = None
    #: The modules of the user's custom layers.
    imports: tuple[UserModule, ...] = ()

    def bounds(self, subject: Subject) -> Limits:
        """The limits of loading and of one invoke."""
        seconds = self.deadline
        if seconds is None:
            if subject.variant is not None:
                return limits.INVOKE
            seconds = limits.USERS_INVOKE_CPU_SECONDS
        wall = max(limits.INVOKE.seconds, 10 * seconds)
        return replace(limits.INVOKE, cpu_seconds=seconds, seconds=wall)
