"""Make what the user of a plan has: a Keras file, samples, and maybe a flatbuffer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fixtures.recipes import RECIPES, REWRITTEN
from fixtures.subjects import Subject
from fixtures.variants import Node, Variant
from harness.assurance.world import samples
from harness.assurance.world.architectures import variant_of
from harness.assurance.world.faults import BY_NAME, edit
from harness.assurance.world.plan import Plan
from harness.assurance.world.samples import Arrays
from harness.conversion.converter import Converter
from harness.flatbuffer.int16_rewriter import to_int16x8
from harness.workers import limits
from harness.workers.answers import Answer, Failure
from harness.workers.client import Worker

KIND = "harness.workers.remote.keras.world"


class Unmakeable(Exception):
    """Keras itself refuses a plan: no user has such a model."""


@dataclass(frozen=True, eq=False)
class Specimen:
    """A plan's files. tflite: what the user converted, None where the harness has to.

    inputs, calibration: the samples behind --inputs and --calibration, [N, …] by input; files
    hold them, None where the user gives none. refused: how converting ended without a file.
    """

    plan: Plan
    variant: Variant
    keras: Path
    tflite: Path | None
    inputs_file: Path | None
    calibration_file: Path | None
    inputs: Arrays
    refused: str = ""
    #: What the flatbuffer's signature calls Keras's outputs, in their order.
    output_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Converted:
    """What came out of the user's conversion: a file, or why there is none."""

    path: Path | None = None
    refused: str = ""
    output_names: tuple[str, ...] = ()


class Maker:
    """Makes specimens in one folder, with a Keras worker and a converter. Not thread-safe."""

    def __init__(self, worker: Worker, converter: Converter, folder: Path) -> None:
        self.worker = worker
        self.converter = converter
        self.folder = folder

    def make(self, plan: Plan, name: str) -> Specimen:
        """The files of a plan. Raises Unmakeable where Keras builds no such model."""
        variant = variant_of(plan, name)
        keras = self._keras(plan, variant, self.folder / f"{name}.keras")
        fault = BY_NAME.get(plan.fault)
        inputs = samples.inputs_of(plan, variant.inputs)
        calibration = samples.calibration_of(plan, variant.inputs)
        if fault is not None and fault.fed is not None:
            inputs = fault.fed(inputs)
        if fault is not None and fault.calibrated is not None:
            calibration = fault.calibrated(calibration)
        converted = _Converted()
        if plan.entry != "--model":
            converted = self._flatbuffer(plan, keras, calibration, name)
        given = plan.data != "drawn"
        return Specimen(
            plan,
            variant,
            keras,
            converted.path,
            self._samples(inputs, f"{name}-inputs") if given else None,
            self._samples(calibration, f"{name}-calibration") if given else None,
            inputs,
            converted.refused,
            converted.output_names,
        )

    def _keras(
        self, plan: Plan, variant: Variant, path: Path, weights_of: Path | None = None
    ) -> Path:
        training = samples.training_of(plan, variant.inputs)
        made = self.worker.call(
            "make",
            {f"input/{name}": array for name, array in training.items()},
            limits.BUILD,
            description=variant.document(),
            weights=plan.weights,
            weights_of=None if weights_of is None else str(weights_of),
            seed=plan.seed,
            path=str(path),
        )
        if isinstance(made, Failure):
            raise Unmakeable(made.message)
        assert isinstance(made, Answer)
        return path

    def _flatbuffer(self, plan: Plan, keras: Path, calibration: Arrays, name: str) -> _Converted:
        """What the user converted, by the plan's recipe, with its fault; or why there is none."""
        fault = BY_NAME.get(plan.fault)
        source = keras
        if fault is not None and fault.other is not None:
            other = variant_of(fault.other(plan), f"{name}-other")
            other = transposed(other) if fault.square else other
            path = self.folder / f"{name}-other.keras"
            source = self._keras(plan_of_other(plan), other, path, keras if fault.keeps else None)
        recipe = RECIPES["int8" if plan.recipe == REWRITTEN else plan.recipe]
        subject = Subject(source.name, "keras", path=source)
        batched = {key: array[:, np.newaxis] for key, array in calibration.items()}
        found = self.converter.convert(subject, recipe, batched)
        if found.data is None:
            return _Converted(refused=str(found.result))
        content = found.data.tobytes()
        if plan.recipe == REWRITTEN:
            try:
                content = to_int16x8(content)
            except ValueError as error:
                return _Converted(refused=f"rewriting: {error}")
        try:
            content = edit(plan, content)
        except ValueError as error:
            raise Unmakeable(f"the fault has no place: {error}") from error
        path = self.folder / f"{name}.tflite"
        path.write_bytes(content)
        return _Converted(path, output_names=found.output_names)

    def _samples(self, arrays: Arrays, name: str) -> Path:
        path = self.folder / f"{name}.npz"
        np.savez(path, **arrays)
        return path


def plan_of_other(plan: Plan) -> Plan:
    """The plan of the model that is converted in place of the user's."""
    fault = BY_NAME[plan.fault]
    assert fault.other is not None
    return fault.other(plan)


def transposed(variant: Variant) -> Variant:
    """The same model behind an input whose steps and features are exchanged."""
    first = variant.inputs[0].name
    turned = Node("turned", "Permute", {"dims": [2, 1]}, (first,))
    nodes = [
        replace(node, inputs=tuple("turned" if name == first else name for name in node.inputs))
        for node in variant.nodes
    ]
    return replace(variant, nodes=(turned, *nodes))


__all__ = ["KIND", "Maker", "Specimen", "Unmakeable", "transposed"]
