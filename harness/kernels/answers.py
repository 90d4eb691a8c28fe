"""Predict the answer of a whole flatbuffer on a device, whose LSTM kernels a profile describes.

The LSTM operators are computed by reference.lstm, those around them by TensorFlow Lite Micro in a
worker: a device's other kernels round as its reference kernels do. `Predictor` is what a board's
answers are held to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.runtimes import RUNTIMES
from harness.execution.operator_runs import OperatorRuntimes
from harness.flatbuffer.graph_cutting import cut, resource_operators
from harness.flatbuffer.lstm_reader import FoundLstm, lstm_operators
from harness.flatbuffer.schema import shared
from harness.operators.exactness import merged, split
from harness.workers import limits
from harness.workers.limits import Limits
from reference.lstm.device_profiles import DeviceKernels
from reference.lstm.float64 import LstmState
from reference.lstm.integer import lstm_integer
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.invokes import lstm_invokes
from reference.lstm.profiles import Profile

Array = NDArray[Any]


class Unpredictable(Exception):
    """Why there is no prediction, for the reader."""


@dataclass(frozen=True, eq=False)
class OperatorAnswer:
    """One integer LSTM of a model: what it reads and gives, [N, …] each, in N invokes, and the
    state [N, …] that it is given by other operators, if any."""

    found: FoundLstm
    profile: Profile
    inputs: Array
    initial: tuple[Array, ...]
    outputs: Array


@dataclass(frozen=True, eq=False)
class DeviceAnswer:
    """What a model gives in N invokes: its outputs [N, …], in the flatbuffer's order and types,
    and its integer LSTMs in their order."""

    kernels: DeviceKernels
    outputs: tuple[Array, ...]
    operators: tuple[OperatorAnswer, ...]


@dataclass(eq=False)
class Predictor:
    """Predicts one flatbuffer's answers on any kernels.

    content: the flatbuffer. samples: one array [N, …] for each of its inputs, in its order and
    types: N invokes. runtimes, bounds: where TensorFlow Lite Micro runs, and for how long.
    """

    content: bytes
    samples: Sequence[Array]
    runtimes: OperatorRuntimes
    bounds: Limits = limits.INVOKE
    #: What parts of the graph gave that no LSTM comes before.
    known: dict[tuple[bool, tuple[int, ...]], tuple[Array, ...]] = field(default_factory=dict)

    def answer(self, kernels: DeviceKernels, streamed: bool = False) -> DeviceAnswer:
        """What these kernels give for the samples.

        streamed: the invokes follow one another as they come, without a reset between them;
        otherwise each starts anew. Kernels that clear their state cannot tell the difference.
        Raises Unpredictable with the reason.
        """
        if kept := resource_operators(self.content):
            raise Unpredictable(f"it has {', '.join(kept)}: no prediction is made of such graphs")
        lstms = lstm_operators(self.content)
        if any(found.subgraph != 0 for found in lstms):
            raise Unpredictable("an LSTM is in another graph than the main one")
        graph = shared(self.content).subgraphs[0]
        given = dict(zip(map(int, graph.inputs), self.samples, strict=True))
        answers = []
        for found in lstms:
            model = found.parameters
            if found.kind in ("float", "hybrid"):
                continue  # every device runs it in the reference code
            if not isinstance(model, IntegerLstm):
                raise Unpredictable(f"the LSTM at {found.position}: {found.problem}")
            profile = kernels.profile_of(model)
            if profile is None:
                raise Unpredictable(f"the kernels of {kernels.name} are not known: {kernels.note}")
            states = [found.hidden_state, found.cell_state]
            reads = [k for k in states if not graph.tensors[k].isVariable]
            x, *initial = self._tensors([found.input, *reads], given, streamed)
            outputs = _operator(model, profile, x, initial, streamed)
            answers.append(OperatorAnswer(found, profile, x, tuple(initial), outputs))
            given[found.output] = outputs
        whole = self._tensors([int(k) for k in graph.outputs], given, streamed)
        return DeviceAnswer(kernels, tuple(whole), tuple(answers))

    def host(self, streamed: bool = False) -> tuple[Array, ...]:
        """What TensorFlow Lite Micro's own wheel gives. Raises Unpredictable when it does not."""
        outputs = len(shared(self.content).subgraphs[0].outputs)
        return self._run(self.content, self.samples, outputs, streamed)

    def _tensors(
        self, wanted: Sequence[int], given: dict[int, Array], streamed: bool
    ) -> list[Array]:
        """Tensors of the main graph: those given, and what its operators make of them."""
        missing = tuple(dict.fromkeys(k for k in wanted if k not in given))
        found: dict[int, Array] = {}
        if missing:
            part, inputs = cut(self.content, set(given), missing)
            first = len(given) == len(self.samples)
            key = (streamed, missing)
            if first and key in self.known:
                values = self.known[key]
            else:
                values = self._run(part, [given[k] for k in inputs], len(missing), streamed)
            if first:
                self.known[key] = values
            found = dict(zip(missing, values, strict=True))
        return [given[k] if k in given else found[k] for k in wanted]

    def _run(
        self, content: bytes, inputs: Sequence[Array], outputs: int, streamed: bool
    ) -> tuple[Array, ...]:
        run = self.runtimes.run(
            RUNTIMES["tflm"],
            content,
            inputs,
            carry=streamed,
            outputs=outputs,
            bounds=self.bounds,
        )
        if run.result is not None:
            raise Unpredictable(f"TFLite Micro does not run what is around the LSTMs: {run.result}")
        return run.outputs


def _operator(
    model: IntegerLstm, profile: Profile, x: Array, initial: Sequence[Array], streamed: bool
) -> Array:
    """One LSTM over N invokes, [N, …]. initial: hidden and cell state that other operators write
    before each invoke; a kernel that clears its state never reads them."""
    try:
        if streamed and profile.state == "carried" and not initial:
            return _one_after_another(model, profile, x)
        state = None
        if initial and profile.state == "carried":
            state = LstmState(*(part.reshape(-1, part.shape[-1]) for part in initial))
        run = lstm_integer(model, merged(x, model.time_major), profile, state)
    except ValueError as error:
        raise Unpredictable(f"{profile.name}: {error}") from error
    return split(run.outputs, len(x), model.time_major)


def _one_after_another(model: IntegerLstm, profile: Profile, x: Array) -> Array:
    """N invokes of one sequence each, as one long sequence: [N, batch, time, …] or time-major."""
    axis = 0 if model.time_major else 1
    joined = np.concatenate(list(x), axis)
    outputs = lstm_invokes(model, joined, profile, [x.shape[1 + axis]] * len(x)).outputs
    return np.stack(np.split(outputs, len(x), axis))
