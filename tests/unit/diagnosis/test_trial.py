"""Each fault of a file is named by its own name and no other, and a healthy file by none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.comparison.compare import Allowed
from harness.diagnosis.candidates import Candidate, candidates
from harness.diagnosis.source_model import Source, described_weights
from harness.diagnosis.trial import SCREENED, Answered, Explanation, explain, ranges_explain
from reference.budgets.monte_carlo import SAFETY, budgets, calibrate
from tests.support.networks import document, lstm_weights, named, node

Array = NDArray[Any]
STEPS, FEATURES, UNITS, BATCH, COUNT = 6, 3, 4, 1, 8
RANDOM = np.random.default_rng(11)


def _samples(*shape: int, kind: Any = np.float32, seed: int = 5) -> Array:
    drawn = np.random.default_rng([seed, *shape])
    if np.dtype(kind).kind == "i":
        return drawn.integers(1, 9, (COUNT, BATCH, *shape)).astype(kind)
    return drawn.normal(0, 1, (COUNT, BATCH, *shape)).astype(kind)


def _dense(name: str, inputs: int, units: int, seed: int = 1) -> dict[str, Array]:
    drawn = np.random.default_rng([seed, inputs, units])
    return named(name, [drawn.normal(0, 0.7, (inputs, units)), drawn.normal(0, 0.3, units)])


def _lstm(name: str, inputs: int = FEATURES, units: int = UNITS, seed: int = 3) -> dict[str, Array]:
    return named(name, lstm_weights(units, inputs, seed=seed))


def _sequence(**config: Any) -> Source:
    """LSTM with sequences, then a softmax for each step."""
    described = document(
        node("lstm", "LSTM", units=UNITS, return_sequences=True, **config),
        node("head", "Dense", "lstm", units=3, activation="softmax"),
        x=[STEPS, FEATURES],
    )
    weights = {**_lstm("lstm"), **_dense("head", UNITS, 3)}
    return Source(described, weights, {"x": _samples(STEPS, FEATURES)})


def _stack() -> Source:
    described = document(
        node("lstm", "LSTM", units=UNITS, return_sequences=True),
        node("second", "LSTM", "lstm", units=UNITS),
        x=[STEPS, FEATURES],
    )
    weights = {**_lstm("lstm"), **_lstm("second", UNITS, seed=8)}
    return Source(described, weights, {"x": 2 * _samples(STEPS, FEATURES)})


def _last(steps: int = STEPS) -> Source:
    described = document(
        node("lstm", "LSTM", units=UNITS),
        node("head", "Dense", "lstm", units=2, activation="tanh"),
        x=[steps, FEATURES],
    )
    weights = {**_lstm("lstm"), **_dense("head", UNITS, 2)}
    return Source(described, weights, {"x": _samples(steps, FEATURES)})


def _tokens() -> Source:
    described = document(
        node("words", "Embedding", input_dim=12, output_dim=FEATURES, mask_zero=True),
        node("lstm", "LSTM", "words", units=UNITS),
        node("head", "Dense", "lstm", units=1, activation="sigmoid"),
        x=[STEPS],
    )
    described["inputs"][0]["dtype"] = "int32"
    ids = _samples(STEPS, kind=np.int32)
    ids[:, :, -2:] = 0
    weights = {"words/0": RANDOM.normal(0, 1, (12, FEATURES))}
    return Source(described, {**weights, **_lstm("lstm"), **_dense("head", UNITS, 1)}, {"x": ids})


def _two() -> Source:
    described = document(
        node("left", "LSTM", "a", units=UNITS),
        node("right", "LSTM", "b", units=UNITS),
        {**node("both", "Concatenate"), "inputs": ["left", "right"]},
        node("first", "Dense", "both", units=2),
        node("second", "Dense", "both", units=2),
        a=[STEPS, FEATURES],
        b=[STEPS, FEATURES],
    )
    described["outputs"] = ["first", "second"]
    weights = {**_lstm("left"), **_lstm("right", seed=9)}
    weights |= {**_dense("first", 2 * UNITS, 2), **_dense("second", 2 * UNITS, 2, seed=4)}
    stimulus = {"a": _samples(STEPS, FEATURES), "b": _samples(STEPS, FEATURES, seed=6)}
    return Source(described, weights, stimulus)


def _normal() -> Source:
    described = document(
        node("norm", "BatchNormalization"),
        node("lstm", "LSTM", "norm", units=UNITS, return_sequences=True),
        node("layer", "LayerNormalization", "lstm"),
        x=[STEPS, FEATURES],
    )
    batch = [RANDOM.uniform(0.5, 2, FEATURES), *RANDOM.normal(0, 1, (2, FEATURES))]
    batch.append(RANDOM.uniform(0.5, 3, FEATURES))
    layer = [RANDOM.uniform(0.5, 2, UNITS), RANDOM.normal(0, 1, UNITS)]
    weights = {**named("norm", batch), **_lstm("lstm"), **named("layer", layer)}
    return Source(described, weights, {"x": _samples(STEPS, FEATURES)})


def _ways(**config: Any) -> Source:
    inner = {"class": "LSTM", "config": {"units": UNITS, "return_sequences": True}}
    described = document(
        node("both", "Bidirectional", layer=inner, **config),
        x=[STEPS, FEATURES],
    )
    ways = [*lstm_weights(UNITS, FEATURES, seed=3), *lstm_weights(UNITS, FEATURES, seed=5)]
    return Source(described, named("both", ways), {"x": _samples(STEPS, FEATURES)})


def _answered(source: Source, faulty: Source, scheme: Any = "float32") -> Answered:
    """What a runtime of that precision answers for the faulty model, and the healthy budgets."""
    ranges = calibrate(source.document, source.weights, source.stimulus)
    given = None if scheme == "float32" else ranges
    found = budgets(source.document, source.weights, source.stimulus, scheme, given)
    allowed = [Allowed(budget.value, budget.rms) for budget in found]
    outputs = [y.astype(np.float32) for y in faulty.answers()]
    if scheme == "int8":
        steps = [np.ptp(y) / 255 for y in source.answers()]
        outputs = [np.rint(y / step) * step for y, step in zip(outputs, steps, strict=True)]
    return Answered(outputs, allowed, scheme, given)


def _named(source: Source, faulty: Source, scheme: Any = "float32") -> Explanation | None:
    answered = _answered(source, faulty, scheme)
    return explain(source, answered, candidates(source, source.stimulus))


def _input(change: Callable[[Array], Array], name: str = "x") -> Callable[[Source], Source]:
    return lambda source: source.with_input(name, change(source.stimulus[name]))


def _late(x: Array) -> Array:
    return np.concatenate([np.zeros_like(x[:, :, :1]), x[:, :, :-1]], axis=2)


def _swapped(source: Source) -> Source:
    a, b = source.stimulus["a"], source.stimulus["b"]
    return source.with_input("a", b).with_input("b", a)


def _outputs_swapped(source: Source) -> Source:
    return replace(source, after=lambda found: found[::-1])


def _gates(a: int, b: int) -> Callable[[Source], Source]:
    def change(source: Source) -> Source:
        weights = dict(source.weights)
        for key in ("lstm/0", "lstm/1", "lstm/2"):
            parts = np.split(weights[key], 4, axis=-1)
            parts[a], parts[b] = parts[b], parts[a]
            weights[key] = np.concatenate(parts, axis=-1)
        return replace(source, weights=weights)

    return change


def _without_bias(key: str) -> Callable[[Source], Source]:
    return lambda source: source.with_weight(key, np.zeros_like(source.weights[key]))


def _options(name: str, **options: Any) -> Callable[[Source], Source]:
    return lambda source: source.with_options(name, **options)


Fault = tuple[Callable[[], Source], Callable[[Source], Source], str, str]
FAULTS: Mapping[str, Fault] = {
    "time": (_last, _input(lambda x: x[:, :, ::-1]), "time-reversed", "input 'x'"),
    "late": (_last, _input(_late), "one-step-late", "input 'x'"),
    "axes": (
        _last,
        _input(lambda x: x.swapaxes(-1, -2).reshape(x.shape)),
        *("axes-transposed", "input 'x'"),
    ),
    "square": (
        lambda: _last(FEATURES),
        _input(lambda x: x.swapaxes(-1, -2)),
        *("axes-transposed", "with time and features transposed"),
    ),
    "features": (_last, _input(lambda x: x[..., ::-1]), "features-reversed", "input 'x'"),
    "bytes": (_last, _input(lambda x: x / 255), "scaled", "divided by 255"),
    "twice": (_last, _input(lambda x: x * 255), "scaled", "multiplied by "),
    "centred": (_last, _input(lambda x: x / 127.5 - 1), "scaled", "x / 127.5 - 1"),
    "standard": (
        lambda: _last().with_input("x", 3 + 9 * _samples(STEPS, FEATURES)),
        _input(lambda x: (x - x.mean()) / x.std()),
        *("standardised", "standardised by mean and deviation"),
    ),
    "ids": (_tokens, _input(lambda x: x + 1), "ids-shifted", "+1"),
    "mask": (_tokens, _options("words", mask_zero=False), "mask-dropped", "layer 'words'"),
    "inputs": (_two, _swapped, "inputs-swapped", "'a' and 'b'"),
    "outputs": (_two, _outputs_swapped, "outputs-swapped", "second, first"),
    "softmax": (_sequence, _options("head", activation="linear"), "activation-missing", "softmax"),
    "sigmoid": (_sequence, _options("head", activation="sigmoid"), "another-activation", "'head'"),
    "hard": (
        _last,
        _options("lstm", recurrent_activation="hard_sigmoid"),
        *("another-activation", "layer 'lstm' has the recurrent activation hard_sigmoid"),
    ),
    "direction": (
        _stack,
        _options("second", go_backwards=True),
        *("direction", "layer 'second' reads its sequence backwards"),
    ),
    "gates": (_sequence, _gates(1, 2), "gates-swapped", "forget and cell gates"),
    "bias": (_sequence, _without_bias("lstm/2"), "bias-dropped", "layer 'lstm' lacks its bias"),
    "head": (_sequence, _without_bias("head/1"), "bias-dropped", "layer 'head' lacks its bias"),
    "state": (
        _last,
        lambda source: replace(source, carries=True),
        *("state-carried", "the state that the one before left"),
    ),
    "left out": (_normal, lambda s: s.without("norm"), "layer-missing", "'norm' is left out"),
    "epsilon": (_normal, _options("layer", epsilon=1e-5), "epsilon", "layer 'layer'"),
    "statistics": (
        _normal,
        lambda source: source.with_weight("norm/2", np.zeros(FEATURES)),
        *("statistics", "moving mean"),
    ),
    "directions": (
        _ways,
        lambda source: replace(
            source, weights={f"both/{k}": source.weights[f"both/{(k + 3) % 6}"] for k in range(6)}
        ),
        *("directions-swapped", "layer 'both'"),
    ),
    "merge": (
        lambda: _ways(merge_mode="sum"),
        _options("both", merge_mode="ave"),
        *("merge-mode", "merges by ave"),
    ),
}


def _small() -> Source:
    """`_normal` with an LSTM whose variance is below the epsilon of what normalises it."""
    source = _normal()
    return source.with_weight("lstm/0", 0.05 * source.weights["lstm/0"]).with_weight(
        "lstm/2", np.zeros_like(source.weights["lstm/2"])
    )


def _forget_bias(source: Source, more: float) -> Source:
    bias = np.array(source.weights["lstm/2"], np.float64)
    bias[UNITS : 2 * UNITS] += more
    return source.with_weight("lstm/2", bias)


def _saturating() -> Source:
    """`_last` with gates where a sigmoid and its piecewise form are furthest apart."""
    return _forget_bias(_last(), 1).with_input("x", 2 * _samples(STEPS, FEATURES))


def _remembering() -> Source:
    """`_last` with few steps and gates that forget little: a state that is carried counts."""
    return _forget_bias(_last(2), 4)


#: Models in which a fault is above what int8 rounds, where it is not in that of float32.
IN_INT8 = {"epsilon": _small, "hard": _saturating, "state": _remembering}


@pytest.mark.parametrize("scheme", ["float32", "int8"])
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_its_name(fault: str, scheme: str) -> None:
    make, change, name, says = FAULTS[fault]
    source = IN_INT8.get(fault, make)() if scheme == "int8" else make()
    found = _named(source, change(source), scheme)
    assert found is not None
    assert found.name.partition(":")[0] == name
    assert (says if scheme == "float32" else says.removesuffix(" 255")) in found.says
    assert found.budget_used <= 1 < found.without
    assert SAFETY * found.budget_used <= found.without


MODELS = pytest.mark.parametrize("make", [_sequence, _stack, _last, _tokens, _two, _normal, _ways])


@MODELS
@pytest.mark.parametrize("scheme", ["float32", "int8"])
def test_a_healthy_answer_needs_no_explanation(make: Callable[[], Source], scheme: str) -> None:
    source = make()
    assert _named(source, source, scheme) is None


@MODELS
def test_a_fault_that_nobody_knows_has_no_name(make: Callable[[], Source]) -> None:
    """Other weights altogether are none of these."""
    source = make()
    random = np.random.default_rng(8)
    others = {k: w + random.normal(0, 0.5, w.shape) for k, w in source.weights.items()}
    assert _named(source, replace(source, weights=others)) is None


def test_what_is_no_number_is_not_tried() -> None:
    source = _last()
    answered = _answered(source, source)
    broken = replace(answered, outputs=[np.full_like(y, np.nan) for y in answered.outputs])

    def never() -> Any:
        raise AssertionError("tried")
        yield

    assert explain(source, broken, never()) is None
    assert explain(source, answered, never()) is None  # nothing to explain


def test_a_change_that_a_model_cannot_have_is_passed_over() -> None:
    source = _last()
    faulty = source.with_input("x", source.stimulus["x"][:, :, ::-1])

    def impossible(given: Source) -> Source:
        return given.with_weight("lstm/0", np.zeros((1, 1)))

    tried = [Candidate("impossible", "", "", impossible), *candidates(source, {})]
    found = explain(source, _answered(source, faulty), tried)
    assert found is not None
    assert found.name == "time-reversed"


def test_of_several_the_first_that_fits_as_well_is_named() -> None:
    """A last answer of a reversed input is that of a layer that reads backwards."""
    source = _last()
    backwards = source.with_options("lstm", go_backwards=True)
    found = _named(source, backwards)
    assert found is not None
    assert found.name == "time-reversed"


def test_a_fit_that_leaves_half_of_the_error_is_none() -> None:
    source = _last()
    answers = source.answers()
    wide = [Allowed(1.0) for _ in answers]
    answered = Answered([y + 1.2 for y in answers], wide, "float32")
    half = Candidate("half", "", "", lambda s: replace(s, after=lambda found: [found[0] + 0.6]))
    most = Candidate("most", "", "", lambda s: replace(s, after=lambda found: [found[0] + 0.9]))
    assert explain(source, answered, [half]) is None
    found = explain(source, answered, [half, most])
    assert found is not None
    assert found.name == "most"


def test_most_is_explained_where_something_else_is_wrong_too() -> None:
    source = _last()
    answers = source.answers()
    wide = [Allowed(0.1) for _ in answers]
    answered = Answered([y + 1.2 for y in answers], wide, "int8")
    most = Candidate("most", "it", "", lambda s: replace(s, after=lambda found: [found[0] + 1.0]))
    half = Candidate("half", "", "", lambda s: replace(s, after=lambda found: [found[0] + 0.6]))
    assert explain(source, answered, [half, most]) is None
    assert explain(source, answered, [half], partly=True) is None
    found = explain(source, answered, [half, most], partly=True)
    assert found is not None
    assert (found.name, round(found.budget_used)) == ("most", 2)
    assert str(found).startswith("it: the source model changed so gives most of these answers")


def test_an_integer_output_ends_for_every_model() -> None:
    """What its range cuts off is nobody's fault but the calibration's."""
    source = _last()
    (right,) = source.answers()
    reversed_ = source.with_input("x", source.stimulus["x"][:, :, ::-1])
    (turned,) = reversed_.answers()
    end = 0.3 * float(np.abs(turned).max())
    allowed = [Allowed(0.02)]
    cut = Answered([np.clip(turned, -end, end)], allowed, "int8", ends=[(-end, end)])
    found = explain(source, cut, candidates(source, {}))
    assert found is not None
    assert found.name == "time-reversed"
    assert explain(source, replace(cut, ends=[None]), candidates(source, {})) is None
    assert not ranges_explain(source, cut, {})
    alone = replace(cut, outputs=[np.clip(right, -end, end)])
    assert ranges_explain(source, alone, {})
    assert explain(source, alone, candidates(source, {})) is None  # nothing else is wrong


def test_of_one_kind_the_first_is_named() -> None:
    source = _last()
    (right,) = source.answers()
    answered = Answered([right + 1.2], [Allowed(0.1)], "int8")
    tried = [
        Candidate(name, says, "", lambda s, by=by: replace(s, after=lambda y: [y[0] + by]))  # type: ignore[misc]
        for name, says, by in (("a", "first", 1.12), ("a", "best", 1.2), ("b", "other", 1.19))
    ]
    found = explain(source, answered, tried)
    assert found is not None
    assert found.says == "first"


def test_all_weights_are_named_where_nothing_narrower_fits() -> None:
    source = _last()
    (right,) = source.answers()
    answered = Answered([right + 1.2], [Allowed(0.1)], "int8")
    one, everything = (
        Candidate(name, name, "", lambda s, by=by: replace(s, after=lambda y: [y[0] + by]))  # type: ignore[misc]
        for name, by in (("weight", 1.14), ("other-weights", 1.2))
    )
    for tried, name in (((one, everything), "weight"), ((everything,), "other-weights")):
        found = explain(source, answered, tried)
        assert found is not None
        assert found.name == name


def test_samples_that_screen_are_few() -> None:
    assert SCREENED < COUNT
    source = _last()
    assert {len(a) for a in source.first(2).stimulus.values()} == {2}


def test_every_weight_has_a_title() -> None:
    titles = {w.key: w.title for w in described_weights(_normal().document, _normal().weights)}
    assert titles["norm/0"] == "gamma"
    assert titles["norm/3"] == "moving variance"
    assert titles["lstm/1"] == "recurrent kernel"
    assert titles["layer/1"] == "beta"
    ways = described_weights(_ways().document, _ways().weights)
    assert [w.title for w in ways][3] == "backward kernel"
