"""One cause that several suites see is told once; two causes stay two; what is well is to ship."""

from __future__ import annotations

import re
from typing import Any

import pytest

from harness.diagnosis import blame
from harness.report import document as report
from harness.report.verdicts import kinds, text, verdict
from harness.support.project import ROOT

NATIVE = ("tflite", "tflite-reference", "tflite-no-xnnpack", "litert", "tflm")
NARROW: dict[str, Any] = {
    "rule": "too-narrow",
    "level": "error",
    "message": "input 'x' holds -1 to 1, the samples reach -9 to 9: 70% of the values are cut off; "
    "its share of the error of output 0 is 0.4",
    "cure": "the calibration was too narrow: calibrate with data that reaches as far",
    "tensors": ["x"],
    "failing": True,
}
HIDDEN: dict[str, Any] = {
    "rule": "hidden-scale",
    "level": "error",
    "message": "LSTM operator 0: its output has another scale than its state",
    "operator": 0,
    "predicts": {"tflite": "wrong", "tflm": "wrong"},
    "failing": True,
}
LOOP: dict[str, Any] = {
    "rule": "not-fused",
    "level": "warning",
    "message": "layer 'first' (LSTM) is a WHILE loop because of activation='relu'",
    "cure": "set activation='tanh' and train again",
    "layer": "first",
}
COLLECTS: dict[str, Any] = {
    "rule": "tflm-loop",
    "level": "error",
    "message": "TFLite Micro gives wrong numbers on a WHILE loop that collects every output",
    "cure": "return only the last output",
    "predicts": {"tflm": "wrong"},
    "failing": True,
}
SHARED: dict[str, Any] = {
    "rule": "state-shared",
    "level": "error",
    "message": "fused LSTM of 4 units: its state is an input of WHILE, too",
    "predicts": {"tflite": "wrong"},
    "failing": True,
}
UNFIT = {"leg": "recipe", "reason": "its rounding is as large", "kind": "unfit"}
RANGES = {"leg": "calibration", "reason": NARROW["message"], "kind": "ranges-do-not-fit"}


def case(suite: str, runtime: str | None = None, verdict: str = "agreed", **more: Any) -> Any:
    subject, recipe = more.pop("subject", "my.keras"), more.pop("recipe", "int8")
    law = f"/{more['law']}" if "law" in more else ""
    name = "/".join(filter(None, (subject, recipe, runtime))) + law
    outcome = {"agreed": "agreed", "failed": "diverged", "limitation": "refused"}
    return {
        "id": f"{suite}[{name}]",
        "suite": suite,
        "subject": subject,
        "kind": "keras",
        "recipe": recipe,
        "runtime": runtime,
        "phase": "compare",
        "outcome": outcome.get(verdict, "not judged"),
        "expected_outcome": "agreed",
        "limitation": None,
        "verdict": verdict,
        "guarded": False,
        "error": None,
        "budget": None,
        "budget_used": None,
        "message": "",
        "rerun": f"pytest {suite}",
        "seconds": {},
        **more,
    }


def parities(verdict: str = "agreed", **more: Any) -> list[Any]:
    return [case("test_parity", runtime, verdict, **more) for runtime in NATIVE]


def structure(verdict: str = "agreed", **more: Any) -> Any:
    return case("test_structure", None, verdict, phase="structure", **more)


def quantization(verdict: str = "agreed", **more: Any) -> Any:
    return case("test_quantization", None, verdict, phase="structure", **more)


def told(*cases: Any, **more: Any) -> list[verdict.Verdict]:
    return verdict.verdicts(cases, **more)


@pytest.mark.parametrize("blame", [UNFIT, RANGES, None])
def test_a_calibration_that_suites_and_runtimes_see_is_one_cause(blame: Any) -> None:
    (found,) = told(
        structure(),
        quantization("failed", findings=[NARROW]),
        *parities("failed", blame=blame, error=0.4, budget_used=6.2),
    )
    assert found.word == verdict.KEEP
    (cause,) = found.causes
    assert cause.kind == "calibration"
    assert "holds -1 to 1" in cause.says
    assert cause.cure == NARROW["cure"]
    assert "6.2 times the budget" in cause.evidence
    assert set(cause.covers) == {"test_quantization", "test_parity"}
    assert cause.covers["test_parity"] == NATIVE
    assert len(cause.cases) == found.failed == 6
    assert cause.rerun == "pytest test_quantization"


