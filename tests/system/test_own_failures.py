"""A defect of the harness's own fails the run on a user's model, with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.failing_check import SAID
from tests.support.runs import run_suites


@pytest.mark.parametrize("verbose", [False, True])
def test_a_case_that_the_harness_fails_on_fails_the_run_and_no_other_case(
    models: Path, cache: Path, tmp_path: Path, verbose: bool
) -> None:
    found = run_suites(
        *("--model", models / "small.h5", "--recipe=float32", "--runtime=tflm"),
        *("--runtime=tflite", "-k", "test_parity", "-p", "tests.support.failing_check"),
        report=tmp_path / "report",
        cache=cache,
        more=verbose,
    )
    assert found.status == 1, found.text
    totals = found.report["totals"]
    assert (totals["expected"], totals["executed"]) == (2, 2)
    assert (totals["failed"], totals["agreed"]) == (1, 1)
    failed = found.cases["test_parity[small.h5/float32/tflm]"]
    assert (failed["outcome"], failed["verdict"]) == ("not judged", "failed")
    said = f"the harness failed on it, which says nothing of the model: IndexError: {SAID}"
    assert said in failed["message"]
    assert "please report it" in failed["message"]
    assert "Traceback" not in failed["message"]
    assert said[1:] in " ".join(found.text.split())  # it begins a sentence
    assert "UNDECIDED: small.h5 as float32" in found.text
    assert ("Traceback" in found.text) == verbose
