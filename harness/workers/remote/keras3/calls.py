"""Follow the calls of a Keras 3 model: who reads what, without the operations that only mask.

Keras 3 writes into a configuration what Keras 2 does by itself: the operations that compute a mask
(NotEqual, Any), the mask as an argument of each layer that gets one, and the casts of a mixed
policy. `Calls` gives every layer's calls without them, after it has seen that Keras 2.15 will pass
the same mask.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

from harness.workers.remote.keras3 import tensor_functions
from harness.workers.remote.keras3.layer_table import ATTENTION, CALL_OPTIONS, MODELS, RECURRENT
from harness.workers.remote.keras3.layers_rewritten import Json, is_operation, name_of, refusal
from harness.workers.remote.keras3.tensor_functions import is_tensor

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
    """What a layer is called with: its inputs, and initial states after them.

    node: the call as Keras 2.15 writes it. keywords: options of the call that decide something.
    """

    inputs: List[Reference]
    node: Any
    keywords: Mapping[str, Any] = {}


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
        #: Operations that the model reads, in the order in which they were met.
        self._operations: List[str] = []
        for name, layer in self._layers.items():
            if not is_operation(layer):
                self._found[name] = [
                    self._call(layer, node) for node in layer.get("inbound_nodes", [])
                ]
        for output in outputs:
            self.source(output)
        self._check_order()
        self._check_read(outputs)
        for name, calls in self._found.items():
            for index in range(len(calls)):
                self._check_masks(self._layers[name], index)

    def of(self, name: str) -> List[Call]:
        return self._found[name]

    @property
    def operations(self) -> List[Json]:
        """The functions of keras.ops that are computed: those of masks and casts are not."""
        return [self._layers[name] for name in self._operations]

    def in_keras_2(self, reference: Reference) -> List[Any]:
        """A reference as Keras 2.15 writes it: there a model's first call is its own making."""
        name, call, output = reference
        return [name, call + (self._layers[name]["class_name"] in MODELS), output]

    def source(self, reference: Reference) -> Reference:
        """The tensor of a layer or function behind casts between float types."""
        name, call, _ = reference
        layer = self._layers.get(name)
        if layer is None:
            raise ValueError(f"the model reads {name!r}, which is no layer of it")
        if not is_operation(layer):
            return reference
        node = layer["inbound_nodes"][call]
        argument: Any = (node["args"] or [None])[0]
        floats = ("float16", "bfloat16", "float32")
        if layer["class_name"] == "Cast" and is_tensor(argument):
            if argument["config"]["dtype"] in floats and layer["config"].get("dtype") in floats:
                return self.source(reference_of(argument))
        if not tensor_functions.known(layer):
            why = f"the function keras.ops.{layer['class_name']} is in no table"
            cure = "write it as a layer (Add, Multiply, Concatenate, …), or convert it yourself"
            raise refusal(layer, why, f"{cure} and use --tflite")
        if name not in self._found:
            self._operate(name, layer)
        return reference

    def _operate(self, name: str, layer: Json) -> None:
        """Follow what an operation reads."""
        if name in self._visiting:
            raise ValueError(f"the function {name!r} reads itself")
        self._visiting.append(name)
        found = [
            tensor_functions.rewritten_call(
                layer, node, lambda one: self.source(reference_of(one)), self.in_keras_2
            )
            for node in layer["inbound_nodes"]
        ]
        self._visiting.pop()
        self._found[name] = [Call(call.inputs, call.node) for call in found]
        self._operations.append(name)

    def _call(self, layer: Json, node: Json) -> Call:
        args, keywords = list(node.get("args", [])), dict(node.get("kwargs", {}))
        if not args and "inputs" in keywords:
            args = [keywords.pop("inputs")]
        first = args[0] if args else keywords.pop("sequences", None)
        several = isinstance(first, list)
        tensors = list(first) if several else [first]
        if layer["class_name"] == "MultiHeadAttention":
            return self._attending(layer, [*args, *([] if args else [first])], keywords)
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
        options = self._options(layer, keywords)
        if not all(is_tensor(tensor) for tensor in tensors):
            why = "called with something that is no tensor, or with tensors inside of lists"
            raise refusal(layer, why, "call it with tensors, or with one list of them")
        inputs = [self.source(reference_of(tensor)) for tensor in tensors]
        return Call(inputs, [[*self.in_keras_2(one), dict(options)] for one in inputs], options)

    def _options(self, layer: Json, keywords: Json) -> Json:
        """Those that decide what a call gives. Raises ValueError for one of no table."""
        known = CALL_OPTIONS.get(layer["class_name"], ())
        found = {k: True for k, value in keywords.items() if k in known and value is True}
        for keyword, value in keywords.items():
            if keyword != "mask" and keyword not in found and value not in (None, False):
                why = f"called with {keyword}={_shown(value)}"
                raise refusal(layer, why, "call it with tensors alone")
        return found

    def _attending(self, layer: Json, args: List[Any], keywords: Json) -> Call:
        """Several heads are called with query, value and perhaps key, each an argument."""
        names = ("query", "value", "key")
        if len(args) > len(names):
            raise refusal(layer, f"called with {len(args)} arguments", "call it with three at most")
        given = {**dict(zip(names, args)), **{k: keywords.pop(k) for k in names if k in keywords}}
        given = {name: value for name, value in given.items() if value is not None}
        options = self._options(layer, keywords)
        if not {"query", "value"} <= set(given) or not all(map(is_tensor, given.values())):
            raise refusal(layer, "called without a query and a value", "call it with tensors")
        inputs = {name: self.source(reference_of(value)) for name, value in given.items()}
        told = {name: self.in_keras_2(one) for name, one in inputs.items() if name != "query"}
        node = [[*self.in_keras_2(inputs["query"]), {**told, **options}]]
        return Call([inputs[name] for name in names if name in inputs], node, options)

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
        if is_operation(layer):
            return
        if layer["class_name"] in ATTENTION and any(map(self._mask, call.inputs)):
            cure = "attend without Masking and mask_zero, or convert it yourself and use --tflite"
            raise refusal(layer, "reads tensors with masks", cure)
        written = layer["inbound_nodes"][index].get("kwargs", {}).get("mask")
        if isinstance(written, list) and not any(written):
            written = None  # Keras 3.5 writes one for each input, where none has a mask
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
        name, call, _ = reference_of(tensor) if is_tensor(tensor) else ("", 0, 0)
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
        if is_operation(layer):
            return None  # a mask ends at a function, in both versions
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


def _shown(value: Any) -> str:
    return "a tensor" if is_tensor(value) else repr(value)[:60]
