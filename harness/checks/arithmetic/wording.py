"""Say which operator of a model is not what its own arithmetic says, and whose fault that is."""

from __future__ import annotations

from typing import Any

from fixtures.runtimes import Runtime
from harness.diagnosis.blame import Blame
from harness.operators.held_model import HeldModel


def text_of(runtime: str, model: HeldModel) -> str:
    """What is wrong on a runtime: the first operator, and the others by name."""
    first, *others = model.wrong
    text = f"{runtime}: {place_of(first.position, first.name)}: {first.message}"
    if others:
        names = ", ".join(dict.fromkeys(place_of(one.position, one.name) for one in others[:5]))
        text += f"; then {names}" + (f" and {len(others) - 5} more" if len(others) > 5 else "")
    return text


def place_of(position: int, name: str) -> str:
    return f"operator {position} {name}" if position >= 0 else "the model's own answer"


def wrong_operator(model: HeldModel) -> str:
    """What the first operator that is wrong by itself does; empty where there is none."""
    first = model.first
    if first is None or first.position < 0:
        return ""
    where = place_of(first.position, first.name)
    return f"{where} is not what its own arithmetic says at the inputs that it was given"


def blame_of(runtime: Runtime, model: HeldModel) -> Blame:
    """The kernel of the first operator that is not what its own arithmetic says."""
    if told := wrong_operator(model):
        return Blame(runtime.adapter.kernel, told)
    first = model.first
    assert first is not None
    where = place_of(first.position, first.name)
    return Blame(
        runtime.adapter.kernel,
        f"each operator is right by itself, and {where} is not theirs: {first.message}",
    )


def located(found: dict[str, Any] | None, model: HeldModel | str) -> dict[str, Any] | None:
    """Where a divergence starts, with what the operators say to it: the first that computes
    otherwise than its own arithmetic says, or that all are exact and the rest is quantisation.

    found: the entry `first_divergence` by the layers' values, None where these are not known."""
    if isinstance(model, str):
        return found
    told: dict[str, Any] = {
        "exact": model.proven,
        "values": model.values,
        "without_oracle": list(model.unjudged),
    }
    if model.first is None:
        return None if found is None else {**found, "operators": told}
    layers = found or {"text": "", "tensors": []}
    text = "; ".join(filter(None, [text_of(model.runtime, model), str(layers["text"])]))
    return {**layers, "text": text, "operators": {**told, "first": model.first.document()}}