def test_two_causes_stay_two() -> None:
    scales = {"leg": "converter", "reason": "differ", "kind": "its-scales-contradict-each-other"}
    (found,) = told(
        quantization("failed", findings=[HIDDEN]),
        structure("failed", findings=[{**LOOP, "level": "error", "failing": True}]),
        *parities("failed", blame=scales),
    )
    assert [cause.kind for cause in found.causes] == ["not-fused", "scales"]
    assert [len(cause.cases) for cause in found.causes] == [1, 6]


def test_a_wrong_kernel_is_not_hidden_by_another_cause() -> None:
    wrong = {
        "leg": "TFLM kernel",
        "reason": "3 mismatches",
        "kind": "an-operator-is-not-its-oracle",
    }
    (found,) = told(
        quantization("failed", findings=[NARROW]),
        *parities("failed", blame=wrong),
    )
    assert [cause.kind for cause in found.causes] == ["calibration", "kernel"]


def test_a_loop_is_the_cause_of_what_loops_do() -> None:
    (found,) = told(
        structure("failed", findings=[LOOP, COLLECTS, SHARED]),
        case("test_state", "tflite", "failed", law="carrying"),
        *parities(),
    )
    (cause,) = found.causes
    assert (cause.kind, cause.where) == ("not-fused", ("first",))
    assert cause.cure == LOOP["cure"]
    assert len(cause.cases) == 2


@pytest.mark.parametrize(("first", "kinds_of"), [("WHILE", ["not-fused"]), ("ADD", None)])
def test_a_loop_that_computes_wrongly_is_the_layers_and_another_operator_is_not(
    first: str, kinds_of: list[str] | None
) -> None:
    wrong = {
        "runtime": "tflm",
        "mismatches": 3,
        "known": "",
        "first_divergence": {"name": first},
    }
    (found,) = told(
        structure("failed", findings=[LOOP, COLLECTS]),
        case("test_arithmetic", None, "failed", arithmetic=[wrong]),
        *parities(),
    )
    assert [cause.kind for cause in found.causes] == (kinds_of or ["not-fused", "kernel"])


def test_what_loops_do_stands_by_itself_where_no_layer_is_named() -> None:
    (found,) = told(structure("failed", findings=[COLLECTS]), *parities())
    assert [cause.kind for cause in found.causes] == ["tflm-loop"]


def test_a_broken_law_is_its_own_cause_where_nothing_predicts_it() -> None:
    (found,) = told(
        structure("failed", findings=[SHARED]),
        case("test_state", "tflm", "failed", law="carrying", message="diverged in compare: off"),
        *parities(),
    )
    assert [cause.kind for cause in found.causes] == ["state-shared", "law-carrying"]
    assert found.causes[1].says == "Off."


def test_what_gives_the_answers_says_more_than_a_constant() -> None:
    stale = {
        "leg": "file",
        "reason": "long",
        "kind": "the-file-is-another-model",
        "says": "the file holds other weights than the model: an older checkpoint",
        "cure": "convert the checkpoint that you compare with",
    }
    constant = {
        "rule": "not-the-model",
        "level": "error",
        "message": "the input kernel differs in 140 of 144 values",
        "layer": "first",
        "failing": True,
    }
    (found,) = told(structure("failed", findings=[constant] * 3), *parities("failed", blame=stale))
    (cause,) = found.causes
    assert cause.says.startswith("The file holds other weights")
    assert cause.cure == stale["cure"]
    assert str(constant["message"]) in cause.evidence


