"""The world's truth, its verdicts and its page: each can fail, and is quiet where all is well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from fixtures.recipes import RECIPES
from harness.assurance.world import many, report
from harness.assurance.world import plan as genes
from harness.assurance.world.architectures import variant_of
from harness.assurance.world.command import parsed
from harness.assurance.world.defects import (
    CLIPPED,
    HYBRID_MICRO,
    NARROW,
    SKIPPED_TANH,
    UNKNOWN,
    cause,
    narrow,
)
from harness.assurance.world.faults import BY_NAME, FAULTS, applicable
from harness.assurance.world.gate import RAISED, Said
from harness.assurance.world.generator import drawn
from harness.assurance.world.kept import Kept, kept, written
from harness.assurance.world.many import Result
from harness.assurance.world.plan import Plan, from_document
from harness.assurance.world.samples import FEW, INPUTS, calibration_of, inputs_of
from harness.assurance.world.shrinking import shrunk
from harness.assurance.world.truth import Expected, Seen, compared
from harness.assurance.world.verdict import Held, Truth, held, kind_of
from harness.flatbuffer.structure import Structure

Array = np.ndarray[Any, Any]
NATIVE = ("tflite", "tflite-reference", "tflite-no-xnnpack", "litert", "tflm")
RIGHT = dict.fromkeys(NATIVE, Seen("right", 0.01, 0.01))
WRONG = Seen("wrong", 1.0, 0.01)


def _keras(noise: float) -> tuple[Array, Expected]:
    """An answer [64, 3] of spread 1, and ideal runs that are `noise` away from it."""
    random = np.random.default_rng(0)
    y = random.normal(0, 1, (64, 3))
    return y, Expected((y,), tuple((y + noise * random.normal(0, 1, y.shape),) for _ in range(3)))


# The generator ----------------------------------------------------------------------------------


def test_a_seed_draws_the_same_plans_and_another_draws_others() -> None:
    some = drawn(12, 1)
    assert some == drawn(12, 1)
    assert len(set(some)) == 12
    assert not set(some) & set(drawn(12, 2))


def test_every_gene_is_drawn() -> None:
    """Nothing that a table of the world has a row for is out of its generator's reach."""
    plans = drawn(300, 3)
    for name, values in (
        *(("shape", genes.SHAPES), ("front", genes.FRONTS), ("layer", genes.LAYERS)),
        *(("joint", genes.JOINTS), ("head", genes.HEADS), ("weights", genes.WEIGHTS)),
        *(("data", genes.DATA), ("calibration", genes.CALIBRATIONS), ("entry", genes.ENTRIES)),
        *(("recipe", tuple(RECIPES)), ("fault", ("", *FAULTS))),
    ):
        assert {getattr(plan, name) for plan in plans} == set(values), name


def test_every_plan_lays_out_a_graph_whose_tensors_exist() -> None:
    for plan in drawn(60, 4):
        variant = variant_of(plan, "world-1")
        known = {entry.name for entry in variant.inputs}
        for node in variant.nodes:
            read = [name.partition(":")[0] for name in (*node.inputs, *node.initial_state)]
            assert set(read) <= known, plan
            known.add(node.name)
        assert set(variant.outputs) <= known, plan


def test_samples_are_the_plans_own() -> None:
    plan = Plan(data="bytes", features=4, calibration="few", seed=3)
    inputs = variant_of(plan, "world-1").inputs
    x, few = inputs_of(plan, inputs)["x"], calibration_of(plan, inputs)["x"]
    assert x.shape == (INPUTS, 5, 4)
    assert few.shape == (FEW, 5, 4)
    assert x.min() >= 0
    assert 100 < x.max() <= 255
    one_hot = inputs_of(replace(plan, data="one-hot"), inputs)["x"]
    assert (one_hot.sum(axis=-1) == 1).all()
    assert not np.array_equal(x, inputs_of(replace(plan, seed=4), inputs)["x"])


def test_a_plan_is_read_back_from_how_it_prints() -> None:
    for plan in drawn(20, 5):
        assert parsed(str(plan)) == plan
        assert from_document(plan.document()) == plan
    with pytest.raises(ValueError, match=r"a plan has no colour; it has .*units"):
        parsed("units 4, colour red")


