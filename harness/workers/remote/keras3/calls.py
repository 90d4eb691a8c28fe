"""Follow the calls of a Keras 3 model: who reads what, without the operations that only mask.

Keras 3 writes into a configuration what Keras 2 does by itself: the operations that compute a mask
(NotEqual, Any), the mask as an argument of each layer that gets one, and the casts of a mixed
policy. `Calls` gives every layer's calls without them, after it has seen that Keras 2.15 will pass
the same mask.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from harness.workers.remote.keras3.layer_table import MODELS, RECURRENT
from harness.workers.remote.keras3.layers_rewritten import Json, is_operation, name_of, refusal

#: Layer, number of the call, number of the output.
Reference = Tuple[str, int, int]
#: The layer that makes a mask, as Keras 2.15 names what it reads: ("Masking", source, value).
Mask = Tuple[Any, ...]

#: Layers that hand on the mask of their only input, in both versions.
_HANDING_ON = (
    *("Activation", "AlphaDropout", "BatchNormalization", "Dense", "Dropout", "ELU"),
    *("GaussianDropout", "GaussianNoise", "LayerNormalization", "LeakyReLU", "ReLU"),
    *("SpatialDropout1D", "TimeDistributed", "Softmax"),
)


class Call(NamedTuple):
    """What a layer is called with: its inputs, and initial states after them."""

    inputs: List[Reference]
    #: Whether the layer's first argument is a list of tensors.
    several: bool


class Calls:
    """The calls of the layers of one Functional model.

    layers: `config["layers"]`. outputs: what the model returns. Raises ValueError for a call
    that Keras 2.15 would not repeat.
    """

    def __init__(self, layers: List[Json], outputs: List[Reference]) -> None:
        self._layers = {name_of(layer): layer for layer in layers}
        if len(self._layers) != len(layers):
            raise ValueError("two layers of one name in the model")
        self._masks: Dict[Reference, Optional[Mask]] = {}
        self._found: Dict[str, List[Call]] = {}
        self._visiting: List[str] = []
        for name, layer in self._layers.items():
            if not is_operation(layer):
                self._found[name] = [
                    self._call(layer, node) for node in layer.get("inbound_nodes", [])
                ]
        self._check_order()
        self._check_read(outputs)
        for name, calls in self._found.items():
            for index in range(len(calls)):
                self._check_masks(self._layers[name], index)

    def of(self, name: str) -> List[Call]:
        return self._found[name]

    def in_keras_2(self, reference: Reference) -> List[Any]:
        """A reference as Keras 2.15 writes it: there a model's first call is its own making."""
        name, call, output = reference
        return [name, call + (self._layers[name]["class_name"] in MODELS), output]

    def source(self, reference: Reference) -> Reference:
        """The tensor of a layer behind casts between float types."""
        name, call, _ = reference
        layer = self._layers.get(name)
        if layer is None:
            raise ValueError(f"the model reads {name!r}, which is no layer of it")
        if not is_operation(layer):
            return reference
        node = layer["inbound_nodes"][call]
        argument: Any = (node["args"] or [None])[0]
        floats = ("float16", "bfloat16", "float32")
        if layer["class_name"] == "Cast" and _is_tensor(argument):
            if argument["config"]["dtype"] in floats and layer["config"].get("dtype") in floats:
                return self.source(reference_of(argument))
        cure = "write it as a layer (Add, Multiply, Concatenate, …), or convert it yourself"
        raise refusal(layer, "a function of keras.ops", f"{cure} and use --tflite")

    def _call(self, layer: Json, node: Json) -> Call:
        args, keywords = list(node.get("args", [])), dict(node.get("kwargs", {}))
        if not args and "inputs" in keywords:
            args = [keywords.pop("inputs")]
        first = args[0] if args else keywords.pop("sequences", None)
        several = isinstance(first, list)
        tensors = list(first) if several else [first]
        states = keywords.pop("initial_state", None)
        if len(args) == 2 and layer["class_name"] in RECURRENT and states is None:
            states = args[1]
            args = args[:1]
        if len(args) > 1:
            raise refusal(layer, f"called with {len(args)} arguments", "call it with one")
        if states is not None:
            if layer["class_name"] not in RECURRENT:
                raise refusal(layer, "called with initial_state", "call it without")
            tensors += states if isinstance(states, list) else [states]
        for keyword, value in keywords.items():
            if keyword != "mask" and value not in (None, False):
                why = f"called with {keyword}={_shown(value)}"
                raise refusal(layer, why, "call it with tensors alone")
        if not all(_is_tensor(tensor) for tensor in tensors):
            why = "called with something that is no tensor, or with tensors inside of lists"
            raise refusal(layer, why, "call it with tensors, or with one list of them")
        return Call([self.source(reference_of(tensor)) for tensor in tensors], several)

    def _check_order(self) -> None:
        """See that every call reads calls that there are, none of them its own result.

        (Keras 2.15 waits without end for a call that there is not.)
        """
        done: Dict[str, int] = {}
        waiting = {name: calls for name, calls in self._found.items() if calls}
        for name, calls in self._found.items():
            if not calls:
                done[name] = 1  # an input
        while waiting:
            ready = []
            for name, calls in waiting.items():
                count = done.get(name, 0)
                while count < len(calls) and all(
                    done.get(source, 0) > call for source, call, _ in calls[count].inputs
                ):
                    count += 1
                if count > done.get(name, 0):
                    done[name] = count
                    ready.append(name)
            if not ready:
                raise ValueError(
                    f"the layers {', '.join(sorted(waiting)[:5])} read each other, or calls that "
                    "are not in the file"
                )
            waiting = {
                name: calls for name, calls in waiting.items() if done.get(name, 0) < len(calls)
            }

    def _check_read(self, outputs: List[Reference]) -> None:
        """See that every call is read: Keras writes no others.

        (Keras 3.2 writes every reader of a shared layer as one of its first call. Such a file
        does not say any more what the model computed.)
        """
        read = {self.source(reference)[:2] for reference in outputs}
        for calls in self._found.values():
            read |= {source[:2] for call in calls for source in call.inputs}
        for name, calls in self._found.items():
            for index in range(1, len(calls)):
                if (name, index) not in read:
                    why = f"its call number {index + 1} is read by nothing, as Keras 3.2 writes"
                    cure = "load the file's model in the Keras that built it, and save it with 3.3"
                    raise refusal(self._layers[name], f"{why} shared layers", cure)

    def _check_masks(self, layer: Json, index: int) -> None:
        """See that the mask in the file is the one that Keras 2.15 passes by itself."""
        call = self._found[name_of(layer)][index]
        written = layer["inbound_nodes"][index].get("kwargs", {}).get("mask")
        passed = self._mask(call.inputs[0])
        if written is None:
            # Only these compute otherwise when they get a mask.
            if passed is not None and layer["class_name"] in RECURRENT:
                why = "called without the mask that Keras 2.15 would pass to it"
                raise refusal(layer, why, "let Keras pass the mask by itself")
            return
        found = self._written_mask(layer, written)
        if found != passed:
            why = "called with a mask that is not that of its input"
            raise refusal(layer, why, "let Keras pass the mask by itself")

    def _written_mask(self, layer: Json, tensor: Any) -> Mask:
        """What a mask in the file says: not equal to a value, in any feature or in a token."""
        name, call, _ = reference_of(tensor) if _is_tensor(tensor) else ("", 0, 0)
        operation = self._layers.get(name, {})
        kind = operation.get("class_name")
        if not is_operation(operation) or kind not in ("Any", "NotEqual"):
            why = f"called with a mask of {kind or 'another kind'}"
            raise refusal(layer, why, "use Masking or Embedding(mask_zero=True) alone")
        node = operation["inbound_nodes"][call]
        arguments, keywords = list(node["args"]), dict(node.get("kwargs", {}))
        if kind == "NotEqual":
            values = arguments[1:] or list(keywords.values())
            return ("Embedding", self.source(reference_of(arguments[0])), *values)
        options = operation["config"]
        if options.get("axis") not in (-1, [-1]) or options.get("keepdims"):
            raise refusal(layer, "called with a mask over other axes than the last", "use Masking")
        _, source, *values = self._written_mask(layer, arguments[0])
        return ("Masking", source, *values)

    def _mask(self, reference: Reference) -> Optional[Mask]:
        """The mask that Keras 2.15 passes on with a tensor."""
        if reference not in self._masks:
            name, call, output = reference
            if name in self._visiting:
                raise ValueError(f"the layer {name!r} reads itself")
            self._visiting.append(name)
            self._masks[reference] = self._mask_made(self._layers[name], call, output)
            self._visiting.pop()
        return self._masks[reference]

    def _mask_made(self, layer: Json, index: int, output: int) -> Optional[Mask]:
        kind, config = layer["class_name"], layer["config"]
        calls = self._found[name_of(layer)]
        if index >= len(calls) or not calls[index].inputs:
            return None
        inputs = calls[index].inputs
        if kind == "Masking":
            return ("Masking", inputs[0], config["mask_value"])
        if kind == "Embedding":
            return ("Embedding", inputs[0], 0) if config.get("mask_zero") else None
        before = [self._mask(one) for one in inputs]
        if kind in RECURRENT:
            inner = config["layer"]["config"] if kind == "Bidirectional" else config
            return before[0] if inner.get("return_sequences") and output == 0 else None
        if kind in _HANDING_ON:
            return before[0]
        if any(mask is not None for mask in before) and len(inputs) > 1:
            cure = "merge before the mask is made, or behind the layer that reads it"
            raise refusal(layer, "merges tensors with masks", cure)
        return None


def reference_of(tensor: Json) -> Reference:
    """The origin of a serialised tensor of Keras 3."""
    name, call, output = tensor["config"]["keras_history"]
    return str(name), int(call), int(output)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, dict) and value.get("class_name") == "__keras_tensor__"


def _shown(value: Any) -> str:
    return "a tensor" if _is_tensor(value) else repr(value)[:60]
