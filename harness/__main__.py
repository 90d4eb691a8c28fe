"""Run the commands beside the suites: `python -m harness COMMAND`."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

#: Name, module whose `main` takes the rest of the line, help. A module is imported when it is run.
COMMANDS = (
    ("report", "harness.report.command", "merge or compare stored reports, or write their page"),
    ("matrix", "harness.report.support_matrix", "write or check docs/support.md's matrix"),
    ("pad-lstm", "harness.flatbuffer.lstm_padding", "pad the LSTMs of an old flatbuffer"),
    ("repair", "harness.repair.command", "write a model that comes out wrong as one that does not"),
    ("certify", "harness.assurance.certificate.command", "see every check kill its faults"),
    ("fuzz", "harness.assurance.fuzz.command", "put corrupted flatbuffers through everything"),
    ("wire", "harness.assurance.boards.command", "put random faults into a device's wire"),
    ("world", "harness.assurance.world.command", "hold verdicts on ordinary models to the truth"),
    ("arm64", "harness.assurance.emulation.command", "make an emulated ARM Python with LiteRT"),
    ("versions", "harness.assurance.versions.command", "measure which package versions work"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m harness", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, _, text in COMMANDS:
        commands.add_parser(name, help=text, add_help=False)
    options, rest = parser.parse_known_args(arguments)
    module = next(module for name, module, _ in COMMANDS if name == options.command)
    return int(importlib.import_module(module).main(rest))


if __name__ == "__main__":
    sys.exit(main())
