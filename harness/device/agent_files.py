"""Write the agent beside a model's C array: firmware that answers `--device` over a wire.

The sources are in harness/device/agent/; docs/device.md says how to build and flash them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.device.op_resolver import resolver_lines
from harness.device.stream_order import stream_order
from harness.flatbuffer.structure import Structure, Tensor
from harness.workers.remote.board import protocol

SOURCES = Path(__file__).with_name("agent")
FOLDER = "agent"
#: As they are; hooks_tflm.cc is the model's own.
PLAIN = ("lstm_agent.h", "lstm_agent.c", "main.c", "agent.ino")
COMMANDS = "commands.txt"
_CONFIG = Template("""\
/* $title. Written by the LSTM conformance harness; do not edit. */
#ifndef LSTM_AGENT_CONFIG_H_
#define LSTM_AGENT_CONFIG_H_

#define LSTM_AGENT_NAME "$name"
/* All inputs together, and all outputs. */
#define LSTM_AGENT_INPUT_BYTES $inputs
#define LSTM_AGENT_OUTPUT_BYTES $outputs

#endif /* LSTM_AGENT_CONFIG_H_ */
""")


def config_text(name: str, inputs: int, outputs: int, title: str) -> str:
    """The sizes that the agent is compiled with, in bytes."""
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    return _CONFIG.substitute(
        title=title.replace("*/", "* /"), name=plain[:60], inputs=inputs, outputs=outputs
    )


def hooks_text(symbol: str, structure: Structure, title: str) -> str:
    """TensorFlow Lite Micro behind the agent's hooks, with the operators that the model needs."""
    lines = resolver_lines(structure, title).splitlines()
    told = [f"  static {line}" if "Resolver<" in line else f"  {line}" for line in lines]
    template = Template((SOURCES / "hooks_tflm.cc").read_text())
    plain = title.replace("\n", " ").replace("\\", "/")
    return template.substitute(symbol=symbol, resolver="\n".join(told), title=plain)


def files(
    symbol: str,
    name: str,
    structure: Structure,
    content: bytes,
    samples: Sequence[NDArray[Any]],
    title: str,
) -> dict[str, str]:
    """Every file of the folder `agent` by its name, without the C array.

    samples: [N, …] for each input, in the types of the flatbuffer."""
    found = {each: (SOURCES / each).read_text() for each in PLAIN}
    sizes = (_bytes(structure.inputs), _bytes(structure.outputs))
    found["agent_config.h"] = config_text(name, *sizes, title)
    found["hooks_tflm.cc"] = hooks_text(symbol, structure, title)
    found[COMMANDS] = commands(content, samples)
    return found


def commands(content: bytes, samples: Sequence[NDArray[Any]]) -> str:
    """What a terminal has to send for a log that `--device log:FILE` can judge: each sample from
    the initial state, then a stream of them. One command a line, each answered by `m-ready`."""
    inputs = [_input(samples, k) for k in range(len(samples[0]))]
    sessions = [*([each] for each in inputs), [inputs[k] for k in stream_order(len(inputs))]]
    model = f"{len(content)} {protocol.crc(content)}"
    lines = ["name", "lstm hello h0"]
    step = (protocol.SMALLEST_COMMAND - len("db ")) // 2
    for number, session in enumerate(sessions):
        lines.append(f"lstm begin b{number} log{number} {model}")
        for place, data in enumerate(session):
            lines.append(f"db load {len(data)}")
            parts = range(0, len(data), step)
            lines += [f"db {data[start : start + step].hex()}" for start in parts]
            lines += ["infer 1 0", f"lstm results r{number}x{place}"]
    return "".join(f"{line}{protocol.END}\n" for line in lines)


def _input(samples: Sequence[NDArray[Any]], number: int) -> bytes:
    arrays = [np.asarray(array[number]) for array in samples]
    return b"".join(a.astype(a.dtype.newbyteorder("<")).tobytes() for a in arrays)


def _bytes(tensors: Sequence[Tensor]) -> int:
    return sum(int(np.prod(t.shape)) * np.dtype(t.dtype).itemsize for t in tensors)
