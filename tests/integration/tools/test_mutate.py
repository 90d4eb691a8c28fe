"""The runner of mutants examines the right mutants, and reads from a fork how each ended."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.support.project import ROOT
from tools.mutate import Forks, Reach, _is_wanted, _ordered


def _told(limit: int, work: Any, *subjects: str) -> dict[str, tuple[int, Any]]:
    return {name: (code, told) for name, code, told, _ in Forks(limit, work).run(subjects)}


def test_a_fork_tells_what_it_found_and_how_it_ended(capfd: pytest.CaptureFixture[str]) -> None:
    def work(subject: str) -> list[str] | None:
        os.write(1, b"nobody reads this")
        if subject == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if subject == "broken":
            raise LookupError("why it broke")
        return None if subject == "silent" else [subject]

    found = _told(2, work, "one", "killed", "broken", "silent", "two")
    assert found == {
        "one": (0, ["one"]),
        "killed": (-signal.SIGKILL, None),
        "broken": (3, None),
        "silent": (0, None),
        "two": (0, ["two"]),
    }
    out, err = capfd.readouterr()
    assert "nobody" not in out
    assert "why it broke" in err


def test_no_more_forks_than_are_allowed_run_at_a_time(tmp_path: Path) -> None:
    def work(subject: str) -> int:
        (tmp_path / subject).touch()
        time.sleep(0.05)
        count = len(list(tmp_path.iterdir()))
        (tmp_path / subject).unlink()
        return count

    for limit in (1, 3):
        counts = [told for _, told in _told(limit, work, *"abcdefgh").values()]
        assert max(counts) <= limit
    assert max(counts) > 1


def test_forks_that_are_stopped_leave_nothing_behind() -> None:
    forks = Forks(2, lambda subject: time.sleep(60))
    forks._start("a")
    forks._start("b")
    pids = list(forks.running)
    forks.stop()
    assert forks.running == {}
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@pytest.mark.parametrize(
    ("arguments", "examined"),
    [
        ({}, {"new", "survived", "no tests"}),
        ({"new": True}, {"new"}),
        ({"again": True}, {"new", "survived", "no tests", "killed", "hung"}),
        ({"patterns": ["s*", "k*"]}, {"survived"}),
        ({"patterns": ["s*", "k*"], "again": True}, {"survived", "killed"}),
    ],
)
def test_what_was_killed_stays_so_unless_it_is_asked_for(
    arguments: dict[str, Any], examined: set[str]
) -> None:
    codes = {"new": None, "survived": 0, "no tests": 33, "killed": 1, "hung": -24}
    options = argparse.Namespace(**{"patterns": [], "again": False, "new": False, **arguments})
    assert {name for name, code in codes.items() if _is_wanted(name, code, options)} == examined


def test_what_killed_before_is_run_first_and_then_the_quick_ones() -> None:
    reach = Reach({"f": ["slow", "quick", "killer", "rare"]}, {})
    reach.seconds.update(slow=9.0, quick=0.1, killer=5.0, rare=7.0)
    assert _ordered(reach, "f", Counter()) == ["quick", "killer", "rare", "slow"]
    ordered = _ordered(reach, "f", Counter(killer=3, rare=1))
    assert ordered == ["killer", "rare", "quick", "slow"]


PROJECT = {
    "pyproject.toml": """
[tool.mutmut]
source_paths = ["code"]
pytest_add_cli_args_test_selection = ["tests"]
pytest_add_cli_args = ["-p", "no:cacheprovider"]
""",
    "code/__init__.py": "",
    "code/sums.py": """
def total(a, b):
    return a + b


def forever(n):
    while n > 0:
        n -= 1
    return n


def unused(a):
    return a + 1
""",
    "tests/test_sums.py": """
from code.sums import forever, total


def test_total():
    assert total(2, 0) == 2


def test_forever():
    assert forever(3) == 0
""",
}


def test_a_small_project(tmp_path: Path) -> None:
    """A mutant that a test kills, one that none does (2 - 0), one without end, one never run."""
    pytest.importorskip("mutmut", reason="make mutants installs it")
    for name, text in PROJECT.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    codes = _examined(tmp_path)
    assert codes["code.sums.x_total__mutmut_1"] == 0
    assert {code for name, code in codes.items() if "x_unused" in name} == {33}
    forever = [code for name, code in codes.items() if "x_forever" in name]
    assert -signal.SIGXCPU in forever
    assert 1 in forever

    better = tmp_path / "tests" / "test_sums.py"
    better.write_text(PROJECT["tests/test_sums.py"].replace("(2, 0)", "(1, 1)"))
    assert _examined(tmp_path)["code.sums.x_total__mutmut_1"] == 1

    better.write_text("def test_wrong():\n    assert False\n")
    broken = _run(tmp_path)
    assert (
        "1 fail without a mutant: tests/test_sums.py::test_wrong" in broken.stderr + broken.stdout
    )
    assert broken.returncode != 0
    better.write_text(
        "seen = []\n\ndef test_a():\n    assert not seen\n    seen.append(1)\n\n"
        "def test_b():\n    assert not seen\n    seen.append(1)\n"
    )
    together = _run(tmp_path)
    assert "1 fail without a mutant: tests/test_sums.py::test_" in together.stderr + together.stdout


def _run(project: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.mutate", "--project", str(project), "--children", "2"]
    command += ["--seconds", "1"]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300
    )


def _examined(project: Path) -> dict[str, int]:
    done = _run(project)
    assert done.returncode == 0, done.stdout + done.stderr
    meta = json.loads((project / "mutants" / "code" / "sums.py.meta").read_text())
    return dict(meta["exit_code_by_key"])
