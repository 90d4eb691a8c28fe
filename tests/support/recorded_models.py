"""List the small models whose answers are on record; every layer and option is in one of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from fixtures.variants import VARIANTS, Input, Node, Variant
from reference.lstm.integer_weights import IntegerLstm
from reference.lstm.weights import Gates
from tests.support.reference_models import integer_model

STEPS = 6
_UNITS = {20: 3, 12: 2, 64: 4, 128: 4}
_SIZES = {28: 4, 7: 2}


def _shrunk(variant: Variant) -> Variant:
    """The same model with few units, features and time steps."""

    def config(value: Any, key: str = "") -> Any:
        if isinstance(value, Mapping):
            return {k: config(v, k) for k, v in value.items()}
        if isinstance(value, (list, tuple)) and value and isinstance(value[0], Mapping):
            return [config(v) for v in value]
        if key in ("units", "filters"):
            return _UNITS.get(value, value)
        return value

    def entry(given: Input) -> Input:
        shape = list(given.shape)
        for axis, size in enumerate(shape):
            if axis == given.time_axis:
                shape[axis] = min(size, STEPS)
            else:
                shape[axis] = {**_SIZES, **_UNITS}.get(size, size)
        return replace(given, shape=tuple(shape), padded_steps=min(given.padded_steps, 2))

    nodes = tuple(replace(node, config=config(node.config)) for node in variant.nodes)
    return replace(
        variant,
        name=f"golden-{variant.name}",
        inputs=tuple(entry(i) for i in variant.inputs),
        nodes=nodes,
        batch=min(variant.batch, STEPS) if variant.time_major else variant.batch,
    )


def _chain(name: str, *layers: tuple[str, dict[str, Any]], **options: Any) -> Variant:
    inputs = options.pop("inputs", (Input("x", (STEPS, 4)),))
    last, nodes = inputs[0].name, []
    for number, (kind, config) in enumerate(layers):
        nodes.append(Node(f"{kind.lower()}_{number}", kind, config, (last,)))
        last = nodes[-1].name
    return Variant(f"golden-{name}", name, inputs, tuple(nodes), (last,), "while", **options)


def _wrapped(kind: str, **config: Any) -> dict[str, Any]:
    return {"class": kind, "config": config}


def _more() -> list[Variant]:
    """Options that the catalogue has no variant for."""
    rnn = {"units": 3, "return_sequences": True}
    lstm = _wrapped("LSTM", **rnn)
    found = [
        _chain(
            f"bidirectional-{merge}",
            ("Bidirectional", {"layer": lstm, "merge_mode": merge}),
            batch=2,
        )
        for merge in ("sum", "mul", "ave", "concat")
    ]
    for kind in ("GRU", "SimpleRNN"):
        found.append(
            _chain(
                f"bidirectional-{kind.lower()}",
                ("Bidirectional", {"layer": _wrapped(kind, units=3), "merge_mode": "concat"}),
            )
        )
    found += [
        _chain("gru-before", ("GRU", {**rnn, "reset_after": False})),
        _chain("gru-no-bias", ("GRU", {**rnn, "use_bias": False})),
        _chain("gru-relu", ("GRU", {**rnn, "activation": "relu"})),
        _chain("gru-backwards", ("GRU", {"units": 3, "go_backwards": True})),
        _chain("rnn-no-bias", ("SimpleRNN", {**rnn, "use_bias": False})),
        _chain("rnn-relu", ("SimpleRNN", {**rnn, "activation": "relu"})),
        _chain("rnn-gru-cell", ("RNN", {"cell": _wrapped("GRUCell", units=3)})),
        _chain("rnn-simple-cell", ("RNN", {"cell": _wrapped("SimpleRNNCell", units=3)})),
        _chain("lstm-relu-no-bias", ("LSTM", {**rnn, "activation": "relu", "use_bias": False})),
        _chain("norm-plain", ("LayerNormalization", {"center": False, "scale": False})),
        _chain("norm-scale", ("LayerNormalization", {"center": False, "epsilon": 0.5})),
        _chain("norm-centre", ("LayerNormalization", {"scale": False, "axis": 2})),
        _chain("dense-no-bias", ("Dense", {"units": 3, "use_bias": False})),
        _chain("flatten", ("Flatten", {}), ("Dense", {"units": 3, "activation": "tanh"})),
        _chain("reshape", ("Reshape", {"target_shape": (3, 8)}), ("Permute", {"dims": (2, 1)})),
        _chain("dropout", ("Dropout", {"rate": 0.5}), ("Dense", {"units": 2})),
        _chain(
            "time-distributed-norm",
            ("TimeDistributed", {"layer": _wrapped("LayerNormalization")}),
        ),
        _chain("masked-gru", ("Masking", {}), ("GRU", rnn), inputs=_padded()),
        _chain("masked-rnn", ("Masking", {}), ("SimpleRNN", {"units": 3}), inputs=_padded()),
        _chain(
            "masked-zero-output",
            ("Masking", {}),
            ("LSTM", {**rnn, "zero_output_for_mask": True, "recurrent_dropout": 0.1}),
            inputs=_padded(),
        ),
        _chain(
            "masked-bidirectional",
            ("Masking", {}),
            ("Bidirectional", {"layer": lstm, "merge_mode": "concat"}),
            inputs=_padded(),
        ),
    ]
    for name in ("relu", "sigmoid", "hard_sigmoid", "softmax", "tanh", "linear"):
        found.append(_chain(f"activation-{name}", ("Activation", {"activation": name})))
    for name, config in (
        ("same", {"padding": "same", "strides": 2}),
        ("causal", {"padding": "causal", "dilation_rate": 2, "use_bias": False}),
        ("valid", {"activation": "tanh"}),
    ):
        found.append(_chain(f"conv-{name}", ("Conv1D", {"filters": 2, "kernel_size": 3, **config})))
    reshaped = ("Reshape", {"target_shape": (3, 4, 2)})
    conv = {"filters": 2, "kernel_size": 3}
    found += [
        _chain("conv-lstm", reshaped, ("ConvLSTM1D", {**conv, "return_sequences": True})),
        _chain(
            "conv-lstm-same",
            reshaped,
            ("ConvLSTM1D", {**conv, "padding": "same", "use_bias": False}),
        ),
    ]
    x, y = Input("x", (STEPS, 4)), Input("y", (STEPS, 4))
    two = (Node("a", "LSTM", rnn, ("x",)), Node("b", "LSTM", rnn, ("y",)))
    found += [
        Variant("golden-add", "", (x, y), (*two, Node("c", "Add", {}, ("a", "b"))), ("c", "a")),
        Variant(
            "golden-join",
            "",
            (x, y),
            (*two, Node("c", "Concatenate", {"axis": 1}, ("a", "b"))),
            ("c",),
        ),
    ]
    return found


def _padded() -> tuple[Input, ...]:
    return (Input("x", (STEPS, 4), padded_steps=2),)


def networks() -> dict[str, Variant]:
    """Every network, by name. The stateful variant is left out: Keras keeps its state."""
    shrunk = [
        _shrunk(variant)
        for name, variant in VARIANTS.items()
        if name not in ("conv-lstm-1d", "stateful", "timesteps-100", "units-128", "batch-4")
    ]
    return {variant.name: variant for variant in (*shrunk, *_more())}


# Integer operators ------------------------------------------------------------------------------


def _wide(model: IntegerLstm) -> IntegerLstm:
    """int16 activations: a zero point of 0 everywhere, int64 biases."""
    bias = model.bias.as_type(np.int64)
    return replace(
        model,
        activation_dtype="int16",
        bias=bias,
        input_scale=6e-5,
        input_zero_point=0,
        output_state_scale=3.1e-5,
        output_state_zero_point=0,
        output_scale=3.1e-5,
        output_zero_point=0,
        hidden_scale=3.1e-5,
        hidden_zero_point=0,
    )


def _cifg(model: IntegerLstm) -> IntegerLstm:
    groups = {
        name: getattr(model, name)._replace(i=None)
        for name in (
            *("input_kernel", "recurrent_kernel", "bias"),
            *("input_kernel_scale", "recurrent_kernel_scale"),
        )
    }
    return replace(model, **groups)


def _peephole(model: IntegerLstm) -> IntegerLstm:
    random = np.random.default_rng(3)
    values = random.integers(-30000, 30000, (4, model.units)).astype(np.int16)
    first = None if model.cifg else 3e-5
    scales = type(model.input_kernel_scale)(first, 2e-5, None, 4e-5)
    gates = Gates(None if model.cifg else values[0], values[1], None, values[3])
    return replace(model, peephole=gates, peephole_scale=scales)


def _projected(model: IntegerLstm, clip: float = 0.0, bias: bool = True) -> IntegerLstm:
    """Three outputs of six units."""
    random = np.random.default_rng(4)
    recurrent = random.integers(-127, 128, (4, model.units, 3)).astype(np.int8)
    return replace(
        model,
        recurrent_kernel=Gates(*recurrent),
        projection=random.integers(-127, 128, (3, model.units)).astype(np.int8),
        projection_scale=0.01,
        projection_bias=random.integers(-900, 900, 3).astype(np.int32) if bias else None,
        projection_clip=clip,
        hidden_zero_point=0,
        output_state_scale=0.02,
        output_scale=0.02,
        output_zero_point=-3,
    )


def _plain(seed: int, **changes: Any) -> IntegerLstm:
    found = integer_model(seed, **changes)
    return replace(
        found,
        output_scale=changes.get("output_scale", found.output_state_scale),
        output_zero_point=changes.get("output_zero_point", found.output_state_zero_point),
    )


def integer_operators() -> dict[str, tuple[IntegerLstm, tuple[str, ...]]]:
    """Every integer operator with the runtimes that take it."""
    both, tflite, tflm = ("tflite", "tflm"), ("tflite",), ("tflm",)
    return {
        "plain": (_plain(1), both),
        "one-unit": (_plain(2, units=1, features=1), both),
        "time-major": (_plain(3, time_major=True), both),
        "small-cell": (_plain(4, cell_scale=2.0**-15), both),
        "large-cell": (_plain(5, cell_scale=2.0**-9), both),
        "skipped-tanh": (_plain(6, cell_scale=2.0**-16), both),
        "clipped": (_plain(7, cell_clip=0.3), both),
        "vanishing-clip": (_plain(8, cell_clip=1e-6), both),
        "hidden-scale": (_plain(9, hidden_scale=0.0061, hidden_zero_point=7), both),
        "output-scale": (_plain(10, output_scale=0.006, output_zero_point=4), both),
        "large-bias": (
            _plain(11, bias=Gates(*(np.full(6, b, np.int32) for b in (2**30, -(2**30), 5, 2**29)))),
            both,
        ),
        "peephole": (_peephole(_plain(12)), tflite),
        "cifg": (_cifg(_plain(13)), tflite),
        "projection": (_projected(_plain(14)), tflite),
        "projection-clip": (_projected(_plain(15), 0.5), tflite),
        "projection-no-bias": (_projected(_plain(16), bias=False), tflite),
        "peephole-cifg": (_peephole(_cifg(_plain(17))), tflite),
        "int16x8": (_wide(_plain(18)), tflm),
        "int16x8-clipped": (_wide(_plain(19, cell_clip=0.4, time_major=True)), tflm),
    }
