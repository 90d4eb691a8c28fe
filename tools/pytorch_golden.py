"""Record what PyTorch answers for small LSTMs, with the state dicts they have.

Usage: python tools/pytorch_golden.py FOLDER, in an environment with PyTorch (pip install torch
numpy safetensors); the harness itself never imports it. Writes `state.npz` and `answers.npz` (the
samples, what each part of the network answers, and PyTorch's version), which
tests/unit/weights/test_pytorch_golden.py reads from fixtures/golden/pytorch/.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np


def main(folder: Path) -> None:
    torch: Any = import_module("torch")
    torch.manual_seed(7)
    one = torch.nn.LSTM(3, 4, batch_first=True)
    deep = torch.nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True)
    linear = torch.nn.Linear(4, 2)
    network = torch.nn.ModuleDict({"one": one, "deep": deep, "fc": linear}).eval()
    samples = torch.rand(5, 6, 3) * 2 - 1
    with torch.no_grad():
        hidden = one(samples)[0]
        answers = {"one": hidden, "deep": deep(samples)[0], "fc": linear(hidden[:, -1])}
    state = {name: value.numpy() for name, value in network.state_dict().items()}
    np.savez(folder / "state.npz", **state)
    np.savez(
        folder / "answers.npz",
        samples=samples.numpy(),
        version=np.array(torch.__version__),
        **{name: value.numpy() for name, value in answers.items()},
    )
    files: Any = import_module("safetensors.torch")
    files.save_file(network.state_dict(), str(folder / "state.safetensors"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
