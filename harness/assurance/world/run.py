"""Make, gate and measure one plan after the other in a warm process."""

from __future__ import annotations

import numpy as np

from fixtures import stimuli
from fixtures.runtimes import RUNTIMES
from harness.assurance.world import truth as measuring
from harness.assurance.world.defects import defects_of, narrow
from harness.assurance.world.gate import Gate, Gated
from harness.assurance.world.making import KIND, Maker, Specimen
from harness.assurance.world.plan import Plan
from harness.assurance.world.samples import Arrays
from harness.assurance.world.verdict import Held, Truth, held
from harness.conversion.converter import Converter
from harness.execution.interpreters import Interpreters
from harness.flatbuffer.lstm_reader import lstm_operators
from harness.flatbuffer.structure import quantization_of
from harness.support import hypothesis_profiles, scratch
from harness.support.cache import Store
from harness.workers import limits
from harness.workers.client import Worker


class World:
    """Everything that one process needs, warm. Not thread-safe. Close it."""

    def __init__(self, seed: int = 2015) -> None:
        hypothesis_profiles.register()
        self.folder = scratch.folder("world")
        self.gate = Gate(seed)
        session = self.gate.session
        session.heavy.kinds = (*session.heavy.kinds, KIND)
        self.worker = Worker(session.heavy, KIND, limits.CONVERT)
        converter = Converter(session.heavy, session.light, Store(None), session.account)
        self.maker = Maker(self.worker, converter, self.folder)
        self.interpreters = Interpreters(session.heavy, session.light)
        self._count = 0

    def close(self) -> None:
        self.maker.converter.close()
        self.interpreters.close()
        self.worker.close()
        self.gate.close()
        scratch.remove(self.folder)

    def held(self, plan: Plan) -> Held:
        """One plan through the gate, and beside the truth. Raises Unmakeable."""
        return self.examined(plan)[0]

    def examined(self, plan: Plan, keep: bool = False) -> tuple[Held, Specimen, Gated, Truth]:
        """The same with all that was found on the way. keep: its files, until `close`."""
        self._count += 1
        if self.worker.resident_bytes > limits.KERAS_WORKER_BYTES:
            self.worker.close()
        specimen = self.maker.make(plan, f"world-{self._count}")
        try:
            gated = self.gate.gate(specimen)
            found = self.truth(specimen, gated)
            return held(plan, gated.said, found), specimen, gated, found
        finally:
            for path in [] if keep else self.folder.glob(f"world-{self._count}[.-]*"):
                path.unlink()

    def truth(self, specimen: Specimen, gated: Gated) -> Truth:
        """What is true of the flatbuffer that was gated."""
        artifacts = gated.artifacts
        if artifacts is None:
            return Truth({}, problem="the pipeline raised")
        data, structure = artifacts.conversion.data, artifacts.conversion.structure
        if data is None or structure is None:
            return Truth({})
        inputs = _inputs(specimen, gated)
        if isinstance(inputs, str):
            return Truth({}, problem=inputs)
        quantisation = quantization_of(structure)
        keras = measuring.expected(self.worker, specimen, inputs, quantisation)
        if isinstance(keras, str):
            return Truth({}, problem=keras)
        seen = measuring.seen(
            self.interpreters,
            [runtime for runtime in RUNTIMES.values() if runtime.native],
            data,
            structure,
            specimen.output_names or artifacts.conversion.output_names,
            inputs,
            keras,
            quantisation,
            self.gate.session.settings.bounds(gated.subject),
        )
        return Truth(
            seen,
            (
                *defects_of(data.tobytes(), structure, keras),
                *narrow(structure, {name: array[:, np.newaxis] for name, array in inputs.items()}),
            ),
            keras.constant,
            keras.unfit,
            integer_lstm=any(
                lstm.kind in ("int8", "int16x8") for lstm in lstm_operators(data.tobytes())
            ),
        )


def _inputs(specimen: Specimen, gated: Gated) -> Arrays | str:
    """The samples that the gate sees [N, …]: the user's, or those that the harness draws with
    as many again, for four say little."""
    assert gated.artifacts is not None
    if specimen.inputs_file is not None:
        return specimen.inputs
    stimulus = gated.artifacts.stimulus
    if set(stimulus) != set(specimen.inputs):
        return "the gate's samples are not the model's inputs"
    entries = [
        {
            "name": entry.name,
            # Of an open time axis the gate chooses the steps.
            "shape": [None, *stimulus[entry.name].shape[2:]],
            "dtype": entry.dtype,
            "vocabulary": entry.vocabulary,
        }
        for entry in specimen.variant.inputs
    ]
    more = stimuli.for_interface(entries, specimen.plan.seed, 12, "calibration", "world")
    return {name: np.concatenate([array, more[name]])[:, 0] for name, array in stimulus.items()}
