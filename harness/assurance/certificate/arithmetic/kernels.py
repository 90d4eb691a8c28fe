"""Make a runtime whose kernel of one operator computes otherwise, whatever file it is given.

The file stays what it is, for all checks: only what the runtime answers is that of a file in which
the operator is another one. So an activation that a kernel leaves out is left out at every run, of
the whole model and with its tensors exposed, and what follows works on what it gets.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.assurance.certificate.injection import Injection, Invoke, InvokeOperator
from harness.execution.interpreters import Run
from harness.execution.operator_runs import OperatorRun
from harness.flatbuffer.graph_builder import tensor_type
from harness.flatbuffer.schema import builtin_name, pack, schema, stored, unpack

Array = NDArray[Any]
#: Changes one operator of an unpacked model.
Change = Callable[[Any, Any, Any], None]


def wrong_kernel(on: str, name: str, change: Change) -> Injection:
    """A runtime whose kernel of that operator computes otherwise."""

    def edited(content: bytes) -> bytes:
        return with_kernel(content, name, change)

    def whole(healthy: Invoke) -> Invoke:
        def run(runtime: Any, data: Array, *args: Any, **more: Any) -> Run:
            content = np.frombuffer(edited(data.tobytes()), np.uint8)
            return healthy(runtime, content, *args, **more)

        return run

    def tensors(healthy: InvokeOperator) -> InvokeOperator:
        def run(runtime: Any, content: bytes, *args: Any, **more: Any) -> OperatorRun:
            return healthy(runtime, edited(content), *args, **more)

        return run

    return Injection(on=on, run=whole, run_tensors=tensors)


def with_kernel(content: bytes, name: str, change: Change) -> bytes:
    """The file with the first operator of that name changed; as it is where there is none."""
    model = unpack(content)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        if builtin_name(model, operator) == name:
            change(model, graph, operator)
            return pack(model)
    return content


def off_by_one(on: str, exposed: bool = True) -> Injection:
    """A runtime one of whose values, in one sample, is one step too large: of the first tensor that
    is asked for when tensors inside are, else of the model's answer."""

    def one(outputs: tuple[Array, ...]) -> tuple[Array, ...]:
        changed = outputs[0].copy()
        if changed.dtype.kind != "i":
            return outputs
        flat = changed.reshape(-1)
        flat[-1] = flat[-1] ^ 1
        return (changed, *outputs[1:])

    def whole(healthy: Invoke) -> Invoke:
        def run(*args: Any, **more: Any) -> Run:
            found = healthy(*args, **more)
            return found if found.result else replace(found, outputs=one(found.outputs))

        return run

    def tensors(healthy: InvokeOperator) -> InvokeOperator:
        def run(*args: Any, **more: Any) -> OperatorRun:
            found = healthy(*args, **more)
            return found if found.result else replace(found, outputs=one(found.outputs))

        return run

    return Injection(on=on, run_tensors=tensors) if exposed else Injection(on=on, run=whole)


# What a kernel may do otherwise -------------------------------------------------------------


def no_activation(model: Any, graph: Any, operator: Any) -> None:
    operator.builtinOptions = copy.copy(operator.builtinOptions)
    operator.builtinOptions.fusedActivationFunction = schema().ActivationFunctionType.NONE


def no_bias(model: Any, graph: Any, operator: Any) -> None:
    """The bias counts as zeros."""
    _write(model, graph, operator, 2, lambda values: np.zeros_like(values))


def one_bias(model: Any, graph: Any, operator: Any) -> None:
    """The first channel's bias is one step off: less than any rounding of the output shows."""

    def more(values: Array) -> Array:
        values = values.copy()
        values.reshape(-1)[0] += 64
        return values

    _write(model, graph, operator, 2, more)


def coarse_multiplier(model: Any, graph: Any, operator: Any) -> None:
    """The output is rescaled by a multiplier of 8 bits: its scale is off by a 200th."""
    tensor = graph.tensors[operator.outputs[0]]
    tensor.quantization = copy.copy(tensor.quantization)
    tensor.quantization.scale = [float(np.float32(s * 1.005)) for s in tensor.quantization.scale]


def no_zero_point(model: Any, graph: Any, operator: Any) -> None:
    """The input's zero point is one off."""
    tensor = graph.tensors[operator.inputs[0]]
    tensor.quantization = copy.copy(tensor.quantization)
    tensor.quantization.zeroPoint = [int(z) + 1 for z in tensor.quantization.zeroPoint]


def other_order(model: Any, graph: Any, operator: Any) -> None:
    """The inputs the other way round."""
    operator.inputs = list(operator.inputs)[::-1]


def reversed_channels(model: Any, graph: Any, operator: Any) -> None:
    """The kernel is read along the other direction of its last axis."""
    _write(model, graph, operator, 1, lambda values: values[..., ::-1])


def wider_softmax(model: Any, graph: Any, operator: Any) -> None:
    """The exponent is scaled by a little more than its beta."""
    operator.builtinOptions = copy.copy(operator.builtinOptions)
    operator.builtinOptions.beta = float(operator.builtinOptions.beta) * 1.03


def _write(
    model: Any, graph: Any, operator: Any, number: int, change: Callable[[Array], Array]
) -> None:
    """Another constant, in a buffer of its own."""
    tensor = graph.tensors[operator.inputs[number]]
    values = stored(model, tensor)
    assert values is not None
    changed = change(values)
    buffer = schema().BufferT()
    buffer.data = np.frombuffer(np.ascontiguousarray(changed).tobytes(), np.uint8)
    tensor.buffer, tensor.type = len(model.buffers), tensor_type(str(changed.dtype))
    model.buffers.append(buffer)
