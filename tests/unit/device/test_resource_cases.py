"""The device's suite has the cases that run on its runtime, and writes where it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.device.resources import device_folder
from harness.pipeline.selection import select


def test_the_catalogue_is_measured_by_one_recipe_for_each_arithmetic() -> None:
    recipes = {case.recipe.name for case in select().resources()}
    assert recipes == {"float32", "int8", "int16x8-rewritten"}
    asked = select(recipes=["dynamic-range"]).resources()
    assert {case.recipe.name for case in asked} == {"dynamic-range"}
    assert select(runtimes=["tflite"]).resources() == []


@pytest.mark.parametrize("name", ["..", ".", "a/b", "../../x", "", "ü \\ *"])
def test_no_name_leaves_the_folder_of_the_report(tmp_path: Path, name: str) -> None:
    found = device_folder(tmp_path, name, "int8").resolve()
    assert found.parent.parent == (tmp_path / "device").resolve()
