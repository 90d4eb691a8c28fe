"""Say which of a file's signatures is judged, where it has several."""

from __future__ import annotations

from harness.flatbuffer.structure import Structure
from harness.structure.findings import Finding


def signature_findings(structure: Structure) -> list[Finding]:
    """A note on the signatures that no run of the harness calls: an interpreter that is given
    inputs by position computes the main subgraph, 0, and so does TFLite Micro always."""
    signatures = structure.document["signatures"]
    others = [_named(entry["key"]) for entry in signatures if entry["subgraph"] != 0]
    if not others:
        return []
    judged = [_named(entry["key"]) for entry in signatures if entry["subgraph"] == 0]
    what = f"signature {', '.join(judged)}" if judged else "the main subgraph"
    return [
        Finding(
            "other-signatures",
            "note",
            f"the file has {len(signatures)} signatures, and only {what} is judged: nothing is "
            f"said of {', '.join(others)}",
            "convert each function to a file of its own and gate that",
        )
    ]


def _named(key: str) -> str:
    return repr(str(key))