def test_what_nobody_can_load_is_one_cause_of_all_recipes() -> None:
    message = "refused in build: ValueError: layer 'a' (Own): a custom object → use another"
    ended: Any = {"phase": "build", "outcome": "refused", "message": message}
    cases = []
    for recipe in ("int8", "float32"):
        cases += parities("failed", recipe=recipe, **ended)
        cases.append(case("test_structure", None, "failed", recipe=recipe, **ended))
    (found,) = told(*cases)
    assert found.recipes == ("float32", "int8")
    (cause,) = found.causes
    assert cause.says == "The model cannot be loaded: layer 'a' (Own): a custom object."
    assert cause.cure == "use another"
    assert len(cause.cases) == 12


def test_recipes_with_different_causes_are_two() -> None:
    found = told(
        *parities("failed", recipe="float32", phase="build", message="refused in build: x"),
        quantization("failed", findings=[NARROW]),
    )
    assert [one.recipes for one in found] == [("float32",), ("int8",)]


def test_a_conversion_that_crashes_names_the_layer_that_is_not_fused() -> None:
    reason = {**LOOP, "level": "error", "failing": True}
    ended: Any = {"phase": "convert", "outcome": "crashed", "limitation": "int8-while"}
    (found,) = told(
        *parities("failed", message="crashed in convert: SIGSEGV", **ended),
        case("test_structure", None, "failed", findings=[reason], **ended),
    )
    (cause,) = found.causes
    assert cause.kind == "not-fused"
    assert "the converter crashes (int8-while)" in cause.evidence
    said = "layer 'first' (LSTM) is not fused because of use_bias=False"
    (again,) = told(
        case("test_structure", None, "failed", findings=[{**reason, "message": said}], **ended)
    )
    assert again.causes[0].says == f"Layer 'first'{said[13:]}."


def test_a_recipe_that_is_too_coarse_is_unfit() -> None:
    (found,) = told(structure(), quantization(), *parities("failed", blame=UNFIT))
    assert found.word == verdict.UNFIT


def test_what_agrees_is_to_ship_and_says_where() -> None:
    (found,) = told(structure(), *parities(budget_used=0.25))
    assert found.word == verdict.SHIP
    assert "every runtime within 0.25 of its budget (6 of 6 cases)" in found.says


def test_a_runtime_that_does_not_run_it_is_named() -> None:
    cases = parities(budget_used=0.25)
    cases[-1] = case("test_parity", "tflm", "limitation", message="known limitation a-b: no WHILE")
    (found,) = told(structure(), *cases)
    assert found.word == verdict.SHIP
    assert "tflm" not in found.says
    assert found.remarks == ("Not on tflm: no WHILE.",)


def test_recipes_that_agree_alike_are_one() -> None:
    both = [c for r in ("float32", "int8") for c in (structure(recipe=r), *parities(recipe=r))]
    (found,) = told(*both)
    assert found.recipes == ("float32", "int8")
    assert "(12 of 12 cases)" in found.says


@pytest.mark.parametrize(
    ("cases", "more", "said"),
    [
        ([structure(), *parities("not judged", message="no samples")], {}, "No samples."),
        ([structure(), *parities()], {"missing": 3}, "3 cases of the run were not tested."),
        ([structure(), *parities()], {"interrupted": True}, "The run was interrupted."),
        (parities(), {}, "a verdict needs the suites of structure, which were not run."),
        ([structure()], {}, "a verdict needs the suites of parity, which were not run."),
    ],
)
def test_what_is_not_known_is_undecided(cases: Any, more: Any, said: str) -> None:
    (found,) = told(*cases, **more)
    assert found.word == verdict.UNDECIDED
    assert found.says.endswith(said)


def test_what_the_harness_failed_on_says_nothing_of_a_model() -> None:
    own = case("test_parity", "tflm", "failed", outcome="not judged", message="the harness failed")
    (found,) = told(structure(), *parities()[:-1], own)
    assert (found.word, found.says) == (verdict.UNDECIDED, "The harness failed.")
    assert found.failed == 1
    (both,) = told(structure("failed", findings=[COLLECTS]), own)
    assert both.word == verdict.KEEP