def test_a_fault_is_given_a_plan_that_it_can_be_put_into() -> None:
    awkward = Plan(layer="GRU", front="masking", shape="seq2seq", joint="states", recipe="float16")
    for name, fault in BY_NAME.items():
        plan = applicable(replace(awkward, fault=name))
        assert plan.recipe in fault.recipes, name
        if fault.edit is not None or fault.keeps:
            assert (plan.layer, plan.joint, plan.shape) == ("LSTM", "last", "chain"), name
            assert plan.front != "masking", name
        if fault.square:
            assert plan.features == plan.steps, name


def test_the_kept_plans_can_be_made_and_are_told_as_the_file_tells_them() -> None:
    entries = kept()
    for entry in entries:
        assert variant_of(entry.plan, "world-1").outputs
        assert entry.was
    assert [from_document(e.plan.document()) for e in entries] == [e.plan for e in entries]
    assert '"was": "a false alarm"' in written([Kept(Plan(units=2), "a false alarm")])


# The truth --------------------------------------------------------------------------------------


def test_an_answer_as_near_as_ideal_rounding_is_right_and_a_broken_one_wrong() -> None:
    y, keras = _keras(0.02)
    random = np.random.default_rng(1)
    assert compared([y[:, None] + 0.03 * random.normal(0, 1, (64, 1, 3))], keras, False).state == (
        "right"
    )
    assert compared([y[::-1, None]], keras, False).state == "wrong"
    assert compared([0 * y[:, None]], keras, False).state == "wrong"
    assert compared([y[:, None] + 0.12], keras, False).state == "undecided"


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_what_is_no_number_is_wrong(broken: float) -> None:
    y, keras = _keras(0.02)
    answer = y[:, None].copy()
    answer[3, 0, 1] = broken
    assert compared([answer], keras, False).state == "wrong"


def test_another_number_of_outputs_or_values_is_wrong() -> None:
    y, keras = _keras(0.02)
    assert compared([y, y], keras, False).state == "wrong"
    assert compared([y[:, :2]], keras, False).state == "wrong"


def test_the_worst_output_decides() -> None:
    y, keras = _keras(0.02)
    two = Expected((y, y), tuple((draw[0], draw[0]) for draw in keras.ideal))
    assert compared([y, -y], two, False).state == "wrong"


def test_float_arithmetic_is_held_to_float_noise() -> None:
    y, keras = _keras(1e-7)
    assert compared([y + 1e-6], keras, True).state == "right"
    assert compared([y + 0.01], keras, True).state == "wrong"


def test_a_recipe_is_unfit_where_rounding_alone_leaves_nothing() -> None:
    assert _keras(0.9)[1].unfit
    assert not _keras(0.1)[1].unfit


def test_an_output_that_never_changes_shows_nothing() -> None:
    y = np.full((8, 2), 0.7)
    assert Expected((y,), ((y,),)).constant
    assert not _keras(0.1)[1].constant


def test_a_wrong_answer_gets_the_defect_that_its_runtime_has() -> None:
    assert cause([HYBRID_MICRO, SKIPPED_TANH], "tflite") is SKIPPED_TANH
    assert cause([HYBRID_MICRO, SKIPPED_TANH], "tflm") is HYBRID_MICRO
    assert cause([SKIPPED_TANH], "tflm") is UNKNOWN
    assert cause([CLIPPED], "litert") is CLIPPED


def test_samples_beyond_the_calibration_are_told_from_a_tail() -> None:
    tensor = {
        **{"name": "x", "dtype": "int8", "shape": [1, 4], "signature": [1, 4], "scale": [0.01]},
        **{"zero_point": [0], "axis": None, "variable": False, "bytes": 0},
    }
    graph = {"tensors": [tensor], "inputs": [0], "outputs": [0], "operators": []}
    structure = Structure({"subgraphs": [graph], "signatures": []})
    inside = np.random.default_rng(0).uniform(-1.2, 1.2, (400, 1, 4)).astype(np.float32)
    tail = inside.copy()
    tail[0, 0, 0] = 3.0
    assert narrow(structure, {"x": inside}) == []
    assert narrow(structure, {"x": tail}) == []
    assert narrow(structure, {"x": 2 * inside}) == [NARROW]


# The verdict ------------------------------------------------------------------------------------


def _green(*more: Said) -> list[Said]:
    return [*(Said("test_parity", name, "agreed") for name in ("keras", *NATIVE)), *more]


def _red(runtime: str = "", tells: str = "diverged", suite: str = "test_parity") -> Said:
    return Said(suite, runtime, "failed", tells, tells)


def test_a_healthy_model_that_is_green_is_no_problem() -> None:
    found = held(Plan(), _green(), Truth(RIGHT))
    assert (found.kind, found.red, found.problems) == ("healthy", False, ())


