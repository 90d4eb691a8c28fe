"""List faults in what a user gates: each rule that a gate relaxes still catches what it is for.

The subjects are judged as a user's own model is (harness/checks/severity.py): what no run proves is
a warning there. Beside each family stands a healthy subject in `controls`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.subjects import Subject
from harness.assurance.certificate.editing import edited
from harness.assurance.certificate.fault import Fault, Place
from harness.assurance.certificate.faults.model_faults import drop_bias, swap
from harness.assurance.certificate.faults.recipe_faults import by_recipe, calibrated_by, halved
from harness.assurance.certificate.faults.runtime_faults import Wrapped, as_bfloat16
from harness.assurance.certificate.faults.scale_faults import (
    hidden_unlike_output,
    rescale,
    small_cell,
)
from harness.assurance.certificate.injection import Injection
from harness.assurance.certificate.readings import InjectionBench, Reading
from harness.assurance.certificate.subjects import (
    CLASSIFIER,
    FEW_SENSORS,
    FOLDED,
    SHARED,
    SQUARE,
    UNFIT,
    WIDE,
    gated,
)
from harness.flatbuffer.graph_builder import tensor_type
from harness.flatbuffer.schema import builtin_name, pack, schema, stored, unpack

Array = NDArray[Any]
Edit = Callable[[bytes], bytes]


def tenfold(samples: Array) -> Array:
    return (samples * 10).astype(samples.dtype)


def one_outlier(samples: Array) -> Array:
    """One of the samples reaches four times as far: a calibration that is wide for the others."""
    found = samples.copy()
    found[0] *= 4
    return found


def dense_bias(number: int, change: Callable[[Array], Array]) -> Edit:
    """Another bias for one of the FULLY_CONNECTED operators."""

    def edit(content: bytes) -> bytes:
        model = unpack(content)
        graph = model.subgraphs[0]
        found = [o for o in graph.operators if builtin_name(model, o) == "FULLY_CONNECTED"]
        tensor = graph.tensors[found[number].inputs[2]]
        values = stored(model, tensor)
        if values is None:
            raise ValueError("the operator has no bias to change")
        changed = change(values).astype(values.dtype)
        buffer = schema().BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(changed).tobytes(), np.uint8)
        tensor.buffer, tensor.type = len(model.buffers), tensor_type(str(values.dtype))
        model.buffers.append(buffer)
        return pack(model)

    return edit


def gate_fault(
    name: str, family: str, recipe: str, injection: Injection, chosen: Subject, place: Place
) -> Fault:
    def examine(bench: InjectionBench) -> list[Reading]:
        return bench.readings(chosen, recipe, injection)

    return Fault(name, family, place, f"{recipe} · gate", examine)


def small_error(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    """A ten-thousandth off everywhere: far below what 8 bits of weights cost."""
    return tuple(array + np.float32(1e-4) for array in arrays)


def _hybrid_faults() -> list[Fault]:
    """What a hybrid LSTM does wrong by less than its quantisation costs the model."""
    found = []
    for name, family, outputs in (
        ("float truncated to bfloat16, hybrid", "float truncated to bfloat16", as_bfloat16),
        ("all answers off by 0.0001, hybrid", "off by a little", small_error),
    ):
        wrapped = Wrapped(outputs=outputs)
        injection = Injection(on="tflite", run=wrapped.run, run_operator=wrapped.run_operator)

        def examine(bench: InjectionBench, injection: Injection = injection) -> list[Reading]:
            return bench.readings(gated(WIDE), "dynamic-range", injection, ("tflite",))

        found.append(Fault(name, family, "runtime", "dynamic-range · gate", examine))
    return found


def gate_faults() -> list[Fault]:
    square, folded = gated(SQUARE), gated(FOLDED)
    found = [
        gate_fault(
            "weights left in float32, a small kernel beside them",
            "weights not quantised",
            "dynamic-range",
            Injection(convert=by_recipe("float32")),
            gated(FEW_SENSORS),
            "recipe",
        )
    ]
    for name, family, change in (
        ("calibration × 0.5", "calibration × 0.5", halved),
        ("calibration × 10", "calibration × 10", tenfold),
    ):
        for chosen in (square, gated(CLASSIFIER)):
            assert chosen.variant is not None
            title = f"{name}, {chosen.variant.name}"
            injection = Injection(convert=calibrated_by(change))
            found.append(gate_fault(title, family, "int8", injection, chosen, "recipe"))
    for name, family, fault in (
        (
            "hidden scale unlike output scale",
            "hidden scale unlike output scale",
            hidden_unlike_output,
        ),
        ("scale of the intermediate 4 × 2", "scale × 2", rescale("intermediate 4", 2.0)),
        (
            "cell scale below the kernel's range",
            "cell scale below the kernel's range",
            small_cell,
        ),
    ):
        edit = _of_lstm(fault)
        found.append(gate_fault(name, family, "int8", Injection(edit=edit), square, "model"))
    for recipe in ("float32", "int8"):
        for name, change in (
            ("the bias of a folded Dense lost", lambda bias: 0 * bias),
            ("the bias of a folded Dense halved", lambda bias: bias / 2),
        ):
            injection = Injection(edit=dense_bias(-1, change))
            found.append(gate_fault(name, "bias dropped", recipe, injection, folded, "model"))
    return [*found, *_shared_faults(), *_unfit(), *_hybrid_faults()]


def _shared_faults() -> list[Fault]:
    """What is wrong in one call of a layer that is called twice."""
    found = []
    for recipe in ("float32", "int8"):
        for name, family, change in (
            ("gates swapped in one of two calls", "gates swapped", swap(0, 1)),
            ("bias dropped in one of two calls", "bias dropped", drop_bias((0, 1, 2, 3))),
        ):
            injection = Injection(edit=_of_lstm(change))
            found.append(gate_fault(name, family, recipe, injection, gated(SHARED), "model"))
    return found


def _unfit() -> list[Fault]:
    """A recipe whose rounding alone is as large as what the answers tell: nothing is put in."""
    name = "8 bits that leave nothing of the answer"
    return [gate_fault(name, "recipe unfit", "int8", Injection(), gated(UNFIT), "recipe")]


def _of_lstm(change: Callable[[Any], None]) -> Edit:
    return lambda content: edited(content, change)
