"""Show what was said of device kernels: a line for each case, and the table of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.report.exhibits import Cell, Exhibit, Table
from reference.lstm.device_profiles import KERNELS

#: More lines than this are a catalogue, which the report has in full.
_MOST_LINES = 24
#: Rules that a case's own line says.
_SUMMARISED = ("kernel-bits", "kernel-state")


def untested() -> str:
    """What a run without kernels says."""
    known = ", ".join(name for name, kernels in KERNELS.items() if kernels.known)
    return f"device kernels: none was tested; --kernels NAME, known are {known}"


def lines(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """documents: cases of the report that have kernels."""
    found = []
    for document in documents[:_MOST_LINES]:
        kernels = document["kernels"]
        where = f"{document['subject']} {document['recipe']} on {kernels['name']}"
        found.append(f"{where}: {_summary(kernels)}")
        found += [
            f"  {told['level']}: {told['message']}"
            for told in kernels["findings"]
            if told["rule"] == "kernel-host"
            or (told["level"] != "note" and told["rule"] not in _SUMMARISED)
        ]
    if len(documents) > _MOST_LINES:
        found.append(f"and {len(documents) - _MOST_LINES} more, in the report")
    apart = {(k["name"], k["versions"], k["note"]) for k in _known(documents)}
    found += [
        f"{name}: {versions}" + (f"; {note}" if note else "")
        for name, versions, note in sorted(apart)
    ]
    return found


def _summary(kernels: Mapping[str, Any]) -> str:
    """One line: the bits, and the state."""
    if "contract" not in kernels:
        return str(kernels["findings"][0]["message"])
    factors = sorted({name for o in kernels["operators"] for name in o["by_factor"]})
    bits = f"the same bits in {kernels['values']:,} outputs"
    if kernels["different"]:
        largest = max(operator["largest_lsb"] for operator in kernels["operators"])
        bits = (
            f"other bits in {kernels['share']:.1%} of {kernels['values']:,} outputs "
            f"({', '.join(factors) or 'state'}; LSTMs up to {largest:g} LSB)"
        )
    state = f"state {kernels['contract']}"
    if kernels["streamed"]:
        when = "step by step" if kernels["contract"] == "destroyed" else "at each invoke"
        state += f" {when}, {kernels['streamed']['share']:.1%} wrong if streamed"
    promise = f"; {kernels['promised']}" if kernels["promised"] else ""
    judged = "" if kernels["judged"] == "whole outputs" else f" (judged: {kernels['judged']})"
    return f"{bits}; {state}{promise}{judged}"


def exhibit(documents: Sequence[Mapping[str, Any]]) -> Exhibit:
    """The table of the page."""
    rows: list[tuple[Cell, ...]] = []
    for document in documents:
        kernels = document["kernels"]
        stream = kernels.get("streamed") or {}
        factors: dict[str, int] = {}
        for operator in kernels.get("operators", ()):
            for name, count in operator["by_factor"].items():
                factors[name] = factors.get(name, 0) + count
        rows.append(
            (
                document["subject"],
                document["recipe"],
                kernels["name"],
                kernels.get("different"),
                kernels.get("values"),
                ", ".join(factors) or None,
                kernels.get("contract"),
                stream.get("share"),
            )
        )
    columns = (
        *("model", "recipe", "kernels", "other bits", "outputs", "factors"),
        *("state", "wrong if streamed"),
    )
    return Exhibit(
        name="kernels",
        title="Device kernels",
        text=(
            "Predicted to the bit by the profiles of docs/kernels.md, against TensorFlow Lite "
            "Micro on this host. other bits: outputs that differ in one whole sequence an invoke; "
            "wrong if streamed: the share that differs where the state should go on."
        ),
        tables=(Table(title="", columns=columns, rows=tuple(rows)),),
    )


def _known(documents: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [document["kernels"] for document in documents if "contract" in document["kernels"]]