@pytest.mark.parametrize("runtime", ["", "tflm", "keras"])
def test_a_healthy_model_that_is_red_is_a_false_alarm(runtime: str) -> None:
    found = held(Plan(), _green(_red(runtime)), Truth(RIGHT))
    assert len(found.alarms) == 1
    assert "diverged" in found.alarms[0]


def test_a_law_that_calls_a_right_runtime_wrong_is_a_false_alarm() -> None:
    law = _red("tflite", suite="law carrying")
    assert held(Plan(), _green(law), Truth(RIGHT)).alarms


def test_an_exception_is_told_whatever_is_true() -> None:
    raised = Said("test_quantization", "", RAISED, "KeyError: 3 (x.py:1)")
    for truth in (Truth(RIGHT), Truth({}, problem="nothing was measured")):
        found = held(Plan(), [raised], truth)
        assert found.raised == ("test_quantization: KeyError: 3 (x.py:1)",)


def test_a_wrong_runtime_that_is_green_is_a_miss() -> None:
    truth = Truth({**RIGHT, "tflite": WRONG}, (SKIPPED_TANH,))
    found = held(Plan(recipe="int8"), _green(), truth)
    assert found.kind == "defective"
    assert found.causes == (("tflite", "skipped tanh"),)
    assert len(found.misses) == 1


def test_a_wrong_runtime_has_to_be_called_by_its_defect() -> None:
    truth = Truth({**RIGHT, "tflite": WRONG}, (SKIPPED_TANH,))
    named = held(Plan(recipe="int8"), _green(_red("tflite", "leaves out tanh")), truth)
    other = held(Plan(recipe="int8"), _green(_red("tflite", "a mystery")), truth)
    elsewhere = held(Plan(recipe="int8"), _green(_red("tflm", "leaves out tanh")), truth)
    assert named.problems == ()
    assert len(other.unnamed) == 1
    assert len(elsewhere.misses) == len(elsewhere.alarms) == 1


def test_a_fault_has_to_be_seen_and_called_by_its_name() -> None:
    plan = Plan(fault="dropped bias", entry="both")
    truth = Truth(dict.fromkeys(NATIVE, WRONG))
    assert kind_of(plan, truth) == "faulty"
    assert held(plan, _green(), truth).misses
    assert held(plan, _green(_red("", "no runtime answers what the model does")), truth).unnamed
    assert held(plan, _green(_red("", "the bias of the LSTM is missing")), truth).problems == ()


def test_a_fault_that_changes_nothing_may_be_red() -> None:
    plan = Plan(fault="stale weights", entry="both")
    found = held(plan, _green(_red("", "other weights")), Truth(RIGHT))
    assert (found.kind, found.problems) == ("harmless", ())


def test_an_unfit_recipe_that_is_green_is_a_miss() -> None:
    truth = Truth(RIGHT, unfit=True)
    assert held(Plan(recipe="int8"), _green(), truth).misses
    assert held(Plan(recipe="int8"), _green(_red("", "unfit")), truth).problems == ()


def test_what_only_the_reference_kernels_refuse_fails_no_gate() -> None:
    truth = Truth({**RIGHT, "tflite-reference": Seen("refused")})
    assert kind_of(Plan(), truth) == "healthy"
    assert held(Plan(), _green(_red("tflite-reference", "refused")), truth).alarms


def test_a_small_effect_of_a_defect_that_is_named_is_no_false_alarm() -> None:
    truth = Truth(RIGHT, (CLIPPED,))
    clipped = _red("", "the cell passes the cell_clip of 10", "test_structure")
    assert held(Plan(), _green(_red("tflite"), clipped), truth).problems == ()
    assert held(Plan(), _green(_red("tflite")), truth).alarms
    law = _red("tflite", suite="law carrying")
    assert held(Plan(), _green(law, clipped), truth).alarms


def test_a_lone_flatbuffer_is_not_asked_for_what_only_keras_knows() -> None:
    truth = Truth({**RIGHT, "tflite": WRONG}, (CLIPPED,))
    assert held(Plan(entry="--tflite"), _green(), truth).problems == ()
    assert held(Plan(entry="both"), _green(), truth).misses


# Shrinking --------------------------------------------------------------------------------------


def test_a_plan_is_shrunk_to_the_genes_that_matter() -> None:
    large = Plan(front="conv1d", layer="GRU", units=48, steps=40, depth=3, head="mlp", seed=9)
    asked: list[Plan] = []

    def still(plan: Plan) -> bool:
        asked.append(plan)
        return plan.layer == "GRU" and plan.units >= 5

    small = shrunk(large, still, most=200)
    assert small == Plan(layer="GRU", units=5, steps=1, features=1, seed=9)
    assert len(asked) == len(set(asked))


