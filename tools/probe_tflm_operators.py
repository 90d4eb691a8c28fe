"""Ask TFLite Micro which builtin operators it registers, one model of one operator each.

Run as `python -m tools.probe_tflm_operators` from the project's root. Writes
fixtures/tflm_operators.json: the version asked and the operators it answered for. An operator
that is missing is named in the refusal ("Didn't find op for builtin opcode"); any other end, a
refusal of the malformed operator or even a crash, comes from the operator's own code.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from harness.flatbuffer.graph_builder import GraphBuilder
from harness.flatbuffer.schema import schema
from harness.workers.answers import Failure
from harness.workers.client import Worker
from harness.workers.server_handle import Server

PATH = Path(__file__).resolve().parents[1] / "fixtures" / "tflm_operators.json"
MISSING = "Didn't find op for builtin opcode"
_NO_OPERATORS = ("CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES")


def operator_names() -> list[str]:
    """The builtin operators of the schema."""
    codes = {k: v for k, v in vars(schema().BuiltinOperator).items() if isinstance(v, int)}
    return sorted(set(codes) - set(_NO_OPERATORS))


def registered(worker: Worker, name: str) -> bool:
    """Whether TFLite Micro has an operator of that name."""
    graph = GraphBuilder()
    x, y = graph.tensor("x", [1, 4], "float32"), graph.tensor("y", [1, 4], "float32")
    graph.operator(name, [x], [y], options=_options(name))
    data = np.frombuffer(graph.pack([x], [y]), np.uint8)
    answer = worker.call("load", {"tflite": data}, arena_bytes=100_000, inputs=1, outputs=1)
    return not (isinstance(answer, Failure) and MISSING in answer.native)


def _options(name: str) -> Any:
    # Its parser reads the options before anything else.
    return schema().VarHandleOptionsT() if name == "VAR_HANDLE" else None


def main() -> None:
    server = Server(("tflm",))
    worker = Worker(server, "tflm")
    try:
        found = [name for name in operator_names() if registered(worker, name)]
        document = {"tflite_micro": version("tflite_micro"), "operators": found}
        PATH.write_text(json.dumps(document, indent=1) + "\n")
    finally:
        worker.close()
        server.close()


if __name__ == "__main__":
    main()
