"""Compute one step of the cells of Keras 2.15's recurrent layers in float64.

LSTM: Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000, gate order
i, f, c, o (keras/layers/rnn/lstm.py). GRU: Cho et al. 2014, gate order z, r, h; reset_after as
in keras/layers/rnn/gru.py. ConvLSTM: Shi et al. 2015 without peepholes: an LSTM whose products
are convolutions (keras/layers/rnn/base_conv_lstm.py), the recurrent one padded to keep its size.
Sequences are [time, trials, rows, …], states [trials, rows, …].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from reference.network.activations import ACTIVATIONS
from reference.network.config import several, wrapped
from reference.network.convolution import padding, patches
from reference.network.hooks import (
    Array,
    Hooks,
    UnsupportedLayer,
    WeightKind,
    align,
    magnitude_of,
    matmul,
)
from reference.network.layers import Run


class Cell(Protocol):
    """What the loop over time asks of a cell."""

    def state_shapes(self, step_shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Shapes of the states without trials and rows, for inputs [.., *step_shape]."""

    def project(self, steps: Array) -> list[Array]:
        """What depends on the input alone, for all time steps at once, time first."""

    def step(self, projected: list[Array], states: list[Array]) -> tuple[Array, list[Array]]:
        """The output and the new states of one step."""


class _Products:
    """The two affine maps of a cell: input kernel and bias, recurrent kernel and bias."""

    def __init__(
        self,
        hooks: Hooks,
        name: str,
        kernel: Array,
        recurrent: Array,
        bias: Array | None,
        recurrent_bias: Array | None = None,
        tensors: int = 1,
        windows: Callable[[Array], Array] | None = None,
        recurrent_windows: Callable[[Array], Array] | None = None,
        rank: int = 0,
    ) -> None:
        def weight(part: str, kind: WeightKind, value: Array | None) -> Array | None:
            if value is None:
                return None
            return hooks.weight(f"{name}/{part}", kind, value, tensors)

        self.hooks, self.name = hooks, name
        self.kernel = hooks.weight(f"{name}/kernel", "kernel", kernel, tensors)
        self.recurrent = hooks.weight(f"{name}/recurrent", "recurrent", recurrent, tensors)
        self.bias = weight("bias", "bias", bias)
        self.recurrent_bias = weight("recurrent_bias", "bias", recurrent_bias)
        self.absolute_recurrent = np.abs(self.recurrent[:1])
        self.windows = windows
        self.recurrent_windows = recurrent_windows
        self.row_axes = rank + 1  # space and channels

    def input(self, steps: Array) -> Array:
        """W x + b for every time step of [time, trials, rows, …]."""
        hooks, name = self.hooks, f"{self.name}/kernel"
        x = np.swapaxes(steps, 0, 1)  # hooks want the trials first
        if self.windows is not None:
            x = self.windows(x)
        x = hooks.operand(name, x, axes=self.row_axes)
        result = matmul(x, self.kernel)
        added: tuple[Array, ...] = ()
        if self.bias is not None:
            added = (align(self.bias, result.ndim),)
            result = result + added[0]
        terms = self.kernel.shape[1] + len(added)
        magnitude = magnitude_of(x, self.kernel, *added)
        return np.swapaxes(hooks.gate(f"{self.name}/input", result, terms, magnitude), 0, 1)

    def state(self, hidden: Array, added: Array | None = None, part: str = "gates") -> Array:
        """R h + b (+ what the input gave)."""
        hooks = self.hooks
        h = hidden if self.recurrent_windows is None else self.recurrent_windows(hidden)
        h = hooks.operand(f"{self.name}/recurrent", h, axes=self.row_axes)
        result = matmul(h, self.recurrent)
        extra = [] if added is None else [added]
        if self.recurrent_bias is not None:
            extra.append(align(self.recurrent_bias, result.ndim))
        for array in extra:
            result = result + array
        terms = self.recurrent.shape[1] + len(extra)
        magnitude = magnitude_of(h, self.recurrent, *extra, absolute=self.absolute_recurrent)
        return hooks.gate(f"{self.name}/{part}", result, terms, magnitude)


