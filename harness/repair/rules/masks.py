"""Take masks out of a model of which no step is masked, as the user says of it."""

from __future__ import annotations

from harness.repair.rules.document import Document, layers, of_keras


def no_masked_steps(document: Document) -> None:
    """Masking → nothing, Embedding(mask_zero=True) → mask_zero=False.

    The same function only where no step is masked: whoever applies it checks the samples.
    """
    for name, entry in layers(document):
        config = entry["config"]
        if of_keras(entry, "Masking"):
            kept = ("name", "trainable", "dtype", "batch_input_shape")
            entry["config"] = {key: config[key] for key in kept if key in config}
            entry["config"]["activation"] = "linear"
            entry.update(class_name="Activation", module="keras.layers", registered_name=None)
            document.tell("no masked steps", name, "Masking becomes a layer that hands x on")
        elif of_keras(entry, "Embedding") and config.get("mask_zero"):
            config["mask_zero"] = False
            document.tell("no masked steps", name, "mask_zero=True becomes mask_zero=False")
