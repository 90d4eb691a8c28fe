"""List the gallery's failures: what users see, how to run it, what it is, what cures it."""

from __future__ import annotations

from dataclasses import dataclass

_TF, _TFLM = (
    "https://github.com/tensorflow/tensorflow/issues/",
    "https://github.com/tensorflow/tflite-micro/issues/",
)


@dataclass(frozen=True)
class Failure:
    """One way to go wrong. symptom: what its author would search for. options: of the gate, in the
    folder that tools/site/broken_models.py fills. thread: where the field speaks of it. fails: how
    the gate ends. cause, cure: what the gate's text must lead to; `says` are words that it has."""

    title: str
    symptom: str
    options: str
    cause: str
    cure: str
    thread: str
    says: tuple[str, ...]
    fails: bool = True


FAILURES = (
    Failure(
        "Calibrated with other samples than the model sees",
        "The int8 model is much worse than the float model, on every runtime alike.",
        "--tflite narrow.tflite --model movements.keras --inputs samples.npz",
        "The representative dataset was scaled otherwise than the real samples (here to an "
        "eighth), so that "
        "most values lie beyond the ranges and are cut off.",
        "Calibrate with real samples, normalised as in training.",
        _TF + "60903",
        ("calibrat", "cut off"),
    ),
    Failure(
        "The file is of an older checkpoint",
        "The converted model answers sensibly, and a little worse than last week's evaluation.",
        "--tflite before-training.tflite --model movements.keras --inputs samples.npz",
        "The flatbuffer was converted before the last training; the weights are not those of "
        "the model.",
        "Convert again from the model that you evaluate.",
        "",
        ("convert",),
    ),
    Failure(
        "The wrong pair of files",
        "Nothing agrees at all.",
        "--tflite another.tflite --model movements.keras --inputs samples.npz",
        "The flatbuffer is another model's, of the same shapes.",
        "Give the model that the file was converted from.",
        "",
        ("model",),
    ),
    Failure(
        "The LSTM does not fuse",
        "TensorFlow Lite Micro hangs or does not know WHILE; int8 conversion crashes.",
        "--model dropout.keras --recipe float32 --recipe int8",
        "`recurrent_dropout` keeps the layer from becoming the fused operator; it becomes a loop.",
        "`python -m harness repair dropout.keras -o fused.keras`: an inference drops nothing.",
        _TFLM + "3674",
        ("recurrent_dropout", "repair"),
    ),
    Failure(
        "Converted as the converter's own message advises",
        "\"failed to legalize operation 'tf.TensorListReserve'\": consider using Select TF ops.",
        "--tflite flex.tflite --runtime litert --runtime tflm",
        "With an open batch the LSTM's lists have no static shape. With Select TF ops the file "
        "converts, "
        "and needs the Flex delegate, which neither LiteRT nor a microcontroller has.",
        "Fix the batch size and convert from a concrete function ([How to "
        "convert](converting.md)).",
        _TF + "62849",
        ("Flex",),
    ),
    Failure(
        "A GRU for a microcontroller",
        "The model runs in TensorFlow Lite and never returns on the device.",
        "--model gru.keras --recipe float32 --recipe int8",
        "Only LSTMs have a fused operator. A GRU becomes a WHILE loop, which hangs TensorFlow "
        "Lite Micro.",
        "Train an LSTM, or unroll a short GRU.",
        _TFLM + "3674",
        ("GRU",),
    ),
    Failure(
        "An int8 LSTM that is silently wrong",
        "int8 answers are useless on a phone, and good on the microcontroller.",
        "--model calm.keras --recipe int8 --inputs calm.npz --calibration calm.npz",
        "Cell states stay so small that the converter writes a cell-state scale below 2^-15, "
        "for which TFLite "
        "and LiteRT leave out tanh without a word.",
        "`python -m harness repair calm_int8.tflite -o fixed.tflite` writes the scale that works.",
        _TF + "73369",
        ("2^-15", "tanh"),
    ),
    Failure(
        "Dynamic range on a microcontroller",
        "The small file answers NaN on the device, and well on the phone.",
        "--tflite dynamic.tflite --runtime tflm",
        "TensorFlow Lite Micro has no hybrid kernel: it reads int8 weights as floats.",
        "Convert to int8 or to float32.",
        _TFLM + "757",
        ("NaN",),
    ),
    Failure(
        "Streamed on a Cortex-M",
        "On the device the answers do not depend on anything but the last step.",
        "--tflite step.tflite --inputs step.npz --kernels cmsis-nn --streaming",
        "With CMSIS-NN, TensorFlow Lite Micro starts from a zero state at every invoke; a host "
        "test that "
        "resets before each sample cannot see it.",
        "Give whole sequences to one invoke, or a TensorFlow Lite Micro whose wrapper keeps the "
        "state.",
        "https://github.com/tensorflow/tflite-micro/pull/3564",
        ("cmsis-nn", "state"),
    ),
    Failure(
        "Prediction code that never quantises",
        "The same file scores well in one script and at chance level in another.",
        "--tflite movements.tflite --inputs samples.npz --predictions predictions.npy",
        "The script casts its float samples to int8 in place of dividing by the scale and "
        "adding the zero "
        "point.",
        "Use `quantised` and `dequantised` of [How to convert](converting.md).",
        _TF + "25563",
        ("quantis",),
    ),
    Failure(
        "A Keras 3 file with code in it",
        '"Error when deserializing class", or the fear of running a stranger\'s file.',
        "--model lambda.keras --recipe float32",
        "A Lambda layer is Python code inside a file. Nothing in a file is run, so it cannot be "
        "read.",
        "Express it in layers that [Keras 3 files](keras3.md) lists, or convert it yourself and "
        "use `--tflite`.",
        "",
        ("Lambda",),
    ),
    Failure(
        "A damaged file",
        "The interpreter dies, or the device restarts, while loading.",
        "--tflite damaged.tflite",
        "The file was cut off on its way.",
        "Copy it again; compare sizes and checksums.",
        "",
        ("flatbuffer",),
    ),
)
