"""Compute what the oracles derive (budgets, ranges, ideal runs, tables), to keep on record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from reference.arithmetic import activations
from reference.budgets.float_lstm import float_budget
from reference.budgets.monte_carlo import Scheme, budgets, calibrate
from reference.budgets.quantised_lstm import ideal_run, kernel_budget
from reference.lstm.float64 import LstmOptions, LstmState
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_weights import GateScales
from reference.lstm.profiles import TFLITE_2_15, TFLM
from tests.support.recorded_models import integer_operators
from tests.support.reference_models import float_weights, integer_input, integer_model

FOLDER = Path(__file__).parent / "golden"
SCHEMES: tuple[Scheme, ...] = ("float32", "float16", "dynamic-range", "int8", "int16x8")
#: Networks whose budgets are on record: every layer in one of them.
BUDGETED = (
    *("golden-sequences", "golden-digits", "golden-gru", "golden-simple-rnn", "golden-embedding"),
    *("golden-conv-lstm", "golden-add", "golden-layer-norm", "golden-bidirectional-sum"),
    *("golden-masking", "golden-return-state", "golden-stacked-rnn-cells", "golden-conv-before"),
    *("golden-bidirectional-mul", "golden-bidirectional-ave", "golden-two-inputs"),
    *("golden-time-distributed", "golden-gru-before", "golden-relu", "golden-hard-sigmoid"),
)
TRIALS = 3
#: Integer operators of any scales.
DRAWN = 24

Figures = dict[str, list[float]]


@lru_cache(maxsize=1)
def records() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Documents and arrays of the networks on record."""
    documents = json.loads((FOLDER / "networks.json").read_text())
    with np.load(FOLDER / "networks.npz", allow_pickle=False) as archive:
        return documents, {key: archive[key] for key in archive.files}


def part(name: str, kind: str) -> dict[str, Any]:
    """Weights, inputs or outputs of a network, by their own names."""
    start = f"{name}/{kind}/"
    return {k.removeprefix(start): v for k, v in records()[1].items() if k.startswith(start)}


def of_network(name: str) -> Figures:
    """Budgets under every scheme, and the ranges that calibration finds."""
    document, weights, inputs = records()[0][name], part(name, "weight"), part(name, "input")
    found: Figures = {}
    kinds: tuple[tuple[str, dict[str, Any]], ...] = (
        ("carried", {}),
        ("fresh", {"carry_state": False}),
        ("final", {"final_cell": True}),
    )
    for title, options in kinds:
        ranges = calibrate(document, weights, inputs, **options)
        for tensor, ends in ranges.items():
            found[f"{title}/{tensor}"] = [float(end) for end in ends]
    ranges = calibrate(document, weights, inputs)
    for scheme in SCHEMES:
        given = ranges if scheme.startswith("int") else None
        made = budgets(
            document, weights, inputs, scheme, given, TRIALS, minimum_elements=20, cell_clip=0.7
        )
        for k, budget in enumerate(made):
            found[f"{scheme}/{k}"] = [
                *(budget.value, budget.rms, budget.systematic),
                *(budget.random, budget.typical, budget.scale),
            ]
    return found


def of_operators() -> Figures:
    """Budgets of single LSTMs, float and ideal integer, as sums that every element moves."""
    found: Figures = {}
    x = np.random.default_rng(5).normal(size=(2, 6, 3)).astype(np.float32)
    forms: dict[str, tuple[Any, LstmOptions]] = {
        "plain": (float_weights(1), LstmOptions()),
        "everything": (
            float_weights(2, peephole=True, cifg=True, outputs=3, layer_norm=True),
            LstmOptions(cell_clip=0.6, projection_clip=0.5),
        ),
        "time-major": (float_weights(3), LstmOptions(time_major=True)),
        "backwards": (float_weights(4), LstmOptions(go_backwards=True, activation="relu")),
        "peephole": (float_weights(6, peephole=True, layer_norm=True), LstmOptions()),
        "projection": (float_weights(7, outputs=4), LstmOptions(cell_clip=0.4)),
    }
    for name, (weights, options) in forms.items():
        for title, state in (("", None), (" from a state", _state(weights, options, x))):
            budget = float_budget(weights, x, options, state, seed=3)
            found[f"float {name}{title}"] = [_sum(array) for array in budget]
    for name, (model, _) in integer_operators().items():
        x8 = integer_input(2, model, batch=2, time=5)
        run = ideal_run(model, x8)
        found[f"ideal {name}"] = [_sum(run.outputs), _sum(run.state.hidden), _sum(run.state.cell)]
        if model.peephole is None and model.projection is None:
            ideal, budget = kernel_budget(model, x8)
            found[f"kernel {name}"] = [_sum(ideal.outputs), *(_sum(array) for array in budget)]
            ideal, budget = kernel_budget(model, x8, run.state)
            parts = [_sum(ideal.outputs), *(_sum(array) for array in budget)]
            found[f"kernel {name} from a state"] = parts
    return found


