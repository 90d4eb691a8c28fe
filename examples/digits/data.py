"""Give real handwriting at 28×28: scikit-learn's digits, or the original MNIST file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SIZE = 28


class Digits(NamedTuple):
    """x: [N, 28, 28] float32 in [0, 1]; y: [N] the digit's class."""

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]


def bundled(seed: int = 0) -> Digits:
    """scikit-learn's 1,797 handwritten digits (8×8, from NIST forms), brought to 28×28.

    Bilinear interpolation keeps the strokes; a fifth of the digits is held out.
    """
    from scipy.ndimage import zoom
    from sklearn.datasets import load_digits

    found = load_digits()
    images = zoom(found.images / 16.0, (1, SIZE / 8, SIZE / 8), order=1)
    images = np.clip(images, 0.0, 1.0).astype(np.float32)
    order = np.random.default_rng(seed).permutation(len(images))
    held_out = len(images) // 5
    test, train = order[:held_out], order[held_out:]
    labels = found.target.astype(np.int64)
    return Digits(images[train], labels[train], images[test], labels[test])


def mnist(path: Path, held_out: int = 1000) -> Digits:
    """The original MNIST file (mnist.npz of Keras), with the first `held_out` test digits.

    Raises ValueError for a file with other arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays: dict[str, NDArray[Any]] = {name: archive[name] for name in archive.files}
    except (OSError, ValueError) as error:
        raise ValueError(f"--mnist {path}: not a readable .npz file ({error})") from error
    wanted = ("x_train", "y_train", "x_test", "y_test")
    if any(name not in arrays for name in wanted):
        raise ValueError(f"--mnist {path}: expected {', '.join(wanted)}; found {list(arrays)}")
    x_train, x_test = arrays["x_train"], arrays["x_test"]
    if x_train.shape[1:] != (SIZE, SIZE) or x_test.shape[1:] != (SIZE, SIZE):
        raise ValueError(f"--mnist {path}: expected images of 28×28; found {x_train.shape}")
    return Digits(
        (x_train / 255.0).astype(np.float32),
        arrays["y_train"].astype(np.int64),
        (x_test[:held_out] / 255.0).astype(np.float32),
        arrays["y_test"][:held_out].astype(np.int64),
    )
