"""Start the harness that this package carries: what the command `lstm-conformance` runs.

The wheel has the harness below `tree/`, as it is in a checkout; nothing but this package is
installed at top level. That folder goes first on the path, so that no package of the same name
(`fixtures`, `suites`, `reference`) comes before the harness's own.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
#: The folder that holds harness/, suites/, fixtures/ and reference/: the wheel's, or a checkout.
TREE = _HERE / "tree" if (_HERE / "tree").is_dir() else _HERE.parent


def main() -> int:
    """Carry out the command line. Exit status: 0 agreed, 1 failed, 2 usage."""
    sys.path.insert(0, str(TREE))
    from harness.command.entry import main as entry

    return entry()
