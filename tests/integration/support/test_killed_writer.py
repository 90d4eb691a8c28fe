"""A writer of the store that is killed leaves nothing that stays."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from harness.support.cache import Store
from harness.support.project import ROOT


def test_what_a_killed_writer_left_is_removed_by_the_next_run(tmp_path: Path) -> None:
    """Killed in the middle of a write, which a disk of its own is made to last for."""
    folder = tmp_path / "cache"
    code = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from harness.support import files\n"
        "os.replace = lambda *_: (print('writing', flush=True), time.sleep(60))\n"
        "files.write(Path(sys.argv[1]) / 'aa' / 'entry.npz', b'x' * 1000)\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert writer.stdout is not None
    assert writer.stdout.readline().strip() == "writing"
    Store(folder)
    assert len(list(folder.rglob(".unfinished-*"))) == 1, "its writer lives"
    writer.kill()
    writer.wait()
    writer.stdout.close()
    Store(folder)
    assert not [path for path in folder.rglob("*") if path.is_file()]
