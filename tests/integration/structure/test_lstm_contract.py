"""Contract and scale rules raise nothing on healthy LSTMs and name each injected fault.

What a fault predicts comes true on both runtimes.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.assurance.certificate.editing import edited, set_quantisation
from harness.assurance.certificate.faults.model_faults import activation as fused
from harness.conversion.inspection import inspect
from harness.conversion.recurrent_layers import Recurrent
from harness.flatbuffer.lstm_builder import OperatorLstm, build
from harness.flatbuffer.structure import Structure
from harness.quantization.scale_predictions import OperatorBench, predict
from harness.quantization.scale_rules import quantization_findings
from harness.structure.findings import errors
from harness.structure.lstm_contract import contract_findings
from harness.support.cache import Store
from harness.workers.client import Worker
from harness.workers.server_handle import Server
from reference.lstm.float64 import LstmOptions
from tests.support.reference_models import float_weights, integer_input, integer_model

UNITS = 6


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Server, Server]]:
    heavy, light = Server(("keras",)), Server(("tflite", "tflm", "inspect"))
    yield heavy, light
    heavy.close()
    light.close()


@pytest.fixture(scope="module")
def bench(servers: tuple[Server, Server]) -> Iterator[OperatorBench]:
    found = OperatorBench(*servers, Store(None))
    yield found
    found.close()


@pytest.fixture(scope="module")
def read(servers: tuple[Server, Server]) -> Iterator[Callable[[OperatorLstm], dict[str, Any]]]:
    worker = Worker(servers[1], "inspect")

    def document(lstm: OperatorLstm) -> dict[str, Any]:
        data = np.frombuffer(build(lstm).content, np.uint8)
        structure = inspect(worker, data).structure
        assert structure is not None
        return dict(copy.deepcopy(structure.document))

    yield document
    worker.close()


Read = Callable[[OperatorLstm], dict[str, Any]]


def _graph(document: dict[str, Any]) -> dict[str, Any]:
    graph: dict[str, Any] = document["subgraphs"][0]
    return graph


def _tensor(document: dict[str, Any], number: int) -> dict[str, Any]:
    graph = _graph(document)
    tensor: dict[str, Any] = graph["tensors"][graph["operators"][0]["inputs"][number]]
    return tensor


def _contract(document: dict[str, Any]) -> list[str]:
    return [finding.rule for finding in contract_findings(Structure(document))]


def _scales(document: dict[str, Any]) -> list[str]:
    return [finding.rule for finding in quantization_findings(Structure(document))]


@pytest.mark.parametrize("time_major", [False, True])
def test_healthy_operators_raise_nothing(read: Read, time_major: bool) -> None:
    options = LstmOptions(time_major=time_major)
    document = read(OperatorLstm(float_weights(1, units=UNITS), 5, 2, options))
    assert _contract(document) == []
    document = read(OperatorLstm(integer_model(1, units=UNITS, time_major=time_major), 5, 2))
    assert _contract(document) == []
    assert _scales(document) == []


def _drop(number: int) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        _graph(document)["operators"][0]["inputs"][number] = -1

    return change


def _set(number: int, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        _tensor(document, number)[key] = value

    return change


def _cut(document: dict[str, Any]) -> None:
    operator = _graph(document)["operators"][0]
    operator["inputs"] = operator["inputs"][:20]


def _relu(document: dict[str, Any]) -> None:
    _graph(document)["operators"][0]["options"]["fusedActivationFunction"] = 1


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (_drop(2), "lstm-inputs"),
        (_drop(1), "lstm-inputs"),
        (_drop(18), "lstm-inputs"),
        (_cut, "lstm-20-inputs"),
        (_relu, "lstm-activation"),
        (_set(18, "variable", False), "lstm-state-variable"),
        (_set(19, "variable", False), "lstm-state-variable"),
        (_set(18, "shape", [1, UNITS]), "lstm-state-shape"),
        (_set(19, "shape", [2, UNITS + 1]), "lstm-state-shape"),
        (_set(6, "shape", [UNITS, UNITS + 1]), "lstm-shape"),
        (_set(13, "shape", [UNITS - 1]), "lstm-shape"),
        (_set(3, "bytes", 0), "lstm-constant"),
    ],
)
def test_each_breach_of_the_contract_is_named(
    read: Read, fault: Callable[[dict[str, Any]], None], rule: str
) -> None:
    document = read(OperatorLstm(float_weights(2, units=UNITS), 5, 2))
    fault(document)
    assert rule in _contract(document)


@pytest.mark.parametrize("what", ["peephole", "cifg", "layer_norm"])
def test_forms_that_tflm_refuses_are_predicted_and_refused(
    read: Read, bench: OperatorBench, what: str
) -> None:
    form: dict[str, Any] = {what: True}
    lstm = OperatorLstm(float_weights(3, units=UNITS, **form), 4, 1)
    found = contract_findings(Structure(read(lstm)))
    assert any(finding.predicts.get("tflm") == "refuses" for finding in found)
    x = np.random.default_rng(3).normal(size=(1, 4, 3)).astype(np.float32)
    answer, ended = bench.run(build(lstm).content, x, "tflm")
    assert answer is None
    assert "refused in load" in ended


def test_a_fused_activation_is_lost_on_tflm_as_predicted(read: Read, bench: OperatorBench) -> None:
    weights = float_weights(4, units=UNITS)
    x = np.random.default_rng(4).normal(size=(1, 4, 3)).astype(np.float32)
    answers = {}
    for activation in ("tanh", "relu", "none"):
        options = LstmOptions(activation=activation)
        lstm = OperatorLstm(weights, 4, 1, options)
        for runtime in ("tflite", "tflm"):
            answers[activation, runtime] = bench.run(build(lstm).content, x, runtime)[0]
        assert len(contract_findings(Structure(read(lstm)))) == (activation != "tanh")
    arrays = {key: np.asarray(answer) for key, answer in answers.items()}
    assert np.array_equal(arrays["none", "tflm"], arrays["relu", "tflm"])
    assert not np.allclose(arrays["relu", "tflite"], arrays["relu", "tflm"])
    assert np.allclose(arrays["tanh", "tflite"], arrays["tanh", "tflm"], atol=1e-6)


@pytest.mark.parametrize(("largest", "level"), [(8.9, None), (9.1, "warning"), (10.5, "error")])
def test_a_cell_that_comes_near_the_clip_is_named(
    read: Read, largest: float, level: str | None
) -> None:
    options = LstmOptions(cell_clip=10.0)
    structure = Structure(read(OperatorLstm(float_weights(5, units=UNITS), 4, 1, options)))
    found = contract_findings(structure, cell_ranges={"lstm": largest})
    assert [finding.level for finding in found] == ([level] if level else [])


def test_a_dropped_initial_state_is_named(read: Read) -> None:
    structure = Structure(read(OperatorLstm(float_weights(6, units=UNITS), 4, 1)))
    for state, count in (("constant", 1), ("zeros", 0), ("", 0)):
        layer = Recurrent("lstm", "LSTM", {"units": UNITS}, initial_state=state)  # type: ignore[arg-type]
        found = contract_findings(structure, [layer])
        assert [f.rule for f in found] == ["initial-state-dropped"] * count


# Scales -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        (_set(18, "scale", [0.0079]), "hidden-scale"),
        (_set(18, "zero_point", [-2]), "hidden-scale"),
        (_set(19, "scale", [3.0e-4]), "cell-scale"),
        (_set(19, "scale", [2.0**-16]), "cell-scale"),
        (_set(19, "scale", [2.0**-8]), "cell-scale"),
        (_set(19, "zero_point", [1]), "zero-point"),
        (_set(19, "dtype", "int8"), "lstm-dtype"),
        (_set(2, "zero_point", [3]), "zero-point"),
        (_set(2, "dtype", "int16"), "lstm-dtype"),
        (_set(7, "zero_point", [-1]), "zero-point"),
        (_set(14, "scale", [1.0e-4]), "bias-scale"),
        (_set(3, "scale", [0.0101]), "bias-scale"),
        (_set(0, "scale", [0.0201]), "bias-scale"),
        (_set(6, "scale", [1.0e9]), "multiplier-range"),
        (_set(6, "scale", [1.0e-14]), "multiplier-range"),
        (_set(0, "scale", [4.6e-41]), "scale-degenerate"),
        (_set(0, "scale", [float("nan")]), "scale-degenerate"),
    ],
)
def test_each_broken_scale_rule_is_named_with_its_tensors(
    read: Read, fault: Callable[[dict[str, Any]], None], rule: str
) -> None:
    document = read(OperatorLstm(integer_model(7, units=UNITS), 5, 2))
    assert _scales(document) == []
    fault(document)
    named = [f for f in errors(quantization_findings(Structure(document))) if f.rule == rule]
    assert named
    assert named[0].tensors


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, set()),
        ({"hidden_scale": 0.0068}, {"tflite"}),
        ({"hidden_zero_point": 9}, {"tflite"}),
        ({"output_scale": 0.0068, "output_zero_point": -3}, {"tflite", "tflm"}),
        ({"output_state_scale": 0.0060, "output_scale": 0.0078, "output_zero_point": -3},
         {"tflite", "tflm"}),
        ({"cell_scale": 2.0**-17}, {"tflite"}),
    ],
)  # fmt: skip
def test_what_a_scale_fault_predicts_comes_true(
    read: Read, bench: OperatorBench, changes: dict[str, Any], wrong: set[str]
) -> None:
    """The rule, the oracles and the runtimes say the same: who is wrong, and by how much."""
    model = _calm(integer_model(8, units=UNITS))
    model = replace(model, output_scale=0.0078, output_zero_point=-3)
    if "cell_scale" in changes:  # small weights, as the fault comes about
        model = replace(model, input_scale=0.0005)
    model = replace(model, **changes)
    x = integer_input(9, model)
    batch, time = x.shape[:2]
    findings = quantization_findings(Structure(read(OperatorLstm(model, time, batch))))
    rules = [f for f in findings if f.rule in ("hidden-scale", "cell-scale")]
    assert {name for finding in rules for name in finding.predicts} == wrong
    said, parted = bench.examine(model, x)
    assert {name for name, one in said.items() if one.wrong} == wrong
    assert parted == dict.fromkeys(bench.runtimes, "")


def _calm(model: Any) -> Any:
    """The same model with recurrent kernels of ordinary size."""
    scales = type(model.recurrent_kernel_scale)(0.003, 0.003, 0.003, 0.003)
    return replace(model, recurrent_kernel_scale=scales)


def test_an_answer_that_is_not_the_oracles_is_seen(bench: OperatorBench) -> None:
    model = _calm(integer_model(10, units=UNITS))
    x = integer_input(11, model)
    said = predict(model, x)
    content = build(OperatorLstm(model, x.shape[1], x.shape[0])).content
    for runtime in bench.runtimes:
        answer = said[runtime].answer
        assert answer is not None
        other = answer.copy()
        other[0, 0, 0] ^= 1
        parted = bench.disagreements(content, x, runtime, replace(said[runtime], answer=other))
        assert "differs from its integer oracle in 1 of" in parted


@pytest.mark.parametrize(("number", "tflm"), [(2, "subtracts"), (6, "subtracts"), (13, "ignores")])
def test_what_becomes_of_a_zero_point_that_should_be_0(
    read: Read, bench: OperatorBench, number: int, tflm: str
) -> None:
    """TFLite ignores one of a kernel, TFLite Micro subtracts it, and both ignore one of a bias:
    the rule predicts neither, since it cannot know how the numbers were meant."""
    model = _calm(integer_model(12, units=UNITS))
    kernel = {2: "input_kernel", 6: "recurrent_kernel"}.get(number)
    if kernel:  # so that one less fits
        gates = getattr(model, kernel)
        model = replace(model, **{kernel: gates._replace(f=np.maximum(gates.f, -126))})
    x = integer_input(12, model)
    batch, time = x.shape[:2]
    content = build(OperatorLstm(model, time, batch)).content
    changed = edited(content, lambda lstm: set_quantisation(lstm.tensor(number), shift=1))
    document = read(OperatorLstm(model, time, batch))
    _tensor(document, number)["zero_point"] = [1]
    (finding,) = quantization_findings(Structure(document))
    assert (finding.rule, finding.level, finding.predicts) == ("zero-point", "error", {})
    for runtime in bench.runtimes:
        plain, got = (bench.run(c, x, runtime)[0] for c in (content, changed))
        assert plain is not None
        assert got is not None
        if runtime == "tflite" or tflm == "ignores":
            np.testing.assert_array_equal(got, plain)
            continue
        assert kernel is not None
        gates = getattr(model, kernel)
        less = replace(model, **{kernel: gates._replace(f=(gates.f - 1).astype(np.int8))})
        expected = bench.run(build(OperatorLstm(less, time, batch)).content, x, runtime)[0]
        assert expected is not None
        assert np.array_equal(got, expected)


def test_a_fused_activation_in_integers_is_tanh_on_tflite_only(bench: OperatorBench) -> None:
    model = _calm(integer_model(13, units=UNITS))
    x = integer_input(13, model)
    batch, time = x.shape[:2]
    content = build(OperatorLstm(model, time, batch)).content
    for name in ("relu", "none"):
        changed = edited(content, fused(name))
        same = {}
        for runtime in bench.runtimes:
            plain, got = (bench.run(c, x, runtime)[0] for c in (content, changed))
            assert plain is not None
            assert got is not None
            same[runtime] = np.array_equal(plain, got)
        assert same == {"tflite": True, "tflm": False}
