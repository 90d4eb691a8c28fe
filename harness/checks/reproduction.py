"""Write the few lines of plain TensorFlow with which a person sees a failure without the harness.

For a user's own model: load it, convert it as the recipe does, run TensorFlow Lite or TensorFlow
Lite Micro on the samples, print what the failure is about (the largest difference from Keras, or
the scales of the tensors that it names). The lines go into the case's long text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from fixtures.recipes import Recipe
from fixtures.runtimes import Runtime
from harness.flatbuffer.structure import Structure
from harness.pipeline.artifacts import CaseArtifacts
from harness.pipeline.cases import Case
from harness.session.session import Session

#: What each kind of conversion sets on the converter.
_SETTINGS = {
    "float32": "",
    "dynamic-range": "c.optimizations = [tf.lite.Optimize.DEFAULT]",
    "float16": (
        "c.optimizations = [tf.lite.Optimize.DEFAULT]; c.target_spec.supported_types = [tf.float16]"
    ),
    "int8-float-io": (
        "c.optimizations = [tf.lite.Optimize.DEFAULT]; c.representative_dataset = "
        "lambda: ({samples}); c.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]"
    ),
}
_INT8_IO = "; c.inference_input_type = c.inference_output_type = tf.int8"
HEADING = "to see it without the harness (TensorFlow 2.15):"


def reproduction(case: Case, session: Session) -> str:
    """The lines, headed; empty for what has none: the catalogue, a file without its Keras model,
    several inputs, or a conversion by another entry point."""
    subject, artifacts = case.subject, session.artifacts(case)
    structure = artifacts.conversion.structure
    if subject.registered or subject.model_path is None or structure is None:
        return ""
    if len(artifacts.stimulus) != 1 or not _is_plain(case.recipe) or len(structure.inputs) != 1:
        return ""
    try:
        lines = _lines(case, session, artifacts, structure)
    except OSError:
        return ""  # the samples could not be written beside the report
    return "\n".join([HEADING, *(f"    {line}" for line in lines)])


def _is_plain(recipe: Recipe) -> bool:
    known = recipe.quantization in (*_SETTINGS, "int8")
    plain = recipe.entry == "concrete-function" and recipe.sequence == "fixed"
    return known and plain and not (recipe.through or recipe.select_tf_ops or recipe.open_batch)


def _lines(
    case: Case, session: Session, artifacts: CaseArtifacts, structure: Structure
) -> list[str]:
    subject, settings = case.subject, session.settings
    (name,) = artifacts.stimulus
    stimulus = _file(settings.inputs, f"{subject.name}-stimulus", artifacts.stimulus, session)
    load = f"m = tf.keras.models.load_model({str(subject.model_path)!r}, compile=False)"
    lines = [f"import numpy as np, tensorflow as tf; {load}"]
    if subject.kind == "tflite":
        content = f"open({str(subject.path)!r}, 'rb').read()"
    else:
        lines += _conversion(case, session, artifacts, name)
        content = "c.convert()"
    lines.append(f"b = {content}; {_interpreter(case.runtime)}")
    scales = _tensors(case, structure)
    if case.runtime is None and scales:
        lines.append(scales)
    else:
        lines += _comparison(case.runtime, stimulus, artifacts, structure)
    return lines


def _conversion(case: Case, session: Session, artifacts: CaseArtifacts, name: str) -> list[str]:
    shape = list(artifacts.stimulus[name].shape[1:])
    dtype = artifacts.stimulus[name].dtype.name
    call = f"tf.function(m).get_concrete_function(tf.TensorSpec({shape}, '{dtype}'))"
    lines = [f"c = tf.lite.TFLiteConverter.from_concrete_functions([{call}], m)"]
    kind = case.recipe.quantization
    told = _SETTINGS["int8-float-io" if kind == "int8" else kind]
    if "{samples}" in told:
        own, settings = artifacts.calibrated_with, session.settings
        given = settings.calibration or settings.inputs
        path = _file(given, f"{case.subject.name}-calibration", own, session)
        reads = f"[a.reshape({shape}).astype('{dtype}')] for a in {_array(path)}"
        told = told.format(samples=reads) + (_INT8_IO if kind == "int8" else "")
    return ["; ".join([*lines, *([told] if told else [])])]


def _interpreter(runtime: Runtime | None) -> str:
    if runtime is not None and runtime.adapter.kernels == "tflm":
        return "from tflite_micro import runtime; i = runtime.Interpreter.from_bytes(b)"
    return "i = tf.lite.Interpreter(model_content=b); i.allocate_tensors()"


def _comparison(
    runtime: Runtime | None, path: Path, artifacts: CaseArtifacts, structure: Structure
) -> list[str]:
    """The largest difference of the first output from Keras's, over all samples."""
    (array,) = artifacts.stimulus.values()
    source, target = structure.inputs[0], structure.outputs[_first_output(artifacts, structure)]
    shape = list(array.shape[1:])
    codes = "a"
    if source.scale:
        info = np.iinfo(source.dtype)
        codes = (
            f"np.clip(np.round(a / {source.scale[0]!r}) + {source.zero_point[0]}, {info.min}, "
            f"{info.max}).astype('{source.dtype}')"
        )
    position = [t.index for t in structure.outputs].index(target.index)
    if runtime is not None and runtime.adapter.kernels == "tflm":
        steps = f"i.reset(); i.set_input({codes}, 0); i.invoke()"
        answer = f"i.get_output({position})"
    else:
        steps = (
            f"i.reset_all_variables(); i.set_tensor(i.get_input_details()[0]['index'], {codes}); "
            "i.invoke()"
        )
        answer = f"i.get_tensor(i.get_output_details()[{position}]['index'])"
    if target.scale:
        answer = f"({answer}.astype(float) - {target.zero_point[0]}) * {target.scale[0]!r}"
    keras = "tf.nest.flatten(m(a))[0]"
    samples = f"(a.reshape({shape}).astype('{array.dtype.name}') for a in {_array(path)})"
    return [
        f"def run(a): {steps}; return {answer}",
        f"print(max(np.abs(run(a) - {keras}).max() for a in {samples}))",
    ]


def _first_output(artifacts: CaseArtifacts, structure: Structure) -> int:
    """Where the flatbuffer has the model's first output."""
    try:
        return structure.output_positions(artifacts.conversion.output_names)[0]
    except (ValueError, IndexError):
        return 0


def _tensors(case: Case, structure: Structure) -> str:
    """Prints what the file says of the tensors that a finding is about; empty without one.

    A finding about scales is seen in the file itself, before anything runs.
    """
    if case.suite != "test_quantization" or not any(t.scale for t in structure.tensors):
        return ""
    return (
        "print(*[(t['name'], t['dtype'].__name__, t['quantization']) "
        "for t in i.get_tensor_details()], sep='\\n')"
    )


def _array(path: Path) -> str:
    return f"next(iter(np.load({str(path)!r}).values()))"


def _file(given: Path | None, name: str, arrays: Any, session: Session) -> Path:
    """The user's own file of samples, or one that is written beside the report."""
    if given is not None:
        return given.absolute()
    path = (session.settings.report / "samples" / f"{name}.npz").absolute()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **arrays)
    return path
