"""Are your own predictions those of your flatbuffer, and if not, what does your code leave out?

`--predictions` has your code's answers to `--inputs`. They have to be those of one of the
runtimes; where they are not, the ways to get a prediction helper wrong are carried out on your
flatbuffer, and the one that gives your answers back is named with its cure.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.pipeline.cases import Case, Judged, Measured


def test_predictions(
    predictions_case: Case,
    predicted: Callable[[Case], Measured],
    verdict: Callable[[Case, Measured], Judged],
) -> None:
    verdict(predictions_case, predicted(predictions_case))
