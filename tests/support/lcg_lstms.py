"""Draw the integer LSTMs whose answers were recorded from compiled device kernels.

A linear congruential generator draws them, so that they need no file: s becomes
(1103515245 s + 12345) mod 2**31, and s >> 16 is the value.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reference.lstm.integer_weights import GateScales, IntegerLstm
from reference.lstm.weights import Gates


@dataclass
class Generator:
    state: int

    def draw(self, low: int, high: int, *shape: int) -> NDArray[np.int64]:
        """Integers from low to high, row-major."""
        values = []
        for _ in range(int(np.prod(shape))):
            self.state = (1103515245 * self.state + 12345) % 2**31
            values.append(low + (self.state >> 16) % (high - low + 1))
        return np.array(values, np.int64).reshape(shape)


@dataclass(frozen=True)
class Description:
    """One of the recorded LSTMs: sizes [units, features, steps, batch] and quantisation."""

    seed: int
    sizes: tuple[int, int, int, int]
    input: tuple[float, int]
    kernel: float
    recurrent: float
    hidden: tuple[float, int]
    cell: float
    most_bias: int
    clip: float = 0.0
    time_major: bool = False
    wide: bool = False


DESCRIPTIONS = {
    "A": Description(1, (5, 3, 6, 2), (0.02, -5), 0.01, 0.008, (1 / 128, 3), 2.0**-13, 2000),
    "B": Description(
        2, (6, 4, 8, 2), (0.02, 10), 0.02, 0.12, (1 / 128, -7), 2.0**-12, 6000, 1.5, True
    ),
    "C": Description(
        3, (4, 2, 5, 1), (1 / 16384, 0), 0.02, 0.02, (1 / 32768, 0), 2.0**-16, 20000, wide=True
    ),
}


def recorded(name: str, **changes: Any) -> tuple[IntegerLstm, NDArray[Any]]:
    """One of the recorded LSTMs with its input; changes: fields of the model."""
    about = DESCRIPTIONS[name]
    units, features, steps, batch = about.sizes
    generator = Generator(about.seed)
    kernels = [generator.draw(-127, 127, units, features) for _ in range(4)]
    recurrent = [generator.draw(-127, 127, units, units) for _ in range(4)]
    biases = [generator.draw(-about.most_bias, about.most_bias, units) for _ in range(4)]
    limits = (-16384, 16383) if about.wide else (-128, 127)
    shape = (steps, batch) if about.time_major else (batch, steps)
    x = generator.draw(*limits, *shape, features)
    model = IntegerLstm(
        Gates(*(k.astype(np.int8) for k in kernels)),
        Gates(*(k.astype(np.int8) for k in recurrent)),
        Gates(*(b.astype(np.int64 if about.wide else np.int32) for b in biases)),
        float(np.float32(about.input[0])),
        about.input[1],
        GateScales(*[float(np.float32(about.kernel))] * 4),
        GateScales(*[float(np.float32(about.recurrent))] * 4),
        float(np.float32(about.hidden[0])),
        about.hidden[1],
        float(np.float32(about.hidden[0])),
        about.hidden[1],
        about.cell,
        about.clip,
        about.time_major,
        "int16" if about.wide else "int8",
    )
    return replace(model, **changes), x.astype(np.int16 if about.wide else np.int8)
