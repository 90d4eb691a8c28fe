"""There is a case for each conversion and kernels; other names are refused with those known."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.kernels.cases import check_names, has_integers, kernel_cases
from harness.kernels.terminal import untested
from harness.pipeline.selection import Selection, select
from harness.report.rerun import rerun_command
from reference.lstm.device_profiles import KERNELS


def selection(*kernels: str, recipes: tuple[str, ...] = (), streaming: bool = False) -> Selection:
    return select(recipes=recipes, kernels=kernels, streaming=streaming)


def test_every_integer_conversion_has_a_case_on_each_kernels() -> None:
    chosen = selection("cmsis-nn", "esp-nn", recipes=("int8", "float32", "int16x8-rewritten"))
    cases = kernel_cases(chosen)
    assert {case.recipe.name for case in cases} == {"int8", "int16x8-rewritten"}
    assert len(cases) == 2 * 2 * len(chosen.subjects)
    assert cases[0].id == f"{chosen.subjects[0].name}/int8/tflm/cmsis-nn"
    assert len({case.id for case in cases}) == len(cases)


def test_without_kernels_there_is_no_case_and_one_line_says_so() -> None:
    assert kernel_cases(selection()) == []
    assert untested().startswith("device kernels: none was tested; --kernels NAME, known are ")
    assert "cmsis-nn-helium" in untested()
    assert "hifi" not in untested()
    assert has_integers(selection(recipes=("int8",)))
    assert not has_integers(selection(recipes=("float32",)))


def test_a_flatbuffer_has_a_case_whatever_its_recipe_was(tmp_path: Path) -> None:
    path = tmp_path / "my.tflite"
    path.touch()
    (case,) = kernel_cases(select(flatbuffers=[path], kernels=["cmsis-nn"], streaming=True))
    assert case.streaming
    assert case.shared.id == "my.tflite/as-converted/tflm"
    given = {"--tflite": [path], "--kernels": ["esp-nn", "cmsis-nn"]}
    command = rerun_command("node", case, given)
    assert command.endswith("--kernels cmsis-nn")
    assert "esp-nn" not in command


def test_an_unknown_sdk_is_named_as_unknown_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"--kernels stm32cube: unknown; known are .*cmsis-nn"):
        check_names(["cmsis-nn", "stm32cube"])


@pytest.mark.parametrize("name", ["hifi", "ethos-u"])
def test_kernels_that_are_only_known_of_are_refused_with_what_is_known(name: str) -> None:
    with pytest.raises(ValueError, match=f"--kernels {name}: .* is unknown to the bit.*read only"):
        check_names([name])


def test_every_other_name_is_accepted() -> None:
    check_names([name for name, kernels in KERNELS.items() if kernels.known])
