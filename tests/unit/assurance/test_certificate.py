"""The certificate fails when it must: a fault that survives, a false alarm, nothing examined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.assurance.certificate import command, registry, run
from harness.assurance.certificate import document as page
from harness.assurance.certificate.controls import control
from harness.assurance.certificate.document import Certificate
from harness.assurance.certificate.editing import edited
from harness.assurance.certificate.emulation import private_copy
from harness.assurance.certificate.fault import Control, Fault, JudgedFault, Proof, judge
from harness.assurance.certificate.readings import InjectionBench, Reading
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.pipeline.settings import Settings
from harness.report import exhibits
from harness.support.project import ROOT
from tests.support.reference_models import float_weights

FAULTS = {fault.id: fault for fault in registry.faults()}
KILLED = JudgedFault("model", "a", "int8", "killed", (Reading("rule weights", 2.0),))
HELD = Control("square", 4, 0.5)
GOOD = Certificate((KILLED,), (HELD,), (), 1.0)


# The registry -----------------------------------------------------------------------------------


def test_every_named_fault_is_there() -> None:
    assert registry.missing(list(FAULTS.values())) == []
    assert sum(map(len, registry.NAMED.values())) == 92


def test_a_family_without_a_fault_is_no_certificate() -> None:
    rest = [fault for fault in FAULTS.values() if fault.family != "bias dropped"]
    assert registry.missing(rest) == ["model: bias dropped"]
    assert (
        "no fault for model: bias dropped"
        in replace(GOOD, missing=("model: bias dropped",)).problems
    )


def test_the_documents_name_every_fault_and_the_readme_its_number() -> None:
    """What a stale table would lack, without a run; `make certify` compares all of it."""
    document = page.DOCUMENT.read_text()
    for fault in FAULTS.values():
        assert f"| {fault.name} | {fault.setting} |" in document, "run `make certificate`"
    equivalent = sum(fault.proof is not None for fault in FAULTS.values())
    killed = len(FAULTS) - equivalent
    summary = page.in_readme((ROOT / "README.md").read_text())
    start = f"{len(FAULTS)} faults: {killed} killed, {equivalent} proved equivalent, 0 survive."
    assert summary.startswith(start)
    assert summary.endswith("0 false alarms.")
    assert summary in document


# What makes it fail -----------------------------------------------------------------------------


def test_a_good_certificate_has_no_problems() -> None:
    assert GOOD.problems == []


@pytest.mark.parametrize(
    ("certificate", "problem"),
    [
        (replace(GOOD, judged=()), "no fault was examined"),
        (replace(GOOD, controls=()), "no healthy subject was examined"),
        (replace(GOOD, controls=(replace(HELD, readings=0),)), "no check looked at square"),
        (replace(GOOD, controls=(replace(HELD, alarms=(Reading("rule x"),)),)), "false alarm"),
        (replace(GOOD, judged=(replace(KILLED, verdict="survived"),)), "survived: model: a"),
        (replace(GOOD, judged=(replace(KILLED, verdict="unproved"),)), "unproved: model: a"),
    ],
)
def test_each_reason_to_fail_is_named(certificate: Certificate, problem: str) -> None:
    assert problem in "\n".join(certificate.problems)


def _fault(readings: Any, proof: Proof | None = None) -> Fault:
    def examine(bench: InjectionBench) -> list[Reading]:
        if isinstance(readings, Exception):
            raise readings
        return list(readings)

    return Fault("a fault", "family", "model", "int8", examine, proof)


@pytest.mark.parametrize(
    ("readings", "proof", "verdict"),
    [
        ([Reading("comparison", 1.1)], None, "killed"),
        ([Reading("rule")], None, "killed"),
        ([Reading("comparison", 1.0)], None, "survived"),
        ([], None, "survived"),
        (ValueError("no such tensor"), None, "survived"),
        (
            [Reading("comparison", 0.5)],
            Proof("bit for bit the same", lambda bench: ""),
            "equivalent",
        ),
        ([Reading("comparison", 0.5)], Proof("the same", lambda bench: "they differ"), "unproved"),
        ([Reading("rule")], Proof("the same", lambda bench: ""), "unproved"),
    ],
)
def test_a_fault_is_judged_by_what_the_checks_say(
    readings: Any, proof: Proof | None, verdict: str
) -> None:
    nobody: Any = None
    assert judge(_fault(readings, proof), nobody).verdict == verdict


def test_a_healthy_subject_that_cannot_be_examined_is_an_alarm() -> None:
    def broken(bench: InjectionBench) -> list[Reading]:
        raise RuntimeError("no worker")

    nobody: Any = None
    assert "no worker" in control("square", broken, nobody).alarms[0].says
    assert control("square", lambda bench: [Reading("rule x")], nobody).alarms
    assert not control("square", lambda bench: [Reading("comparison", 0.9)], nobody).alarms


# Real faults and real checks --------------------------------------------------------------------


def test_nothing_selected_is_no_certificate(tmp_path: Path) -> None:
    assert command.main(["--only", "no such fault", "--cache", str(tmp_path), "--jobs", "1"]) == 1


def test_a_stale_document_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document, readme = tmp_path / "docs" / "certificate.md", tmp_path / "README.md"
    readme.write_text(f"before\n{page.BEGIN}\n{page.END}\nafter\n")
    monkeypatch.setattr(page, "DOCUMENT", document)
    monkeypatch.setattr(page, "README", readme)
    monkeypatch.setattr(command, "certify", lambda *arguments: GOOD)
    report = ["--report", str(tmp_path / "report")]
    assert command.main(report) == 1
    assert "stale" in capsys.readouterr().out
    assert command.main([*report, "--write"]) == 0
    assert GOOD.summary in readme.read_text()
    assert command.main(report) == 0
    stronger = replace(KILLED, kills=(Reading("rule weights", 3.5e7),))
    monkeypatch.setattr(command, "certify", lambda *arguments: replace(GOOD, judged=(stronger,)))
    assert command.main(report) == 0  # ratios are this machine's
    other = replace(KILLED, kills=(Reading("comparison on tflm", 2.0),))
    monkeypatch.setattr(command, "certify", lambda *arguments: replace(GOOD, judged=(other,)))
    assert command.main(report) == 1
    (found,) = exhibits.read(tmp_path / "report")
    assert found.tables[0].rows == (("model", "a", "int8", "killed", "comparison on tflm 2.0 ×"),)


def test_shares_are_all_of_it() -> None:
    settings = Settings(1, None)
    shares = run._shares(list("abcde"), list("xy"), settings, 3, False)
    assert sorted(f for share in shares for f in share.faults) == list("abcde")
    assert sorted(c for share in shares for c in share.controls) == list("xy")


# The tools --------------------------------------------------------------------------------------


def test_an_edit_that_changes_nothing_is_an_error() -> None:
    content = build(OperatorLstm(float_weights(1), 3, 2)).content
    with pytest.raises(ValueError, match="changes nothing"):
        edited(content, lambda lstm: None)
    with pytest.raises(ValueError, match="identifier"):
        edited(b"\0" * 64, lambda lstm: None)


def test_the_emulation_exchanges_only_what_is_there() -> None:
    with pytest.raises(AttributeError):
        private_copy({"no_such_operation": None})
    import reference.lstm.integer as real

    copy = private_copy({"saturate": np.array})
    assert copy.saturate is np.array
    assert vars(real)["saturate"] is not np.array
