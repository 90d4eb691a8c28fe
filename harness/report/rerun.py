"""Write the command that runs one case again, and what a failed case prints."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from harness.comparison.overrides import parse
from harness.pipeline.cases import Case
from harness.support.names import printable
from harness.support.project import GATE


def rerun_command(nodeid: str, case: Case, given: Mapping[str, Any], example: str = "") -> str:
    """A line for the shell that runs one case again.

    given: the options that decide cases, by flag, and their values; of those that take several,
    the command has what decides this case. example: of a law, the one to examine.
    """
    words = [*GATE.split(), nodeid]
    if given.get("--repair"):
        given = _as_given(given, case)
    for flag, value in given.items():
        if value is True:
            words.append(flag)
            continue
        for each in _deciding(flag, value, case) if isinstance(value, list) else [value]:
            words += [flag, str(each)]
    words += ["--example", example] if example else []
    return printable(shlex.join(words))


def _as_given(given: Mapping[str, Any], case: Case) -> dict[str, Any]:
    """The options with the files of a case's subject for all files: what a repair made is there,
    and is not made again."""
    subject = case.subject
    own = {key: value for key, value in given.items() if key not in ("--model", "--tflite")}
    if subject.path is None or subject.path.resolve() in {
        path.resolve() for flag in ("--model", "--tflite") for path in given.get(flag, [])
    }:
        return {**given}
    del own["--repair"]
    own.pop("--no-masked-steps", None)
    files = {"--model": [subject.model_path] if subject.model_path else []}
    files["--tflite"] = [subject.path] if subject.kind == "tflite" else []
    return {flag: paths for flag, paths in files.items() if paths} | own


def _deciding(flag: str, values: Sequence[Any], case: Case) -> list[Any]:
    """Of an option's values, those that decide a case: the files that its subject is made of (all,
    where its name depends on the others) and the override of the budget it is held to."""
    subject = case.subject
    if flag in ("--model", "--tflite"):
        files = {path for path in (subject.path, subject.keras_path) if path is not None}
        alone = subject.path is not None and subject.name == printable(subject.path.name)
        return [path for path in values if not alone or path.resolve() in files]
    if flag == "--kernels" and (name := getattr(case, "kernels", "")):
        return [name]
    if flag == "--budget":
        return [text for text in values if any(map(parse(text).selects, case.parities))]
    return list(values)


def failure_text(message: str, document: Mapping[str, Any], title: str = "") -> str:
    """What a failure prints: the message, where it starts, how to run it again.

    document: the case's entry in the report. title: of the law that a case examines.
    """
    divergence = document.get("first_divergence") or {}
    parts = [
        ("", title),
        ("", message),
        ("starts at: ", divergence.get("text")),
        ("cause: ", divergence.get("cause")),
        ("minimal example: ", document.get("example")),
        ("rerun: ", document["rerun"]),
    ]
    return "\n".join(f"{label}{text}" for label, text in parts if text)
