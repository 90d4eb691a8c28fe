"""Collect what the selection leaves: the cases of each suite, and none that has nothing to say."""

from __future__ import annotations

import pytest

from harness.pipeline.suite import suite_in
from harness.plugins.shared import SELECTION, suite_of


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    suite = suite_in(vars(metafunc.module))
    if suite is not None and "case" in metafunc.fixturenames:
        path, test = metafunc.definition.path, metafunc.function.__name__
        cases = suite.cases_of(path.stem, test, metafunc.config.stash[SELECTION])
        metafunc.parametrize("case", [pytest.param(case, id=case.id) for case in cases])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left = [item for item in items if not _wanted(config, item)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if _wanted(config, item)]


def _wanted(config: pytest.Config, item: pytest.Item) -> bool:
    """Speed is measured when it is asked for. What certifies an installation has nothing to say of
    a user's model or of single recipes, and a test that the selection leaves no case is none:
    pytest would call it skipped."""
    option = config.option
    timing = config.getoption("benchmark_only", default=False)
    if ("benchmark" in getattr(item, "fixturenames", ())) != timing:
        return False
    suite = suite_of(item)
    if suite is None:
        return True
    has_case = "case" in getattr(item, "fixturenames", ())
    if has_case and not hasattr(item.callspec.params["case"], "id"):  # type: ignore[attr-defined]
        return False
    users = option.model or option.tflite or (option.recipe and not timing)
    return not users or (has_case and suite.judges == "models")
