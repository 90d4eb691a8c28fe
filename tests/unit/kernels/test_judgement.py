"""A promise to be streamed is held against the state contract, and bits against the budget."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fixtures.recipes import AS_CONVERTED
from fixtures.subjects import Subject
from fixtures.variants import VARIANTS
from harness.conversion.results import Conversion
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.kernels.answers import DeviceAnswer, OperatorAnswer
from harness.kernels.cases import KernelCase
from harness.kernels.judgement import bits_findings, difference, promised, state_findings
from harness.laws.search import AGREED
from harness.pipeline.artifacts import CaseArtifacts
from reference.lstm.device_profiles import KERNELS
from reference.lstm.profiles import TFLM
from tests.support.lcg_lstms import recorded


def answer(steps: int, name: str = "cmsis-nn") -> DeviceAnswer:
    model, _ = recorded("A")
    (found,) = lstm_operators(build(OperatorLstm(model, steps)).content)
    x = np.zeros((4, 1, steps, 3), np.int8)
    operator = OperatorAnswer(found, TFLM, x, (), np.zeros((4, 1, steps, 5), np.int8))
    return DeviceAnswer(KERNELS[name], (operator.outputs,), (operator,))


WRONG = difference([np.zeros(10)], [np.array([0, 0, 0, 1, 2, 3, 0, 0, 0, 0])])
EQUAL = difference([np.arange(10)], [np.arange(10)])


def test_a_difference_counts_values_and_their_size() -> None:
    found = difference(
        [np.array([1, 2, 3, 4], np.int8), np.array([0.0])],
        [np.array([1, 2, 5, 3], np.int8), np.array([0.0])],
    )
    assert (found.values, found.different, found.largest, found.share) == (5, 2, 2.0, 0.4)
    deviation = np.sqrt((4 + 1) / 5) / np.std([1, 2, 3, 4, 0])
    assert found.deviations == pytest.approx(deviation)
    assert (EQUAL.different, EQUAL.share) == (0, 0.0)


@pytest.mark.parametrize(
    ("word", "promise", "stream", "level"),
    [
        ("carried", "said", None, "note"),
        ("cleared", "", WRONG, "note"),
        ("cleared", "said", WRONG, "error"),
        ("destroyed", "said", WRONG, "error"),
        ("cleared", "said", EQUAL, "note"),
    ],
)
def test_only_a_broken_promise_is_an_error(
    word: Any, promise: str, stream: Any, level: str
) -> None:
    (finding,) = state_findings(word, promise, stream, answer(1))
    assert finding.level == level
    if level == "error":
        assert "streamed, 30.0% of its outputs are wrong (3 of 10" in finding.message
        assert all(cure in finding.cure for cure in ("whole sequences", "passes", "explicit"))


def test_other_bits_are_a_warning_and_beyond_the_budget_an_error() -> None:
    kernels, operators = KERNELS["cmsis-nn"], [{"by_factor": {"rounding": 3}, "largest_lsb": 2.0}]
    (same,) = bits_findings(EQUAL, "", kernels, [])
    (warned,) = bits_findings(WRONG, "", kernels, operators)
    (failed,) = bits_findings(WRONG, "too far", kernels, operators)
    assert [f.level for f in (same, warned, failed)] == ["note", "warning", "error"]
    assert "the same bits as the host: 10 outputs" in same.message
    assert "3 of 10 outputs (30.0%)" in warned.message
    assert "up to 2 LSB; factors: rounding 3" in warned.message
    assert "beyond the budget: too far" in failed.message


def promise_of(subject: Subject, steps: int, streaming: bool = False) -> str:
    case = KernelCase("test_kernels", subject, AS_CONVERTED, streaming=streaming, kernels="esp-nn")
    artifacts = CaseArtifacts(None, Conversion(AGREED), {})
    return promised(case, artifacts, answer(steps))


def test_a_promise_is_said_or_seen() -> None:
    users = Subject("my.tflite", "tflite")
    catalogue = Subject("last", "catalogue", VARIANTS["last"])
    stateful = Subject("stateful", "catalogue", VARIANTS["stateful"])
    assert promise_of(users, 6) == ""
    assert "--streaming" in promise_of(users, 6, streaming=True)
    assert "one time step" in promise_of(users, 1)
    assert promise_of(catalogue, 1) == ""
    assert "is stateful" in promise_of(stateful, 6)
