"""Run pytest on the suites of this harness, wherever it is installed."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from harness.support.project import CACHE, ROOT

#: pytest's exit status as the command's: failed tests, an internal error and an interruption are
#: no success; nothing collected and bad options are usage (pytest's ExitCode).
_STATUS = {0: 0, 1: 1, 2: 1, 3: 1, 4: 2, 5: 2}
SUITES = "suites/"


def run(words: Sequence[str], overrides: Sequence[str] = ()) -> int:
    """The suites with these words of pytest's; a word that begins with `suites/` is one of ours.

    overrides: settings NAME=VALUE in the place of pytest's. Paths are relative to the folder one
    is in. Exit status 0, 1 or 2.
    """
    import pytest  # here: whoever asks for help or `doctor` does not wait for it

    sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]
    own = [str(ROOT / word) if word.startswith(SUITES) else word for word in words]
    if all(own_word == word for own_word, word in zip(own, words, strict=True)):
        own = [str(ROOT / SUITES), *own]
    # What plugins of pytest remember belongs neither into the user's folder nor into an
    # installation; what pytest itself does, the line that runs a case again makes good for.
    kept = _cache(words)
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(kept / "hypothesis"))
    own += ["-p", "no:cacheprovider", f"--benchmark-storage=file://{kept / 'benchmarks'}"]
    given = [each for setting in overrides for each in ("-o", setting)]
    quiet = [] if any(_verbosity(word) for word in words) else ["-q"]
    config = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    return _STATUS.get(int(pytest.main([*config, *given, *quiet, *own])), 1)


def _cache(words: Sequence[str]) -> Path:
    """The folder of --cache, as argparse would read it, else the usual one."""
    found = CACHE
    every = [*shlex.split(os.environ.get("PYTEST_ADDOPTS", "")), *words]
    for word, after in zip_longest(every, every[1:], fillvalue=""):
        if word.startswith("--cache="):
            found = Path(word.removeprefix("--cache="))
        elif word == "--cache" and after:
            found = Path(after)
    return found.absolute()


def _verbosity(word: str) -> bool:
    short = word.startswith("-") and not word.startswith("--") and set(word[1:]) <= set("qv")
    return word in ("--quiet", "--verbose") or (short and len(word) > 1)
