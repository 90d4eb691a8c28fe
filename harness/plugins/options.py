"""Register the options of a run, and make its selection of cases before anything else."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures import array_files
from harness.comparison import accuracy, recorded_answers
from harness.conversion import user_modules
from harness.device.c_array import find_compiler
from harness.kernels.cases import check_names
from harness.pipeline.selection import select
from harness.plugins import project
from harness.plugins.shared import SELECTION
from harness.support import hypothesis_profiles
from harness.support.project import CACHE
from harness.weights import state_dict
from harness.workers import environments

hypothesis_profiles.register()


@dataclass(frozen=True, eq=False)
class Option:
    """An option of the command line. how: what argparse is told of it."""

    flag: str
    how: dict[str, Any]
    help: str

    @property
    def name(self) -> str:
        return str(self.how.get("dest", self.flag.removeprefix("--").replace("-", "_")))

    @property
    def default(self) -> Any:
        return self.how.get("default", False if self.how is _SWITCH else None)


def _several(metavar: str) -> dict[str, Any]:
    return {"action": "append", "default": [], "metavar": metavar}


_SWITCH = {"action": "store_true"}
#: A switch that pytest registers itself: it makes pytest's own checks strict, too.
_PYTESTS = {"action": "store_true", "default": None}
_PATH = {"type": Path, "metavar": "PATH"}
_MODULES = {**_several("MODULE"), "dest": "imports"}
_PATHS, _NAMES = {**_several("PATH"), **_PATH}, _several("NAME")
_BYTES = {"type": int, "metavar": "BYTES"}
_SECONDS = {"type": float, "metavar": "SECONDS"}
_ENVIRONMENT, _OTHER = _several("NAME=VALUE"), _several("NAME@LABEL=PATH")
_WIRES = _several("[LABEL=]TRANSPORT")
_BUDGETS = _several("SELECTOR=FACTOR:REASON")
#: Options that say which cases there are or how they end, in their order in a command.
DECIDING = (
    Option("--model", _PATHS, "gate this Keras model (.keras, .h5, SavedModel); repeatable"),
    Option("--tflite", _PATHS, "gate this converted flatbuffer; repeatable"),
    Option("--recipe", _NAMES, "only this recipe; repeatable"),
    Option("--runtime", _NAMES, "only this runtime; repeatable"),
    Option("--kernels", _NAMES, "say what this device's LSTM kernels will answer; repeatable"),
    Option("--streaming", _SWITCH, "the models are streamed: their state goes on over invokes"),
    Option("--budget", _BUDGETS, "multiply budgets, as my.keras/int8/tflm=1.5:why; repeatable"),
    Option("--converter-env", _ENVIRONMENT, "environment variable of --converter-python"),
    Option("--runtime-python", _OTHER, "another version of a runtime: tflm@oldest=PATH"),
    Option("--device", _WIRES, "a board as a runtime: serial:PORT@BAUD, exec:COMMAND, log:FILE"),
    Option("--inputs", _PATH, "samples to compare on (.npz, an array per input)"),
    Option("--calibration", _PATH, "samples for integer recipes (.npz)"),
    Option("--labels", _PATH, "the class of each sample (.npy), for accuracy"),
    Option("--expected", _PATH, "the original model's answers to --inputs with --tflite (.npz)"),
    Option("--state-dict", _PATH, "PyTorch weights of the --tflite (.safetensors, .npz)"),
    Option("--predictions", _PATH, "your code's answers to --inputs with --tflite (.npz, .npy)"),
    Option("--repair", _SWITCH, "repair what does not fuse or has wrong scales; judge both"),
    Option("--no-masked-steps", _SWITCH, "with --repair: no step of --inputs is masked"),
    Option("--converter-python", _PATH, "build, run and convert Keras models with this Python"),
    Option("--deadline", _SECONDS, "processor time after which an invoke hangs (0.3; yours 30)"),
    Option("--cxx", {"metavar": "COMMAND"}, "C++ compiler for C arrays ($CXX, g++, clang++, c++)"),
    Option("--baseline", _PATH, "fail a case that is worse than in this report, or larger"),
    Option("--arena-limit", _BYTES, "fail a model whose smallest tensor arena is larger"),
    Option("--size-limit", _BYTES, "fail a flatbuffer that is larger"),
    Option("--seed", {"type": int, "default": 2015}, "seed of stimuli and calibration"),
    Option("--strict", _PYTESTS, "warnings fail, and what cannot be judged"),
    Option("--full", _SWITCH, "slow entry points for every variant too"),
    Option("--trusted", _SWITCH, "the models may carry code (Lambda layers)"),
    Option("--import", _MODULES, "the module of custom layers (a name, a .py file); --trusted too"),
)
#: Options that say where results go and how fast they come; an example is each case's own.
OTHERS = (
    Option("--example", {"metavar": "JSON"}, "examine only this example of a law"),
    Option("--update-baseline", _SWITCH, "store this run, if all is well, as --baseline instead"),
    Option("--show-quantization", _SWITCH, "print every tensor's type, scale and zero point"),
    Option("--report", {**_PATH, "default": Path("report")}, "folder of the report"),
    Option("--cache", {**_PATH, "default": CACHE}, "folder of conversions"),
    Option("--no-cache", _SWITCH, "convert everything again"),
    Option("--jobs", {"type": int, "default": os.cpu_count()}, "conversions at a time"),
)


def deciding(option: Any) -> dict[str, Any]:
    """The options that decide a case and were given, by flag, in the order of a command.

    Among them pytest's own `-p`: a plugin may be the file that registers a runtime.
    """
    plugins = [name for name in option.plugins if not name.startswith("no:")]
    given = {known: getattr(option, known.name) for known in DECIDING}
    found = {known.flag: value for known, value in given.items() if value != known.default}
    return ({"-p": plugins} if plugins else {}) | found


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("lstm", "LSTM conformance")
    for option in (*DECIDING, *OTHERS):
        if option.how is _PYTESTS:
            continue
        group.addoption(option.flag, help=option.help, **option.how)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Complete the options by the project's, choose the cases, refuse what does not fit."""
    option = config.option
    try:
        project.fill(config)
        check_names(option.kernels)
        config.stash[SELECTION] = select(
            option.model,
            option.tflite,
            option.recipe,
            option.runtime,
            option.full,
            option.runtime_python,
            option.predictions is not None,
            kernels=option.kernels,
            streaming=option.streaming,
            strict=bool(option.strict),
            boards=option.device,
            converts=option.converter_python is not None,
        )
        _check_imports(option)
        _check_repair(option)
        environments.converter(option.converter_python, option.converter_env)
        _check_samples(option)
        _check_state_dict(option)
        if option.seed < 0:
            raise ValueError(f"--seed {option.seed}: expected 0 or more")
        if option.deadline is not None and not 0 < option.deadline < float("inf"):
            raise ValueError(f"--deadline {option.deadline:g}: expected seconds above 0")
        for name in ("arena_limit", "size_limit"):
            if (limit := getattr(option, name)) is not None and limit < 1:
                flag = "--" + name.replace("_", "-")
                raise ValueError(f"{flag} {limit}: expected a number of bytes above 0")
        if option.cxx or os.environ.get("CXX"):
            find_compiler(option.cxx)
        if option.jobs < 1:
            raise ValueError(f"--jobs {option.jobs}: expected at least 1")
        project.settle(config)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def _check_imports(option: Any) -> None:
    """Raises ValueError for a module that is not there or is not to be trusted."""
    if option.imports and not option.trusted:
        raise ValueError("--import runs the module's code: add --trusted if you trust it")
    user_modules.find(option.imports)


