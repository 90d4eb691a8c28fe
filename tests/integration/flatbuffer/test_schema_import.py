"""The schema is imported without native code."""

import subprocess
import sys


def test_the_schema_comes_without_the_native_interpreter() -> None:
    script = (
        "import sys; from harness.flatbuffer.schema import schema; schema();"
        "print([m for m in sys.modules if m.split('.')[0] in ('tflite_micro', 'tensorflow')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
