"""Write an Arduino sketch of a gated digit model, with ten digits that it predicts.

`python -m examples.digits.sketch DEVICE` reads the folder that `suites/test_resources.py` wrote
for the model (`report/device/SUBJECT/RECIPE`) and writes the sketch beside the model.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from examples.digits.data import SIZE
from harness.device import c_array

HERE = Path(__file__).parent
#: Of the TensorFlow Lite Micro libraries in Arduino's Library Manager the one with the LSTM
#: kernel; it is for boards with mbed or ESP32 cores.
LIBRARY = "Chirale_TensorFlowLite.h"
CLASSES = 10
#: How much larger than the measured one the sketch's arena is. What a library for Arduino needs
#: differs: built on a 64-bit host, version 2.0.0 of this one ran the int8 model from 6,976 bytes
#: of arena up where the tflite-micro wheel needs 4,208, and the float32 model from 7,744 (8,272).
#: With less it aborts or crashes more often than it refuses.
MARGIN_PERCENT = 100
_WHITE = 255


class Embedded(NamedTuple):
    """What the sketch carries. pixels: [10, 784] uint8, 255 times the real value; labels: [10]."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def values(self) -> NDArray[np.float32]:
        """The images as the sketch computes them, [10, 28, 28] float32 in [0, 1]."""
        found = self.pixels.astype(np.float32) / np.float32(_WHITE)
        return found.reshape(-1, SIZE, SIZE)


def ten_digits(x: NDArray[np.float32], y: NDArray[np.int64]) -> Embedded:
    """The first image of each class. x: [N, 28, 28] in [0, 1]; y: [N].

    Raises ValueError where a class is missing or an image is not of that form.
    """
    if x.shape[1:] != (SIZE, SIZE) or len(x) != len(y) or x.min() < 0 or x.max() > 1:
        raise ValueError(f"expected images [N, {SIZE}, {SIZE}] in [0, 1]; found {x.shape}")
    chosen = []
    for digit in range(CLASSES):
        found = np.flatnonzero(y == digit)
        if not len(found):
            raise ValueError(f"no image of the digit {digit} among {len(y)}")
        chosen.append(found[0])
    pixels = np.rint(x[chosen] * _WHITE).astype(np.uint8)
    return Embedded(pixels.reshape(CLASSES, SIZE * SIZE), y[chosen])


def write(device: Path, digits: Embedded, folder: Path, library: str = LIBRARY) -> Path:
    """Write the sketch below `folder`, in a folder of its own as Arduino wants it; the .ino file.

    device: what the suite for the device wrote: model.tflite and resources.json. Raises
    ValueError where these are missing.
    """
    try:
        content = (device / "model.tflite").read_bytes()
        resources: dict[str, Any] = json.loads((device / "resources.json").read_text())
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{device}: no model.tflite and resources.json, as suites/test_resources.py writes "
            f"them to report/device/SUBJECT/RECIPE ({error})"
        ) from error
    name = "digits_" + "".join(c if c.isalnum() else "_" for c in device.name)
    title = f"The digit model ({device.name})"
    sketch = folder / name
    sketch.mkdir(parents=True, exist_ok=True)
    symbol, arena = resources["c_array"]["symbol"], resources["arena_bytes"]
    header = c_array.header_text(symbol, len(content), arena, title)
    (sketch / "model.h").write_text(header)
    # The oldest of Arduino's builders compile .cpp and not .cc.
    (sketch / "model.cpp").write_text(c_array.source_text(symbol, content, title))
    (sketch / "digits.h").write_text(_digits_header(digits))
    path = sketch / f"{name}.ino"
    path.write_text(_sketch_text(title, symbol, arena, resources["op_resolver"], library))
    return path


def margin_of(arena: int) -> int:
    """The bytes by which the sketch's arena exceeds the measured one, a multiple of 16."""
    step = c_array.ALIGNMENT
    return -(-arena * MARGIN_PERCENT // (100 * step)) * step


def _sketch_text(title: str, symbol: str, arena: int, methods: list[str], library: str) -> str:
    registered = " &&\n         ".join(f"resolver.{name}() == kTfLiteOk" for name in methods)
    return _template("digits.ino").substitute(
        title=title,
        library=library,
        symbol=symbol,
        arena=arena,
        margin=margin_of(arena),
        percent=MARGIN_PERCENT,
        arena_total=arena + margin_of(arena),
        op_count=len(methods),
        registered=registered,
    )


def _digits_header(digits: Embedded) -> str:
    images = []
    for pixels in digits.pixels:
        rows = [", ".join(map(str, row)) for row in pixels.reshape(SIZE, SIZE)]
        images.append("    {\n        " + ",\n        ".join(rows) + ",\n    },")
    return _template("digits.h").substitute(
        count=CLASSES,
        pixels=SIZE * SIZE,
        size=SIZE,
        labels=", ".join(map(str, digits.labels)),
        images="\n".join(images),
    )


def _template(name: str) -> Template:
    return Template((HERE / "templates" / name).read_text())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m examples.digits.sketch", description=__doc__)
    parser.add_argument("device", type=Path, help="a folder below report/device")
    parser.add_argument(
        "--data", type=Path, default=HERE / "out", help="folder with heldout.npz and labels.npy"
    )
    parser.add_argument("--out", type=Path, default=HERE / "out" / "sketch")
    parser.add_argument("--library", default=LIBRARY, help="the header of the TFLM library")
    arguments = parser.parse_args()
    try:
        with np.load(arguments.data / "heldout.npz") as archive:
            images = archive["image"]
        digits = ten_digits(images, np.load(arguments.data / "labels.npy"))
        path = write(arguments.device, digits, arguments.out, arguments.library)
    except (OSError, ValueError, KeyError) as error:
        parser.error(str(error))
    print(f"sketch: {path}")


if __name__ == "__main__":
    main()
