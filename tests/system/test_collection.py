"""A run has the cases of the whole cross, and collecting them is quick."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.recipes import GATE_RECIPES, RECIPES
from fixtures.runtimes import RUNTIMES
from fixtures.variants import VARIANTS
from harness.pipeline.selection import select
from harness.support.project import ROOT


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


def test_collecting_is_quick_and_imports_no_tensorflow() -> None:
    script = (
        "import sys, pytest\n"
        "status = pytest.main(['suites/', '--collect-only', '-q', '-p', 'no:cacheprovider'])\n"
        "heavy = [m for m in ('tensorflow', 'keras', 'tflite_micro') if m in sys.modules]\n"
        "sys.exit(f'imported: {heavy}' if heavy else int(status))\n"
    )
    seconds = []
    for _ in range(3):
        began = _children_seconds()
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True
        )
        seconds.append(_children_seconds() - began)
        assert done.returncode == 0, done.stderr
    assert "tests collected" in done.stdout
    # Processor time, which a busy machine does not stretch much: 1.6 s where this was written.
    assert min(seconds) < 4, seconds


@pytest.mark.parametrize("only", [(), ("--benchmark-only",)], ids=["suites", "benchmarks"])
def test_a_runtime_of_another_python_is_known_to_every_suite(only: tuple[str, ...]) -> None:
    """One selection for the session: its cases are collected, and what has none is no error."""
    command = [sys.executable, "-m", "pytest", "suites/", "--collect-only", "-q"]
    command += ["-p", "no:cacheprovider", "--runtime", "tflm@oldest", "--runtime", "tflm"]
    command += ["--runtime-python", f"tflm@oldest={sys.executable}", "-k", "last/ or digits/"]
    command += ["--budget", "last/float32/tflm@oldest=2:the oldest kernels round otherwise"]
    done = subprocess.run([*command, *only], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [line for line in done.stdout.splitlines() if "::" in line]
    assert any("tflm@oldest" in nodeid for nodeid in found)
    if not only:
        assert any("test_resources" in nodeid for nodeid in found)
    assert not any("NOTSET" in nodeid for nodeid in found)


def _children_seconds() -> float:
    used = os.times()
    return used.children_user + used.children_system


def test_our_options_have_a_group_of_their_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    _, _, group = done.stdout.partition("LSTM conformance:")
    group = group.partition("\n\n")[0]
    for option in ("--model", "--tflite", "--inputs", "--calibration", "--recipe", "--runtime"):
        assert option in group


@pytest.mark.parametrize("folder", ["suites", "reference"])
def test_dependencies_point_one_way(folder: str) -> None:
    for path in (ROOT / folder).rglob("*.py"):
        text = path.read_text()
        assert "import tensorflow" not in text, path
        assert "tflite_micro" not in text.replace("tflite_micro/", ""), path
        if folder == "reference":
            assert "from fixtures" not in text, path
        assert "from suites" not in text, path


def test_no_file_is_too_long() -> None:
    for folder in ("fixtures", "harness", "reference", "suites", "tests", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            assert len(path.read_text().splitlines()) <= 450, path
