"""Record what the runtimes answered for models of one operator, and read it back.

`python -m tests.support.operator_records` runs them. A case is kept where runtimes differ, and a
few where they do not: small models, so that unit tests hold the oracles without a runtime.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from fixtures.runtimes import RUNTIMES
from harness.execution.operator_runs import OperatorRuntimes
from harness.flatbuffer.graph_description import build
from harness.operators import activation_fuzz, movement_fuzz
from harness.operators.activation_fuzz import Draw
from harness.workers import kinds
from harness.workers.server_handle import Server
from reference.operators.description import Graph, Operator, Tensor

Array = NDArray[Any]

FILE = Path(__file__).parent / "golden" / "operators.npz"
ON = ("tflite", "tflite-no-xnnpack", "tflite-reference", "litert", "tflm")
SAMPLES = 2
#: Examples of each family and type: drawn, and kept with and without a difference.
DRAWN, KEPT, KEPT_DIFFERENT = 60, 2, 3


@dataclass(frozen=True, eq=False)
class Record:
    """A model, its inputs [N, …] and what each runtime gave: its outputs [N, …]."""

    name: str
    graph: Graph
    samples: tuple[Array, ...]
    outputs: dict[str, tuple[Array, ...]]


def examples(make: activation_fuzz.Make, kind: str, name: str) -> Iterator[tuple[Graph, Any]]:
    """Seeded examples of a family, as Hypothesis would draw them."""
    random = np.random.default_rng(crc32(f"{name} {kind}".encode()))
    for _ in range(DRAWN):
        fields: dict[str, Any] = {
            "seed": int(random.integers(2**32)),
            "shape": [int(n) for n in random.integers(1, 6, random.integers(1, 4))],
            "powers": [float(p) for p in random.uniform(-9, -0.51, 3)],
            "even": bool(random.integers(2)),
            "zeros": [int(z) for z in random.integers(-128, 128, 3)],
            "values": str(random.choice(["uniform", "narrow", "extreme"])),
            "number": float(np.float32(random.uniform(-1, 2))),
            "flags": [bool(flag) for flag in random.integers(0, 2, 2)],
        }
        graph, samples = make(Draw(kind, fields, np.random.default_rng(fields["seed"])))
        yield graph, tuple(sample[:SAMPLES] for sample in samples)


def record() -> list[Record]:
    """Run the examples of all families."""
    runtimes = OperatorRuntimes(Server(kinds.shared(slow=True)), Server(kinds.shared(slow=False)))
    found = []
    for module in (activation_fuzz, movement_fuzz):
        for name, make in module.FAMILIES.items():
            for kind in module.KINDS[name]:
                found += _kept(f"{name} {kind}", make, kind, name, runtimes)
    runtimes.close()
    return found


def _kept(
    name: str, make: activation_fuzz.Make, kind: str, family: str, runtimes: OperatorRuntimes
) -> list[Record]:
    alike: list[Record] = []
    different: list[Record] = []
    for graph, samples in examples(make, kind, family):
        outputs = {}
        for runtime in ON:
            run = runtimes.run(RUNTIMES[runtime], build(graph), samples, outputs=len(graph.outputs))
            if run.result is None:
                outputs[runtime] = run.outputs
        if not outputs:
            raise SystemExit(f"{name} runs nowhere: {run.result}, {graph}")
        first, *others = outputs.values()
        differ = any(
            not np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
            for other in others
            for a, b in zip(first, other, strict=True)
        )
        kept, most = (different, KEPT_DIFFERENT) if differ else (alike, KEPT)
        if len(kept) < most:
            kept.append(Record(f"{name} {len(alike) + len(different)}", graph, samples, outputs))
    return alike + different


def write(records: list[Record], file: Path = FILE) -> None:
    """One archive; equal outputs of several runtimes are kept once."""
    arrays: dict[str, Array] = {}
    documents = []
    for number, one in enumerate(records):
        arrays |= {f"{number}/input/{k}": value for k, value in enumerate(one.samples)}
        tensors = []
        for k, tensor in enumerate(one.graph.tensors):
            if tensor.data is not None:
                arrays[f"{number}/constant/{k}"] = tensor.data
            tensors.append(asdict(replace(tensor, data=None)))
        groups: list[list[str]] = []
        for runtime, outputs in one.outputs.items():
            for group in groups:
                if all(map(_same, outputs, one.outputs[group[0]])):
                    group.append(runtime)
                    break
            else:
                groups.append([runtime])
        for position, group in enumerate(groups):
            for k, value in enumerate(one.outputs[group[0]]):
                arrays[f"{number}/output/{position}/{k}"] = value
        operator = asdict(one.graph.operators[0])
        ends = {"inputs": one.graph.inputs, "outputs": one.graph.outputs}
        graph: dict[str, Any] = {"tensors": tensors, "operator": operator} | ends
        documents.append({"name": one.name, "graph": graph, "runtimes": groups})
    arrays["documents"] = np.array(json.dumps(documents, separators=(",", ":")))
    np.savez_compressed(file, **arrays)


def _same(a: Array, b: Array) -> bool:
    return a.tobytes() == b.tobytes()


@lru_cache(maxsize=2)
def read(file: Path = FILE) -> list[Record]:
    """The records on file."""
    found = []
    with np.load(file, allow_pickle=False) as archive:
        stored = {key: archive[key] for key in archive.files}
    for number, document in enumerate(json.loads(str(stored["documents"]))):
        graph = document["graph"]
        tensors = tuple(
            Tensor(**_tuples(tensor) | {"data": stored.get(f"{number}/constant/{k}")})
            for k, tensor in enumerate(graph["tensors"])
        )
        operators = (Operator(**_tuples(graph["operator"])),)
        ends = tuple(graph["inputs"]), tuple(graph["outputs"])
        outputs = {
            runtime: tuple(stored[f"{number}/output/{position}/{k}"] for k in range(len(ends[1])))
            for position, group in enumerate(document["runtimes"])
            for runtime in group
        }
        samples = tuple(stored[f"{number}/input/{k}"] for k in range(len(ends[0])))
        found.append(Record(document["name"], Graph(tensors, operators, *ends), samples, outputs))
    return found


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """Lists are tuples in descriptions, but not in options."""
    return {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }


if __name__ == "__main__":
    write(record())
