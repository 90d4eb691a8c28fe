"""Import a user's modules of custom layers, and name the classes that a model lacks.

Runs in a worker: needs TensorFlow only.
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any, Dict, Iterable, Iterator, List, Tuple

#: Classes in a configuration that are no attributes of Keras's modules.
_INTERNAL = {
    *("function", "Functional", "InputLayer", "TFOpLambda", "SlicingOpLambda", "ClassMethod"),
    *("InstanceMethod", "InstanceProperty", "TensorShape", "DTypePolicy", "Policy"),
    *("__tuple__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__lambda__"),
    *("__typespec__", "__keras_tensor__", "CompositeTensor", "TypeSpec"),
}
_NAMESPACES = (
    *("layers", "initializers", "regularizers", "constraints", "activations", "optimizers"),
    *("losses", "metrics", "mixed_precision", "models"),
)
#: First parts of modules that hold Keras's own classes; functions are "builtins".
_KERAS = ("", "keras", "tensorflow", "builtins")


def of_modules(tf: Any, modules: List[Dict[str, str]]) -> Dict[str, Any]:
    """The classes and functions that modules define, by name, as `custom_objects` of Keras.

    modules: each with its `name`, its `file`, and the `root` that its own imports start from. One
    that is imported already is not imported again. Raises ValueError for one that fails.
    """
    found: Dict[str, Any] = {}
    for told in modules:
        module = sys.modules.get(told["name"])
        if module is None or getattr(module, "__file__", None) != told["file"]:
            module = _imported(told)
        for name, value in vars(module).items():
            own = getattr(value, "__module__", None) == module.__name__
            of_keras = isinstance(value, type) and issubclass(value, tf.Module)
            if not name.startswith("_") and callable(value) and (own or of_keras):
                found[name] = value
    return found


def _imported(told: Dict[str, str]) -> Any:
    if told["root"] not in sys.path:
        sys.path.insert(0, told["root"])
    spec = importlib.util.spec_from_file_location(told["name"], told["file"])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[told["name"]] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:  # whatever the user's code raises, SystemExit too
        del sys.modules[told["name"]]
        said = f"{type(error).__name__}: {error}"
        raise ValueError(f"--import {told['name']} failed: {said}") from error
    return module


def lacking(tf: Any, documents: Iterable[Any], custom: Dict[str, Any]) -> List[str]:
    """The classes and functions that configurations name and neither Keras nor `custom` has, in
    their order."""
    known = [tf.keras, *(getattr(tf.keras, name, None) for name in _NAMESPACES), tf.nn, tf.math]
    found: Dict[str, None] = {}
    for document in documents:
        for name, module in _named(document):
            plain = name.split(">")[-1]
            of_keras = any(hasattr(one, plain) for one in known) and module in _KERAS
            if plain not in _INTERNAL and plain not in custom and not of_keras:
                found[plain] = None
    return list(found)


def _named(document: Any) -> Iterator[Tuple[str, str]]:
    """Classes and functions, each with the first part of its module ("" where none is told), of
    the layers and what is inside of them, not of a compiled loss."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(reversed(value))
        elif isinstance(value, dict):
            name, config = value.get("class_name"), value.get("config")
            if name == "function" and isinstance(config, str):
                name = config
            if isinstance(name, str) and config is not None:
                yield name, str(value.get("module") or "").split(".")[0]
            waiting.extend(reversed([v for k, v in value.items() if k != "compile_config"]))
