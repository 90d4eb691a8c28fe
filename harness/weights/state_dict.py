"""Read the LSTMs, linear layers, tables and convolutions of a PyTorch state dict.

PyTorch keeps an LSTM as weight_ih [4 units, features], weight_hh [4 units, units] and two biases
[4 units] that are added, with the gates in the order i, f, g, o
(https://pytorch.org/docs/2.5/generated/torch.nn.LSTM.html); Keras as kernel [features, 4 units],
recurrent kernel [units, 4 units] and one bias, in the same order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures import array_files, safetensors_files

Array = NDArray[Any]
_RECURRENT = re.compile(
    r"^(?:(.+)\.)?(weight_ih|weight_hh|bias_ih|bias_hh|weight_hr)(?:_l(\d{1,4})(_reverse)?)?$"
)


@dataclass(frozen=True, eq=False)
class StateDict:
    """What can be compared of a state dict.

    weights: by `layer/index` in Keras's layout, kernel, recurrent kernel and bias of each LSTM
    layer and direction (`lstm.l0`, `lstm.l1_reverse`). biases: of each of these layers bias_ih and
    bias_hh. linear: by name kernel [inputs, outputs] and bias, tables of an Embedding among them,
    [size, rows] and a bias of zeros. convolutions: by name kernel [filters, channels, size] and
    bias, of a Conv1d. scales: whether there are layers that converters fold into linear ones.
    """

    weights: dict[str, Array]
    biases: dict[str, tuple[Array, Array]]
    linear: dict[str, tuple[Array, Array]]
    scales: bool
    convolutions: dict[str, tuple[Array, Array]] = field(default_factory=dict)


def load(path: Path) -> StateDict:
    """The state dict of a .safetensors or .npz file; no code of it is run.

    Raises ValueError for a file that is none, for an LSTM with a projection (weight_hr), and for
    weights that are not an LSTM's, naming what was expected.
    """
    what = f"--state-dict {path}"
    if not path.is_file():
        raise ValueError(f"{what}: no such file; expected a .safetensors or .npz file")
    safetensors = path.suffix == ".safetensors"
    try:
        arrays = safetensors_files.read(path) if safetensors else array_files.read(path)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{what}: not a readable state dict, which is a .safetensors file or an .npz of plain "
            f"arrays ({error}); a .pt or .pth file holds code and is never opened: save it by "
            "safetensors.torch.save_file(model.state_dict(), …)"
        ) from error
    try:
        return read(arrays)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def read(arrays: dict[str, Array]) -> StateDict:
    """Raises ValueError as `load` does."""
    recurrent: dict[str, dict[str, Array]] = {}
    others: dict[str, Array] = {}
    for name, array in arrays.items():
        match = _RECURRENT.match(name)
        if match is None:
            others[name] = array
            continue
        module, part, number, back = match.groups()
        if part == "weight_hr":
            raise ValueError(f"{name}: an LSTM with proj_size, which no fused operator is made of")
        level = f"l{number}{back or ''}" if number else ""
        layer = ".".join(filter(None, (module, level))) or "lstm"
        recurrent.setdefault(layer, {})[part] = _real(name, array)
    weights: dict[str, Array] = {}
    biases = {}
    for layer, parts in recurrent.items():
        kernel, recurrent_kernel, *both = _checked(layer, parts)
        biases[layer] = (both[0], both[1])
        weights |= {f"{layer}/0": kernel.T, f"{layer}/1": recurrent_kernel.T}
        weights[f"{layer}/2"] = both[0] + both[1]
    linear, convolutions = {}, {}
    for name, array in others.items():
        module, _, part = name.rpartition(".")
        if part == "weight" and array.ndim in (2, 3) and array.dtype.kind == "f":
            bias = others.get(f"{module}.bias" if module else "bias", np.zeros(len(array)))
            if bias.shape != (len(array),):
                continue
            kernel, real_bias = _real(name, array), _real(name, bias)
            if array.ndim == 3:
                convolutions[module or "weight"] = (kernel, real_bias)
            else:
                linear[module or "weight"] = (kernel.T, real_bias)
    if not weights and not linear and not convolutions:
        raise ValueError(
            "no LSTM (weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0) and no linear layer "
            f"or Conv1d (weight, bias); found {', '.join(list(arrays)[:8]) or 'nothing'}"
        )
    scales = any(
        name.rpartition(".")[2] == "running_mean"
        or (name.rpartition(".")[2] == "weight" and array.ndim == 1)
        for name, array in others.items()
    )
    return StateDict(weights, biases, linear, scales, convolutions)


def _checked(layer: str, parts: dict[str, Array]) -> list[Array]:
    """weight_ih, weight_hh, bias_ih and bias_hh; biases of zeros for bias=False."""
    missing = [name for name in ("weight_ih", "weight_hh") if name not in parts]
    if ("bias_ih" in parts) is not ("bias_hh" in parts):
        missing += [name for name in ("bias_ih", "bias_hh") if name not in parts]
    if missing:
        raise ValueError(f"LSTM {layer!r} has {', '.join(parts)}; {', '.join(missing)} is missing")
    kernel, recurrent = parts["weight_ih"], parts["weight_hh"]
    units = recurrent.shape[1] if recurrent.ndim == 2 else 0
    zeros = np.zeros(4 * units)
    both = [parts.get("bias_ih", zeros), parts.get("bias_hh", zeros)]
    rows = 4 * units
    fits = kernel.ndim == 2 and len(kernel) == rows and recurrent.shape == (rows, units)
    if not units or not fits or any(bias.shape != (rows,) for bias in both):
        shapes = {name: list(array.shape) for name, array in parts.items()}
        raise ValueError(
            f"LSTM {layer!r}: expected weight_ih [4 units, features], weight_hh [4 units, units] "
            f"and biases [4 units]; found {shapes} (a GRU has 3 units, an RNN 1)"
        )
    return [kernel, recurrent, *both]


def _real(name: str, array: Array) -> Array:
    if array.dtype.kind != "f":
        raise ValueError(f"{name} is of type {array.dtype}; expected real numbers")
    return array.astype(np.float64)
