"""Load TensorFlow Lite's interpreter out of TensorFlow's package, without the rest of it.

Importing TensorFlow takes seconds, and its interpreter needs of it one shared library and one
module, which is also the module of the package tflite-runtime: `interpreter.py` looks at its own
path to see in which of the two it is. Here it is told that it is in the other one. What runs is the
same machine code from the same file (tests/integration/workers/test_tensorflow_lite.py compares the
answers to the bit).

Where TensorFlow is imported already, in other environments (`wire.WHOLE`), and in versions that
nobody has tried this with, the package's own names are taken. Custom operators of TensorFlow (Flex)
need all of it: such a model has to go to a process that has imported it.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from typing import Any, Tuple

from harness.workers.remote import wire

#: The versions whose interpreter was seen to load and to answer alike.
TRIED = ("2.15.",)
_WRAPPER = "_pywrap_tensorflow_interpreter_wrapper"


def _version() -> str:
    try:
        from importlib.metadata import version  # from Python 3.8 on

        return version("tensorflow")
    except Exception:  # any other build of it: imported as a whole
        return ""


def alone(root: str) -> Tuple[Any, Any]:
    """`Interpreter` and `OpResolverType` from the folder of TensorFlow's package.

    Raises OSError or ImportError where a file is missing or cannot be loaded.
    """
    folder = os.path.join(root, "lite", "python")
    name = "tflite_runtime"
    package = types.ModuleType(name)
    package.__path__ = []
    metrics = types.ModuleType(name + ".metrics_portable")
    metrics.TFLiteMetrics = _NoMetrics  # type: ignore[attr-defined]
    native = _from_file(
        name + "." + _WRAPPER, os.path.join(folder, "interpreter_wrapper", _WRAPPER + ".so")
    )
    package.metrics_portable = metrics  # type: ignore[attr-defined]
    setattr(package, _WRAPPER, native)
    borrowed = {name: package, metrics.__name__: metrics, native.__name__: native}
    before = {key: sys.modules.get(key) for key in borrowed}
    sys.modules.update(borrowed)
    try:
        module = types.ModuleType(name + ".interpreter")
        path = os.path.join(folder, "interpreter.py")
        with open(path, encoding="utf-8") as source:
            code = compile(source.read(), path, "exec")
        module.__file__ = os.path.join(root, name, "interpreter.py")
        exec(code, vars(module))
    finally:
        for key, known in before.items():
            if known is None:
                del sys.modules[key]
            else:
                sys.modules[key] = known
    return module.Interpreter, module.OpResolverType


class _NoMetrics:
    """Counts nothing, as the one of tflite-runtime does."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def increase_counter_interpreter_creation(self) -> None:
        pass


def _from_file(name: str, path: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("cannot be loaded: " + path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _found() -> Tuple[Any, Any]:
    free = "tensorflow" not in sys.modules and wire.WHOLE not in os.environ
    if free and _version().startswith(TRIED):
        spec = importlib.util.find_spec("tensorflow")
        try:
            if spec is not None and spec.submodule_search_locations:
                return alone(next(iter(spec.submodule_search_locations)))
        except (OSError, ImportError):
            pass
    import tensorflow

    return tensorflow.lite.Interpreter, tensorflow.lite.experimental.OpResolverType


Interpreter, OpResolverType = _found()
