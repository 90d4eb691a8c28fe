"""The judgement of operators and of whole models catches each fault, without a runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fixtures.outcomes import Outcome, Phase, StepResult
from fixtures.runtimes import RUNTIMES
from fixtures.subjects import Subject
from fixtures.variants import VARIANTS
from harness.comparison import budgets
from harness.comparison.budgets import against_another_runtime, description, expectation
from harness.comparison.compare import Allowed
from harness.execution.operator_runs import OperatorRun
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.lstm_reader import FoundLstm, lstm_operators
from harness.operators.exactness import (
    NO_HYBRID,
    Exactness,
    Expected,
    compare_operator,
    expected_of,
    merged,
    profile_of,
    split,
)
from harness.support.cache import Entry, Store
from reference.budgets.float_lstm import float_budget
from reference.budgets.monte_carlo import budgets as noise_budgets
from reference.budgets.monte_carlo import calibrate
from reference.lstm.float32_micro import lstm_float32
from reference.lstm.float64 import LstmOptions, LstmState, lstm
from reference.lstm.integer import lstm_integer
from reference.lstm.profiles import TFLITE_2_15, TFLM
from reference.network import UnsupportedLayer, evaluate
from reference.operators.sequence_lstm import NO_INPUT_GATE
from tests.support import derived
from tests.support.reference_models import float_weights, integer_input, integer_model

Array = NDArray[Any]
TFLITE, MICRO = RUNTIMES["tflite"], RUNTIMES["tflm"]


def _found(parameters: Any, options: LstmOptions | None = None, **more: Any) -> FoundLstm:
    options = options or LstmOptions()
    (found,) = lstm_operators(build(OperatorLstm(parameters, 5, 2, options, **more)).content)
    return found


def _floats(samples: int = 3, time_major: bool = False) -> Array:
    shape = (5, 2) if time_major else (2, 5)
    return np.random.default_rng(1).normal(size=(samples, *shape, 3)).astype(np.float32)


def _integers(model: Any, samples: int = 3) -> Array:
    return np.stack([integer_input(k, model, 2, 5) for k in range(samples)])


# Expected values --------------------------------------------------------------------------------


@pytest.mark.parametrize("time_major", [False, True])
def test_samples_become_rows_and_come_back(time_major: bool) -> None:
    x = _floats(3, time_major)
    together = merged(x, time_major)
    assert together.shape == ((5, 6, 3) if time_major else (6, 5, 3))
    np.testing.assert_array_equal(split(together, 3, time_major), x)
    row = together[:, 2] if time_major else together[2]
    np.testing.assert_array_equal(row, x[1, :, 0] if time_major else x[1, 0])


def test_each_runtime_has_its_profile() -> None:
    assert profile_of(MICRO) is TFLM
    for name in ("tflite", "tflite-reference", "tflite-no-xnnpack"):
        assert profile_of(RUNTIMES[name]) is TFLITE_2_15


@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize("runtime", [TFLITE, MICRO], ids=lambda r: r.name)
def test_integers_are_expected_to_the_bit(runtime: Any, time_major: bool) -> None:
    found = _found(integer_model(1, time_major=time_major))
    model = found.parameters
    x = _integers(model)
    expected = expected_of(found, runtime, x)
    assert isinstance(expected, Expected)
    assert expected.allowed is None
    assert expected.rule == f"0 LSB of the {profile_of(runtime).name} profile"
    for k, sample in enumerate(x):
        run = lstm_integer(model, sample, profile_of(runtime))  # type: ignore[arg-type]
        for got, want in zip(expected.values, (run.outputs, *run.state), strict=True):
            np.testing.assert_array_equal(got[k], want)


@pytest.mark.parametrize("time_major", [False, True])
def test_tflms_floats_are_expected_to_the_bit(time_major: bool) -> None:
    found = _found(float_weights(2), LstmOptions(time_major=time_major))
    x = _floats(3, time_major)
    state = tuple(np.full((3, 2, 5), value, np.float32) for value in (0.25, -0.5))
    for initial in ((), state):
        expected = expected_of(found, MICRO, x, initial)
        assert isinstance(expected, Expected)
        assert (expected.allowed, "bit-exact" in expected.rule) == (None, True)
        start = LstmState(*(s[1] for s in initial)) if initial else None
        run = lstm_float32(float_weights(2), x[1], found.options, start)
        for got, want in zip(expected.values, (run.outputs, *run.state), strict=True):
            np.testing.assert_array_equal(got[1], want)


@pytest.mark.parametrize("time_major", [False, True])
def test_tflites_floats_have_a_budget_each(time_major: bool) -> None:
    found = _found(float_weights(3), LstmOptions(time_major=time_major))
    x = _floats(3, time_major)
    state = tuple(np.full((3, 2, 5), value, np.float32) for value in (0.25, -0.5))
    for initial in ((), state):
        expected = expected_of(found, TFLITE, x, initial)
        assert isinstance(expected, Expected)
        assert expected.rule == "float64 oracle, float32 rounding by Monte Carlo"
        start = LstmState(*(s.reshape(-1, 5) for s in initial)) if initial else None
        joined = merged(x, time_major)
        run = lstm(float_weights(3), joined, found.options, start)
        allowed = float_budget(float_weights(3), joined, found.options, start)
        np.testing.assert_array_equal(expected.values[0], split(run.outputs, 3, time_major))
        assert expected.allowed is not None
        np.testing.assert_array_equal(expected.allowed[0], split(allowed.outputs, 3, time_major))
        for k, part in enumerate(("hidden", "cell"), 1):
            want, budget = getattr(run.state, part), getattr(allowed, part)
            np.testing.assert_array_equal(expected.values[k], want.reshape(3, 2, 5))
            np.testing.assert_array_equal(expected.allowed[k], budget.reshape(3, 2, 5))


def test_where_there_is_no_oracle_the_reason_is_said() -> None:
    x = _floats()
    assert expected_of(_found(float_weights(1), hybrid=True), MICRO, x) == NO_HYBRID
    plain = _found(float_weights(1))
    assert expected_of(replace(plain, parameters=None, problem="why"), TFLITE, x) == "why"
    model = integer_model(2)
    groups = ("input_kernel", "recurrent_kernel", "bias")
    scales = ("input_kernel_scale", "recurrent_kernel_scale")
    coupled = {name: getattr(model, name)._replace(i=None) for name in (*groups, *scales)}
    cifg = _found(replace(model, cell_scale=2.0**-16, **coupled))
    assert expected_of(cifg, TFLITE, _integers(model)) == NO_INPUT_GATE
    large = _found(integer_model(2, cell_scale=2.0**-8))
    assert "the oracle refuses the model: " in str(expected_of(large, TFLITE, _integers(model)))
    relu = _found(float_weights(1, peephole=True))
    assert isinstance(expected_of(relu, MICRO, x), str)


def test_a_chaotic_model_decides_nothing() -> None:
    weights = float_weights(5, units=24, features=8, scale=40.0)
    found = _found(weights, LstmOptions(activation="relu6"))
    x = 0.1 * np.random.default_rng(5).normal(size=(1, 1, 200, 8)).astype(np.float32)
    assert "decides nothing" in str(expected_of(found, TFLITE, x))


# Comparing --------------------------------------------------------------------------------------

VALUES = tuple(np.arange(n, dtype=np.int16).reshape(1, 2, -1) for n in (12, 4, 8))
EXACT = Expected(VALUES, "0 LSB")
FOUND = _found(float_weights(1))


def _run(changes: dict[int, Any] | None = None) -> OperatorRun:
    arrays = [np.array(value) for value in VALUES]
    for k, change in (changes or {}).items():
        arrays[k] = change(arrays[k])
    return OperatorRun(None, (arrays[0],), tuple(arrays[1:]))


def test_an_equal_run_is_proven() -> None:
    found = compare_operator(FOUND, 7, EXACT, _run())
    assert found == Exactness(7, "float", "0 LSB", 24, 0, 0.0, None, "", "")
    assert found.proven


@pytest.mark.parametrize(
    ("part", "name"), list(enumerate(["output", "hidden state", "cell state"]))
)
def test_a_wrong_value_is_named_with_its_part(part: int, name: str) -> None:
    def change(array: Array) -> Array:
        array[0, 1, 1:3] += 3
        return array

    found = compare_operator(FOUND, 2, EXACT, _run({part: change}))
    count = 2 if part != 1 else 1
    assert (found.mismatches, found.largest, found.proven) == (count, 3.0, False)
    assert f"LSTM operator 2: {count} of {VALUES[part].size} values of its {name}" in found.message
    want = int(VALUES[part][0, 1, 1])
    assert f"first at [0, 1, 1]: {want + 3}, expected {want}" in found.message


def test_the_first_wrong_part_is_told_and_all_are_counted() -> None:
    found = compare_operator(FOUND, 0, EXACT, _run({0: lambda a: a + 1, 2: lambda a: a - 5}))
    assert (found.mismatches, found.largest) == (20, 5.0)
    assert "its output are" in found.message


def test_nothing_is_no_proof() -> None:
    assert compare_operator(FOUND, 0, "no oracle", _run()).problem == "no oracle"
    assert compare_operator(FOUND, 0, "no oracle", _run()).rule == "none"
    crash = OperatorRun(StepResult(Phase.INVOKE, Outcome.CRASHED, "SIGSEGV"))
    found = compare_operator(FOUND, 1, EXACT, crash)
    assert (found.proven, found.values, found.rule) == (False, 0, "0 LSB")
    assert "SIGSEGV" in found.problem
    empty = tuple(value[:0] for value in VALUES)
    nothing = compare_operator(
        FOUND, 0, Expected(empty, "0 LSB"), OperatorRun(None, empty[:1], empty[1:])
    )
    assert (nothing.problem, nothing.proven) == ("nothing was compared", False)
    with pytest.raises(ValueError, match="zip"):
        compare_operator(FOUND, 0, EXACT, replace(_run(), states=()))


def test_floats_are_held_to_their_budgets() -> None:
    values = tuple(value.astype(np.float64) for value in VALUES)
    allowed = tuple(np.full(value.shape, 0.5) for value in values)
    within = Expected(values, "budget", allowed)
    half = compare_operator(FOUND, 0, within, _run({0: lambda a: a + 0.25, 1: lambda a: a - 0.5}))
    assert (half.mismatches, half.budget_used, half.largest, half.proven) == (0, 1.0, 0.5, True)
    over = compare_operator(FOUND, 0, within, _run({2: lambda a: a + 1.0}))
    assert (over.mismatches, over.budget_used) == (8, 2.0)
    lost = compare_operator(FOUND, 0, within, _run({2: lambda a: a * np.nan}))
    assert (lost.mismatches, lost.budget_used, lost.largest) == (8, np.inf, np.inf)
    none = Expected(values, "budget", tuple(np.zeros(value.shape) for value in values))
    assert compare_operator(FOUND, 0, none, _run()).budget_used == 0.0
    assert compare_operator(FOUND, 0, none, _run({0: lambda a: a + 1})).budget_used == np.inf


def test_not_a_number_is_never_exact() -> None:
    assert compare_operator(FOUND, 0, EXACT, _run({0: lambda a: a * np.nan})).mismatches == 12


def test_an_exactness_is_written_as_it_is() -> None:
    found = compare_operator(FOUND, 7, EXACT, _run())
    assert found.document()["values"] == 24
    assert not replace(found, mismatches=1).proven


# Whole models -----------------------------------------------------------------------------------


def test_an_expectation_is_the_oracles_and_is_kept(tmp_path: Path) -> None:
    name = "golden-sequences"
    document, weights = derived.records()[0][name], derived.part(name, "weight")
    inputs = derived.part(name, "input")
    store = Store(tmp_path)
    for quantization, scheme in (("float32", "float32"), ("int8-float-io", "int8")):
        made = expectation(document, weights, inputs, inputs, quantization, store)  # type: ignore[arg-type]
        ranges = calibrate(document, weights, inputs) if scheme == "int8" else None
        (budget,) = noise_budgets(document, weights, inputs, scheme, ranges)  # type: ignore[arg-type]
        assert made.budgets == (Allowed(budget.value, budget.rms),)
        np.testing.assert_array_equal(made.outputs[0], evaluate(document, weights, inputs)[0])
        assert made.rule == f"float64 oracle, {scheme} rounding by Monte Carlo"
        assert made.missing == ""
        hits = store.hits
        again = expectation(document, weights, inputs, inputs, quantization, store)  # type: ignore[arg-type]
        assert store.hits == hits + 1
        assert (again.budgets, again.rule, again.missing) == (made.budgets, made.rule, "")
        np.testing.assert_array_equal(again.outputs[0], made.outputs[0])


class Watched(Store):
    """A store that remembers which steps it had."""

    found: tuple[str, ...] = ()

    def read(self, key: Mapping[str, Any]) -> Entry | None:
        entry = super().read(key)
        if entry is not None:
            self.found += (key["step"],)
        return entry


@pytest.mark.parametrize("what", ["document", "weights", "stimulus", "calibration", "scheme"])
def test_everything_that_decides_an_expectation_is_in_its_key(tmp_path: Path, what: str) -> None:
    name = "golden-sequences"
    document, weights = derived.records()[0][name], derived.part(name, "weight")
    inputs = derived.part(name, "input")
    store = Watched(tmp_path)
    expectation(document, weights, inputs, inputs, "int8", store)
    other = {key: value * np.float32(0.5) for key, value in inputs.items()}
    expectation(
        {**document, "seed": 9} if what == "document" else document,
        {k: v * np.float32(2) for k, v in weights.items()} if what == "weights" else weights,
        other if what == "stimulus" else inputs,
        other if what == "calibration" else inputs,
        "int16x8" if what == "scheme" else "int8",
        store,
    )
    # Neither the stimulus nor the type decides the ranges of the calibration samples.
    assert store.found == (("ranges",) if what in ("stimulus", "scheme") else ())


@pytest.mark.parametrize("what", ["document", "weights", "samples", "carry_state", "final_cell"])
def test_everything_that_decides_ranges_is_in_their_key(tmp_path: Path, what: str) -> None:
    name = "golden-sequences"
    document, weights = derived.records()[0][name], derived.part(name, "weight")
    inputs = {k: v * np.float32(3) for k, v in derived.part(name, "input").items()}
    if what == "final_cell":  # small at the end, so that the final cell is not the largest
        for value in inputs.values():
            value[..., value.shape[-2] // 2 :, :] *= np.float32(0.01)
    store = Store(tmp_path)
    plain = budgets.ranges(document, weights, inputs, store)
    assert plain == budgets.ranges(document, weights, inputs, store)
    assert plain == calibrate(document, weights, inputs)
    assert store.hits == 1
    arguments = (
        {**document, "seed": 9} if what == "document" else document,
        {k: v * np.float32(2) for k, v in weights.items()} if what == "weights" else weights,
        {k: v * np.float32(2) for k, v in inputs.items()} if what == "samples" else inputs,
    )
    options: dict[str, Any] = {
        "carry_state": what != "carry_state",
        "final_cell": what == "final_cell",
    }
    other = budgets.ranges(*arguments, store, **options)
    assert store.hits == 1
    assert other == calibrate(*arguments, **options)
    assert (other == plain) is (what == "document")  # its seed decides no range
    assert other == budgets.ranges(*arguments, store, **options)
    assert store.hits == 2


def test_calibration_decides_nothing_in_float(tmp_path: Path) -> None:
    name = "golden-sequences"
    document, weights = derived.records()[0][name], derived.part(name, "weight")
    inputs = derived.part(name, "input")
    store = Store(tmp_path)
    expectation(document, weights, inputs, inputs, "float32", store)
    expectation(document, weights, inputs, {}, "float32", store)
    assert store.hits == 1


def test_the_code_of_the_oracle_is_part_of_the_key() -> None:
    assert len(budgets.code()) == 2
    assert all(len(digest) == 64 for digest in budgets.code())


def test_another_runtimes_answer_has_a_float_budget_only() -> None:
    outputs = [np.array([0.5, -0.25]), np.array([-8.0, 4.0])]
    found = against_another_runtime(outputs, "float32", "no oracle")
    assert found.budgets == (Allowed(2e-6), Allowed(1.6e-5))
    assert found.rule == "float32 without oracle: no oracle"
    for got, want in zip(found.outputs, outputs, strict=True):
        np.testing.assert_array_equal(got, want)
    none = against_another_runtime(outputs, "int8", "no oracle")
    assert (none.budgets, none.rule) == ((), "")
    assert none.missing == "no int8 budget can be derived: no oracle"
    assert len(none.outputs) == 2


def test_a_description_is_the_variants_or_of_the_configuration() -> None:
    subject = Subject("last", "catalogue", variant=VARIANTS["last"])
    assert description(subject, None) == VARIANTS["last"].document()
    with pytest.raises(UnsupportedLayer, match="no configuration"):
        description(Subject("user", "keras"), None)
    config = {
        "name": "user",
        "layers": [
            {
                "class_name": "InputLayer",
                "config": {"name": "x", "batch_input_shape": [None, 5, 3], "dtype": "float32"},
            },
            {"class_name": "LSTM", "config": {"name": "a", "units": 4}},
        ],
    }
    assert description(Subject("user", "keras"), config)["outputs"] == ["a"]


@pytest.mark.parametrize("runtime", [TFLITE, MICRO], ids=lambda r: r.name)
def test_integers_start_from_the_state_that_is_given(runtime: Any) -> None:
    model = integer_model(5)
    found, x = _found(model), _integers(model)
    rest = lstm_integer(model, x[0], profile_of(runtime)).state
    initial = tuple(np.stack([part] * 3) for part in rest)
    expected = expected_of(found, runtime, x, initial)
    assert isinstance(expected, Expected)
    run = lstm_integer(model, x[2], profile_of(runtime), rest)
    for got, want in zip(expected.values, (run.outputs, *run.state), strict=True):
        np.testing.assert_array_equal(got[2], want)
    plain = expected_of(found, runtime, x)
    assert isinstance(plain, Expected)
    assert not np.array_equal(plain.values[0], expected.values[0])


def test_what_was_not_compared_says_of_which_operator_and_why() -> None:
    crash = OperatorRun(StepResult(Phase.INVOKE, Outcome.CRASHED, "SIGSEGV"))
    for run, expected in ((_run(), "no oracle"), (crash, EXACT)):
        found = compare_operator(FOUND, 4, expected, run)
        assert (found.position, found.kind) == (4, "float")
    peephole = _found(float_weights(1, peephole=True))
    assert (
        expected_of(peephole, MICRO, _floats()) == "TensorFlow Lite Micro has the plain LSTM only"
    )
