"""Write Keras files that carry code, and say how the loader judges each.

Imports TensorFlow.

Each piece of code would create the file `executed` beside the folder. The verdicts are in
`judged.json` there: for each file the reason for which it is refused, empty for none.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def main(folder: Path) -> None:
    marker = str(folder.parent / "executed")
    import h5py  # type: ignore[import-untyped]
    import tensorflow as tf

    from harness.workers.remote.keras import safe_loading

    layers = tf.keras.layers
    payload = eval(f"lambda x: (open({marker!r}, 'w').close(), x * 2)[1]")
    x = tf.keras.Input((5, 3), name="sensor")
    hidden = layers.LSTM(4, return_sequences=True)(x)
    plain = tf.keras.Model(x, layers.Dense(2)(tf.math.sin(hidden) * 2.0))
    direct = tf.keras.Model(x, layers.Lambda(payload)(hidden))
    wrapped = tf.keras.Model(x, layers.TimeDistributed(layers.Lambda(payload))(hidden))
    inner = tf.keras.Sequential([layers.Dense(4), tf.keras.Sequential([layers.Lambda(payload)])])
    nested = tf.keras.Model(x, inner(hidden))
    for name, model in (
        ("plain", plain),
        ("direct", direct),
        ("wrapped", wrapped),
        ("nested", nested),
    ):
        model.save(folder / f"{name}.keras")
        model.save(folder / f"{name}.h5")
        model.save(folder / f"{name}-saved", save_format="tf")

    # A name that JSON spells otherwise: what searches the file's bytes does not see it.
    with h5py.File(folder / "direct.h5") as file:
        text = file.attrs["model_config"].replace('"Lambda"', '"\\u004cambda"')
    shutil.copy(folder / "direct.h5", folder / "escaped.h5")
    with h5py.File(folder / "escaped.h5", "r+") as file:
        file.attrs["model_config"] = text

    def edited(name: str, change: Callable[[dict[str, Any]], None]) -> None:
        with zipfile.ZipFile(folder / "plain.keras") as old:
            entries = {entry: old.read(entry) for entry in old.namelist()}
        config = json.loads(entries["config.json"])
        change(next(e for e in config["config"]["layers"] if e["class_name"] == "Dense"))
        entries["config.json"] = json.dumps(config).encode()
        with zipfile.ZipFile(folder / name, "w") as new:
            for entry, data in entries.items():
                new.writestr(entry, data)

    def of_module(dense: dict[str, Any]) -> None:
        dense |= {"module": "hostile_module", "class_name": "Dense", "registered_name": "x>Dense"}

    def function(dense: dict[str, Any]) -> None:
        dense["config"]["activation"] = {
            "module": "os",
            "class_name": "function",
            "config": "system",
            "registered_name": "system",
        }

    def inside(dense: dict[str, Any]) -> None:
        dense["config"]["activation"] = {
            "module": "keras.src.utils.io_utils",
            "class_name": "function",
            "config": "os.system",
            "registered_name": "os.system",
        }

    def operation(dense: dict[str, Any]) -> None:
        dense["class_name"] = "TFOpLambda"
        dense["config"] = {"name": "write", "function": "io.write_file", "trainable": True}

    edited("module.keras", of_module)
    edited("function.keras", function)
    edited("inside.keras", inside)
    edited("operation.keras", operation)
    (folder / "hostile_module.py").write_text(f"open({marker!r}, 'w').close()\n")

    class Writing(tf.Module):  # type: ignore[misc] # TensorFlow has no types
        @tf.function(input_signature=[tf.TensorSpec([1, 5, 3])])  # type: ignore[untyped-decorator]
        def __call__(self, x: Any) -> Any:
            with tf.control_dependencies([tf.io.write_file(marker, "x")]):
                return tf.identity(x)

    tf.saved_model.save(Writing(), str(folder / "writing-saved"))
    paths = [p for p in sorted(folder.iterdir()) if p.suffix != ".py"]
    Path(marker).unlink(missing_ok=True)  # tracing the payloads made it
    judged = {path.name: safe_loading.carried_code(path) for path in paths}
    (folder.parent / "judged.json").write_text(json.dumps(judged))