def test_a_failure_counts_in_an_interrupted_run_too() -> None:
    (found,) = told(structure("failed", findings=[LOOP]), interrupted=True)
    assert found.word == verdict.KEEP


def test_a_recipe_that_no_runtime_has_is_unfit() -> None:
    known = "known limitation int16-none: no int16 LSTM"
    (found,) = told(structure("limitation", message=known), *parities("limitation", message=known))
    assert found.word == verdict.UNFIT
    assert found.says == "No runtime has it: no int16 LSTM."


def test_every_failed_case_is_covered_by_a_cause() -> None:
    cases = [
        *parities("failed"),
        quantization("failed", findings=[NARROW, HIDDEN]),
        structure("failed"),
        case("test_resources", "tflm", "failed", phase="load", outcome="crashed"),
        case("test_state", "tflite", "failed", law="carrying"),
        case("test_parity", "keras", "failed", outcome="not judged", message="harness"),
        case("test_sequences", "tflm", "failed", worse=["larger"], law="rows"),
    ]
    (found,) = told(*cases)
    covered = {name for cause in found.causes for name in cause.cases}
    assert covered == {entry["id"] for entry in cases}
    assert all(cause.says.endswith((".", "…")) for cause in found.causes)


def test_an_installation_is_as_registered_or_not() -> None:
    well = [{**one, "kind": "catalogue", "subject": "last"} for one in parities()]
    (found,) = told(*well)
    assert (found.word, found.subject) == (verdict.REGISTERED, "")
    (changed,) = told(*well[1:], {**well[0], "verdict": "failed", "message": "limitation gone: x"})
    assert changed.word == verdict.CHANGED
    assert changed.says.startswith("1 of 5 cases of 1 subjects did not end as registered")
    assert changed.causes[0].cases == (well[0]["id"],)


def test_a_report_without_verdicts_has_them_by_its_cases() -> None:
    environment = report.environment(1, ["pytest"], {})
    cases = [structure(), *parities()]
    document = report.build(environment, len(cases), cases, {}, False)
    earlier = {key: value for key, value in document.items() if key != "verdicts"}
    assert verdict.of(earlier) == verdict.of(document)
    for entry in cases:
        del entry["kind"]  # a report of an earlier version
    assert [entry["verdict"] for entry in verdict.of(earlier)] == ["ship"]


def test_no_rule_or_blame_is_of_two_kinds() -> None:
    rules = [rule for kind in kinds.KINDS for rule in kind.rules]
    blames = [blame for kind in kinds.KINDS for blame in kind.blames]
    assert len(rules) == len(set(rules))
    assert len(blames) == len(set(blames))


def test_a_paragraph_has_cause_cure_and_command_in_ten_lines_of_80() -> None:
    (found,) = told(
        structure(), quantization("failed", findings=[NARROW]), *parities("failed", blame=UNFIT)
    )
    entry = found.document()
    labels = [label for label, _ in text.paragraph(entry)]
    assert labels == ["cause", "cure", "seen in", "again"] or "evidence" in labels
    assert text.headline(entry) == "DO NOT SHIP: my.keras as int8"
    assert re.search(
        r"parity on every runtime \(6 of 7 cases\)", text.covers(entry["causes"][0], entry)
    )


def test_kinds_name_rules_and_blames_that_exist() -> None:
    given = {rule.__name__.replace("_", "-") for rule in blame.RULES}
    given |= {
        "other-weights",
        "layer-weights",
        "weight",
    }  # what harness/diagnosis/file_weights.py tries
    assert {name for kind in kinds.KINDS for name in kind.blames} <= given
    assert kinds.WEAK - {"", "unfit"} <= given
    files = [p for p in (ROOT / "harness").rglob("*.py") if "verdicts" not in p.parts]
    source = "".join(path.read_text() for path in files)
    rules = {rule for kind in kinds.KINDS for rule in kind.rules} | set(kinds.CONSEQUENCES)
    assert [rule for rule in rules if f'"{rule}"' not in source] == []
