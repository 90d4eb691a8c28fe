"""Name the pytest plugins: options, fixtures and what is reported."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fixtures.limitations import cases as limitations
from harness.operators.exactness import Exactness
from harness.pipeline.cases import Case, Judged, Measured, judge
from harness.pipeline.selection import Selection, select_by
from harness.pipeline.settings import Settings
from harness.plugins import report as report_details
from harness.report import document as report
from harness.report import page, terminal
from harness.report.oracle_counts import oracle_counts
from harness.session.session import Session
from harness.support import hypothesis_profiles, interrupts, time_accounting
from harness.workers import environments
from harness.workers.answers import WorkerUnavailable

hypothesis_profiles.register()
pytest_plugins = [
    "harness.plugins.structure",
    "harness.plugins.predictions",
    "harness.plugins.project",
    "harness.plugins.resources",
    "harness.plugins.parallel",
    "harness.plugins.benchmarks",
    "harness.plugins.environments",
]

ROOT = Path(__file__).parent
_RESULT = "conformance"
_FUZZED = "fuzzed"
_INAPPLICABLE = "inapplicable"
_SELECTION = pytest.StashKey[Selection]()
_RESULTS = pytest.StashKey[dict[str, Any]]()
_EXPECTED = pytest.StashKey[list[str]]()
_SECONDS = pytest.StashKey[Any]()
_ENVIRONMENT = pytest.StashKey[Any]()
#: Suites that have nothing to say of one model.
_OF_INSTALLATIONS = ("test_golden", "test_operators", "test_quantization_laws", "test_recipes")
_COUNTS = pytest.StashKey[Any]()
_WITHOUT_PREMISE = pytest.StashKey[dict[str, Any]]()


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
    group.addoption("--seed", type=int, default=2015, help="seed of stimuli and calibration")
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


def pytest_configure(config: pytest.Config) -> None:
    option = config.option
    try:
        selection = select_by(option)
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
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error
    config.stash[_SELECTION] = selection
    config.stash[_RESULTS] = {}
    config.stash[_EXPECTED] = []
    config.stash[_SECONDS] = {}
    config.stash[_ENVIRONMENT] = {}
    config.stash[_COUNTS] = []
    config.stash[_WITHOUT_PREMISE] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    selection = metafunc.config.stash[_SELECTION]
    for name, cases in (
        ("conversion_case", selection.conversions),
        ("parity_case", selection.parities),
        ("operator_case", selection.operators),
        ("golden_case", selection.goldens),
        ("structure_case", selection.structures),
        ("quantization_case", selection.quantizations),
    ):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, [pytest.param(case, id=case.id) for case in cases()])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Some suites certify an installation: a user's model and single recipes go without them.
    Speed is measured when it is asked for."""
    option = config.option
    users = bool(option.model or option.tflite or option.recipe)
    only = config.getoption("benchmark_only", default=False)

    def wanted(item: pytest.Item) -> bool:
        bench = "benchmark" in getattr(item, "fixturenames", ())
        certifies = item.path.parent.name == "suites" and item.path.stem in _OF_INSTALLATIONS
        return bench == only and not (certifies and users)

    left = [item for item in items if not wanted(item)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if wanted(item)]


def pytest_collection_finish(session: pytest.Session) -> None:
    session.config.stash[_EXPECTED] = [item.nodeid for item in session.items if _case(item)]


def _case(item: pytest.Item) -> Case | None:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    for name in (
        "conversion_case",
        "parity_case",
        "operator_case",
        "golden_case",
        "law_case",
        "structure_case",
        "quantization_case",
        "predictions_case",
        "resource_case",
    ):
        found = parameters.get(name)
        if isinstance(found, Case):
            return found
    return None


