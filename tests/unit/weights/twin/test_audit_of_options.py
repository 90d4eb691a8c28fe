"""Options are held to the twin's whatever read them, and those left out to their defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.assurance.certificate.constants import edits
from harness.flatbuffer import schema
from harness.flatbuffer.schema import builtin_name, pack, unpack
from harness.weights.twin import graphs
from harness.weights.twin.audit import Audit, audit
from tests.support.twin_models import integer, plain

CONV, SOFTMAX = "CONV_2D", "SOFTMAX"


def _said(found: Audit) -> list[str]:
    return [one.message for one in found.differences]


@pytest.fixture
def read_apart(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes, bytes], Audit]:
    """An audit whose file and twin are of two loads of the schema: their classes are not the
    same objects."""

    load = schema._loaded.__wrapped__

    def audited(content: bytes, twin: bytes) -> Audit:
        def model(read: bytes) -> Any:
            return schema._with_lists(load().ModelT.InitFromPackedBuf(read, 0))

        held = {content: model(content), twin: model(twin)}
        options = [one.subgraphs[0].operators[0].builtinOptions for one in held.values()]
        assert type(options[0]) is not type(options[1])
        monkeypatch.setattr(graphs, "shared", held.__getitem__)
        return audit(content, twin)

    return audited


def test_two_loads_of_the_schema_hide_no_option(
    read_apart: Callable[[bytes, bytes], Audit],
) -> None:
    changed = edits.option(CONV, "fusedActivationFunction", 0)(integer())
    (said,) = _said(read_apart(changed, plain()))
    assert "has the activation NONE, the model's own conversion RELU" in said


def test_two_loads_of_the_schema_are_no_difference(
    read_apart: Callable[[bytes, bytes], Audit],
) -> None:
    assert _said(read_apart(integer(), plain())) == []


def _with_options(kind: str, options: Callable[[Any], Any]) -> edits.Edit:
    def change(content: bytes) -> bytes:
        model = unpack(content)
        for operator in model.subgraphs[0].operators:
            if builtin_name(model, operator) == kind:
                operator.builtinOptions = options(operator)
                name = type(operator.builtinOptions).__name__.removesuffix("T")
                of_none = operator.builtinOptions is None
                types = schema.schema().BuiltinOptions
                operator.builtinOptionsType = 0 if of_none else getattr(types, name)
        return pack(model)

    return change


def _defaults(operator: Any) -> Any:
    return type(operator.builtinOptions)()


def test_options_left_out_are_the_schemas_defaults() -> None:
    bare, written = (_with_options(SOFTMAX, how) for how in (lambda _: None, _defaults))
    for own, twin in ((bare, written), (written, bare), (bare, bare)):
        assert _said(audit(own(integer()), twin(plain()))) == []
    (said,) = _said(audit(bare(integer()), plain()))
    assert "has the beta 0, the model's own conversion 1" in said
    (said,) = _said(audit(integer(), bare(plain())))
    assert "has the beta 1, the model's own conversion 0" in said


def test_options_of_another_kind_are_said() -> None:
    other = _with_options(SOFTMAX, lambda _: schema.schema().ReducerOptionsT())
    (said,) = _said(audit(other(integer()), plain()))
    assert "has ReducerOptions, the model's own conversion SoftmaxOptions" in said
