"""A run consists of the cross of subjects, recipes and runtimes."""

from __future__ import annotations

from pathlib import Path

from fixtures.recipes import GATE_RECIPES, RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.variants import VARIANTS
from harness.pipeline.selection import select


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