@pytest.fixture(scope="session")
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    """Where cases are carried out. Under xdist each process has its own, and converts the
    subjects it is handed; alone, conversions run ahead of the tests."""
    config = request.config
    option = config.option
    settings = Settings(
        option.seed,
        None if option.no_cache else option.cache.absolute(),
        option.jobs,
        option.trusted,
        option.inputs,
        option.calibration,
        deadline=option.deadline,
        labels=option.labels,
        budgets=config.stash[report_details.OVERRIDES],
        converter=environments.converter(option.converter_python, option.converter_env),
    )
    found = Session(settings)
    try:
        found.check(config.stash[_SELECTION].runtimes)
    except WorkerUnavailable as error:
        found.close()
        pytest.exit(str(error), returncode=pytest.ExitCode.USAGE_ERROR)
    cases = [case for item in request.session.items if (case := _case(item))]
    apart = ("operator", "golden")
    plain = [c for c in cases if type(c) is Case and c.subject.kind not in apart]
    if hasattr(config, "workerinput"):
        found.plan(plain)
    else:
        found.prefetch(plain)
    try:
        yield found
    finally:
        config.stash[_SECONDS] = found.seconds
        config.stash[_ENVIRONMENT] = found.environment
        found.close()


@pytest.fixture(scope="session")
def registry() -> limitations.Registry:
    return limitations.load()


@pytest.fixture
def verdict(request: pytest.FixtureRequest, registry: limitations.Registry) -> Any:
    """Records how a case ended and fails the test unless it ended as expected."""

    def record(case: Case, measured: Measured) -> Judged:
        asked_for = request.config.stash[_SELECTION].asked_for(case)
        judged = judge(case, measured, registry, asked_for)
        judged, details = report_details.judged_with_details(request, judged)
        rerun = _rerun(request.config, request.node.nodeid, case)
        document = {**judged.document(), "rerun": rerun, **details}
        request.node.user_properties.append((_RESULT, document))
        if judged.verdict == "failed":
            text = report_details.told(judged.message, document)
            pytest.fail(text, pytrace=False)
        return judged

    return record


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Any:
    """Counts what a test held to an oracle beside its cases, for report and summary."""

    def record(runtime: str, kind: str, compared: list[Exactness]) -> None:
        entry = {
            "runtime": runtime,
            "kind": f"{kind} (fuzz)",
            "operators": len(compared),
            "values": sum(found.values for found in compared),
            "mismatches": sum(found.mismatches for found in compared),
        }
        request.node.user_properties.append((_FUZZED, entry))

    return record


def _rerun(config: pytest.Config, nodeid: str, case: Case) -> str:
    """The command that runs one case again, with the options that decide it."""
    option = config.option
    words = ["pytest", nodeid]
    for name in ("model", "tflite", "recipe", "runtime", "budget"):
        for value in report_details.own(getattr(option, name), case):
            words += [f"--{name}", str(value)]
    for name in ("converter_env", "runtime_python"):
        for value in getattr(option, name):
            words += [f"--{name.replace('_', '-')}", str(value)]
    for name in ("inputs", "calibration", "labels", "predictions"):
        if getattr(option, name) is not None:
            words += [f"--{name}", str(getattr(option, name))]
    if option.converter_python is not None:
        words += ["--converter-python", str(option.converter_python)]
    if option.seed != 2015:
        words += ["--seed", str(option.seed)]
    words += ["--full"] if option.full else []
    words += ["--trusted"] if option.trusted else []
    return shlex.join(words)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and _CONFIG:
        for name, value in report.user_properties:
            if name == _RESULT:
                _CONFIG[0].stash[_RESULTS][report.nodeid] = value
            if name == _FUZZED:
                _CONFIG[0].stash[_COUNTS].append(value)
            if name == _INAPPLICABLE:
                _CONFIG[0].stash[_WITHOUT_PREMISE][report.nodeid] = value


@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(
    report: pytest.TestReport,
) -> tuple[str, str, str] | None:
    """A limitation that was met is neither a plain pass nor a skip, nor is a law without a
    premise."""
    if report.skipped and any(name == _INAPPLICABLE for name, _ in report.user_properties):
        return "not applicable", "-", "NOT APPLICABLE"
    if report.when == "call" and report.passed:
        for name, value in report.user_properties:
            if name == _RESULT and value["verdict"] == "limitation":  # type: ignore[index]
                return "limitation", "l", "LIMITATION"
    return None


