"""Say of each model and recipe of a run whether to ship it, and of an installation what holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from harness.report.verdicts.causes import Case, Cause, causes, figures, sentence, shortened
from harness.report.verdicts.causes import message as message_of

#: What a verdict needs of a model: how it is built, and how it answers.
NEEDED = {
    "test_structure": "structure",
    "test_parity": "parity",
}
SHIP, KEEP, UNDECIDED, UNFIT = "ship", "do not ship", "undecided", "recipe unfit"
REGISTERED, CHANGED = "as registered", "not as registered"
_USERS = ("keras", "tflite")
#: A runtime that only shows what the model is.
_SOURCE = "keras"


@dataclass(frozen=True)
class Verdict:
    """What is made of a model and a recipe; of an installation, whose subject is empty.

    recipes: those that this is said of. says: one sentence. causes: why not, the strongest first.
    remarks: what its user has to know besides, a sentence each. cases, failed: how many there are,
    and failed.
    """

    subject: str
    recipes: tuple[str, ...]
    word: str
    says: str
    causes: tuple[Cause, ...] = ()
    remarks: tuple[str, ...] = ()
    cases: int = 0
    failed: int = 0

    def document(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "recipes": list(self.recipes),
            "verdict": self.word,
            "says": self.says,
            "causes": [cause.document() for cause in self.causes],
            "remarks": list(self.remarks),
            "cases": self.cases,
            "failed": self.failed,
        }

    @property
    def title(self) -> str:
        """Model and recipes, as a reader calls them."""
        if not self.subject:
            return "This installation"
        return titled(self.subject, self.recipes)


def titled(subject: str, recipes: Sequence[str]) -> str:
    shown = [name for name in recipes if name != "as-converted"]
    if not shown:
        return subject
    *most, last = shown
    return f"{subject} as {', '.join(most)} and {last}" if most else f"{subject} as {last}"


def users(case: Case) -> bool:
    """Whether a case is about somebody's own model; of a report that does not say so, whether the
    catalogue lacks it."""
    kind = case.get("kind")
    if kind is not None:
        return kind in _USERS
    return str(case["subject"]).endswith((".keras", ".h5", ".tflite"))


def verdicts(cases: Sequence[Case], missing: int = 0, interrupted: bool = False) -> list[Verdict]:
    """One for each model of a user's and recipe, in the order of their names; those of one model
    that say the same are one. Where the run was about the catalogue, one of the installation.

    missing: cases that did not run. interrupted: whether the run was.
    """
    groups: dict[tuple[str, str], list[Case]] = {}
    certified = []
    for case in cases:
        if users(case):
            groups.setdefault((case["subject"], case["recipe"]), []).append(case)
        else:
            certified.append(case)
    incomplete = _incomplete(missing, interrupted)
    found = [
        (_of(*names, group, incomplete), group)
        for names, group in sorted(
            groups.items(), key=lambda item: (item[0][0], _place(item[0][1]))
        )
    ]
    told = list(_alike(found, incomplete))
    return [*told, _installation(certified, incomplete)] if certified else told


def of(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Those of a report; of one that has none yet, from its cases."""
    stored = document.get("verdicts")
    if stored is not None:
        return list(stored)
    return documents(document)


