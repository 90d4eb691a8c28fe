"""Write the lines of C++ that register the operators a model needs."""

from __future__ import annotations

from pathlib import Path

from harness.flatbuffer.structure import Structure
from harness.structure.tflm_compatibility import operators

#: Where the method of MicroMutableOpResolver is not the operator's name word by word.
_METHODS = {
    "BATCH_MATMUL": "AddBatchMatMul",
    "CONV_2D": "AddConv2D",
    "AVERAGE_POOL_2D": "AddAveragePool2D",
    "CUMSUM": "AddCumSum",
    "DEPTHWISE_CONV_2D": "AddDepthwiseConv2D",
    "L2_POOL_2D": "AddL2Pool2D",
    "MAX_POOL_2D": "AddMaxPool2D",
    "PADV2": "AddPadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}


def op_resolver(structure: Structure) -> list[str]:
    """The operators that the firmware must register, in the order of their names."""
    return sorted(set(structure.operators))


def resolver_lines(structure: Structure, name: str) -> str:
    """The firmware's resolver in C++; an operator that it cannot have becomes a comment."""
    names = op_resolver(structure)
    known = [operator for operator in names if operator in operators()]
    lines = [
        f"// Operators of {name}, for TensorFlow Lite Micro.",
        f"tflite::MicroMutableOpResolver<{len(known)}> resolver;",
        *(f"resolver.{method(operator)}();" for operator in known),
        *(
            f"// {op}: TensorFlow Lite Micro has no such operator"
            for op in names
            if op not in known
        ),
    ]
    return "\n".join(lines) + "\n"


def write_resolver(structure: Structure, subject: str, recipe: str, report: Path) -> str:
    """Write the resolver below the folder of the report; its lines, and why it was not written
    where that failed."""
    lines = resolver_lines(structure, f"{subject} ({recipe})")
    path = report / "op_resolver" / f"{file_name(f'{subject}-{recipe}')}.inc"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(lines)
    except OSError as error:
        return f"{lines}the op resolver could not be written: {error}"
    return lines.rstrip()


def file_name(name: str) -> str:
    """A name as a file or folder can have it."""
    found = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
    return found if found.strip(".") else "_"


def method(operator: str) -> str:
    """The method of MicroMutableOpResolver that registers a builtin operator."""
    return _METHODS.get(operator) or "Add" + "".join(w.capitalize() for w in operator.split("_"))
