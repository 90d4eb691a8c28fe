"""Which kernels does the board run, and what does it do with the state?

Every device of `--device` with every conversion that it holds: its answers to the samples, each
from the initial state and in a stream without resets, are held to the bits of known kernels. A
model that needs its state from invoke to invoke fails on a board that clears it. The protocol, and
how to flash the agent, are in docs/device.md.
"""

from __future__ import annotations

from harness.device.board import measure_board
from harness.pipeline.cases import Case
from harness.pipeline.selection import Selection
from harness.pipeline.suite import Suite, Verdict
from harness.session.session import Session

SUITE = Suite(Selection.boards, unit="conversions", of_file=True)


def test_device(case: Case, session: Session, verdict: Verdict) -> None:
    verdict(case, measure_board(case, session))
