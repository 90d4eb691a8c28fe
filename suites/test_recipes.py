"""Which lines of the published recipes work, which do not, and what is right?

Every form is carried out as written on one small model. A form that works must agree with
Keras; one that does not must end as described, or give a flatbuffer or predictions in which the
harness names the fault. harness/workers/remote/keras/recommended.py has the corrected forms to
copy.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from fixtures.outcomes import Outcome
from fixtures.published_recipes import CONVERSIONS, HELPERS, ConversionForm, HelperForm
from fixtures.recipes import RECIPES
from harness.checks.published_recipes import MODEL, Published
from harness.comparison.compare import Allowed, compare
from harness.conversion.inspection import inspect
from harness.flatbuffer.structure import Structure
from harness.pipeline.suite import Suite
from harness.quantization.calibration import dependence_findings, sample_findings
from harness.quantization.scale_rules import quantization_findings
from harness.session.session import Session
from harness.structure.findings import errors
from harness.structure.fusion import fusion_findings
from harness.structure.recipe_rules import faults, recipe_findings
from harness.workers.client import Worker
from harness.workers.remote.keras import recommended

SUITE = Suite(judges="installation")
CORRECTED = {form.name: form for form in CONVERSIONS}


@pytest.fixture(scope="module")
def published(session: Session) -> Iterator[Published]:
    found = Published(session.heavy, session.store, session.settings.seed)
    yield found
    found.close()


@pytest.fixture(scope="module")
def inspector(session: Session) -> Iterator[Worker]:
    worker = Worker(session.light, "inspect")
    yield worker
    worker.close()


def named(structure: Structure, form: ConversionForm) -> set[str]:
    """The rules that the harness's checks of a flatbuffer name."""
    recipe = RECIPES[form.recipe]
    found = {
        f.rule
        for f in errors(
            [
                *fusion_findings(MODEL, structure, recipe),
                *recipe_findings(structure, recipe),
                *quantization_findings(structure),
            ]
        )
    }
    return found | ({"recipe"} if faults(structure, recipe, None) else set())


@pytest.mark.parametrize("form", CONVERSIONS, ids=lambda form: form.name)
def test_a_published_conversion_ends_as_described(
    form: ConversionForm, published: Published, inspector: Worker
) -> None:
    samples = sample_findings({"x": published.calibration_of(form)}, {"x": "float32"})
    assert [f.rule for f in samples] == ([form.before] if form.before else [])
    done = published.convert(form)
    assert done.outcome is form.ends, done.message
    assert form.message in done.message
    if form.ends is not Outcome.AGREED:
        assert hasattr(recommended, form.right)
        return
    structure = inspect(inspector, done.arrays["tflite"]).structure
    assert structure is not None
    assert named(structure, form) >= set(form.rules)
    assert bool(named(structure, form)) == bool(form.rules)
    assert form.works or hasattr(recommended, form.right)


@pytest.mark.parametrize(
    "form", [form for form in CONVERSIONS if form.works], ids=lambda form: form.name
)
def test_a_conversion_that_works_agrees_with_keras(
    form: ConversionForm, published: Published
) -> None:
    """Both within the rounding of their precision, integers too, as in the suite of parity."""
    compared = published.compared(form, published.convert(form).arrays["tflite"])
    assert all(result.agreed for result in compared.values()), compared


@pytest.mark.parametrize("helper", HELPERS, ids=lambda helper: helper.name)
@pytest.mark.parametrize("model", ["corrected-int8", "corrected-float32"])
def test_a_published_helper_is_right_or_caught(
    helper: HelperForm, model: str, published: Published
) -> None:
    """Predictions are held to those of the corrected helper on the same flatbuffer, which must
    come out the same to the last bit: any helper that is right does the same arithmetic."""
    data = published.convert(CORRECTED[model]).arrays["tflite"]
    right = published.predict(data, "corrected").arrays["output"]
    done = published.predict(data, helper.name)
    if done.outcome is not Outcome.AGREED:
        assert model not in helper.on
        return
    outcome = compare([right], [done.arrays["output"]], [Allowed(0.0)]).result
    if helper.works:
        assert outcome.agreed
    elif model in helper.on:
        assert not outcome.agreed
        assert helper.sign in outcome.message


def test_truncation_is_half_a_step_off_on_average(published: Published) -> None:
    """What truncation does to inputs, where a comparison of outputs may not show it: the mean
    error of rounding is 0 and that of truncation half a step, towards the zero code."""
    scale, zero_point = 2.0 / 255, -1
    details = {"quantization": (scale, zero_point), "dtype": np.int8}
    real = published.calibration.ravel().astype(np.float64)
    rounded = recommended.quantised(real, details).astype(np.float64)
    truncated = np.trunc(real / scale + zero_point)
    steps = real / scale + zero_point
    assert np.abs(rounded - steps).max() <= 0.5 + 2.0**-16
    assert np.abs(truncated - steps).mean() > 1.8 * np.abs(rounded - steps).mean()


@pytest.mark.parametrize("form", ["reversed-samples", "half-of-the-samples"])
def test_scales_depend_on_the_order_and_number_of_samples(
    form: str, published: Published, inspector: Worker
) -> None:
    """The calibrator does not reset an LSTM's state between samples: no part of the range is
    lost, and the scales are others. The gate says by how much for a model of the user's."""
    whole, other = (
        inspect(inspector, published.convert(CORRECTED[name]).arrays["tflite"]).structure
        for name in ("corrected-int8", form)
    )
    assert whole is not None
    (finding,) = dependence_findings(whole, {form: other})
    assert finding.rule == "calibration-dependence"
    assert finding.tensors


def test_a_model_that_was_saved_as_h5_converts_to_the_same_bytes(published: Published) -> None:
    direct = published.convert(CORRECTED["corrected-float32"]).arrays["tflite"]
    through = published.convert(CORRECTED["through-h5"]).arrays["tflite"]
    assert np.array_equal(direct, through)
