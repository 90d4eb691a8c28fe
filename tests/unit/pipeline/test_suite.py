"""A suite says of itself what a run has to know, and is found by its path alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.laws.cases import law_cases
from harness.pipeline.selection import Selection, select
from harness.pipeline.suite import Suite, declared, unit
from harness.support.project import ROOT


@pytest.mark.parametrize(
    ("nodeid", "expected"),
    [
        ("suites/test_parity.py::test_parity[last/int8/tflm]", "last"),
        ("suites/test_conversion.py::test_conversion[last/int8]", "last"),
        ("suites/test_sequences.py::test_lengths[last/int8/tflm/lengths]", "test_sequences last"),
        ("suites/test_recipes.py::test_published", "suites/test_recipes.py::test_published"),
        ("suites/test_operators.py::test_fuzz[tflm-int8-4]", "test_operators tflm-int8-4"),
        ("tests/unit/pipeline/test_suite.py::test_x[a]", "test_suite a"),
        ("elsewhere/test_x.py::test_x[a]", "test_x a"),
    ],
)
def test_a_unit_is_what_a_subjects_conversions_share(nodeid: str, expected: str) -> None:
    assert unit(nodeid, ROOT) == expected


def test_every_file_of_the_suites_declares_one() -> None:
    for path in (ROOT / "suites").glob("*.py"):
        assert declared(path) is not None, path


def test_a_file_without_a_suite_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "test_other.py"
    path.write_text("'''\nSUITE = 1\n'''\nraise SystemExit('run')\n")
    assert declared(path) is None
    path = tmp_path / "test_another.py"
    path.write_text("SUITE = 'none of ours'\n")
    assert declared(path) is None


def test_a_test_takes_the_cases_that_name_it_or_none() -> None:
    selection = select(recipes=["float32"], runtimes=["tflm"])
    suite = Suite(law_cases)
    cases = suite.cases_of("test_mine", "test_fixed_length", selection)
    assert {case.law for case in cases} == {"fixed-length"}
    assert {case.suite for case in cases} == {"test_mine"}
    assert suite.cases_of("test_mine", "test_nothing", selection) == []
    plain = Suite(Selection.parities).cases_of("test_mine", "test_anything", selection)
    assert [case.id for case in plain] == [case.id for case in selection.parities()]
    assert Suite().cases_of("test_mine", "test_anything", selection) == []