#: The configuration of this process, for the hooks that are not given one.
_CONFIG: list[pytest.Config] = []


def pytest_sessionstart(session: pytest.Session) -> None:
    _CONFIG[:] = [session.config]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the report, whatever happened, and let nothing untested pass."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput[_RESULT] = {
            "expected": config.stash[_EXPECTED],
            "seconds": time_accounting.of_process(config.stash[_SECONDS]),
            "environment": config.stash[_ENVIRONMENT],
        }
        return
    if config.option.collectonly:
        return
    results = config.stash[_RESULTS]
    expected = _applicable(config)
    if not expected:
        return
    began = time.monotonic()
    path = config.option.report / report.FILE_NAME
    interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
    with interrupts.deferred() as caught:
        try:
            stored = report.write(_document(config, interrupted), path)
            if caught:  # Ctrl-C while it was written
                stored = report.write(_document(config, True), path)
                session.exitstatus = pytest.ExitCode.INTERRUPTED
            report_details.publish(config, stored)
        except (OSError, ValueError) as error:
            config.stash[_ENVIRONMENT]["report_error"] = str(error)
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
        finally:
            alone = not config.getoption("numprocesses", None)
            time_accounting.add_report(config.stash[_SECONDS], time.monotonic() - began, alone)
    untested = [nodeid for nodeid in expected if nodeid not in results]
    if untested and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Under xdist: what a worker process knows and this one cannot. All collect the same."""
    stash = node.config.stash
    found = getattr(node, "workeroutput", {}).get(_RESULT)
    if found:
        stash[_EXPECTED] = found["expected"]
        stash[_ENVIRONMENT] = {**stash[_ENVIRONMENT], **found["environment"]}
        seconds = stash[_SECONDS]
        for kind, value in found["seconds"].items():
            seconds[kind] = seconds.get(kind, 0.0) + value


def _document(config: pytest.Config, interrupted: bool) -> dict[str, Any]:
    environment = report.environment(
        config.option.seed, report.command_line(), config.stash[_ENVIRONMENT]
    )
    seconds = dict(config.stash[_SECONDS])
    if not config.getoption("numprocesses", None):  # else the workers have given theirs
        seconds = time_accounting.of_process(seconds)
    seconds["wall"] = time_accounting.wall_seconds()
    cases = list(config.stash[_RESULTS].values())
    fuzzed: list[Any] = config.stash[_COUNTS]
    oracles = oracle_counts(cases, fuzzed)
    expected = len(_applicable(config))
    without = config.stash[_WITHOUT_PREMISE]
    built = report.build(environment, expected, cases, seconds, interrupted, oracles, without)
    return built | report_details.of_the_run(config, cases)


def _applicable(config: pytest.Config) -> list[str]:
    """What has to be executed: all that was collected but laws that say nothing of a user's
    model, which shows when it is converted."""
    without = config.stash[_WITHOUT_PREMISE]
    return [nodeid for nodeid in config.stash[_EXPECTED] if nodeid not in without]


def pytest_terminal_summary(terminalreporter: Any, exitstatus: int, config: pytest.Config) -> None:
    if not config.stash.get(_EXPECTED, []) or config.option.collectonly:
        return
    document = _document(config, exitstatus == pytest.ExitCode.INTERRUPTED)
    writer = terminalreporter._tw
    console = Console(file=writer, force_terminal=writer.hasmarkup, width=max(60, writer.fullwidth))
    terminalreporter.section("LSTM conformance")
    terminal.matrix(console, document["cases"])
    terminal.legend(console, document["cases"])
    terminal.counts(console, document)
    terminal.inapplicable(console, document)
    terminal.oracles(console, document["oracles"])
    terminal.accuracies(console, document["cases"])
    terminal.limitations(console, document["cases"])
    terminal.overrides(console, document)
    terminal.failures(console, document["cases"])
    terminal.timing(console, document["seconds"])
    error = config.stash[_ENVIRONMENT].get("report_error")
    path = config.option.report
    where = f"report: {path / report.FILE_NAME}\npage: {path / page.NAME}"
    console.print(
        f"not all could be written: {error}" if error else where,
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
