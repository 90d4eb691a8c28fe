"""Drive the class `Interpreter`, which TensorFlow Lite and LiteRT have in common."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

from numpy.typing import NDArray

_RESOLVERS = {
    "default": "AUTO",
    "reference": "BUILTIN_REF",
    "no-xnnpack": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
}


class Model:
    """One flatbuffer in one interpreter: see `harness.workers.remote.abilities.invoke`."""

    def __init__(
        self, interpreter: Any, resolvers: Any, content: bytes, request: Dict[str, Any]
    ) -> None:
        self.interpreter = interpreter(
            model_content=content,
            experimental_op_resolver_type=getattr(resolvers, _RESOLVERS[request["resolver"]]),
            num_threads=request.get("threads", 1),
        )
        details = self.interpreter.get_input_details()
        for entry, shape in zip(details, request.get("shapes", [])):
            if list(entry["shape"]) != list(shape):
                strict = request.get("strict", True)
                self.interpreter.resize_tensor_input(entry["index"], shape, strict=strict)
        self.interpreter.allocate_tensors()
        self.inputs = [int(entry["index"]) for entry in details]
        self.outputs = [int(entry["index"]) for entry in self.interpreter.get_output_details()]
        self.reset = self.interpreter.reset_all_variables
        self.invoke = self.interpreter.invoke
        self.allocate = self.interpreter.allocate_tensors

    def set(self, inputs: Sequence[NDArray[Any]]) -> None:
        self.write(self.inputs, inputs)

    def get(self) -> List[NDArray[Any]]:
        return self.read(self.outputs)

    def read(self, indices: Sequence[int]) -> List[NDArray[Any]]:
        return [self.interpreter.get_tensor(index) for index in indices]

    def write(self, indices: Sequence[int], values: Sequence[NDArray[Any]]) -> None:
        for index, value in zip(indices, values):
            self.interpreter.set_tensor(index, value)

    def resize(self, shapes: Sequence[Sequence[int]], strict: bool) -> None:
        for index, shape in zip(self.inputs, shapes):
            self.interpreter.resize_tensor_input(index, shape, strict=strict)
        self.interpreter.allocate_tensors()

    def direct(self) -> Tuple[Any, ...]:
        """For a model of one input and output, whose memory stays in its place until the
        interpreter is resized. The package's wrapper refuses to work while somebody holds it."""
        raw = self.interpreter._interpreter
        (given,), (answer,) = self.inputs, self.outputs
        memory = raw.tensor(raw, given, 0), raw.tensor(raw, answer, 0)
        return (raw.ResetVariableTensors, raw.Invoke, *memory)
