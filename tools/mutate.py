"""Hold mutmut's mutants to the tests that reach them, in forks of one pytest session.

mutmut makes the mutants and keeps the verdicts (mutants/**/*.py.meta, in its own format, so that
`mutmut results`, `show` and `browse` work). Only the running is done here: `mutmut run` starts
and collects pytest anew for every mutant, a quarter of a second of processor time for tests that
take some milliseconds. Here pytest collects once; each test is run once in a fork to see which
functions it reaches; then each mutant gets a fork, in which those tests are run until one fails:
first those that killed most mutants of the same function, then the quick ones.

A test that fails without a mutant ends the run, which then proves nothing.

`python -m tools.mutate` examines what has no verdict yet, and again what survived, since tests
may have become better; what was killed stays so until its function changes. `--again` examines
what was killed too; a pattern (`reference.arithmetic.affine.*`) limits all this to what fits.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import gc
import io
import json
import os
import resource
import shutil
import signal
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: mutmut's exit codes; see tools/mutants.py.
KILLED, SURVIVED, NO_TESTS = 1, 0, 33
#: A mutant may need this many times the processor time of its tests, and --seconds beside.
_PATIENCE = 10
#: A mutant that waits for something uses no processor time. On a starved machine others do too.
_WALL_SECONDS = 1800
_MOST_BYTES = 8 * 2**30


@dataclass
class Reach:
    """Which tests reach which function, and the processor time of each."""

    tests: dict[str, list[str]]
    seconds: dict[str, float]


@dataclass
class Child:
    """A fork under way. pipe: where it says what it found."""

    subject: str
    pipe: int
    began: float


@dataclass
class Forks:
    """At most `limit` forks at a time. work: run in the fork, what it returns comes back."""

    limit: int
    work: Callable[[str], Any]
    running: dict[int, Child] = field(default_factory=dict)
    silence: int = field(default_factory=lambda: os.open(os.devnull, os.O_WRONLY))
    errors: int = field(default_factory=lambda: os.dup(2))

    def run(self, subjects: Sequence[str]) -> Iterator[tuple[str, int, Any, float]]:
        """subject, exit code, what came back (None if it died), wall time; as they end."""
        for subject in subjects:
            while len(self.running) >= self.limit:
                yield self._wait()
            self._start(subject)
        while self.running:
            yield self._wait()

    def _start(self, subject: str) -> None:
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 3
            try:
                os.close(read)
                for stream in (1, 2):
                    os.dup2(self.silence, stream)
                told = self.work(subject)
                with os.fdopen(write, "w") as pipe:
                    json.dump(told, pipe)
                code = 0
            except BaseException:
                os.dup2(self.errors, 2)
                traceback.print_exc(file=sys.__stderr__)
            finally:
                os._exit(code)
        os.close(write)
        self.running[pid] = Child(subject, read, time.monotonic())

    def _wait(self) -> tuple[str, int, Any, float]:
        """The next fork that says something, or dies; other children of this process are not ours
        to wait for."""
        pipes = {child.pipe: pid for pid, child in self.running.items()}
        pid = pipes[wait(list(pipes))[0]]  # type: ignore[index]
        child = self.running.pop(pid)
        with os.fdopen(child.pipe) as stream:
            text = stream.read()
        _, status = os.waitpid(pid, 0)
        told = json.loads(text) if text else None
        code = os.waitstatus_to_exitcode(status)
        return child.subject, code, told, time.monotonic() - child.began

    def stop(self) -> None:
        for pid in self.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        while self.running:
            self._wait()


class Examination:
    """A pytest plugin that takes the place of pytest's own loop over the tests."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.items: dict[str, Any] = {}
        self.failed = False

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.failed = self.failed or report.failed

    def pytest_runtestloop(self, session: Any) -> bool:
        if session.testsfailed:
            raise session.Interrupted("errors during collection")
        self.items = {item.nodeid: item for item in session.items}
        gc.collect()
        gc.freeze()
        os.chdir("..")  # mutmut keeps its verdicts relative to the project
        examine(self, self.options)
        return True

    def passes(self, names: Sequence[str]) -> str | None:
        """None if all these tests pass, or else the first that does not."""
        os.chdir("mutants")
        items = [self.items[name] for name in names]
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return str(item.nodeid)
        return None


def tests_of(session: Examination, limit: int) -> Reach:
    """Each test alone in a fork, with mutmut's trampolines saying what is called."""
    from mutmut.mutation.trampoline import set_mutant_under_test
    from mutmut.state import state

    def work(name: str) -> tuple[bool, list[str], float]:
        set_mutant_under_test("stats")
        state()._stats.clear()
        began = time.process_time()
        good = session.passes([name]) is None
        return good, sorted(state()._stats), time.process_time() - began

    found = Reach({}, {})
    reach = defaultdict(list)
    broken = []
    for name, code, told, _ in Forks(limit, work).run(list(session.items)):
        if code or not told[0]:
            broken.append(name)
            continue
        found.seconds[name] = told[2]
        for function in told[1]:
            reach[function].append(name)
    # And all of them one after the other, as a mutant that survives has them.
    if not broken:
        alone = Forks(
            1, lambda _: session.passes(sorted(found.seconds, key=lambda name: found.seconds[name]))
        )
        for _, code, told, _ in alone.run(["all"]):
            broken += [told or f"all together: {code}"] if told or code else []
    if broken:
        raise SystemExit(f"{len(broken)} fail without a mutant: {', '.join(sorted(broken))[:2000]}")
    found.tests.update(reach)
    return found


