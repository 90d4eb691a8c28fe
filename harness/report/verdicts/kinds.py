"""Say which findings and blames are one cause, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A cause that several suites may see.

    says: the beginning of its sentence; empty where the message is the sentence. rules: of
    findings. blames: of a divergence. explains: whether it makes any runtime's answer wrong, so
    that a divergence that nothing else explains is its consequence.
    """

    name: str
    says: str = ""
    rules: frozenset[str] = frozenset()
    blames: frozenset[str] = frozenset()
    explains: bool = False


def _kind(
    name: str, says: str = "", rules: str = "", blames: str = "", explains: bool = False
) -> Kind:
    return Kind(name, says, frozenset(rules.split()), frozenset(blames.split()), explains)


#: The strongest first: what a model is comes before what its file is, and that before what runs it.
KINDS: tuple[Kind, ...] = (
    _kind("build", "The model cannot be loaded"),
    _kind(
        "not-fused",
        "An LSTM is not fused",
        "not-fused fusion-rule fusion-unexplained missing-trackable open-batch keras-3 flex",
        "a-loop-agrees-on-tflite a-reset-leaves-the-state",
    ),
    _kind("convert", "It does not convert"),
    _kind(
        "another-file",
        "The file was not made from this model",
        "not-the-model not-the-state-dict fusion-contradicted fusion-unaccounted another-graph",
        "the-file-is-another-model other-weights layer-weights weight",
        explains=True,
    ),
    _kind(
        "not-the-recipe",
        "The file is not what the recipe says",
        "not-quantised float-island",
        explains=True,
    ),
    _kind(
        "calibration",
        "The calibration does not fit",
        "too-narrow too-wide calibrated-range calibration-empty calibration-dtype calibration-nan "
        "calibration-inf calibration-constant cell-saturates not-the-calibration",
        "the-samples-are-not-normalised an-input-was-calibrated-too-narrow "
        "an-inner-input-saturates ranges-do-not-fit",
        explains=True,
    ),
    _kind(
        "scales",
        "Scales that must be equal differ",
        "hidden-scale same-scale",
        "its-scales-contradict-each-other",
        explains=True,
    ),
    _kind(
        "cell-scale",
        "TFLite leaves out the tanh of a cell state",
        "cell-scale",
        "the-kernel-leaves-out-tanh",
    ),
    _kind(
        "hybrid",
        "TFLite Micro does not run weights of int8 with values of float",
        "tflm-hybrid tflm-hybrid-lstm",
        "hybrid-weights-are-read-as-float",
    ),
    _kind(
        "kernel",
        "A kernel computes something else",
        "",
        "an-operator-is-not-its-oracle an-operator-computes-otherwise "
        "an-operator-is-far-from-the-ideal it-agrees-elsewhere",
    ),
    _kind("keras", "Keras differs from its own weights", "", "keras-is-the-runtime"),
    _kind("unfit", "The recipe is too coarse for this model", "", "the-precision-is-too-coarse"),
)
_RANK = {kind.name: place for place, kind in enumerate(KINDS)}
_BY_NAME = {kind.name: kind for kind in KINDS}
_OF_RULE = {rule: kind.name for kind in KINDS for rule in kind.rules}
_OF_BLAME = {blame: kind.name for kind in KINDS for blame in kind.blames}
#: Rules about what a loop does: the layer that is one is their cause, where it is named.
CONSEQUENCES: Mapping[str, str] = dict.fromkeys(
    ("tflm-loop", "tflm-dynamic", "tflm-gather-bool", "tflm-operator", "state-shared"), "not-fused"
)
#: Blames that say no more than that something is wrong: a cause that explains it is theirs.
WEAK = frozenset(("", "unfit", "the-precision-is-too-coarse", "no-runtime-agrees", "undecided"))


def kind(name: str) -> Kind:
    """Any name is a kind; one without an entry stands for itself."""
    return _BY_NAME.get(name, Kind(name))


def rank(name: str) -> int:
    return _RANK.get(name, len(KINDS))


def known(name: str) -> bool:
    """Whether a kind says why, before everything has been looked at."""
    return name in _BY_NAME and name != "unfit"


def of_rule(rule: str) -> str:
    return _OF_RULE.get(rule, rule)


def of_blame(blame: Mapping[str, str]) -> str:
    """The kind of a divergence by its blame; of a report that has none yet, by the leg."""
    named = blame.get("kind", "")
    if named in _OF_BLAME:
        return _OF_BLAME[named]
    if blame["leg"] == "recipe":
        return "unfit"
    return named or blame["leg"].replace(" ", "-")
