"""List the faults that the world puts into models, and the names they must be called by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.assurance.certificate.editing import Editable, edited, set_quantisation
from harness.assurance.certificate.faults.model_faults import drop_bias, swap
from harness.assurance.world.plan import Plan
from harness.assurance.world.samples import Arrays
from reference.operators.sequence_lstm import OUTPUT_STATE

_CALIBRATED = ("int8", "int8-float-io", "saved-model-int8")
_EDITABLE = ("float32", "int8", "int8-float-io", "dynamic-range")
_OUTPUT_SCALE = 0.7


@dataclass(frozen=True)
class Fault:
    """One way to get a conversion wrong.

    named: what a message has to say of it, as a regular expression. recipes: it is made with.
    other: the plan whose model is converted instead, with `keeps` its weights. edit: of the
    flatbuffer. calibrated, fed: what becomes of the calibration samples and of the inputs.
    """

    name: str
    named: str
    recipes: tuple[str, ...] = _EDITABLE
    other: Callable[[Plan], Plan] | None = None
    keeps: bool = False
    edit: Callable[[Editable], None] | None = None
    calibrated: Callable[[Arrays], Arrays] | None = None
    fed: Callable[[Arrays], Arrays] | None = None
    square: bool = False

    @property
    def converted(self) -> bool:
        """Whether it is in the file, so that the user has one."""
        return self.other is not None or self.edit is not None


def _scaled(factor: float, offset: float = 0.0) -> Callable[[Arrays], Arrays]:
    def scaled(arrays: Arrays) -> Arrays:
        return {
            name: (factor * a + offset).astype(a.dtype) if a.dtype.kind == "f" else a
            for name, a in arrays.items()
        }

    return scaled


def _output_scale(lstm: Editable) -> None:
    """Output and hidden state are said to be smaller than the numbers stored for them."""
    for tensor in (lstm.output, lstm.tensor(OUTPUT_STATE), lstm.intermediate(4)):
        set_quantisation(tensor, _OUTPUT_SCALE)


def _zero_point(lstm: Editable) -> None:
    for tensor in (lstm.output, lstm.tensor(OUTPUT_STATE), lstm.intermediate(4)):
        set_quantisation(tensor, shift=9)


_LIST = (
    Fault(
        "stale weights",
        r"weights|kernel|another model|not made from this model",
        other=lambda p: replace(p, seed=p.seed + 1),
    ),
    Fault(
        "another model",
        r"another model|not made from this model|no layer|units|shape",
        other=lambda p: replace(p, units=p.units + 3),
    ),
    Fault("swapped gates", r"gates?\b.*(swap|exchang|place|order|is the layer's)", edit=swap(0, 1)),
    Fault("dropped bias", r"bias", edit=drop_bias((0, 1, 2, 3))),
    Fault("output scale", r"scale", _CALIBRATED, edit=_output_scale),
    Fault("zero point", r"zero point", _CALIBRATED, edit=_zero_point),
    Fault(
        "reversed time",
        r"revers|backwards",
        other=lambda p: replace(p, layer="LSTM-backwards"),
        keeps=True,
    ),
    Fault("transposed input", r"transpos", other=lambda p: p, keeps=True, square=True),
    Fault("narrow calibration", r"calibrat|too narrow", _CALIBRATED, calibrated=_scaled(0.1)),
    Fault("wide calibration", r"calibrat|too wide|coarse", _CALIBRATED, calibrated=_scaled(10.0)),
    Fault(
        "unnormalised inputs",
        r"normalis|scaled|calibrat",
        _CALIBRATED,
        fed=_scaled(40.0, 80.0),
    ),
)
BY_NAME = {fault.name: fault for fault in _LIST}
FAULTS = tuple(BY_NAME)
#: Faults that are in the file: the user has it, and its Keras model.
CONVERTED = tuple(fault.name for fault in _LIST if fault.converted)


def applicable(plan: Plan) -> Plan:
    """The plan with those genes changed that its fault cannot be put into."""
    fault = BY_NAME[plan.fault]
    changes: dict[str, object] = {}
    if plan.recipe not in fault.recipes:
        changes["recipe"] = "int8" if "int8" in fault.recipes else fault.recipes[0]
    if fault.edit is not None or fault.keeps:
        changes |= {"layer": "LSTM"}
        if plan.front in ("masking", "embedding-mask") or fault.square:
            changes["front"] = "none"
        if plan.joint == "states":
            changes["joint"] = "last"
        if plan.shape not in ("chain", "two-inputs", "two-outputs"):
            changes["shape"] = "chain"
    if fault.name == "reversed time":  # of a stack another order of all layers is no reversal
        changes["depth"] = 1
    if fault.square:
        changes |= {"features": max(2, plan.features), "steps": max(2, plan.features)}
    if plan.front.startswith("embedding") and (fault.fed or fault.calibrated or fault.square):
        changes["front"] = "none"
    if plan.layer == "LSTM-unrolled" and plan.steps > 14:
        changes["steps"] = 14
    return replace(plan, **changes)  # type: ignore[arg-type]


def edit(plan: Plan, content: bytes) -> bytes:
    """The flatbuffer with the plan's fault in its first fused LSTM; unchanged without an edit.

    Raises ValueError where there is no such LSTM, or nothing to change."""
    fault = BY_NAME.get(plan.fault)
    return edited(content, fault.edit) if fault is not None and fault.edit is not None else content