# The page ---------------------------------------------------------------------------------------


def _result(*found: Held) -> Result:
    return Result(7, tuple(found), (), 60.0)


def test_the_tables_count_every_model_once() -> None:
    shown = report.exhibit(
        _result(
            Held(Plan(), "healthy", False),
            Held(Plan(units=2), "healthy", True, alarms=("test_structure: no reason 3",)),
            Held(Plan(units=3), "faulty", False, misses=("missed",)),
            Held(
                Plan(recipe="int8"),
                "defective",
                True,
                causes=(("tflite", "skipped tanh"),),
                states=(("tflite", "wrong"),),
                defects=("skipped tanh",),
                integer_lstm=True,
            ),
        )
    )
    confusion, _, defects, problems = shown.tables
    rows = {row[0]: row[2:] for row in confusion.rows}
    assert rows["healthy"] == (2, 1, 1, 0, 1, 0)
    assert rows["faulty"] == (1, 1, 0, 0, 0, 1)
    assert rows["all"] == (4, 2, 2, 0, 1, 1)
    assert defects.rows[0][1:] == (1, 1, 0, 0)
    assert len(problems.rows) == 2
    assert "4 models of seed 7" in shown.text
    assert "1 of them with a false alarm" in shown.text


def _numbers(rows: Sequence[str]) -> list[list[int]]:
    return [[int(c) for c in row.split("|") if c.strip().isdigit()] for row in rows]


def test_the_page_and_the_readme_are_what_one_run_found() -> None:
    """The committed page has the tables of today's code, its figures add up, and the README has
    its table of defects."""
    text = report.DOCUMENT.read_text()
    shown = report.exhibit(_result())
    for table in shown.tables:
        assert f"## {table.title}" in text
        if table.title != "Where gate and truth part":
            assert "| " + " | ".join(table.columns) + " |" in text
            for row in table.rows:
                assert f"| {row[0]} |" in text, row
    confusion = text.partition("## What the gate says")[2].partition("##")[0]
    rows = {
        line.split("|")[1].strip(): _numbers([line])[0]
        for line in confusion.splitlines()
        if line.startswith("| ") and not line.startswith("| kind")
    }
    total = rows.pop("all")
    assert [sum(column) for column in zip(*rows.values(), strict=True)] == total
    assert total[0] == total[1] + total[2]
    assert f"{total[0]} models of seed" in text
    silent = text.partition(f"## {report.SILENT}")[2].partition("##")[0].strip()
    assert report.in_readme(report.README.read_text()) == silent


def test_a_readme_without_its_markers_is_told() -> None:
    with pytest.raises(ValueError, match="no table between"):
        report.in_readme("# A project")
    text = report.replaced(f"a\n{report.BEGIN}\nold\n{report.END}\nb", "new")
    assert report.in_readme(text) == "new"
    assert text.endswith("\nb")


class _Raising:
    """A world that fails on plans of one unit, and finds all others healthy."""

    def held(self, plan: Plan) -> Held:
        if plan.units == 1:
            raise ValueError("no such thing")
        return Held(plan, "healthy", red=False)


def test_what_the_world_itself_fails_on_is_a_finding() -> None:
    world: Any = _Raising()
    found = many.examine(world, Plan(units=1))
    assert isinstance(found, Held)
    assert "ValueError: no such thing (test_world.py:" in found.raised[0]
    healthy = many.examine(world, Plan(units=2))
    assert isinstance(healthy, Held)
    assert not healthy.problems


def test_a_run_that_is_interrupted_keeps_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = [Plan(units=k) for k in (2, 3, 4)]

    def ended(*_: object) -> Iterator[tuple[many.Found, float]]:
        yield Held(plans[0], "healthy", red=False), 1.0
        yield (plans[1], "Keras refuses it"), 1.0
        raise KeyboardInterrupt

    monkeypatch.setattr(many, "_each", ended)
    monkeypatch.setattr(many, "EVERY", 1)
    kept_so_far: list[Result] = []
    result = many.examined(plans, progress=kept_so_far.append)
    assert [len(kept.held) for kept in kept_so_far] == [1, 1]
    assert (len(result.held), len(result.unmakeable), result.asked) == (1, 1, 3)
    assert "1 models of the 3 asked for" in report.summary(result)
