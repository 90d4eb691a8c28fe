"""Run pytest on the suites of this harness, wherever it is installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

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
    settings = list(overrides)
    # What pytest and its plugins remember belongs neither into the user's folder nor into an
    # installation.
    settings.append(f"cache_dir={CACHE / 'pytest'}")
    own.append(f"--benchmark-storage=file://{CACHE / 'benchmarks'}")
    os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(CACHE / "hypothesis"))
    given = [each for setting in settings for each in ("-o", setting)]
    quiet = [] if any(_verbosity(word) for word in words) else ["-q"]
    config = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT)]
    return _STATUS.get(int(pytest.main([*config, *given, *quiet, *own])), 1)


def _verbosity(word: str) -> bool:
    short = word.startswith("-") and not word.startswith("--") and set(word[1:]) <= set("qv")
    return word in ("--quiet", "--verbose") or (short and len(word) > 1)
