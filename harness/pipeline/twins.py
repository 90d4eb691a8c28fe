"""Convert the source of a user's flatbuffer, to hold the file to what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from fixtures import stimuli
from fixtures.recipes import RECIPES, Recipe
from fixtures.subjects import Subject
from harness.conversion.converter import Converter
from harness.conversion.inspection import inspect
from harness.conversion.results import Conversion
from harness.flatbuffer.int16_rewriter import to_int16x8
from harness.flatbuffer.structure import Structure, quantization_of


@dataclass(frozen=True)
class Twins:
    """The source's own conversions. plain: in float32. calibrated: by the file's recipe, with the
    samples of --calibration; None where no samples were given or the file needs none."""

    plain: Conversion | None = None
    calibrated: Conversion | None = None

    @property
    def content(self) -> bytes | None:
        return _content(self.plain)

    @property
    def calibrated_content(self) -> bytes | None:
        return _content(self.calibrated)


def _content(conversion: Conversion | None) -> bytes | None:
    if conversion is None or conversion.data is None or not conversion.result.agreed:
        return None
    return conversion.data.tobytes()


def twins_of(
    converter: Converter,
    subject: Subject,
    structure: Structure,
    samples: stimuli.Arrays,
    calibrated: bool,
) -> Twins:
    """Convert the Keras model beside a flatbuffer. samples: to calibrate with, or whose sizes stand
    in for open ones. calibrated: whether the user gave them for that."""
    if subject.keras_path is None:
        return Twins()
    source = Subject(subject.keras_path.name, "keras", path=subject.keras_path)
    opened = any(size < 0 for tensor in structure.inputs for size in tensor.signature[1:])
    plain = converter.convert(source, _recipe("float32", opened), samples)
    kind = quantization_of(structure)
    if not calibrated or kind not in ("int8", "int8-float-io", "int16x8"):
        return Twins(plain)
    rewritten = kind == "int16x8" and structure.fused_lstms > 0
    own = converter.convert(source, _recipe("int8" if rewritten else kind, opened), samples)
    return Twins(plain, _rewritten(converter, own) if rewritten else own)


def _recipe(kind: str, opened: bool) -> Recipe:
    """The recipe of a kind of quantisation, with open sizes or without."""
    recipe: Mapping[str, Recipe] = RECIPES
    return replace(recipe[kind], sequence="dynamic") if opened else recipe[kind]


def _rewritten(converter: Converter, int8: Conversion) -> Conversion:
    if int8.data is None:
        return int8
    try:
        content = to_int16x8(int8.data.tobytes())
    except ValueError:
        return replace(int8, data=None)
    found = inspect(converter.inspector, np.frombuffer(content, np.uint8))
    return replace(found, output_names=int8.output_names)