def documents(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries `verdicts` of a report, from its cases."""
    missing = int(document["totals"]["untested"])
    found = verdicts(document["cases"], missing, bool(document.get("interrupted")))
    return [verdict.document() for verdict in found]


def _place(recipe: str) -> tuple[int, str]:
    known = list(RECIPES)
    return (known.index(recipe) if recipe in known else len(known), recipe)


def _incomplete(missing: int, interrupted: bool) -> str:
    if interrupted:
        return "the run was interrupted"
    return f"{missing:,} cases of the run were not tested" if missing else ""


def _of(subject: str, recipe: str, cases: Sequence[Case], incomplete: str) -> Verdict:
    why = tuple(causes(cases))
    failed = sum(case["verdict"] == "failed" for case in cases)
    word, says = _word(cases, why, incomplete)
    remarks = () if word in (KEEP, UNFIT) and why else tuple(_remarks(cases))
    return Verdict(subject, (recipe,), word, says, why, remarks, len(cases), failed)


def _word(cases: Sequence[Case], why: Sequence[Cause], incomplete: str) -> tuple[str, str]:
    """The verdict and its sentence."""
    failed = [case for case in cases if case["verdict"] == "failed"]
    if failed and all(case["outcome"] == "not judged" for case in failed):
        return UNDECIDED, why[0].says
    if why:
        return (UNFIT if {cause.kind for cause in why} == {"unfit"} else KEEP), why[0].says
    run = [c for c in cases if c["suite"] in ("test_parity", "test_device")]
    native = [c for c in run if c["runtime"] != _SOURCE]
    agreed = [c for c in native if c["verdict"] == "agreed"]
    unjudged = [c for c in native if c["verdict"] == "not judged"]
    if incomplete:
        return UNDECIDED, sentence("", incomplete)
    lacking = [name for suite, name in NEEDED.items() if suite not in _suites(cases)]
    if lacking:
        told = f"nothing failed, but a verdict needs the suites of {' and '.join(lacking)}"
        return UNDECIDED, sentence("", f"{told}, which were not run")
    if agreed:
        return SHIP, _agreed(agreed, cases)
    if unjudged:
        return UNDECIDED, sentence("", shortened(message_of(unjudged[0]), 300))
    limited = [c for c in cases if c["verdict"] == "limitation"]
    if limited:
        first = min(limited, key=lambda case: case["phase"] not in ("build", "convert"))
        return UNFIT, sentence("No runtime has it", shortened(message_of(first), 300))
    return UNDECIDED, "No runtime was asked for an answer."


def _suites(cases: Iterable[Case]) -> set[str]:
    return {case["suite"] for case in cases}


def _agreed(agreed: Sequence[Case], cases: Sequence[Case]) -> str:
    """On which runtimes it agrees, how much of a budget that takes, and what a device needs."""
    names = named([str(case["runtime"]) for case in agreed])
    measured = [float(c["budget_used"]) for c in agreed if c.get("budget_used") is not None]
    count = f"{sum(case['verdict'] == 'agreed' for case in cases)} of {len(cases)} cases"
    if measured:
        told = f"It agrees on {names} within {max(measured):.2g} of its budget ({count})."
    else:
        told = (
            f"It answers alike on {names} ({count}). Whether that is what your model answers was "
            "not asked: --model or --expected tells."
        )
    needs = [
        f"{case['resources']['arena_bytes']:,} bytes as {case['recipe']}"
        for case in cases
        if case.get("resources")
    ]
    if len(needs) == 1:
        needs = [needs[0].partition(" as ")[0]]
    return f"{told} Its arena needs {', '.join(needs)}." if needs else told


def named(runtimes: Sequence[str]) -> str:
    """Runtimes in their order; all that this installation has as every one."""
    found = dict.fromkeys(runtimes)
    if set(found) >= {name for name, runtime in RUNTIMES.items() if runtime.native}:
        found = {name: None for name in found if name not in RUNTIMES or name == _SOURCE}
        return " and ".join(["every runtime", *found])
    known = [name for name in RUNTIMES if name in found]
    return ", ".join([*known, *(name for name in found if name not in RUNTIMES)])


def _remarks(cases: Sequence[Case]) -> Iterable[str]:
    """What a green verdict does not say: runtimes that do not run it, what nobody could judge,
    warnings."""
    limited: dict[str, list[str]] = {}
    for case in cases:
        if case["verdict"] == "limitation":
            text = shortened(message_of(case), 160)
            limited.setdefault(text, []).append(case["runtime"] or case["suite"][5:])
    for text, names in limited.items():
        yield sentence(f"Not on {', '.join(dict.fromkeys(names))}", text)
    reasons: dict[str, int] = {}
    for case in cases:
        if case["verdict"] == "not judged":
            text = shortened(message_of(case), 160)
            reasons[text] = reasons.get(text, 0) + 1
    for text, count in reasons.items():
        yield sentence(f"{count} cases not judged" if count > 1 else "1 case not judged", text)
    turned = figures([{**c, "error": None} for c in cases if c["runtime"] != _SOURCE])
    if turned:
        yield sentence("", turned)
    warnings = {
        finding["message"]: finding
        for case in cases
        for finding in case.get("findings", ())
        if finding["level"] == "warning"
    }
    for finding in list(warnings.values())[:2]:
        cure = f" → {finding['cure']}" if finding.get("cure") else ""
        yield sentence("Warning", f"{shortened(finding['message'].partition('; ')[0])}{cure}")
    if len(warnings) > 2:
        yield f"{len(warnings) - 2} more warnings."


def _subjects(cases: Sequence[Case]) -> str:
    names = list(dict.fromkeys(str(case["subject"]) for case in cases))
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"of {', '.join(names[:3])}{more}"


def _installation(cases: Sequence[Case], incomplete: str) -> Verdict:
    """What the run of a catalogue says: whether all ended as the registry has it."""
    failed = [case for case in cases if case["verdict"] == "failed"]
    subjects = len({case["subject"] for case in cases})
    found: dict[tuple[str, str], list[Case]] = {}
    for case in failed:
        blame = case.get("blame") or {}
        told = blame.get("kind") or case.get("limitation") or case.get("law") or ""
        found.setdefault((case["suite"], f"{told} {case['outcome']} {case['phase']}"), []).append(
            case
        )
    why = tuple(
        replace(cause, evidence="; ".join(filter(None, (_subjects(group), cause.evidence))))
        for group in found.values()
        for cause in causes(group)[:1]
    )
    whole = f"{len(cases):,} cases of {subjects:,} subjects"
    if failed:
        told = f"{len(failed):,} of {whole} did not end as registered."
        return Verdict("", (), CHANGED, told, why, (), len(cases), len(failed))
    if incomplete:
        return Verdict("", (), UNDECIDED, sentence("", incomplete), (), (), len(cases), 0)
    told = f"All {whole} ended as registered."
    return Verdict("", (), REGISTERED, told, (), (), len(cases), 0)


def _alike(found: Sequence[tuple[Verdict, Sequence[Case]]], incomplete: str) -> Iterable[Verdict]:
    """Those of one model as one, where they have the same causes, or have none."""
    groups: dict[Any, list[tuple[Verdict, Sequence[Case]]]] = {}
    for one, cases in found:
        same: Any = tuple((cause.kind, cause.where or cause.says) for cause in one.causes)
        if not same:
            agreed = {c["runtime"] for c in cases if c["verdict"] == "agreed"}
            same = (one.remarks, tuple(sorted(map(str, agreed)))) if one.word == SHIP else one.says
        groups.setdefault((one.subject, one.word, same), []).append((one, cases))
    for group in groups.values():
        together = _together([one for one, _ in group])
        if len(group) > 1 and together.word == SHIP:
            _, says = _word([case for _, cases in group for case in cases], (), incomplete)
            together = replace(together, says=says)
        yield together


def _together(group: Sequence[Verdict]) -> Verdict:
    if len(group) == 1:
        return group[0]
    whys = []
    for parts in zip(*(one.causes for one in group), strict=True):
        covers: dict[str, tuple[str, ...]] = {}
        for part in parts:
            for suite, names in part.covers.items():
                covers[suite] = tuple(dict.fromkeys([*covers.get(suite, ()), *names]))
        evidence = list(dict.fromkeys(part.evidence for part in parts if part.evidence))
        if len(evidence) > 1:
            evidence = [
                f"{one.recipes[0]}: {part.evidence}"
                for one, part in zip(group, parts, strict=True)
                if part.evidence
            ]
        whys.append(
            replace(
                parts[0],
                evidence="; ".join(evidence),
                covers=covers,
                cases=tuple(name for part in parts for name in part.cases),
            )
        )
    return replace(
        group[0],
        recipes=tuple(recipe for one in group for recipe in one.recipes),
        causes=tuple(whys),
        cases=sum(one.cases for one in group),
        failed=sum(one.failed for one in group),
    )
