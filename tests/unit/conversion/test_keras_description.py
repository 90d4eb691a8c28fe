"""Keras 2.15's configurations become the oracle's descriptions."""

from __future__ import annotations

import copy
import json
from typing import Any

import numpy as np
import pytest

from harness.conversion.keras_description import from_keras_config
from reference.network import UnsupportedLayer, evaluate

Config = dict[str, Any]
_GLOROT = {"module": "keras.initializers", "class_name": "GlorotUniform", "config": {"seed": None}}


def entry(kind: str, name: str, *calls: list[Any], **config: Any) -> Config:
    return {
        "module": "keras.layers",
        "class_name": kind,
        "config": {"name": name, "trainable": True, "dtype": "float32", **config},
        "registered_name": None,
        "name": name,
        "inbound_nodes": [list(calls)] if calls else [],
    }


def source(name: str, output: int = 0, call: int = 0, **keywords: Any) -> list[Any]:
    return [name, call, output, keywords]


def inlet(name: str, *shape: int | None, dtype: str = "float32") -> Config:
    found = entry("InputLayer", name, batch_input_shape=[None, *shape], sparse=False, ragged=False)
    found["config"]["dtype"] = dtype
    return found


def recurrent(kind: str, name: str, *calls: list[Any], **config: Any) -> Config:
    full = {
        "units": 3,
        "return_sequences": False,
        "return_state": False,
        "go_backwards": False,
        "stateful": False,
        "unroll": False,
        "time_major": False,
        "activation": "tanh",
        "recurrent_activation": "sigmoid",
        "use_bias": True,
        "kernel_initializer": _GLOROT,
        "bias_regularizer": None,
        "unit_forget_bias": True,
        "dropout": 0.2,
        "recurrent_dropout": 0.0,
        "implementation": 2,
    }
    return entry(kind, name, *calls, **{**full, **config})


def functional(*layers: Config, outputs: list[Any] | None = None) -> Config:
    return {
        "name": "model",
        "trainable": True,
        "layers": list(layers),
        "input_layers": [[e["name"], 0, 0] for e in layers if e["class_name"] == "InputLayer"],
        "output_layers": outputs or [[layers[-1]["name"], 0, 0]],
    }


def plain() -> Config:
    return functional(inlet("x", None, 4), recurrent("LSTM", "a", source("x")))


def test_a_functional_model() -> None:
    found = from_keras_config(plain())
    assert json.loads(json.dumps(found)) == found
    assert found["inputs"] == [{"name": "x", "shape": [None, 4], "dtype": "float32"}]
    assert found["outputs"] == ["a"]
    assert (found["name"], found["batch"], found["stateful"]) == ("model", 1, False)
    (node,) = found["nodes"]
    assert (node["name"], node["class"]) == ("a", "LSTM")
    assert (node["inputs"], node["initial_state"]) == (["x"], [])
    assert node["config"]["units"] == 3
    assert not {"kernel_initializer", "name", "trainable", "dtype"} & set(node["config"])


def test_what_is_described_can_be_evaluated() -> None:
    random = np.random.default_rng(0)
    shapes = [(4, 12), (3, 12), (12,)]
    weights = {f"a/{k}": random.normal(size=shape) for k, shape in enumerate(shapes)}
    (found,) = evaluate(
        from_keras_config(plain()), weights, {"x": random.normal(size=(2, 1, 6, 4))}
    )
    assert found.shape == (2, 1, 3)


@pytest.mark.parametrize("with_input", [True, False])
def test_a_sequential_model(with_input: bool) -> None:
    layers = [
        recurrent("LSTM", "a", return_sequences=True),
        entry("Dropout", "d", rate=0.2, noise_shape=None, seed=None),
        recurrent("GRU", "b", reset_after=True, stateful=True),
    ]
    if with_input:
        layers.insert(0, inlet("x", 7, 4))
    else:
        layers[0]["config"]["batch_input_shape"] = [2, 7, 4]
    found = from_keras_config({"name": "s", "layers": layers})
    name = "x" if with_input else "a_input"
    assert found["inputs"] == [{"name": name, "shape": [7, 4], "dtype": "float32"}]
    assert [n["inputs"] for n in found["nodes"]] == [[name], ["a"], ["d"]]
    assert found["nodes"][1]["config"] == {"rate": 0.2}
    assert (found["outputs"], found["stateful"]) == (["b"], True)
    assert found["batch"] == (1 if with_input else 2)


def test_states_several_outputs_and_order() -> None:
    config = functional(
        # The decoder is listed before the encoder that it reads.
        recurrent("LSTM", "decoder", source("y"), source("encoder", 1), source("encoder", 2)),
        inlet("y", 5, 2),
        inlet("x", 7, 4),
        recurrent("LSTM", "encoder", source("x"), return_state=True),
        outputs=[["decoder", 0, 0], ["encoder", 0, 2]],
    )
    found = from_keras_config(config)
    assert [i["name"] for i in found["inputs"]] == ["y", "x"]
    assert [n["name"] for n in found["nodes"]] == ["encoder", "decoder"]
    assert found["nodes"][1]["inputs"] == ["y"]
    assert found["nodes"][1]["initial_state"] == ["encoder:1", "encoder:2"]
    assert found["outputs"] == ["decoder", "encoder:2"]


