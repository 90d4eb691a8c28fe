"""Write the settings and the CI workflow with which a repository gates its models.

    lstm-conformance init model.keras --recipe int8 --runtime tflm --arena-limit 20000
    lstm-conformance init                     all models of the repository, whatever they hold
    lstm-conformance init --ci gitlab         a job of GitLab instead of GitHub's workflow

What the models promise goes into the table [tool.lstm-conformance] of pyproject.toml, which
`lstm-conformance gate` reads. Nothing that is there already is changed without --force, which
replaces that table and that workflow, and nothing else.

Exit status: 0 where all was written, 2 where something is there already or cannot be meant.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from fixtures.recipes import RECIPES
from fixtures.runtimes import RUNTIMES
from harness.command import settings, workflows
from harness.support.project import COMMAND
from harness.support.project_settings import TABLE

_HEADER = f"[tool.{TABLE}]"
_KERAS = (".keras", ".h5", ".hdf5")
#: Folders that hold no models of the repository's own.
_ELSEWHERE = {"node_modules", "report", "build", "dist", "site-packages", "venv", "env"}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        files = _files(options)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"written: {path}")
    print("gate the models now: lstm-conformance gate")
    if options.ci == "gitlab":
        print(f"in .gitlab-ci.yml: include: {{local: {workflows.GITLAB}}}")
    return 0


def _files(options: argparse.Namespace) -> dict[Path, str]:
    """What is to be written, by path: everything is checked before anything is written.

    Raises ValueError for what is there already and for what cannot be meant.
    """
    models, flatbuffers = _models(options.models)
    project = Path("pyproject.toml")
    table = _table(options, models, flatbuffers)
    found = {project: _project(project, table, options.force)}
    if options.ci == "none":
        return found
    path = Path(workflows.GITLAB if options.ci == "gitlab" else workflows.GITHUB)
    if path.exists() and not options.force:
        raise ValueError(f"{path} is there already; --force replaces it")
    extra = "[keras]" if models else ""
    text = workflows.gitlab if options.ci == "gitlab" else workflows.github
    found[path] = text(options.install or f"lstm-conformance{extra}", bool(models))
    return found


def _models(given: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Keras models and flatbuffers: those that are named, or all that are found. Raises ValueError
    where there are none."""
    for path in given:
        if not path.exists():
            raise ValueError(f"{path}: no such file; expected a model")
        if not (_keras(path) or path.suffix == ".tflite"):
            raise ValueError(f"{path}: expected .keras, .h5, a SavedModel folder or .tflite")
    paths = list(given) or _found(Path())
    if not paths:
        raise ValueError(
            "no model was found here; name one: lstm-conformance init path/to/model.tflite"
        )
    keras = [path for path in paths if _keras(path)]
    return keras, [path for path in paths if path not in keras]


def _keras(path: Path) -> bool:
    return path.suffix in _KERAS or (path / "saved_model.pb").is_file()


def _found(folder: Path) -> list[Path]:
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name in _ELSEWHERE or path.is_symlink():
            continue
        if path.suffix == ".tflite" or _keras(path):
            found.append(path)
        elif path.is_dir() and not (path / "pyvenv.cfg").exists():
            found += _found(path)
    return found


def _table(options: argparse.Namespace, models: Sequence[Path], flatbuffers: Sequence[Path]) -> str:
    """The table of the settings. Raises ValueError for a name that nobody knows."""
    for name, given, known in (
        ("--recipe", options.recipe, RECIPES),
        ("--runtime", options.runtime, RUNTIMES),
    ):
        if unknown := [each for each in given if each not in known]:
            raise ValueError(f"{name} {', '.join(unknown)}: unknown; known are {', '.join(known)}")
    if options.recipe and not models:
        raise ValueError("--recipe is for Keras models: a .tflite is converted already")
    lines = [_HEADER, "# The models that are gated, and their samples (.npz, an array per input)."]
    lines += [f"{name} = {_strings(paths)}" for name, paths in _named(models, flatbuffers)]
    for name, path in (("inputs", options.inputs), ("calibration", options.calibration)):
        if path is not None and not path.is_file():
            raise ValueError(f"--{name} {path}: no such file; expected an .npz file")
        lines.append(f"{name} = {_strings([path])}" if path else f'# {name} = ["samples.npz"]')
    lines.append("# What they promise: a recipe or runtime that is named has to work.")
    if models:
        recipes = f"recipes = {_strings(options.recipe)}"
        lines.append(recipes if options.recipe else '# recipes = ["float32", "int8"]')
    runtimes = f"runtimes = {_strings(options.runtime)}"
    lines.append(runtimes if options.runtime else '# runtimes = ["litert", "tflm"]')
    lines.append("# Whether their state goes on from one invoke to the next.")
    lines.append(f"streaming = {str(options.streaming).lower()}")
    lines.append("# The most bytes that a tensor arena and a flatbuffer may take.")
    for name in ("arena_limit", "size_limit"):
        limit = getattr(options, name)
        if limit is not None and limit < 1:
            raise ValueError(
                f"--{name.replace('_', '-')} {limit}: expected a number of bytes above 0"
            )
        lines.append(f"{name} = {limit}" if limit else f"# {name} = 20000")
    return "\n".join(lines) + "\n"


def _named(models: Sequence[Path], flatbuffers: Sequence[Path]) -> list[tuple[str, Sequence[Path]]]:
    return [(n, paths) for n, paths in (("models", models), ("tflite", flatbuffers)) if paths]


def _strings(values: Sequence[str | Path]) -> str:
    """A list of TOML's; its basic strings escape as JSON's do."""
    import json

    texts = [v.as_posix() if isinstance(v, Path) else v for v in values]
    return f"[{', '.join(json.dumps(text, ensure_ascii=False) for text in texts)}]"


def _project(path: Path, table: str, force: bool) -> str:
    """The text of a pyproject.toml with the table at its end, or in its place.

    Raises ValueError for one that has settings already, and for one that is not TOML.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    known = settings.read(path)
    if known and not force:
        raise ValueError(f"{path} has settings already ({', '.join(known)}); --force replaces them")
    own = re.search(rf"^{re.escape(_HEADER)}[^\n]*\n(?:(?!\[)[^\n]*\n?)*", text, flags=re.MULTILINE)
    if own is not None:
        return text[: own.start()] + table + ("\n" if text[own.end() :] else "") + text[own.end() :]
    return f"{text.rstrip()}\n\n{table}" if text.strip() else table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{COMMAND} init",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("models", type=Path, nargs="*", help="models to gate; all that are found without")
    add("--recipe", action="append", default=[], metavar="NAME", help="has to work; repeatable")
    add("--runtime", action="append", default=[], metavar="NAME", help="has to work; repeatable")
    add("--inputs", type=Path, metavar="PATH", help="samples to compare on (.npz)")
    add("--calibration", type=Path, metavar="PATH", help="samples for integer recipes (.npz)")
    add("--streaming", action="store_true", help="the state goes on from invoke to invoke")
    add("--arena-limit", type=int, metavar="BYTES", help="the largest tensor arena")
    add("--size-limit", type=int, metavar="BYTES", help="the largest flatbuffer")
    add("--ci", choices=("github", "gitlab", "none"), default="github", help="whose workflow")
    add("--install", metavar="WHAT", help="what pip installs in the CI (a version, an address)")
    add("--force", action="store_true", help="replace what init has written before")
    return parser
