"""A run consists of the cross of subjects, recipes and runtimes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.recipes import GATE_RECIPES, RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.variants import VARIANTS
from harness.pipeline.selection import select
from harness.workers import kinds


def test_the_default_run_is_at_least_40_by_8_by_3() -> None:
    cases = select().parities()
    cells = {(c.subject.name, c.recipe.name, c.runtime.name) for c in cases if c.runtime}
    assert len(cells) == len(cases)
    for name in VARIANTS:
        recipes = {recipe for subject, recipe, _ in cells if subject == name}
        assert len(recipes) >= 8
        for recipe in recipes:
            assert {r for s, q, r in cells if (s, q) == (name, recipe)} == set(RUNTIMES)
    assert len(VARIANTS) >= 40


def test_the_full_run_is_the_whole_cross() -> None:
    assert len(select(full=True).parities()) == len(VARIANTS) * len(RECIPES) * len(RUNTIMES)


def test_a_recipe_that_is_named_runs_on_every_variant() -> None:
    assert len(select(recipes=["keras-model"]).conversions()) == len(VARIANTS)


def test_the_asked_for_sizes_are_in_the_catalogue() -> None:
    def attributes(layer: str, key: str) -> set[int]:
        return {
            node.config[key]
            for variant in VARIANTS.values()
            for node in variant.nodes
            if node.layer == layer and key in node.config
        }

    assert {1, 4, 20, 64, 128} <= attributes("LSTM", "units")
    shapes = {entry.shape for variant in VARIANTS.values() for entry in variant.inputs}
    assert {1, 3, 28} <= {shape[-1] for shape in shapes}
    assert {1, 5, 28, 100} <= {shape[0] for shape in shapes}
    assert {1, 2, 4} <= {variant.batch for variant in VARIANTS.values()}


def test_a_gate_runs_the_users_model_and_nothing_of_the_catalogue(tmp_path: Path) -> None:
    path = tmp_path / "my.keras"
    path.touch()
    selection = select(models=[path])
    assert [subject.name for subject in selection.subjects] == ["my.keras"]
    assert tuple(recipe.name for recipe in selection.recipes) == GATE_RECIPES


def test_two_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [tmp_path / folder / "my.keras" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        path.touch()
    names = [subject.name for subject in select(models=paths).subjects]
    assert len(set(names)) == 2
    assert all("my.keras" in name for name in names)


@pytest.fixture
def no_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinds, "_found", lambda module: module != "tensorflow")


@pytest.mark.usefixtures("no_tensorflow")
def test_a_flatbuffer_alone_needs_no_tensorflow(tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    path.touch()
    found = select(flatbuffers=[path])
    assert [case.runtime.name for case in found.parities() if case.runtime] == ["litert", "tflm"]
    assert [runtime.name for runtime in found.absent] == [
        *("tflite", "tflite-reference", "tflite-no-xnnpack")
    ]
    (structure,) = found.structures()
    assert [runtime.name for runtime in structure.confirm_on] == ["litert", "tflm"]
    assert not select(flatbuffers=[path], runtimes=["tflm"]).absent


@pytest.mark.usefixtures("no_tensorflow")
def test_what_needs_tensorflow_names_the_extra(tmp_path: Path) -> None:
    keras, flatbuffer = tmp_path / "a.keras", tmp_path / "a.tflite"
    keras.touch()
    flatbuffer.touch()
    extra = r"pip install 'lstm-conformance\[keras\]'"
    with pytest.raises(ValueError, match=f"^certifying an installation .*{extra}"):
        select()
    with pytest.raises(ValueError, match=f"^--model needs TensorFlow.*{extra}"):
        select([keras])
    with pytest.raises(ValueError, match=f"^--model needs TensorFlow.*{extra}"):
        select([keras], [flatbuffer])
    with pytest.raises(ValueError, match=f"^--runtime tflite-reference: not installed: {extra}"):
        select(flatbuffers=[flatbuffer], runtimes=["tflm", "tflite-reference"])


@pytest.mark.usefixtures("no_tensorflow")
def test_another_python_may_have_tensorflow(tmp_path: Path) -> None:
    """--converter-python builds, runs and converts Keras models."""
    keras = tmp_path / "a.keras"
    keras.touch()
    found = select([keras], converts=True)
    assert [runtime.name for runtime in found.runtimes] == ["keras", "litert", "tflm"]


def test_nothing_is_absent_where_all_is_installed(tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    path.touch()
    assert select(flatbuffers=[path]).absent == ()
