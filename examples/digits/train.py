"""Train the 28×28 → LSTM(20) → Dense(10) model and save it with held-out digits for the gate."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from examples.digits import data

EPOCHS = 5
CALIBRATION_SAMPLES = 100


def train(digits: data.Digits, folder: Path, epochs: int = EPOCHS) -> float:
    """Train, save model.keras, heldout.npz, calibration.npz and labels.npy; the test accuracy."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.keras.utils.set_random_seed(20)
    model = tf.keras.Sequential(
        [
            tf.keras.layers.Input((data.SIZE, data.SIZE), name="image"),
            tf.keras.layers.LSTM(20, return_sequences=True),
            tf.keras.layers.Flatten(),
            tf.keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(digits.x_train, digits.y_train, epochs=epochs, batch_size=16, verbose=2)
    _, accuracy = model.evaluate(digits.x_test, digits.y_test, verbose=0)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.keras")
    np.savez(folder / "heldout.npz", image=digits.x_test)
    np.savez(folder / "calibration.npz", image=digits.x_train[:CALIBRATION_SAMPLES])
    np.save(folder / "labels.npy", digits.y_test)
    return float(accuracy)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    arguments = parser.parse_args()
    digits = data.mnist(arguments.mnist) if arguments.mnist else data.bundled()
    accuracy = train(digits, arguments.folder, arguments.epochs)
    print(f"held-out accuracy in Keras: {accuracy:.4f} on {len(digits.y_test)} digits")


if __name__ == "__main__":
    main()
