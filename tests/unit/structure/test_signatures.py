"""A file of several signatures is told which one is judged, and a file of one is not."""

from __future__ import annotations

from typing import Any

import pytest

from harness.flatbuffer.structure import Structure
from harness.structure.signatures import signature_findings


def _file(*signatures: tuple[str, int]) -> Structure:
    graph: dict[str, Any] = {"tensors": [], "operators": [], "inputs": [], "outputs": []}
    entries = [
        {"key": key, "subgraph": subgraph, "inputs": [], "outputs": []}
        for key, subgraph in signatures
    ]
    count = 1 + max([0, *(subgraph for _, subgraph in signatures)])
    return Structure({"subgraphs": [graph] * count, "signatures": entries})


def test_what_is_judged_and_what_is_not_is_named() -> None:
    (found,) = signature_findings(_file(("infer", 0), ("train", 1), ("save", 2)))
    assert (found.rule, found.level) == ("other-signatures", "note")
    assert "3 signatures, and only signature 'infer' is judged" in found.message
    assert found.message.endswith("nothing is said of 'train', 'save'")
    (found,) = signature_findings(_file(("train", 1)))
    assert "only the main subgraph is judged" in found.message


@pytest.mark.parametrize("signatures", [(), (("a", 0),), (("a", 0), ("b", 0))])
def test_a_file_of_one_function_has_no_note(signatures: tuple[tuple[str, int], ...]) -> None:
    assert signature_findings(_file(*signatures)) == []
