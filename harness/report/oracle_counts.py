"""Count what the oracles compared, by runtime and kind of LSTM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def oracle_counts(
    cases: Sequence[Mapping[str, Any]], fuzzed: Sequence[Mapping[str, Any]] = ()
) -> dict[str, dict[str, int]]:
    """By runtime and kind of LSTM: operators compared, values and mismatches.

    The same operator with the same input counts once for each runtime, however many recipes give
    it. fuzzed: what the suites compared beside their cases, as {runtime, kind, operators, values,
    mismatches}.
    """
    counts: dict[str, dict[str, int]] = {}
    seen = set()
    for case in cases:
        for entry in case.get("operators", ()):
            known = (case["runtime"], entry["key"])
            if entry["values"] and known not in seen:
                seen.add(known)
                _add(counts, f"{case['runtime']} {entry['kind']}", {**entry, "operators": 1})
    for entry in fuzzed:
        _add(counts, f"{entry['runtime']} {entry['kind']}", entry)
    return dict(sorted(counts.items()))


def _add(counts: dict[str, dict[str, int]], name: str, entry: Mapping[str, Any]) -> None:
    total = counts.setdefault(name, {"operators": 0, "values": 0, "mismatches": 0})
    for key in total:
        total[key] += int(entry[key])
