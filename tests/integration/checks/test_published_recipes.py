"""A published form's answers are held to the model: a wrong integer form is caught."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from fixtures.outcomes import Outcome
from fixtures.published_recipes import CONVERSIONS, ConversionForm
from fixtures.recipes import RECIPES
from harness.assurance.certificate.editing import Editable, edited, set_quantisation
from harness.checks.published_recipes import Published
from harness.session.session import Session

FORMS = [
    form
    for form in CONVERSIONS
    if form.works and RECIPES[form.recipe].quantization.startswith("int8")
]


@pytest.fixture(scope="module")
def published(session: Session) -> Iterator[Published]:
    found = Published(session.heavy, session.store, session.settings.seed)
    yield found
    found.close()


def _swapped_gates(lstm: Editable) -> None:
    forget, cell = lstm.values(2), lstm.values(3)
    lstm.write(2, cell)
    lstm.write(3, forget)


def _reversed_units(lstm: Editable) -> None:
    lstm.write(7, lstm.values(7)[::-1])


def _without_bias(lstm: Editable) -> None:
    lstm.write(13, np.zeros_like(lstm.values(13)))


def _coarser_output(lstm: Editable) -> None:
    set_quantisation(lstm.output, factor=2.0)


@pytest.mark.parametrize("fault", [_swapped_gates, _reversed_units, _without_bias, _coarser_output])
@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_wrong_integer_form_is_caught(
    form: ConversionForm, fault: Callable[[Editable], None], published: Published
) -> None:
    """It has the right shape and plausible values: only the comparison tells it apart."""
    data = published.convert(form).arrays["tflite"]
    healthy = published.compared(form, data)
    assert all(result.agreed for result in healthy.values()), healthy
    wrong = np.frombuffer(edited(data.tobytes(), fault), np.uint8)
    compared = published.compared(form, wrong)
    assert compared["keras"].agreed
    assert compared[form.name].outcome is Outcome.DIVERGED
    assert "differs by" in compared[form.name].message


def test_there_are_integer_forms_that_work() -> None:
    assert {"corrected-int8", "corrected-int8-float-io"} <= {form.name for form in FORMS}