def _check_repair(option: Any) -> None:
    """Raises ValueError for a repair of nothing, or without the samples that it is held to."""
    if option.repair and not (option.model or option.tflite):
        raise ValueError("--repair is for your own model: add --model or --tflite")
    if option.no_masked_steps and not (option.repair and option.inputs):
        raise ValueError(
            "--no-masked-steps says of --inputs that --repair may take masks out: add both"
        )


def _check_labels(labels: Path, inputs: Path) -> None:
    """Raises ValueError unless the labels are one class for each sample of the inputs."""
    try:
        arrays = list(array_files.read(inputs).values())
    except (ValueError, OSError):
        return  # the samples themselves will say so
    counts = {len(array) for array in arrays if array.ndim}
    if len(counts) == 1:
        accuracy.load_labels(labels, counts.pop())


def _check_state_dict(option: Any) -> None:
    """Raises ValueError for PyTorch weights that are none, or that nothing is compared with."""
    if option.state_dict is None:
        return
    if not option.tflite or option.model:
        raise ValueError(
            "--state-dict has the PyTorch weights that flatbuffers are compared with: add --tflite "
            "(and leave out --model, whose weights they are compared with otherwise)"
        )
    state_dict.load(option.state_dict)


def _check_samples(option: Any) -> None:
    """Raises ValueError for a file that is missing, or is of no use by itself."""
    for name, expected in (
        ("inputs", "an .npz file"),
        ("calibration", "an .npz file"),
        ("labels", "an .npy file"),
        ("expected", "an .npz file"),
        ("predictions", "an .npz or .npy file"),
    ):
        path = getattr(option, name)
        if path is not None and not path.is_file():
            raise ValueError(f"--{name} {path}: no such file; expected {expected}")
        if path is not None and not (option.model or option.tflite) and name != "predictions":
            raise ValueError(f"--{name} is for your own model: add --model or --tflite")
    if option.expected is not None and not (option.tflite and option.inputs):
        raise ValueError(
            "--expected are the original model's answers to your samples, which flatbuffers are "
            "held to: add --tflite and --inputs"
        )
    if option.expected is not None:
        if option.model:
            raise ValueError(
                "--expected stands for a model that is not there: leave out --model (whose own "
                "answers the flatbuffer is held to), or --expected"
            )
        recorded_answers.load(option.expected)
    if option.labels is not None and option.inputs is None:
        raise ValueError("--labels are the classes of your samples: add --inputs")
    if option.labels is not None:
        _check_labels(option.labels, option.inputs)
    if option.predictions is not None and not (option.tflite and option.inputs):
        raise ValueError(
            "--predictions are your code's answers to your samples by one flatbuffer: "
            "add --tflite and --inputs"
        )
