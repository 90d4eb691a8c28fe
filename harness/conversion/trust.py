"""Refuse flatbuffers that reach out of themselves, unless the user trusts them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.workers.remote.keras.safe_loading import REACHING_OUT


def refuse_reaching_out(operators: Sequence[str]) -> None:
    """Raises ValueError for operators of TensorFlow (Flex) that touch files or call Python."""
    flex = {name.removeprefix("Flex") for name in operators if name.startswith("Flex")}
    if found := sorted(flex & REACHING_OUT):
        raise ValueError(
            f"the flatbuffer has the operation {found[0]}, which reaches out of it; "
            "add --trusted if you trust where it comes from"
        )
