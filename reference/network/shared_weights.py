"""Let the calls of a layer that is called more than once share its weights, rounded once."""

from __future__ import annotations

from reference.network.hooks import Array, Hooks, Lazy, WeightKind


class SharedWeights(Hooks):
    """Another set of hooks, seen from one call of such a layer.

    Tensors are each call's own, by the call's name. Weights are the layer's: a scheme sees each of
    them once, by the layer's name, and all calls get what it gave.
    """

    def __init__(self, inner: Hooks, call: str, layer: str, kept: dict[str, Array]) -> None:
        self.inner, self.call, self.layer, self.kept = inner, call, layer, kept
        self.trials = inner.trials

    def _of_layer(self, name: str) -> str:
        return self.layer + name[len(self.call) :] if name.startswith(self.call) else name

    def weight(self, name: str, kind: WeightKind, value: Array, tensors: int = 1) -> Array:
        own = self._of_layer(name)
        if own not in self.kept:
            self.kept[own] = self.inner.weight(own, kind, value, tensors)
        return self.kept[own]

    def operand(self, weight: str, value: Array, axes: int = 1) -> Array:
        return self.inner.operand(self._of_layer(weight), value, axes)

    def tensor(
        self, name: str, value: Array, fixed_range: tuple[float, float] | None = None
    ) -> Array:
        return self.inner.tensor(name, value, fixed_range)

    def total(self, name: str, value: Array, terms: int, magnitude: Lazy) -> Array:
        return self.inner.total(name, value, terms, magnitude)

    def gate(self, name: str, value: Array, terms: int, magnitude: Lazy) -> Array:
        return self.inner.gate(name, value, terms, magnitude)

    def function(self, name: str, function: str, value: Array) -> Array:
        return self.inner.function(name, function, value)

    def gate_output(self, name: str, function: str, value: Array) -> Array:
        return self.inner.gate_output(name, function, value)

    def cell(self, name: str, value: Array, magnitude: Lazy) -> Array:
        return self.inner.cell(name, value, magnitude)

    def hidden(self, name: str, value: Array) -> Array:
        return self.inner.hidden(name, value)
