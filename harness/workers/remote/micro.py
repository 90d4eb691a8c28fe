"""Drive TFLite Micro's interpreter, whose shapes are those of the file."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence

from numpy.typing import NDArray


class Model:
    """One flatbuffer in an arena of its own: see `harness.workers.remote.abilities.invoke`.

    The interpreter has nothing that writes a state tensor, and a tensor index out of range ends
    the process.
    """

    def __init__(
        self, interpreter: Any, config: Any, content: bytes, request: Dict[str, Any]
    ) -> None:
        # Recording is what it does by default. Keeping all tensors needs a larger arena.
        kept = config.kPreserveAllTensors if request.get("preserve") else None
        self.interpreter = interpreter.from_bytes(
            content,
            arena_size=request["arena_bytes"],
            intrepreter_config=kept or config.kAllocationRecording,
        )
        self.outputs = request["outputs"]
        self.reset = self.interpreter.reset
        self.invoke = self.interpreter.invoke
        self.print_allocations = self.interpreter.print_allocations

    def set(self, inputs: Sequence[NDArray[Any]]) -> None:
        """They survive neither a reset nor an invoke."""
        for k, value in enumerate(inputs):
            self.interpreter.set_input(value, k)

    def get(self) -> List[NDArray[Any]]:
        return [self.interpreter.get_output(k) for k in range(self.outputs)]

    def read(self, indices: Sequence[int]) -> List[NDArray[Any]]:
        return [self.interpreter.GetTensor(index, 0)["tensor_data"] for index in indices]
