"""Repair a model that comes out wrong, and prove the result before it is written.

    python -m harness repair my.keras -o fused.keras
    python -m harness repair my_int8.tflite -o fixed.tflite [--model my.keras] [--inputs x.npz]

Exit status: 0 for a model that was repaired or needs no repair, 1 where no repair is the same
function or the proof fails, and nothing is written, 2 for bad input.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fixtures.runtimes import RUNTIMES, Runtime
from harness.pipeline.settings import Settings
from harness.repair import models, scales
from harness.session.session import Session
from harness.support.project import CACHE, COMMAND

KERAS = (".keras", ".h5", ".hdf5")


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        runtimes = _runtimes(options.runtime)
        _check(options)
        settings = Settings(
            seed=options.seed,
            cache=options.cache,
            inputs=options.inputs,
            calibration=options.calibration,
            trusted=options.trusted,
        )
        session = Session(settings)
        try:
            told = _repaired(session, options, runtimes)
        finally:
            session.close()
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n".join(told.lines))
    return 0 if told.proven else 1


def _check(options: argparse.Namespace) -> None:
    """Raises ValueError for files and options that do not go together."""
    keras = options.file.suffix in KERAS
    if not keras and options.file.suffix != ".tflite":
        expected = f"{', '.join(KERAS)} or .tflite"
        raise ValueError(f"{options.file}: expected a file that ends in {expected}")
    if keras and options.out.suffix != ".keras" and options.out.suffix != options.file.suffix:
        raise ValueError(f"-o {options.out}: a repaired Keras model is a .keras file")
    if keras and (options.model is not None or options.int16x8):
        raise ValueError("--model and --int16x8 are for a .tflite file")
    if not keras and options.no_masked_steps:
        raise ValueError("--no-masked-steps is for a Keras model")


def _repaired(
    session: Session, options: argparse.Namespace, runtimes: Sequence[Runtime]
) -> scales.Told | models.Repaired:
    if options.file.suffix in KERAS:
        return models.repair(session, options.file, options.out, runtimes, options.no_masked_steps)
    return scales.repair(
        session, options.file, options.model, options.out, runtimes, options.int16x8
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{COMMAND} repair",
        description="Write the same model so that its LSTMs fuse, or with their integer scales "
        "repaired.",
    )
    parser.add_argument(
        "file",
        type=Path,
        help="a Keras model (.keras, .h5), or an int8 .tflite file with fused LSTMs",
    )
    parser.add_argument("-o", "--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--model", type=Path, help="the Keras model that it was made from")
    parser.add_argument("--inputs", type=Path, help="samples (.npz, an array per input)")
    parser.add_argument("--calibration", type=Path, help="samples that it was calibrated with")
    parser.add_argument(
        "--runtime", action="append", default=[], metavar="NAME", help="only this one; repeatable"
    )
    parser.add_argument(
        "--int16x8", action="store_true", help="write int16 activations, for TensorFlow Lite Micro"
    )
    parser.add_argument(
        "--no-masked-steps",
        action="store_true",
        help="no step is ever masked: take masks out (the samples of --inputs are held to it)",
    )
    parser.add_argument("--trusted", action="store_true", help="the model may carry code")
    parser.add_argument("--seed", type=int, default=2015, help="of the samples, without --inputs")
    parser.add_argument("--cache", type=Path, default=CACHE, help="kept results")
    return parser


def _runtimes(names: Sequence[str]) -> list[Runtime]:
    """The native runtimes of these names, all where none is named."""
    known = {name: runtime for name, runtime in RUNTIMES.items() if runtime.native}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"--runtime {unknown[0]}: expected one of {', '.join(known)}")
    return [runtime for name, runtime in known.items() if not names or name in names]
