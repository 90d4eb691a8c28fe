"""The golden models, their oracle and their padding are each seen to fail when they must."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.golden import catalogue
from fixtures.golden.catalogue import FOLDER, GOLDEN, Golden, provenance
from fixtures.outcomes import Outcome
from harness.checks.golden import judged
from harness.checks.golden_answers import content, options, recorded
from harness.checks.golden_models import GoldenModel, read
from harness.checks.golden_oracle import answer
from harness.flatbuffer import lstm_padding
from harness.flatbuffer.schema import pack, unpack
from reference.lstm.float64 import PLAIN
from reference.lstm.weights import LstmWeights

MODELS = sorted(provenance()["models"])
MiB = 1 << 20


def _model(name: str, quantised: bool = False) -> GoldenModel:
    return read(content(Golden(name, quantised, False)))


def test_the_files_are_those_of_the_provenance_and_small() -> None:
    for spec in provenance()["models"].values():
        for file, digest in spec["sha256"].items():
            assert hashlib.sha256((FOLDER / file).read_bytes()).hexdigest() == digest
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1.5 * MiB
    assert provenance()["made_by"]["tensorflow"].startswith("1.15")


def test_the_documented_model_and_every_variant_are_there() -> None:
    wanted = {"documented", "bidirectional", "peephole", "projection", "cell-clip", "proj-clip"}
    assert wanted <= set(MODELS)
    documented = provenance()["models"]["documented"]
    assert (documented["layers"], documented["units"]) == (2, 64)
    for spec in provenance()["models"].values():
        first, last = spec["loss"]
        assert last < first  # it was trained


@pytest.mark.parametrize("name", MODELS)
def test_the_oracle_is_the_recorded_session(name: str) -> None:
    """TensorFlow 1.15's answer within its own float32 rounding, clips and activation included."""
    known = recorded(name, False)
    error = np.abs(known.session[:, 0] - known.trained.value)
    assert (error <= known.trained.budget).all()
    assert known.trained.budget.max() < 1e-5
    assert np.ptp(known.session, axis=0).max() > 0.1  # the samples have different answers


def _layers(change: Callable[[LstmWeights], LstmWeights]) -> Callable[[GoldenModel], GoldenModel]:
    def changed(model: GoldenModel) -> GoldenModel:
        layers = tuple(
            replace(layer, weights=tuple(change(w) for w in layer.weights))  # type: ignore[arg-type]
            for layer in model.layers
        )
        return replace(model, layers=layers)

    return changed


def _swapped(weights: LstmWeights) -> LstmWeights:
    kernel = weights.input_kernel
    return replace(weights, input_kernel=kernel._replace(f=kernel.o, o=kernel.f))


def _no_bias(weights: LstmWeights) -> LstmWeights:
    zero = weights.bias._replace(f=np.zeros_like(weights.bias.f))
    return replace(weights, bias=zero)


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("forget-bias", _layers(_swapped)),
        ("forget-bias", _layers(_no_bias)),
        ("peephole", _layers(lambda weights: replace(weights, peephole=None))),
        ("bidirectional", lambda m: replace(m, kernel=np.roll(m.kernel, 32, axis=1))),
        ("documented", lambda model: replace(model, layers=(model.layers[0],) * 1)),
    ],
)
def test_a_fault_in_the_weights_is_seen(name: str, fault: Callable[[Any], Any]) -> None:
    known = recorded(name, False)
    wrong = answer(fault(_model(name)), options(name), known.inputs[:, 0]).value
    outcome = judged(known, wrong[:, None].astype(np.float32)).result
    assert outcome.outcome is Outcome.DIVERGED
    assert "differs from the recorded session" in outcome.message


@pytest.mark.parametrize("name", ["cell-clip", "proj-clip", "relu"])
def test_the_options_that_the_converter_dropped_are_what_differs(name: str) -> None:
    """Without them the oracle says what today's runtimes say, and not what the session did."""
    known = recorded(name, False)
    without = answer(_model(name), PLAIN, known.inputs[:, 0])
    assert options(name) != PLAIN
    assert np.abs(without.value - known.session[:, 0]).max() > 0.1


