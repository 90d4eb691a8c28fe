"""Rewrite or check the generated parts of docs/: `python -m tools.site [--write] [PART …]`.

Parts: tables (options, packages, functions: from the code), gallery and pictures (from real runs,
minutes). Without --write it says what is stale, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from harness.support import files
from harness.support.project import ROOT
from tools.site import gallery, pictures, tables

#: A part, and what makes its files: contents by path.
PARTS: Mapping[str, Callable[[], Mapping[Path, bytes]]] = {
    "tables": tables.pages,
    "gallery": gallery.pages,
    "pictures": pictures.pages,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=__doc__)
    parser.add_argument("--write", action="store_true", help="rewrite what is stale")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    options = parser.parse_args(arguments)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]}, expected some of {', '.join(PARTS)}")
    stale = []
    for part in options.parts or PARTS:
        for path, content in PARTS[part]().items():
            if path.exists() and path.read_bytes() == content:
                continue
            stale.append(path)
            if options.write:
                path.parent.mkdir(parents=True, exist_ok=True)
                files.write(path, content)
    for path in stale:
        print(f"{'written' if options.write else 'stale'}: {path.relative_to(ROOT)}")
    return int(bool(stale) and not options.write)


if __name__ == "__main__":
    sys.exit(main())
