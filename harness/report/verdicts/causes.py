"""Group what failed of one model and recipe by cause: each cause once, with all it covers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fixtures.outcomes import first_line
from fixtures.runtimes import RUNTIMES
from harness.report.verdicts import kinds

Case = Mapping[str, Any]
Told = Mapping[str, Any]
_EARLY = ("build", "convert")
#: What a rule must say of a runtime for a failure in a phase to be its consequence.
_REFUSES = ("load", "invoke")
#: Suites that hold operators to their own arithmetic, whatever the file is.
_OF_KERNELS = ("test_arithmetic", "test_operators")
_MOST_WORDS = 2000


@dataclass(frozen=True)
class Cause:
    """One cause and what it covers.

    kind, where: what makes two causes the same; where has names of layers, tensors and operators.
    says, cure, evidence: one sentence each, the last two may be empty. covers: by suite the
    runtimes, none for a case without one. cases: their ids. rerun: the command that shows it again.
    """

    kind: str
    says: str
    cure: str = ""
    evidence: str = ""
    where: tuple[str, ...] = ()
    covers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cases: tuple[str, ...] = ()
    rerun: str = ""

    def document(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "where": list(self.where),
            "says": self.says,
            "cure": self.cure,
            "evidence": self.evidence,
            "covers": {suite: list(names) for suite, names in self.covers.items()},
            "cases": list(self.cases),
            "rerun": self.rerun,
        }


def causes(cases: Sequence[Case]) -> list[Cause]:
    """Why the failed ones of these cases of one model and recipe failed, the strongest first."""
    failed = [case for case in cases if case["verdict"] == "failed"]
    every = [finding for case in cases for finding in case.get("findings", ())]
    known = {kinds.of_rule(finding["rule"]) for finding in every}
    found: dict[str, list[Case]] = {}
    for case in failed:
        for name in _direct(case, known):
            found.setdefault(name, []).append(case)
    direct = sorted(found, key=kinds.rank)
    for case in failed:
        if not _direct(case, known):
            found.setdefault(_consequence(case, direct, every), []).append(case)
    return [_cause(name, found[name], cases, known) for name in sorted(found, key=kinds.rank)]


def _failing(case: Case) -> list[Told]:
    return [finding for finding in case.get("findings", ()) if finding.get("failing")]


def _kind_of(finding: Told, known: set[str]) -> str:
    """A finding's kind: its own, or that of what it is a consequence of, where that was found."""
    behind = kinds.CONSEQUENCES.get(finding["rule"])
    return behind if behind in known and behind is not None else kinds.of_rule(finding["rule"])


def _direct(case: Case, known: set[str]) -> list[str]:
    """The kinds of cause that a failed case names itself; none where it only shows that something
    is wrong."""
    if case["phase"] == "build":
        return ["build"]
    if case["phase"] == "convert":
        return ["not-fused" if "not-fused" in known else "convert"]
    if failing := _failing(case):
        return list(dict.fromkeys(_kind_of(finding, known) for finding in failing))
    if case.get("worse"):
        return ["baseline"]
    if case["suite"] in _OF_KERNELS and case["phase"] == "compare":
        return ["not-fused" if "not-fused" in known and _of_loops(case) else "kernel"]
    blame = case.get("blame")
    if blame and blame.get("kind", "") not in kinds.WEAK and blame["leg"] != "recipe":
        return [kinds.of_blame(blame)]
    return []


def _of_loops(case: Case) -> bool:
    """Whether loops are the first operators that are wrong, on each runtime where one is."""
    wrong = [one for one in case.get("arithmetic", ()) if one["mismatches"] and not one["known"]]
    first = [(one.get("first_divergence") or {}).get("name") for one in wrong]
    return bool(first) and set(first) == {"WHILE"}


def _consequence(case: Case, direct: Sequence[str], every: Sequence[Told]) -> str:
    """The cause behind a failure that names none: one that is known and explains it, else a kind
    of its own."""
    behind = [name for name in direct if kinds.kind(name).explains]
    predicted = _predicted(case, direct, every)
    if case.get("law"):
        return next(iter(predicted), f"law-{case['law']}")
    if case["phase"] == "compare" and case["outcome"] == "diverged":
        own = kinds.of_blame(case["blame"]) if case.get("blame") else f"{case['suite']}-differs"
        return next(iter([*behind, *predicted]), own)
    if case["phase"] in _REFUSES and predicted:
        return predicted[0]
    if case["phase"] == "structure":
        return next(iter(behind), "not-the-recipe")
    return f"{case['phase']}-{case['outcome']}-{_family(case)}".replace(" ", "-")


def _predicted(case: Case, direct: Sequence[str], every: Sequence[Told]) -> list[str]:
    """Causes that are known and predict something of the case's runtime."""
    family, known = _family(case), {kinds.of_rule(finding["rule"]) for finding in every}
    told = [
        _kind_of(finding, known)
        for finding in every
        if finding["level"] == "error" and family in finding.get("predicts", {})
    ]
    return [name for name in direct if name in told]


def _family(case: Case) -> str:
    """Whose kernels ran it: tflite, tflm, or the runtime's own name."""
    name = case["runtime"] or ""
    known = RUNTIMES.get(name.partition("@")[0])
    return name if known is None else known.adapter.kernels


