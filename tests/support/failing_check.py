"""Let the comparison of one runtime fail as a defect of the harness's would (a pytest plugin)."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checks import parity
from harness.pipeline.cases import Case

SAID = "index 3 is out of bounds"


def pytest_configure(config: pytest.Config) -> None:
    compared = parity.compared

    def failing(case: Case, *rest: Any, **options: Any) -> Any:
        if case.runtime is not None and case.runtime.name == "tflm":
            raise IndexError(SAID)
        return compared(case, *rest, **options)

    parity.compared = failing
