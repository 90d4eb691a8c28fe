"""Train the digit model once, gate it, and write Arduino sketches that predict ten digits.

Usage: `python -m examples.digits [--mnist FILE.npz]`.

Exit status is that of the gate. `--train-again` ignores a model that is already there.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

from examples.digits import sketch

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.digits", description=__doc__)
    parser.add_argument("--mnist", type=Path, help="the original MNIST file, mnist.npz")
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder of the model")
    parser.add_argument("--train-again", action="store_true")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    if arguments.mnist is not None and not arguments.mnist.is_file():
        parser.error(f"--mnist {arguments.mnist}: no such file")
    if arguments.train_again or arguments.mnist or not (out / "labels.npy").is_file():
        mnist = ["--mnist", str(arguments.mnist.resolve())] if arguments.mnist else []
        command = [sys.executable, "-m", "examples.digits.train", str(out), *mnist]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode
        if status:
            return status
    gate = [
        *(sys.executable, "-m", "pytest", "suites/", "-q"),
        *("--model", str(out / "model.keras")),
        *("--inputs", str(out / "heldout.npz"), "--labels", str(out / "labels.npy")),
        *("--calibration", str(out / "calibration.npz")),
        *("--recipe", "float32", "--recipe", "int8"),
        *("--report", str(out / "report")),
    ]
    status = subprocess.run(gate, cwd=ROOT, check=False).returncode
    _write_sketches(out)
    return status


def _write_sketches(out: Path) -> None:
    """One for each recipe whose files for the device the gate has written."""
    with np.load(out / "heldout.npz") as archive:
        digits = sketch.ten_digits(archive["image"], np.load(out / "labels.npy"))
    for device in sorted((out / "report" / "device" / "model.keras").glob("*/resources.json")):
        print(f"sketch: {sketch.write(device.parent, digits, out / 'sketch')}")


if __name__ == "__main__":
    sys.exit(main())
