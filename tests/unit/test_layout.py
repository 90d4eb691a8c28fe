"""Files stay short, and what runs nothing imports no runtime."""

from __future__ import annotations

import pytest

from harness.support.project import ROOT


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