def of_drawn_operators() -> dict[str, str]:
    """Digests of integer LSTMs of any scales, on both profiles, from rest and from a state: what
    only some scales show (a product rounded to float32, a multiplier that saturates)."""
    found = {}
    for seed in range(DRAWN):
        random = np.random.default_rng([9, seed])

        def scale(least: float, most: float, draw: Any = random) -> float:
            return float(np.float32(2.0 ** draw.uniform(least, most)))

        four = [GateScales(*(scale(-9, -4) for _ in range(4))) for _ in range(2)]
        output = scale(-9, -6), int(random.integers(-128, 128))
        model = integer_model(
            seed,
            input_scale=scale(-8, -3),
            input_zero_point=int(random.integers(-128, 128)),
            input_kernel_scale=four[0],
            recurrent_kernel_scale=four[1],
            output_state_scale=output[0],
            output_state_zero_point=output[1],
            output_scale=output[0],
            output_zero_point=output[1],
            hidden_scale=output[0] if seed % 3 else scale(-9, -6),
            hidden_zero_point=output[1],
            cell_scale=2.0 ** int(random.integers(-16, -8)),
            cell_clip=float(random.choice([0.0, 0.3, 2.0])),
        )
        x = integer_input(seed, model, batch=6, time=10)
        for profile in (TFLITE_2_15, TFLM):
            run = lstm_integer(model, x, profile)
            again = lstm_integer(model, x, profile, run.state)
            parts = [run.outputs, *run.state, again.outputs, *again.state]
            found[f"{seed} {profile.name}"] = _digest(np.concatenate([a.ravel() for a in parts]))
    return found


def _state(weights: Any, options: LstmOptions, x: Any) -> LstmState:
    batch = x.shape[1] if options.time_major else x.shape[0]
    random = np.random.default_rng(8)
    hidden = random.uniform(-0.5, 0.5, (batch, weights.outputs)).astype(np.float32)
    return LstmState(hidden, random.uniform(-0.5, 0.5, (batch, weights.units)).astype(np.float32))


def _sum(array: Any) -> float:
    """A weighted sum: exchanged elements show."""
    flat = np.asarray(array, np.float64).ravel()
    return float((flat * np.linspace(1, 2, flat.size)).sum())


def tables() -> dict[str, str]:
    """Digests of every activation over every eleventh int16 argument, and those around 0 and
    the ends."""
    near = np.arange(-40, 41)
    ends = np.concatenate([-(2**15) + near[40:], near, 2**15 - 1 - near[40:]])
    x = np.unique(np.concatenate([np.arange(-(2**15), 2**15, 11), ends])).astype(np.int16)
    found = {}
    for bits in range(7):
        found[f"gemmlowp tanh {bits}"] = _digest(activations.gemmlowp_tanh(x, bits))
        found[f"gemmlowp logistic {bits}"] = _digest(activations.gemmlowp_logistic(x, bits))
    for multiplier, shift in ((3, 0), (3, 1), (6, 0), (3, 3), (48, 0), (3 << 7, 0)):
        key = f"{multiplier} {shift}"
        found[f"table tanh {key}"] = _digest(activations.table_tanh(x, multiplier, shift))
        found[f"table logistic {key}"] = _digest(activations.table_logistic(x, multiplier, shift))
    return found


def _digest(array: Any) -> str:
    return hashlib.sha256(np.asarray(array).astype("<i2").tobytes()).hexdigest()


def figures() -> dict[str, Any]:
    """Everything that goes on record."""
    return {
        "networks": {name: of_network(name) for name in BUDGETED},
        "operators": of_operators(),
        "drawn": of_drawn_operators(),
        "tables": tables(),
    }
