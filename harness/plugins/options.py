"""The options of a run, and what is made of them before anything else: its selection of cases."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.pipeline.selection import select
from harness.plugins import project
from harness.plugins.shared import SELECTION
from harness.report.rerun import SEED
from harness.support import hypothesis_profiles
from harness.support.project import ROOT
from harness.workers import environments

hypothesis_profiles.register()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lstm", "LSTM conformance")
    path = {"type": Path, "metavar": "PATH"}
    several = {"action": "append", "default": []}
    group.addoption(
        "--model", **path, **several, help="gate this Keras model (.keras, .h5, SavedModel)"
    )
    group.addoption("--tflite", **path, **several, help="gate this converted flatbuffer")
    group.addoption("--inputs", **path, help="samples to compare on (.npz, an array per input)")
    group.addoption("--calibration", **path, help="samples for integer recipes (.npz)")
    group.addoption("--labels", **path, help="the class of each sample (.npy), for accuracy")
    group.addoption("--recipe", **several, metavar="NAME", help="only this recipe; repeatable")
    group.addoption("--runtime", **several, metavar="NAME", help="only this runtime; repeatable")
    group.addoption("--full", action="store_true", help="slow entry points for every variant too")
    group.addoption("--seed", type=int, default=SEED, help="seed of stimuli and calibration")
    group.addoption("--report", **path, default=Path("report"), help="folder of the report")
    group.addoption("--cache", **path, default=ROOT / ".cache", help="folder of conversions")
    group.addoption("--no-cache", action="store_true", help="convert everything again")
    group.addoption(
        "--trusted", action="store_true", help="the models may carry code (Lambda layers)"
    )
    group.addoption(
        "--deadline",
        type=float,
        metavar="SECONDS",
        help="processor time of one invoke after which it hangs (0.3; your own models 30)",
    )
    group.addoption("--jobs", type=int, default=os.cpu_count(), help="conversions at a time")
    group.addoption(
        "--converter-python",
        **path,
        help="build, run and convert Keras models with the TensorFlow of this Python",
    )
    group.addoption(
        "--converter-env",
        **several,
        metavar="NAME=VALUE",
        help="an environment variable of that Python (TF_USE_LEGACY_KERAS=1); repeatable",
    )
    group.addoption(
        "--runtime-python",
        **several,
        metavar="NAME@LABEL=PATH",
        help="another version of a runtime: tflm@oldest=PATH; repeatable",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Complete the options by the project's, choose the cases, refuse what does not fit."""
    option = config.option
    try:
        project.fill(config)
        config.stash[SELECTION] = select(
            option.model,
            option.tflite,
            option.recipe,
            option.runtime,
            option.full,
            option.runtime_python,
            option.predictions is not None,
        )
        environments.converter(option.converter_python, option.converter_env)
        for name, suffix in (("inputs", "npz"), ("calibration", "npz"), ("labels", "npy")):
            path = getattr(option, name)
            if path is not None and not path.is_file():
                raise ValueError(f"--{name} {path}: no such file; expected an .{suffix} file")
            if path is not None and not (option.model or option.tflite):
                raise ValueError(f"--{name} is for your own model: add --model or --tflite")
        if option.labels is not None and option.inputs is None:
            raise ValueError("--labels are the classes of your samples: add --inputs")
        if option.jobs < 1:
            raise ValueError(f"--jobs {option.jobs}: expected at least 1")
        project.settle(config)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
