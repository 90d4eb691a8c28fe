"""Join the strategies of all operators that have an oracle, by family and type of values."""

from __future__ import annotations

from hypothesis import strategies as st

from harness.operators import activation_fuzz, movement_fuzz, operator_fuzz
from harness.operators.activation_fuzz import Drawn

_MADE = (activation_fuzz, movement_fuzz)

#: By family and type.
STRATEGIES: dict[tuple[str, str], st.SearchStrategy[Drawn]] = {
    (name, kind): activation_fuzz.strategy(name, kind, make)
    for module in _MADE
    for name, make in module.FAMILIES.items()
    for kind in module.KINDS[name]
} | {
    (name, kind): strategy(kind)
    for name, strategy in operator_fuzz.FAMILIES.items()
    for kind in operator_fuzz.KINDS[name]
}

#: Families, types and runtimes that have no kernel for them.
REFUSED = activation_fuzz.REFUSED | movement_fuzz.REFUSED | operator_fuzz.REFUSED


def families(runtime: str, kind: str) -> list[str]:
    """The families that a runtime has of a type."""
    return [name for name, of in STRATEGIES if of == kind and (name, kind, runtime) not in REFUSED]