class LstmCell:
    """c' = f c + i g; h' = o activation(c'). States: h, c."""

    def __init__(self, run: Run, products: _Products, options: Mapping[str, Any], clip: float):
        self.hooks, self.products, self.name = run.hooks, products, products.name
        self.inner, self.outer = options["recurrent_activation"], options["activation"]
        self.units = products.recurrent.shape[2] // 4
        self.clip = clip
        self.space: Callable[[tuple[int, ...]], tuple[int, ...]] | None = None

    def state_shapes(self, step_shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        shape: tuple[int, ...] = (self.units,)
        if self.space is not None:
            shape = (*self.space(step_shape[:-1]), self.units)
        return [shape, shape]

    def project(self, steps: Array) -> list[Array]:
        return [self.products.input(steps)]

    def step(self, projected: list[Array], states: list[Array]) -> tuple[Array, list[Array]]:
        hooks, name, n = self.hooks, self.name, self.units
        z = self.products.state(states[0], projected[0])
        input_forget = self._gate("if", self.inner, z[..., : 2 * n])
        i, f = input_forget[..., :n], input_forget[..., n:]
        g = self._gate("g", self.outer, z[..., 2 * n : 3 * n])
        o = self._gate("o", self.inner, z[..., 3 * n :])
        kept, new = f * states[1], i * g
        c = hooks.cell(f"{name}/cell", kept + new, lambda: np.abs(kept) + np.abs(new))
        if self.clip:
            c = np.clip(c, -self.clip, self.clip)
        out = hooks.gate_output(f"{name}/out", self.outer, ACTIVATIONS[self.outer](c))
        h = hooks.hidden(f"{name}/hidden", o * out)
        return h, [h, c]

    def _gate(self, part: str, function: str, z: Array) -> Array:
        value = ACTIVATIONS[function](z)
        return self.hooks.gate_output(f"{self.name}/{part}", function, value)


class GruCell:
    """h' = z h + (1 - z) activation(W x + r * (R h)), or R (r * h) with reset_after False."""

    def __init__(
        self, run: Run, products: _Products, options: Mapping[str, Any], candidate: _Products | None
    ):
        self.hooks, self.products, self.name = run.hooks, products, products.name
        self.inner, self.outer = options["recurrent_activation"], options["activation"]
        self.candidate = candidate
        self.units = products.kernel.shape[2] // 3

    def state_shapes(self, step_shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        return [(self.units,)]

    def project(self, steps: Array) -> list[Array]:
        return [self.products.input(steps)]

    def step(self, projected: list[Array], states: list[Array]) -> tuple[Array, list[Array]]:
        hooks, name, n, h = self.hooks, self.name, self.units, states[0]
        x = projected[0]
        inner = self.products.state(h)
        gates = x[..., : 2 * n] + inner[..., : 2 * n]
        z_r = ACTIVATIONS[self.inner](self._sum("zr", gates))
        z_r = hooks.gate_output(f"{name}/zr", self.inner, z_r)
        z, r = z_r[..., :n], z_r[..., n:]
        if self.candidate is None:
            recurrent = r * inner[..., 2 * n :]
        else:
            recurrent = self.candidate.state(r * h, part="candidate")
        total = self._sum("h", x[..., 2 * n :] + recurrent)
        new = hooks.gate_output(f"{name}/g", self.outer, ACTIVATIONS[self.outer](total))
        h = hooks.hidden(f"{name}/hidden", z * h + (1 - z) * new)
        return h, [h]

    def _sum(self, part: str, value: Array) -> Array:
        return self.hooks.gate(f"{self.name}/{part}", value, 3, lambda: np.abs(value[:1]))


class SimpleCell:
    """h' = activation(W x + R h + b)."""

    def __init__(self, run: Run, products: _Products, options: Mapping[str, Any]):
        self.hooks, self.products, self.name = run.hooks, products, products.name
        self.outer = options["activation"]
        self.units = products.kernel.shape[2]

    def state_shapes(self, step_shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        return [(self.units,)]

    def project(self, steps: Array) -> list[Array]:
        return [self.products.input(steps)]

    def step(self, projected: list[Array], states: list[Array]) -> tuple[Array, list[Array]]:
        h = ACTIVATIONS[self.outer](self.products.state(states[0], projected[0]))
        h = self.hooks.gate_output(f"{self.name}/g", self.outer, h)
        h = self.hooks.hidden(f"{self.name}/hidden", h)
        return h, [h]


class StackedCells:
    """Each cell reads the output of the one before; the last one's output is the layer's."""

    def __init__(self, cells: list[Cell]) -> None:
        self.cells = cells

    def state_shapes(self, step_shape: tuple[int, ...]) -> list[tuple[int, ...]]:
        shapes = []
        for cell in self.cells:
            own = cell.state_shapes(step_shape)
            shapes += own
            step_shape = own[0]
        return shapes

    def project(self, steps: Array) -> list[Array]:
        return self.cells[0].project(steps)

    def step(self, projected: list[Array], states: list[Array]) -> tuple[Array, list[Array]]:
        output: Array | None = None
        found: list[Array] = []
        for cell in self.cells:
            count = len(cell.state_shapes((0,)))
            own = states[len(found) : len(found) + count]
            if output is not None:
                projected = [part[0] for part in cell.project(output[np.newaxis])]
            output, new = cell.step(projected, own)
            found += new
        assert output is not None
        return output, found


def make_cell(
    run: Run,
    name: str,
    kind: str,
    options: Mapping[str, Any],
    weights: list[Array],
    features: int,
    is_fused: bool = False,
) -> tuple[Cell, list[Array]]:
    """A cell and the weights that it left for the next one.

    Raises UnsupportedLayer for an unknown kind and ValueError for weights that do not fit.
    """
    if kind == "StackedRNNCells":
        cells: list[Cell] = []
        for index, document in enumerate(options["cells"]):
            inner_kind, inner = wrapped(name, document)
            cell, weights = make_cell(run, f"{name}/{index}", inner_kind, inner, weights, features)
            cells.append(cell)
            features = cell.state_shapes((features,))[0][-1]
        if not cells:
            raise UnsupportedLayer(f"layer {name!r}: StackedRNNCells without cells")
        return StackedCells(cells), weights
    if kind.startswith("ConvLSTM"):
        return _conv_lstm(run, name, int(kind[-2]), options, weights, features)
    gates = {"LSTMCell": 4, "GRUCell": 3, "SimpleRNNCell": 1}.get(kind)
    if gates is None:
        raise UnsupportedLayer(f"layer {name!r}: cell of class {kind}")
    width = gates * options["units"]
    after = kind == "GRUCell" and options["reset_after"]
    bias_shape = (2, width) if after else (width,)
    found = _take(name, options, weights, (features, width), (options["units"], width), bias_shape)
    kernel, recurrent, bias = found
    left = weights[3 if bias is not None else 2 :]
    if kind == "GRUCell":
        return _gru(run, name, options, kernel, recurrent, bias), left
    tensors = gates if is_fused else 1
    products = _Products(run.hooks, name, kernel, recurrent, bias, tensors=tensors)
    if kind == "LSTMCell":
        return LstmCell(run, products, options, run.cell_clip if is_fused else 0.0), left
    return SimpleCell(run, products, options), left


def _gru(
    run: Run,
    name: str,
    options: Mapping[str, Any],
    kernel: Array,
    recurrent: Array,
    bias: Array | None,
) -> Cell:
    if options["reset_after"]:
        biases = (None, None) if bias is None else (bias[0], bias[1])
        return GruCell(run, _Products(run.hooks, name, kernel, recurrent, *biases), options, None)
    two = 2 * options["units"]
    gates = _Products(run.hooks, name, kernel, recurrent[:, :two], bias)
    candidate = _Products(run.hooks, f"{name}/candidate", kernel, recurrent[:, two:], None)
    return GruCell(run, gates, options, candidate)


def _conv_lstm(
    run: Run,
    name: str,
    rank: int,
    options: Mapping[str, Any],
    weights: list[Array],
    channels: int,
) -> tuple[Cell, list[Array]]:
    size, stride, dilation = (
        several(name, key, options[key], rank)
        for key in ("kernel_size", "strides", "dilation_rate")
    )
    filters, every = options["filters"], (1,) * rank
    kernel, recurrent, bias = _take(
        name,
        options,
        weights,
        (*size, channels, 4 * filters),
        (*size, filters, 4 * filters),
        (4 * filters,),
    )
    kind = options["padding"]

    def windows(x: Array) -> Array:
        return patches(x, size, stride, dilation, kind)

    def same(h: Array) -> Array:
        return patches(h, size, every, every, "same")

    def space(lengths: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(
            (n + sum(padding(kind, k, s, d, n)) - (k - 1) * d - 1) // s + 1
            for n, k, s, d in zip(lengths, size, stride, dilation, strict=True)
        )

    products = _Products(
        run.hooks,
        name,
        kernel.reshape(-1, 4 * filters),
        recurrent.reshape(-1, 4 * filters),
        bias,
        windows=windows,
        recurrent_windows=same,
        rank=rank,
    )
    cell = LstmCell(run, products, options, 0.0)
    cell.space = space
    return cell, weights[3 if bias is not None else 2 :]


def _take(
    name: str, options: Mapping[str, Any], weights: list[Array], *shapes: tuple[int, ...]
) -> tuple[Array, Array, Array | None]:
    """Kernel, recurrent kernel and bias from the front of the weights."""
    count = 3 if options["use_bias"] else 2
    found = [tuple(weight.shape) for weight in weights[:count]]
    if found != list(shapes[:count]):
        raise ValueError(f"layer {name!r}: weights {found}, expected {list(shapes[:count])}")
    return weights[0], weights[1], weights[2] if count == 3 else None
