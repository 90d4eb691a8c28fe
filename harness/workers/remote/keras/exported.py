"""Take a SavedModel without Keras's configuration as it is: a function with named inputs.

`model.export` of Keras 3 and tf_keras writes such folders. Nothing says which layers it has, so
that there is no oracle and no audit of its weights; its own answers, in TensorFlow, are what
every runtime is held to. Runs in a worker: needs TensorFlow only.
"""

from __future__ import annotations

import re
from typing import Any, List, NamedTuple, Tuple

#: What a reader of the report should know of such a model.
NOTE = (
    "a SavedModel without Keras's configuration, gated as it is: runtimes are held to its own "
    "answers in TensorFlow, its weights are not audited, and it may not fuse; the .keras file of "
    "the same model would do better"
)
#: Why one does not convert, where its loops have open sizes.
OPEN_LOOPS = (
    "a SavedModel whose loops have open sizes, as Keras 3 exports them: give the .keras file of "
    "the same model, which is converted with fixed ones"
)
_DEFAULT = "serving_default"


class Tensor(NamedTuple):
    """An input or output of the function, as a Keras model has them."""

    name: str
    shape: Any
    dtype: Any


class Exported:
    """What is called, converted and asked for its interface as a Keras model is."""

    stateful = False
    layers: Tuple[Any, ...] = ()

    def __init__(self, loaded: Any) -> None:
        names = sorted(loaded.signatures)
        if _DEFAULT not in names and len(names) != 1:
            shown = ", ".join(names) or "none"
            raise ValueError(
                f"a SavedModel whose signatures are {shown}: {_DEFAULT}, or one alone, was "
                "expected; export the model again, or give its .keras file"
            )
        self._loaded = loaded  # else its variables are let go
        self._function = loaded.signatures[_DEFAULT if _DEFAULT in names else names[0]]
        _, given = self._function.structured_input_signature
        self.inputs = [Tensor(name, given[name].shape, given[name].dtype) for name in given]
        answers = self._function.structured_outputs
        if not self.inputs or not answers:
            raise ValueError("a SavedModel whose signature has no inputs, or no outputs")
        self.output_names = sorted(answers, key=_natural)
        self.outputs = [
            Tensor(name, answers[name].shape, answers[name].dtype) for name in self.output_names
        ]
        self.input_names = [tensor.name for tensor in self.inputs]
        self.variables = list(self._function.variables)

    def __call__(self, inputs: Any, training: bool = False) -> List[Any]:
        given = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        answers = self._function(**dict(zip(self.input_names, given)))
        return [answers[name] for name in self.output_names]


def _natural(name: str) -> Any:
    """`output_10` behind `output_9`."""
    return [(part.isdigit(), int(part) if part.isdigit() else part) for part in _parts(name)]


def _parts(name: str) -> List[str]:
    return [part for part in re.split(r"(\d+)", name) if part]
