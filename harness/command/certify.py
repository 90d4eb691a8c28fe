"""Certify this installation: every LSTM variant through every recipe, on every runtime.

    lstm-conformance certify -n auto

The words are options of the harness and of pytest. It takes some minutes, and needs TensorFlow.
Exit status: 0 where everything came out as expected, 1 where something did not, 2 for bad usage.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from harness.command import suites


def main(arguments: Sequence[str]) -> int:
    if any(word in ("-h", "--help") for word in arguments):
        print(__doc__.strip())
        return 0
    if any(word.partition("=")[0] in ("--model", "--tflite") for word in arguments):
        print("error: a model is gated: lstm-conformance gate my.tflite", file=sys.stderr)
        return 2
    return suites.run(arguments)