def test_what_int8_weights_change_is_larger_than_rounding_and_is_no_excuse() -> None:
    known = recorded("forget-bias", True)
    moved = np.abs(known.own.value - known.trained.value).max()
    assert moved > 10 * known.trained.budget.max()
    assert known.own.budget.max() < 0.02
    of_float = judged(known, known.trained.value[:, None].astype(np.float32))
    assert of_float.result.agreed  # within what a hybrid kernel may round
    halved = replace(known, own=replace(known.own, budget=known.trained.budget))
    assert not judged(halved, known.trained.value[:, None].astype(np.float32)).result.agreed


@pytest.mark.parametrize(
    "spoilt",
    [
        lambda y: y * np.nan,
        lambda y: y[:, :, ::-1],
        lambda y: np.zeros_like(y),
        lambda y: y[:, :, :5],
        lambda y: y + np.float32(1e-4),
        lambda y: np.roll(y, 1, axis=0),
    ],
)
def test_a_wrong_answer_diverges(spoilt: Callable[[Any], Any]) -> None:
    known = recorded("forget-bias", False)
    assert judged(known, known.session).result.agreed
    assert judged(known, spoilt(known.session)).result.outcome is Outcome.DIVERGED


def test_a_graph_of_another_form_is_refused() -> None:
    model = unpack(content(Golden("rnn", False, False)))
    graph = model.subgraphs[0]
    graph.operators = [op for op in graph.operators if len(op.inputs) != 5]
    with pytest.raises(ValueError, match="0 recurrent and 1 dense"):
        read(pack(model))


# The upgrade --------------------------------------------------------------------------------


def test_the_upgrade_appends_four_absent_inputs_and_changes_nothing_else() -> None:
    old = content(Golden("documented", False, False))
    before, after = unpack(old), unpack(lstm_padding.padded(old))
    pairs = zip(before.subgraphs[0].operators, after.subgraphs[0].operators, strict=True)
    changed = 0
    for a, b in pairs:
        if list(a.inputs) != list(b.inputs):
            assert list(b.inputs) == [*a.inputs, -1, -1, -1, -1]
            changed += 1
    assert changed == 2
    assert _equal(read(old), read(lstm_padding.padded(old)))


def _equal(a: GoldenModel, b: GoldenModel) -> bool:
    x = recorded("documented", False).inputs[:2, 0]
    return bool(np.array_equal(answer(a, PLAIN, x).value, answer(b, PLAIN, x).value))


def test_the_upgrade_refuses_what_it_would_harm_or_not_help() -> None:
    hybrid = content(Golden("documented", True, False))
    with pytest.raises(lstm_padding.NotUpgradable, match="answer NaN: use the float model"):
        lstm_padding.padded(hybrid)
    for file in (
        lstm_padding.padded(content(Golden("documented", False, False))),
        content(Golden("rnn", False, False)),
    ):
        with pytest.raises(lstm_padding.NotUpgradable, match="nothing to upgrade"):
            lstm_padding.padded(file)
    with pytest.raises(ValueError, match="TFL3"):
        lstm_padding.padded(b"not a model at all")


def test_the_command_writes_the_upgraded_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = FOLDER / "forget-bias.tflite", tmp_path / "new.tflite"
    assert lstm_padding.main([str(old), str(new)]) == 0
    assert new.read_bytes() == lstm_padding.padded(old.read_bytes())
    assert lstm_padding.main([str(new), str(tmp_path / "again.tflite")]) == 1
    assert "nothing to upgrade" in capsys.readouterr().err
    assert not (tmp_path / "again.tflite").exists()


def test_padded_subjects_are_those_whose_operator_has_20_inputs() -> None:
    padded = {golden.model for golden in GOLDEN.values() if golden.padded}
    assert padded == {
        name for name, spec in catalogue.provenance()["models"].items() if "wrapper" not in spec
    }