def test_wrappers_and_cells_are_nested() -> None:
    cell = {k: recurrent("LSTMCell", "c")[k] for k in ("module", "class_name", "config")}
    for key in ("return_sequences", "return_state", "go_backwards", "stateful", "unroll"):
        del cell["config"][key]
    del cell["config"]["time_major"]
    stack = {**entry("StackedRNNCells", "s", cells=[cell, cell])}
    inner = recurrent("LSTM", "i", return_sequences=True)
    found = from_keras_config(
        functional(
            inlet("x", 7, 4),
            entry("Bidirectional", "b", source("x"), layer=inner, merge_mode="sum"),
            entry("RNN", "r", source("b"), cell=stack, return_sequences=True),
            entry("TimeDistributed", "t", source("r"), layer=entry("Dense", "d", units=2)),
        )
    )
    both, rnn, spread = (node["config"] for node in found["nodes"])
    assert both["layer"]["class"] == "LSTM"
    assert both["layer"]["config"]["return_sequences"] is True
    assert [c["class"] for c in rnn["cell"]["config"]["cells"]] == ["LSTMCell", "LSTMCell"]
    assert spread["layer"] == {"class": "Dense", "config": {"units": 2}}


def test_bidirectional_outputs() -> None:
    def described(merge: str | None, state: bool, output: int) -> list[str]:
        inner = recurrent("LSTM", "i", return_state=state)
        layer = entry("Bidirectional", "b", source("x"), layer=inner, merge_mode=merge)
        config = functional(inlet("x", 7, 4), layer, outputs=[["b", 0, output]])
        return list(from_keras_config(config)["outputs"])

    assert described("concat", False, 0) == ["b"]
    assert described("concat", True, 3) == ["b:3"]
    assert described(None, False, 1) == ["b:1"]
    with pytest.raises(UnsupportedLayer, match="output 1"):
        described("concat", False, 1)


def _changed(**changes: Any) -> Config:
    config = plain()
    config["layers"][1]["config"].update(changes)
    return config


def _called(*calls: list[Any]) -> Config:
    config = copy.deepcopy(plain())
    config["layers"][1]["inbound_nodes"] = [list(calls)]
    return config


def _registered() -> Config:
    config = plain()
    config["layers"][1]["registered_name"] = "mine>LSTM"
    return config


def _of_a_module() -> Config:
    config = plain()
    config["layers"][1]["module"] = "my_layers"
    return config


_OWN_RELU = {"module": "builtins", "class_name": "function", "config": "relu"}


def _twice() -> Config:
    config = plain()
    config["layers"][1]["inbound_nodes"] *= 2
    return config


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"name": "subclassed"}, "Functional or Sequential"),
        ({"name": "s", "layers": []}, "without layers"),
        ({"name": "s", "layers": [recurrent("LSTM", "a")]}, "never built"),
        (_changed(dtype={"class_name": "Policy", "config": {"name": "mixed_float16"}}), "float16"),
        (_changed(novelty=1), "novelty=1"),
        (_changed(activation="sine"), "sine"),
        (_registered(), "mine>LSTM"),
        (_of_a_module(), "a class of your own"),
        (_changed(activation=_OWN_RELU), "the function 'relu'"),
        (_called(source("x", call=1)), "'x', which is no input"),
        (_called(source("x", mask=["x", 0, 0])), "mask"),
        (_called(source("x", training=True)), "training=True"),
        (_called(["_CONSTANT_VALUE", -1, [1.0], {}], source("x")), "constant"),
        (_called(source("z")), "'z'"),
        (_called(source("a")), "read each other"),
        (functional(inlet("x", 4), entry("SpectralNormalization", "n", source("x"))), "no such"),
        (functional(entry("InputLayer", "x", batch_input_shape=[None, 4], ragged=True)), "ragged"),
    ],
)
def test_what_is_not_known_is_refused(config: Config, words: str) -> None:
    with pytest.raises(UnsupportedLayer, match=words):
        from_keras_config(config)


def test_everything_unknown_is_named_once() -> None:
    """Behind a layer that is unknown too, in a model inside of the model, and not what reads it."""
    inner = [entry("Dense", "d", units=2, novelty=1), entry("Hashing", "k")]
    config = functional(
        inlet("x", 7, 4),
        entry("Lambda", "a", source("x")),
        entry("Flatten", "b", source("a")),
        entry("Sequential", "m", source("b"), layers=inner),
        recurrent("LSTM", "c", source("m"), activation="sine"),
        entry("TFOpLambda", "t", source("c"), function="math.bessel_i0"),
        outputs=[["t", 0, 0], ["a", 0, 0]],
    )
    for layer in config["layers"]:
        if layer["class_name"] == "TFOpLambda":
            layer["inbound_nodes"] = [source("c")]
    with pytest.raises(UnsupportedLayer) as raised:
        from_keras_config(config)
    assert raised.value.problems == (
        "layer 'a' (Lambda): no such layer in the oracle",
        "layer 'd' (Dense): unknown option novelty=1",
        "layer 'k' (Hashing): no such layer in the oracle",
        "layer 'c' (LSTM): activation='sine' is not implemented",
        "layer 't': no operation tf.math.bessel_i0 in the oracle",
    )
    assert str(raised.value).count("'a'") == 1
