"""What a published form gives is held to the model: a wrong integer form is caught."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fixtures.published_recipes import CONVERSIONS
from fixtures.recipes import RECIPES
from harness.checks.published_recipes import Published
from harness.session.session import Session

FORMS = {form.name: form for form in CONVERSIONS}
INTEGER = [f for f in FORMS.values() if f.works and RECIPES[f.recipe].quantization != "float32"]


@pytest.fixture(scope="module")
def published(session: Session) -> Iterator[Published]:
    found = Published(session.heavy, session.store, session.settings.seed)
    yield found
    found.close()