def _cause(name: str, covered: Sequence[Case], cases: Sequence[Case], known: set[str]) -> Cause:
    every = [finding for case in cases for finding in case.get("findings", ())]
    own = [f for f in every if kinds.of_rule(f["rule"]) == name]
    own.sort(key=lambda finding: not finding.get("failing"))
    failing = [f for case in covered for f in _failing(case) if _kind_of(f, known) == name]
    leading = _leading(name, covered, known)
    says, cure, rest = _told(name, own or failing, leading, covered)
    covers: dict[str, list[str]] = {}
    for case in covered:
        covers.setdefault(case["suite"], [])
        if case["runtime"] and case["runtime"] not in covers[case["suite"]]:
            covers[case["suite"]].append(case["runtime"])
    consequences = [f for f in failing if kinds.of_rule(f["rule"]) != name and own]
    parts = [rest, *(_head(f["message"]) for f in consequences[:1]), figures(covered)]
    if not own and not failing and (start := _start(covered)):
        parts.insert(0, start)
    if leading["phase"] in _EARLY and own:
        parts.insert(0, _ended(leading))
    return Cause(
        name,
        says,
        cure,
        "; ".join(part for part in parts if part),
        _where(own or failing),
        {suite: tuple(names) for suite, names in covers.items()},
        tuple(case["id"] for case in covered),
        str(leading.get("rerun", "")),
    )


def _start(covered: Sequence[Case]) -> str:
    """Where a divergence starts, in a few words."""
    found = (case.get("first_divergence") or {} for case in covered)
    return next((str(told["start"]) for told in found if told.get("start")), "")


def _leading(name: str, covered: Sequence[Case], known: set[str]) -> Case:
    """The case that says most of a cause: with a finding of it, else with a blame."""

    def order(case: Case) -> tuple[bool, bool, bool]:
        told = any(_kind_of(f, known) == name for f in _failing(case))
        blame = case.get("blame") or {}
        return (not told, not blame.get("cure"), not blame)

    return min(covered, key=order)


def _told(
    name: str, findings: Sequence[Told], leading: Case, covered: Sequence[Case]
) -> tuple[str, str, str]:
    """Sentence, cure, and what else the message says."""
    blame = leading.get("blame") or {}
    head = kinds.kind(name).says
    known = next((b for c in covered if (b := c.get("blame")) and b.get("says")), None)
    if known is not None:
        # What gives these very answers says more than a constant that differs.
        seen = _head(str(findings[0]["message"])) if findings else ""
        return sentence("", known["says"]), known.get("cure", ""), seen
    if findings:
        first = findings[0]
        told, _, rest = str(first["message"]).partition("; ")
        more = len({f["message"] for f in findings if f.get("failing") or len(findings) == 1}) - 1
        told += f" ({more} more findings say so)" if more > 1 else ""
        cure = first.get("cure") or next((f["cure"] for f in findings if f.get("cure")), "")
        return sentence(head, told), cure, shortened(rest.partition("; ")[0])
    if blame.get("reason"):
        told, cure = _cured(str(blame["reason"]))
        return sentence(head, shortened(told)), blame.get("cure") or cure, ""
    told, cure = _cured(message(leading))
    return sentence(head, shortened(told)), cure, ""


def message(case: Case) -> str:
    """What a case says, without how it ended and without the name of an exception."""
    text = str(case.get("message") or case["outcome"])
    text = re.sub(r"^known limitation [\w.-]+: ", "", text)
    text = first_line(text, _MOST_WORDS)
    text = text.removeprefix(f"{case['outcome']} in {case['phase']}: ")
    return re.sub(r"^(?:error|warning|\w+(?:Error|Exception)): ", "", text)


def _ended(case: Case) -> str:
    """How a conversion ended, in a few words."""
    what = {"crashed": "crashes", "refused": "refuses", "hung": "hangs"}
    known = f" ({case['limitation']})" if case.get("limitation") else ""
    doing = what.get(case["outcome"], f"ends with {case['outcome']}")
    return f"the converter {doing}{known}"


def _cured(text: str) -> tuple[str, str]:
    told, _, cure = text.partition(" → ")
    return told, cure


def _head(message: str) -> str:
    return shortened(message.partition("; ")[0])


def shortened(text: str, width: int = 200) -> str:
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def sentence(head: str, told: str) -> str:
    """Capital letter and full stop; a name keeps its own letters."""
    known = head.partition(" is ")[2]
    if known and known in told:
        head = ""  # the message says so itself
    text = f"{head}: {told}" if head and told else head or told
    first = text.partition(" ")[0]
    if first.islower() and first.isalpha():
        text = text[0].upper() + text[1:]
    return text if text.endswith((".", "…", "?")) else f"{text}."


def _where(findings: Sequence[Told]) -> tuple[str, ...]:
    """Layers, else tensors, else operators."""
    failing = [f for f in findings if f.get("failing")] or findings
    layers = dict.fromkeys(f["layer"] for f in failing if f.get("layer"))
    tensors = dict.fromkeys(name for f in failing for name in f.get("tensors", ()))
    operators = dict.fromkeys(
        f"operator {f['operator']}" for f in failing if f.get("operator") is not None
    )
    return tuple(layers or tensors or operators)


def figures(covered: Sequence[Case]) -> str:
    """How far off the answers are, and what that does to decisions, in the worst case."""
    measured = [c for c in covered if c.get("error") is not None and c.get("budget_used")]
    parts = []
    if measured:
        worst = max(measured, key=lambda case: float(case["budget_used"]))
        used = float(worst["budget_used"])
        times = f", {used:.3g} times the budget" if used > 1 else ""
        parts.append(f"the answers are off by {worst['error']:.3g}{times}")
    turned = [c["decisions"] for c in covered if c.get("decisions", {}).get("changed")]
    if turned:
        most = max(turned, key=lambda told: float(told["share"]))
        parts.append(f"{most['changed']} of {most['of']} decisions change")
    return ", ".join(parts)
