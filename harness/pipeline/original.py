"""Derive how far a flatbuffer may be from the answers of the model it was converted from.

There is no Keras model and so no oracle: what its precision does to it is measured on the file
itself. Its weights stand for numbers that were rounded into their type, and its integer
activations for numbers that were rounded into theirs. So each of them is moved once more, by as
much as such a rounding: a value that a rounding to steps moves by a variance of step² ÷ 12 is moved
by one step up or down with a probability of 1/24 each, which has that variance and can be stored.
float32 weights move by what a sum of their products may be off (harness/pipeline/conditioning.py).
Each draw is run on samples whose quantisation is disturbed likewise; that redraws
the roundings of all activations behind them. The largest of 16 draws is taken 4 times
(reference/budgets/monte_carlo.py: 1.3e-6 false alarms a comparison), for the largest difference and
for the root mean square; half a step of an integer output and what the answers lost when they were
written down come on top.

What no rounding explains is not in it: saturation beyond the calibrated range, scales that
contradict each other, a cell state without tanh.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.runtimes import RUNTIMES, Runtime
from harness.comparison import budgets
from harness.comparison.budgets import Expectation
from harness.comparison.compare import Allowed
from harness.comparison.recorded_answers import Recorded
from harness.execution.interpreters import Interpreters
from harness.flatbuffer.schema import dtype_name, pack, shared
from harness.flatbuffer.structure import Structure, quantised_inputs, quantization_of
from harness.flatbuffer.tensor_codec import affine_of, from_runtime, to_runtime
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.conditioning import SAFETY, TRIALS, disturbed
from harness.workers.kinds import usable
from harness.workers.limits import Limits

Array = NDArray[Any]
#: Of a step up, and of one down: two of them have the variance of a rounding, step² ÷ 12.
CHANCE = 1 / 24
_INTEGERS = ("int8", "uint8", "int16")


def expectations(
    artifacts: CaseArtifacts, recorded: Recorded, interpreters: Interpreters, bounds: Limits
) -> dict[str, Expectation]:
    """The recorded answers with the budgets of the file's own precision, by family of kernels
    (`adapter.kernels`); of tflite alone for a float file, whose arithmetic is the same everywhere.

    An integer kernel that is wrong may not respond as a right one does, so each family is held to
    its own response.
    """
    structure = artifacts.conversion.structure
    anchor = usable("tflite").name
    if artifacts.conversion.data is None or structure is None or anchor not in artifacts.runs:
        return {}
    integer = quantization_of(structure) not in ("float32", "float16")
    found = {}
    for name in (anchor, "tflm") if integer else (anchor,):
        run = artifacts.runs.get(name)
        if run is not None and (name == anchor or run.result is None):
            moved = _response(artifacts, structure, RUNTIMES[name], interpreters, bounds)
            found[RUNTIMES[name].adapter.kernels] = _with_budgets(recorded, structure, moved)
    return found


def _with_budgets(
    recorded: Recorded, structure: Structure, moved: list[tuple[float, float]] | str
) -> Expectation:
    if isinstance(moved, str):
        return Expectation(recorded.outputs, (), "", f"no budget can be derived: {moved}")
    allowed = []
    for want, tensor, written, (largest, rms) in zip(
        recorded.outputs, structure.outputs, recorded.rounding, moved, strict=True
    ):
        # Two float32 runtimes part by this on ordinary models, whatever the weights are.
        floor = budgets.FLOAT32_WITHOUT_ORACLE * float(np.abs(want).max(initial=1.0))
        affine = affine_of(tensor)
        own = written + (0.0 if affine is None else float(affine.scale) / 2)
        allowed.append(Allowed(max(floor, largest) + own, max(floor, rms) + own))
    kind = quantization_of(structure)
    rule = f"the original model's answers ({recorded.origin}); the {kind} file's own response"
    return Expectation(recorded.outputs, tuple(allowed), f"{rule} to the rounding of its precision")


def _response(
    artifacts: CaseArtifacts,
    structure: Structure,
    runtime: Runtime,
    interpreters: Interpreters,
    bounds: Limits,
) -> list[tuple[float, float]] | str:
    """By output how far rounding moves it (largest, root mean square); or why nothing can say."""
    run, data = artifacts.runs[runtime.name], artifacts.conversion.data
    assert data is not None
    if run.result is not None:
        return f"{runtime.title} does not run the file ({run.result})"
    plain = from_runtime(structure, (), run.outputs)
    if not all(np.isfinite(output).all() for output in plain):
        return f"{runtime.title}'s answer holds NaN or infinity"
    most = np.zeros((len(plain), 2))
    for trial in range(TRIALS):
        random = np.random.default_rng([trial, 2])
        stimulus = samples(structure, artifacts.stimulus, random)
        given = to_runtime(structure, list(stimulus), stimulus, True)
        content = np.frombuffer(requantised(disturbed(data.tobytes(), trial), random), np.uint8)
        found = interpreters.run(runtime, content, structure, given, bounds=bounds)
        if found.result is not None:
            return f"with its weights moved by a rounding it does not run ({found.result})"
        for k, moved in enumerate(from_runtime(structure, (), found.outputs)):
            if moved.shape != plain[k].shape or not np.isfinite(moved).all():
                return "with its weights moved by a rounding its answer holds NaN or infinity"
            off = np.abs(moved.astype(np.float64) - plain[k])
            sizes = float(off.max(initial=0.0)), float(np.sqrt(np.square(off).mean()))
            most[k] = np.maximum(most[k], sizes)
    return [(SAFETY * float(largest), SAFETY * float(rms)) for largest, rms in most]


def samples(
    structure: Structure, stimulus: dict[str, Array], random: np.random.Generator
) -> dict[str, Array]:
    """The samples with each value that the file rounds moved by such a rounding.

    An integer input has its scale; the hybrid kernels of a dynamic-range file round each row of
    activations to 127 steps of its largest (TFLite 2.15.1, kernels/internal/tensor_utils.cc,
    SymmetricQuantizeFloats).
    """
    kind = quantization_of(structure)
    if kind in ("float32", "float16"):
        return stimulus
    names = tuple(stimulus)
    shapes = tuple(array.shape[1:] for array in stimulus.values())
    order = structure.input_positions(names, shapes)
    found = dict(stimulus)
    for position, tensor in zip(order, quantised_inputs(structure), strict=True):
        array = stimulus[names[position]]
        if array.dtype.kind != "f":
            continue
        steps: Array | float = 0.0
        if kind == "dynamic-range":
            steps = np.abs(array).max(axis=-1, keepdims=True, initial=0) / 127
        elif (affine := affine_of(tensor)) is not None:
            steps = float(affine.scale)
        moves = _moves(array.shape, random)
        found[names[position]] = (array + moves * steps).astype(array.dtype)
    return found


def requantised(content: bytes, random: np.random.Generator) -> bytes:
    """The model with every integer and float16 weight moved by the size of its rounding.

    A tensor of nothing but zeros is exact in any type, and stays.
    """
    model = copy.copy(shared(content))
    model.buffers = list(model.buffers)
    done = set()
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            dtype, buffer = dtype_name(tensor), model.buffers[tensor.buffer]
            size = 0 if buffer.data is None else len(buffer.data)
            if tensor.buffer in done or not size:
                continue
            if dtype not in (*_INTEGERS, "float16") or not (dtype == "float16" or _scaled(tensor)):
                continue
            done.add(tensor.buffer)
            values = np.frombuffer(bytes(bytearray(buffer.data)), dtype)
            moved = _moved(values, _zero_point(tensor), random)
            changed = copy.copy(buffer)
            changed.data = np.frombuffer(moved.tobytes(), np.uint8)
            model.buffers[tensor.buffer] = changed
    return pack(model)


def _moved(values: Array, zero_point: int, random: np.random.Generator) -> Array:
    moves = _moves(values.shape, random)
    if values.dtype.kind == "f":
        if not np.any(values):
            return values
        ends = np.where(moves > 0, np.inf, -np.inf).astype(values.dtype)
        return np.where(moves != 0, np.nextafter(values, ends), values).astype(values.dtype)
    if np.all(values == zero_point):
        return values
    ends_of = np.iinfo(values.dtype)
    lowest = -ends_of.max if zero_point == 0 and ends_of.min < 0 else ends_of.min
    moved = np.clip(values.astype(np.int64) + moves, min(lowest, int(values.min())), ends_of.max)
    return moved.astype(values.dtype)


def _moves(shape: Sequence[int], random: np.random.Generator) -> Array:
    """-1, 0 or 1 of each value."""
    drawn = random.random(tuple(shape))
    return (drawn < CHANCE).astype(np.int64) - (drawn > 1 - CHANCE).astype(np.int64)


def _scaled(tensor: Any) -> bool:
    given = tensor.quantization
    return given is not None and given.scale is not None and len(given.scale) > 0


def _zero_point(tensor: Any) -> int:
    zero = None if tensor.quantization is None else tensor.quantization.zeroPoint
    return 0 if zero is None or not len(zero) else int(zero[0])
