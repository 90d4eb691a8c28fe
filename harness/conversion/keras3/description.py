"""Turn the configuration of a Keras 3 file, as it stands there, into what the oracle evaluates.

This is a second reading, which shares nothing with the one that rebuilds the model in Keras 2
(`harness.workers.remote.keras3`) but the file: it starts from the outputs and asks for what each
of them reads, and writes models inside of the model out. Where the two readings compute different
numbers, one of them is wrong, and the file is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.conversion.keras3 import operations
from reference.network.config import options
from reference.network.hooks import UnsupportedLayer

Config = Mapping[str, Any]

#: Layers of a sequence, whose mask decides what they compute.
_OF_SEQUENCES = ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional")
#: Layers behind which the mask of their input still holds.
_KEEPS_MASK = (
    *("Masking", "Dropout", "SpatialDropout1D", "GaussianNoise", "GaussianDropout"),
    *("AlphaDropout", "Activation", "Dense", "LayerNormalization", "BatchNormalization"),
    *("TimeDistributed", "ReLU", "LeakyReLU", "ELU", "Softmax"),
)
#: Layers that attend to sequences, by masks where there are any.
_ATTENDING = ("Attention", "AdditiveAttention", "MultiHeadAttention")
#: Options with the only values that change nothing.
_IDLE: Mapping[str, Any] = {
    "quantization_config": None,
    "lora_rank": None,
    "rms_scaling": False,
    "renorm": False,
    "renorm_clipping": None,
    "flash_attention": None,
    "use_gate": False,
    "sliding_window": None,
}
_HALF = ("mixed_float16", "mixed_bfloat16")
#: What Keras 3 and the oracle's Keras 2.15 call by one name, and compute differently.
_FALSE_FRIENDS = ("hard_sigmoid",)


@dataclass(frozen=True)
class Owner:
    """A layer of the file: its nodes in the description, and where it stands.

    models: the names of the models around it, from the outside. layer: as serialised.
    """

    models: tuple[str, ...]
    layer: Config
    nodes: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        return "/".join((*self.models, _name(self.layer)))


@dataclass(frozen=True)
class Reading:
    """description: as of `Variant.document()`. owners: the layers behind its nodes. masked: the
    inputs that a Masking layer reads, with the value that marks a step."""

    description: dict[str, Any]
    owners: list[Owner]
    masked: dict[str, float]


def read(model: Config) -> Reading:
    """The reading of a Functional or Sequential model.

    model: {"class_name", "config"} as Keras 3 saves it. Open sizes in an input's shape are None.
    Raises UnsupportedLayer for what the oracle does not know, ValueError for another structure.
    """
    try:
        return _read(model)
    except RecursionError as error:
        raise ValueError("layers that read each other, or too many of them") from error
    except (KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError(f"a configuration of another form than Keras writes: {error!r}") from error


def _read(model: Config) -> Reading:
    reader = _Reader()
    inputs: list[dict[str, Any]] = []
    layers = model["config"]["layers"]
    if model["class_name"] == "Sequential":
        first = [layers[0]]
    else:
        by_name = {_name(layer): layer for layer in layers}
        first = [by_name[entry[0]] for entry in _ends(model["config"]["input_layers"])]
    for layer in first:
        config = layer["config"]
        shape = config["batch_shape"]
        dtype = config["dtype"]
        if isinstance(dtype, Mapping):
            dtype = dtype["config"]["name"]
        entry = {"name": config["name"], "shape": list(shape[1:]), "dtype": dtype}
        inputs.append({**entry, "batch": shape[0]})
    outputs = reader.model(model, [entry["name"] for entry in inputs], ())
    batches = {entry.pop("batch") for entry in inputs} - {None}
    stateful = any(_stateful(node["config"]) for node in reader.nodes)
    document = {
        # Of a model without a name Keras versions make up different ones.
        "name": "model",
        "inputs": inputs,
        "nodes": reader.nodes,
        "outputs": outputs,
        "batch": max(batches, default=1),
        "stateful": stateful,
        "seed": 0,
        "weight_scale": 1.0,
    }
    names = {entry["name"] for entry in inputs}
    masked = {
        node["inputs"][0]: float(node["config"].get("mask_value", 0.0))
        for node in reader.nodes
        if node["class"] == "Masking" and node["inputs"][0] in names
    }
    return Reading(document, list(reader.owners.values()), masked)


class _Reader:
    """Collects nodes, each once, in an order in which they can be computed."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.owners: dict[tuple[str, ...], Owner] = {}
        #: What is masked in each tensor: the masked tensor, and the value of a masked step.
        self.masks: dict[str, tuple[str, float] | None] = {}

    def model(self, model: Config, given: Sequence[str], within: tuple[str, ...]) -> list[str]:
        """The names of a model's outputs when it reads the tensors `given`."""
        config = model["config"]
        if model.get("registered_name") not in (None, model["class_name"]):
            raise UnsupportedLayer(f"model {config.get('name')!r} is of a class of its own")
        if model["class_name"] == "Sequential":
            (current,) = given
            for layer in config["layers"]:
                if layer["class_name"] != "InputLayer":
                    (current, *others) = self.layer(layer, [current], [], within)
                    if others:
                        raise UnsupportedLayer(f"layer {_name(layer)!r} has several outputs")
            return [current]
        return _Graph(self, config, given, within).outputs()

    def operation(
        self, name: str, config: dict[str, Any], inputs: list[str], within: tuple[str, ...]
    ) -> str:
        """The name of what a function gives; a model that is called twice computes it twice."""
        path = "/".join((*within, name))
        count = sum(node["name"].split("@")[0] == path for node in self.nodes)
        path = f"{path}@{count}" if count else path
        node = {"name": path, "class": "TFOpLambda", "config": config, "inputs": inputs}
        self.nodes.append({**node, "initial_state": []})
        return path

    def layer(
        self,
        layer: Config,
        inputs: Sequence[str],
        states: Sequence[str],
        within: tuple[str, ...],
        options: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """The names of a layer's outputs for one more call of it. options: of the call."""
        if layer["class_name"] in ("Functional", "Sequential"):
            if states:
                raise UnsupportedLayer(f"model {_name(layer)!r}: initial_state")
            return self.model(layer, inputs, (*within, _name(layer)))
        owner = self.owners.setdefault((*within, _name(layer)), Owner(within, layer))
        name = owner.path if not owner.nodes else f"{owner.path}@{len(owner.nodes)}"
        owner.nodes.append(name)
        kind, config = _described(layer, owner.path)
        node = {"name": name, "class": kind, "config": config}
        called = {"call": dict(options)} if options else {}
        tensors = {"inputs": list(inputs), "initial_state": list(states)}
        self.nodes.append({**node, **tensors, **called})
        if kind in _ATTENDING and any(self.masks.get(one) for one in inputs):
            raise UnsupportedLayer(f"layer {owner.path!r} ({kind}): reads a mask")
        count = _outputs(kind, config)
        found = [name] if count == 1 else [f"{name}:{k}" for k in range(count)]
        self.masks[found[0]] = self._mask(kind, config, inputs)
        return found

    def _mask(self, kind: str, config: Config, inputs: Sequence[str]) -> tuple[str, float] | None:
        if kind == "Masking":
            return inputs[0], float(config.get("mask_value", 0.0))
        if kind == "Embedding":
            return (inputs[0], 0.0) if config.get("mask_zero") else None
        if kind in _OF_SEQUENCES:
            inner = config["layer"]["config"] if kind == "Bidirectional" else config
            return self.masks.get(inputs[0]) if inner.get("return_sequences") else None
        return self.masks.get(inputs[0]) if kind in _KEEPS_MASK else None


class _Graph:
    """One call of a Functional model: tensors by the origin that the file gives them."""

    def __init__(
        self, reader: _Reader, config: Config, given: Sequence[str], within: tuple[str, ...]
    ) -> None:
        self.reader, self.config, self.within = reader, config, within
        self.layers = {_name(layer): layer for layer in config["layers"]}
        names = [entry[0] for entry in _ends(config["input_layers"])]
        if len(names) != len(given):
            raise UnsupportedLayer(f"model {config.get('name')!r}: {len(given)} inputs")
        self.given = dict(zip(names, given, strict=True))
        self.made: dict[tuple[str, int], list[str]] = {}

    def outputs(self) -> list[str]:
        found = [self.tensor(entry) for entry in _ends(self.config["output_layers"])]
        for name, layer in self.layers.items():
            calls = [call for called, call in self.made if called == name]
            if not _of_ops(layer) and len(calls) not in (0, len(layer.get("inbound_nodes", ()))):
                raise UnsupportedLayer(f"layer {name!r}: {len(calls)} of its calls are read")
        return found

    def tensor(self, history: Sequence[Any]) -> str:
        """The name of the tensor [layer, call, output]."""
        name, call, output = str(history[0]), int(history[1]), int(history[2])
        layer = self.layers[name]
        if layer["class_name"] == "InputLayer":
            return str(self.given[name])
        if _of_ops(layer):
            return self._operation(layer, call)
        if (name, call) not in self.made:
            self.made[name, call] = self._call(layer, layer["inbound_nodes"][call])
        return self.made[name, call][output]

    def _operation(self, layer: Config, call: int) -> str:
        """The name of what a function of keras.ops gives; behind the cast of a mixed policy, of
        what is cast."""
        if layer["class_name"] == "Cast":
            return self._cast(layer, call)
        name = _name(layer)
        if (name, call) not in self.made:
            node = layer["inbound_nodes"][call]
            config, inputs = operations.described(layer, node, self._serialised)
            self.made[name, call] = [self.reader.operation(name, config, inputs, self.within)]
        return self.made[name, call][0]

    def _serialised(self, tensor: Config) -> str:
        return self.tensor(tensor["config"]["keras_history"])

    def _cast(self, layer: Config, call: int) -> str:
        argument = layer["inbound_nodes"][call]["args"][0]
        types = (argument["config"]["dtype"], layer["config"].get("dtype"))
        if layer["class_name"] != "Cast" or not all("float" in str(one) for one in types):
            raise UnsupportedLayer(f"{_name(layer)!r}: the operation {layer['class_name']}")
        return self.tensor(argument["config"]["keras_history"])

    def _attended(self, layer: Config, node: Config) -> list[str]:
        """Query, value and key of several heads are arguments of their own."""
        names = ("query", "value", "key")
        given = {**dict(zip(names, node["args"], strict=False)), **node["kwargs"]}
        tensors = [self._serialised(given[name]) for name in names if given.get(name) is not None]
        places = {name: {"input": k} for k, name in enumerate(names[: len(tensors)])}
        del places["query"]
        options = {k: v for k, v in node["kwargs"].items() if k not in names}
        return self.reader.layer(layer, tensors, [], self.within, {**places, **_deciding(options)})

    def _call(self, layer: Config, node: Config) -> list[str]:
        if layer["class_name"] == "MultiHeadAttention":
            return self._attended(layer, node)
        arguments = [*node["args"], *node["kwargs"].get("inputs", ())]
        states = node["kwargs"].get("initial_state") or []
        if len(arguments) == 2 and layer["class_name"] in _OF_SEQUENCES:
            states = arguments.pop()
        if len(arguments) != 1:
            raise UnsupportedLayer(f"layer {_name(layer)!r}: {len(arguments)} arguments")
        options = _deciding(
            {k: v for k, v in node["kwargs"].items() if k not in ("initial_state", "inputs")}
        )
        if options and layer["class_name"] not in _ATTENDING:
            raise UnsupportedLayer(f"layer {_name(layer)!r}: called with {', '.join(options)}")
        inputs = self._tensors(arguments[0])
        found = self.reader.layer(layer, inputs, self._tensors(states), self.within, options)
        if layer["class_name"] in _OF_SEQUENCES:
            mask = node["kwargs"].get("mask")
            written = None if mask is None else self._mask(mask["config"]["keras_history"])
            if written != self.reader.masks.get(inputs[0]):
                raise UnsupportedLayer(f"layer {_name(layer)!r}: a mask that is not its input's")
        return found

    def _mask(self, history: Sequence[Any]) -> tuple[str, float]:
        """The tensor and the value of any(tensor != value) or tensor != value."""
        layer = self.layers[history[0]]
        node = layer["inbound_nodes"][history[1]]
        if layer["class_name"] == "Any" and _of_ops(layer):
            return self._mask(node["args"][0]["config"]["keras_history"])
        if layer["class_name"] != "NotEqual" or not _of_ops(layer):
            raise UnsupportedLayer(f"{_name(layer)!r}: a mask by {layer['class_name']}")
        value = [*node["args"], *node["kwargs"].values()][1]
        return self.tensor(node["args"][0]["config"]["keras_history"]), float(value)

    def _tensors(self, structure: Any) -> list[str]:
        many = structure if isinstance(structure, (list, tuple)) else [structure]
        return [self.tensor(one["config"]["keras_history"]) for one in many]


def _described(layer: Config, path: str) -> tuple[str, dict[str, Any]]:
    """Class and options in the oracle's words."""
    kind = str(layer["class_name"])
    module = str(layer.get("module", "keras.layers"))
    if not (module == "keras.layers" or module.startswith("keras.src.layers.")):
        raise UnsupportedLayer(f"layer {path!r} ({kind}) is of {module}")
    if layer.get("registered_name") not in (None, kind):
        raise UnsupportedLayer(f"layer {path!r} is registered as {layer['registered_name']!r}")
    found: dict[str, Any] = {}
    for option, value in layer["config"].items():
        if option in _IDLE and value == _IDLE[option]:
            continue
        if option == "dtype":
            name = value["config"].get("name") if isinstance(value, Mapping) else value
            if name not in ("float32", *_HALF):
                raise UnsupportedLayer(f"layer {path!r} ({kind}): dtype {name}")
        elif option.endswith(("_initializer", "_regularizer", "_constraint", "renorm_momentum")):
            continue
        elif option in ("activation", "recurrent_activation"):
            found[option] = _activation(value, path)
        elif option in ("layer", "backward_layer", "cell") and value is not None:
            inner, config = _described(value, path)
            found[option] = {"class": inner, "config": config}
        elif option == "cells":
            cells = [_described(cell, path) for cell in value]
            found[option] = [{"class": inner, "config": config} for inner, config in cells]
        elif isinstance(value, Mapping):
            found[option] = value["items"] if value.get("class_name") == "__tuple__" else value
        else:
            found["alpha" if (kind, option) == ("LeakyReLU", "negative_slope") else option] = value
    options(path, kind, found)  # refuses what the oracle does not know
    return kind, found


def _activation(value: Any, path: str) -> str:
    if isinstance(value, Mapping):
        value = value.get("config")
    if value in _FALSE_FRIENDS:
        raise UnsupportedLayer(f"layer {path!r}: {value} of Keras 3 is not that of Keras 2")
    if value is None:
        return "linear"
    return "swish" if value == "silu" else str(value)


def _deciding(keywords: Config) -> dict[str, Any]:
    """What a call is given beside tensors, without what changes nothing."""
    return {k: v for k, v in keywords.items() if k != "mask" and v not in (None, False)}


def _outputs(kind: str, config: Config) -> int:
    """How many tensors a layer returns."""
    if kind == "Bidirectional":
        inner = config["layer"]
        apart = 2 if config.get("merge_mode", "concat") is None else 1
        return apart + 2 * _states(inner["class"], inner["config"])
    return 1 + _states(kind, config)


def _states(kind: str, config: Config) -> int:
    if not config.get("return_state"):
        return 0
    if kind == "RNN":
        kind = config["cell"]["class"].removesuffix("Cell")
    return 2 if kind == "LSTM" else 1


def _stateful(config: Config) -> bool:
    inner = config.get("layer")
    return bool(config.get("stateful")) or (
        isinstance(inner, Mapping) and _stateful(inner["config"])
    )


def _of_ops(layer: Config) -> bool:
    """Whether it is a function: by its module, or, where .h5 files name none, by its options."""
    if layer.get("module") is not None:
        return str(layer["module"]).startswith("keras.src.ops.")
    return layer["class_name"] != "InputLayer" and not {"trainable", "layers"} & {*layer["config"]}


def _name(layer: Config) -> str:
    return str(layer["config"].get("name") or layer.get("name"))


def _ends(entries: Any) -> list[Any]:
    """A model's inputs or outputs as a list; one alone is written without the list."""
    if isinstance(entries, Mapping):
        raise UnsupportedLayer("inputs or outputs as a dictionary")
    return [entries] if entries and isinstance(entries[0], str) else list(entries)