def examine(session: Examination, options: argparse.Namespace) -> None:
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.mutation.trampoline import set_mutant_under_test
    from mutmut.utils.file_utils import walk_mutatable_files

    files = []
    for path in walk_mutatable_files():
        data = SourceFileMutationData(path=path)
        data.load()
        files.append(data)
    wanted = [
        (data, name)
        for data in files
        for name, code in data.exit_code_by_key.items()
        if _is_wanted(name, code, options)
    ]
    print(f"{len(wanted)} mutants to examine", flush=True)
    reach = tests_of(session, options.children)
    print(
        f"{len(reach.seconds)} tests, {sum(reach.seconds.values()):.0f} s of processor time",
        flush=True,
    )
    of = {name: data for data, name in wanted}
    killers: dict[str, Counter[str]] = defaultdict(Counter)

    def work(name: str) -> str | None:
        function = _function(name)
        names = _ordered(reach, function, killers[function])
        limit = int(options.seconds + _PATIENCE * sum(reach.seconds[test] for test in names))
        limit += int(time.process_time())
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
        signal.alarm(_WALL_SECONDS)
        set_mutant_under_test(name)
        return session.passes(names)

    reached = [name for name in of if reach.tests.get(_function(name))]
    for name in of.keys() - set(reached):
        of[name].exit_code_by_key[name] = NO_TESTS
    reached.sort(key=lambda name: sum(reach.seconds[t] for t in reach.tests[_function(name)]))
    forks = Forks(options.children, work)
    saved = began = time.monotonic()
    counts: Counter[int] = Counter()
    try:
        for name, code, killer, seconds in forks.run(reached):
            # A fork that dies is killed by what killed it: no memory left, no time, a crash.
            verdict = code or (SURVIVED if killer is None else KILLED)
            of[name].exit_code_by_key[name] = verdict
            of[name].durations_by_key[name] = seconds
            if killer is not None:
                killers[_function(name)][killer] += 1
            counts[verdict] += 1
            if time.monotonic() - saved > 10:
                saved = time.monotonic()
                _save(files)
                print(
                    f"{sum(counts.values())} of {len(reached)} in {saved - began:.0f} s: "
                    f"{counts[SURVIVED]} survive",
                    flush=True,
                )
    finally:
        forks.stop()
        _save(files)
    print(f"{sum(counts.values())} examined: {dict(counts)}", flush=True)


def _is_wanted(name: str, code: int | None, options: argparse.Namespace) -> bool:
    if options.patterns and not any(fnmatch.fnmatch(name, one) for one in options.patterns):
        return False
    return options.again or code is None or (code in (SURVIVED, 5, NO_TESTS) and not options.new)


def _ordered(reach: Reach, function: str, killers: Mapping[str, int]) -> list[str]:
    return sorted(reach.tests[function], key=lambda t: (-killers.get(t, 0), reach.seconds[t]))


def _function(mutant: str) -> str:
    return mutant.partition("__mutmut_")[0]


def _save(files: Sequence[Any]) -> None:
    for data in files:
        data.save()


def prepare(children: int) -> None:
    """The folder mutants/ with the project's files as they are now, and mutmut's mutants."""
    from mutmut.__main__ import create_mutants
    from mutmut.mutation.trampoline import set_mutant_under_test
    from mutmut.utils import file_utils

    set_mutant_under_test("mutant_generation")
    Path("mutants").mkdir(exist_ok=True)
    with contextlib.redirect_stdout(io.StringIO()):  # a line for each file
        # mutmut leaves data files alone that are there already.
        for folder, name in file_utils.walk_all_files():
            target = Path("mutants", folder, name)
            if target.suffix != ".py" and target.exists():
                shutil.copy2(Path(folder, name), target)
        file_utils.copy_src_dir()
        file_utils.copy_also_copy_files()
        file_utils.setup_source_paths()
        made = create_mutants(children)
    print(f"{made.mutated + made.unmodified} files mutated", flush=True)
    set_mutant_under_test("")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.mutate", description=__doc__)
    parser.add_argument("patterns", nargs="*", help="names of mutants, with * and ?")
    parser.add_argument("--again", action="store_true", help="also those that were killed")
    parser.add_argument("--new", action="store_true", help="not again those that survived")
    parser.add_argument("--children", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=10.0, help="least processor time of one")
    parser.add_argument("--project", type=Path, default=ROOT, help="where pyproject.toml is")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is imported
    os.chdir(options.project)
    import pytest
    from mutmut.configuration import config

    prepare(options.children)
    selected = [*config().pytest_add_cli_args, *config().pytest_add_cli_args_test_selection]
    fixed = [
        "--rootdir=.",
        "--capture=sys",
        "--tb=native",
        "--assert=plain",
        "-o",
        "tmp_path_retention_policy=none",
    ]
    os.chdir("mutants")
    return int(pytest.main([*fixed, *selected], plugins=[Examination(options)]))


if __name__ == "__main__":
    sys.exit(main())
