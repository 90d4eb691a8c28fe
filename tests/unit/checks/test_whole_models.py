"""A conversion ends as its operators do: wrong, right, known to be wrong, or without an oracle."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from fixtures.variants import VARIANTS
from harness.checks import whole_models
from harness.checks.arithmetic import alone
from harness.checks.arithmetic.wording import blame_of, located, text_of, wrong_operator
from harness.checks.whole_models import measure_arithmetic
from harness.operators.held_model import HeldModel, HeldOperator
from harness.pipeline.cases import Case, Measured

RIGHT = HeldOperator(0, "TANH", "t", 100)
WRONG = HeldOperator(1, "ADD", "a", 100, 3, 2.0, "", "tensor 'a': 3 of 100 values are not")
UNKNOWN = HeldOperator(2, "SVDF", "s", unjudged="SVDF")
AGREED = StepResult(Phase.STRUCTURE, Outcome.AGREED)
BOTH = (RUNTIMES["tflite"], RUNTIMES["tflm"])


def case(kind: str = "keras", name: str = "mine") -> Case:
    subject: Any = Subject(name, kind, variant=VARIANTS.get(name))  # type: ignore[arg-type]
    return Case("test_arithmetic", subject, RECIPES["int8"], confirm_on=BOTH)


def ended(
    monkeypatch: pytest.MonkeyPatch, found: dict[str, Any], chosen: Case | None = None
) -> Measured:
    monkeypatch.setattr(whole_models, "measure_conversion", lambda *args: Measured(AGREED))
    monkeypatch.setattr(whole_models, "held", lambda case, session, r: found[r.name])
    monkeypatch.setattr(whole_models, "quantisation_cost", lambda *args: None)
    monkeypatch.setattr(whole_models, "_known", lambda *args: "")
    session: Any = SimpleNamespace()
    return measure_arithmetic(chosen or case(), session)


def test_right_operators_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    model = HeldModel("tflite", (RIGHT,))
    found = ended(monkeypatch, {"tflite": model, "tflm": "it does not run the model"})
    assert found.result.agreed
    assert found.values == 100
    assert [entry["runtime"] for entry in found.arithmetic] == ["tflite"]


def test_a_wrong_operator_fails_and_names_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {
        "tflite": HeldModel("tflite", (RIGHT,)),
        "tflm": HeldModel("tflm", (RIGHT, WRONG, WRONG)),
    }
    found = ended(monkeypatch, models)
    assert found.result.outcome is Outcome.DIVERGED
    assert "tflm: operator 1 ADD: tensor 'a': 3 of 100" in found.result.message
    assert found.blame is not None
    assert found.blame["leg"] == "TFLM kernel"
    assert "operator 1 ADD is not what its own arithmetic says" in found.blame["reason"]


def test_what_is_known_to_be_wrong_is_said_and_fails_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    models = {name: HeldModel(name, (WRONG,)) for name in ("tflite", "tflm")}
    ended(monkeypatch, models)
    monkeypatch.setattr(whole_models, "_known", lambda *args: "some-limitation")
    session: Any = SimpleNamespace()
    found = measure_arithmetic(case(), session)
    assert found.result.agreed
    assert "wrong on tflm, as is known (some-limitation)" in found.result.message


def test_operators_without_an_oracle_are_listed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {name: HeldModel(name, (RIGHT, UNKNOWN, UNKNOWN)) for name in ("tflite", "tflm")}
    found = ended(monkeypatch, models)
    assert found.result.agreed
    assert found.result.message == "without an oracle: SVDF"


def test_nothing_compared_is_no_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    models = {"tflite": HeldModel("tflite", (UNKNOWN,)), "tflm": "it does not run the model"}
    found = ended(monkeypatch, models)
    assert found.result.outcome is Outcome.NOT_JUDGED
    assert "tflite: SVDF" in found.result.message
    assert "tflm: it does not run the model" in found.result.message
    of_catalogue = ended(monkeypatch, models, case("catalogue", "last"))
    assert of_catalogue.result.agreed  # the suite of parity has it registered, or fails


def test_an_answer_that_is_not_its_operators_is_the_runtimes() -> None:
    answer = HeldOperator(-1, "model", "y", 10, 1, 1.0, "", "tensor 'y': 1 of 10 values are not")
    model = HeldModel("tflite", (RIGHT,), answer)
    assert not model.proven
    assert wrong_operator(model) == ""
    assert text_of("tflite", model).startswith("tflite: the model's own answer: tensor 'y'")
    assert "each operator is right by itself" in blame_of(RUNTIMES["tflite"], model).reason


def test_where_it_starts_is_the_first_operator_that_is_wrong() -> None:
    layers = {"text": "tensor 'b' leaves", "tensors": [{"tensor": "b"}], "start": "layer b"}
    wrong, right = HeldModel("tflm", (RIGHT, WRONG)), HeldModel("tflm", (RIGHT,))
    found = located(layers, wrong)
    assert found is not None
    assert found["text"].startswith("tflm: operator 1 ADD: tensor 'a'")
    assert found["text"].endswith("tensor 'b' leaves")
    assert found["operators"]["first"]["position"] == 1
    assert located(None, wrong) is not None
    exact = located(layers, right)
    assert exact is not None
    assert exact["text"] == layers["text"]
    assert exact["operators"]["exact"]
    assert located(None, right) is None
    assert located(layers, "its profile is not known") is layers


# A file alone -------------------------------------------------------------------------------


def settled(
    monkeypatch: pytest.MonkeyPatch, model: HeldModel | str, before: StepResult, **more: Any
) -> Measured:
    monkeypatch.setattr(alone, "held", lambda *args: model)
    artifacts = SimpleNamespace(keras=more.get("keras"), operators=SimpleNamespace(parts=()))
    session: Any = SimpleNamespace(artifacts=lambda case: artifacts)
    lone = Case(
        "test_parity", Subject("x.tflite", "tflite"), RECIPES["int8"], RUNTIMES["tflm"]
    )  # fmt: skip
    outputs = more.get("outputs", [_spread()])
    return alone.settled(lone, session, Measured(before), outputs, None)


def _spread() -> Any:
    import numpy as np

    return np.arange(12.0).reshape(4, 3)


NOT_JUDGED = StepResult(Phase.COMPARE, Outcome.NOT_JUDGED, "TFLite does not run it")


def test_a_file_whose_operators_are_all_right_agrees(monkeypatch: pytest.MonkeyPatch) -> None:
    found = settled(monkeypatch, HeldModel("tflm", (RIGHT,)), NOT_JUDGED)
    assert found.result.agreed
    assert found.values == 100
    assert "all 1 operators, 100 values" in found.budget_rule


def test_a_file_with_a_wrong_operator_diverges(monkeypatch: pytest.MonkeyPatch) -> None:
    agreed = StepResult(Phase.COMPARE, Outcome.AGREED)
    found = settled(monkeypatch, HeldModel("tflm", (RIGHT, WRONG)), agreed)
    assert found.result.outcome is Outcome.DIVERGED
    assert "operator 1 ADD" in found.result.message
    assert found.blame is not None


def test_what_is_left_over_stays_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    for model in (HeldModel("tflm", (RIGHT, UNKNOWN)), "its profile is not known"):
        assert settled(monkeypatch, model, NOT_JUDGED).result is NOT_JUDGED


def test_a_constant_or_broken_answer_agrees_by_no_arithmetic(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import numpy as np

    diverged = StepResult(Phase.COMPARE, Outcome.DIVERGED, "NaN")
    broken = _spread()
    broken[1, 1] = np.nan
    model = HeldModel("tflm", (RIGHT,))
    found = settled(monkeypatch, model, diverged, outputs=[broken])
    assert found.result is diverged


def test_a_file_beside_its_keras_model_is_judged_by_that(monkeypatch: pytest.MonkeyPatch) -> None:
    model = HeldModel("tflm", (RIGHT,))
    assert settled(monkeypatch, model, NOT_JUDGED, keras=object()).result is NOT_JUDGED
