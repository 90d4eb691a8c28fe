"""Run the command `lstm-conformance`: gate models, certify, repair, report, init, doctor.

Exit status: 0 where everything agreed, 1 where something failed, 2 for bad usage.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from harness.support.project import version

#: Name, module whose `main` takes the rest of the line, help. A module is imported when it is run.
COMMANDS = (
    ("gate", "harness.command.gate", "gate models: .keras, .h5, SavedModel, .tflite"),
    ("certify", "harness.command.certify", "certify this installation: every variant and runtime"),
    ("init", "harness.command.init", "write the settings and the CI workflow of a repository"),
    ("doctor", "harness.command.doctor", "say what is installed, what works and what is missing"),
    ("repair", "harness.repair.command", "write a model that comes out wrong as one that does not"),
    ("report", "harness.report.command", "merge or compare reports (merge, diff), or write a page"),
    ("pad-lstm", "harness.flatbuffer.lstm_padding", "pad the LSTMs of an old flatbuffer"),
)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="lstm-conformance",
        description="Hold LSTMs to what they must answer, from Keras to the device.",
        epilog="`lstm-conformance COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, _, text in COMMANDS:
        commands.add_parser(name, help=text, add_help=False)
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Only the first word is the command's: all others belong to it, whatever they look like.
    options = parser.parse_args(given[:1])
    module = next(module for name, module, _ in COMMANDS if name == options.command)
    try:
        return int(importlib.import_module(module).main(given[1:]))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 1
