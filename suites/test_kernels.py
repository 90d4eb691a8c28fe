"""What will the device answer?

Every integer conversion on the kernels of each device that `--kernels` names (none otherwise):
whether they give the same bits as the host, which named factors differ, on which share of the
outputs and by how many steps, and what becomes of the state between two invokes. A model that is
streamed fails where its state is cleared.
"""

from __future__ import annotations

from harness.kernels.cases import KernelCase, kernel_cases
from harness.kernels.judgement import measure_kernels
from harness.pipeline.suite import Suite, Verdict
from harness.session.session import Session

SUITE = Suite(kernel_cases, of_file=True)


def test_kernels(case: KernelCase, session: Session, verdict: Verdict) -> None:
    verdict(case, measure_kernels(case, session))
