"""Draw a flatbuffer's operators as a graph, with the first divergence marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

_BOX, _TALL, _ACROSS, _DOWN = 178, 40, 14, 26
#: Wider graphs are not read on a phone.
_MOST_ACROSS = 4
_MOST_LETTERS = 19
_WORDS = {
    "first": "first beyond its budget",
    "beyond": "beyond its budget",
    "within": "within its budget",
    "unknown": "not compared",
}


def svg(flatbuffer: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """One <svg> element; empty where the graph is too wide, too long, or not known.

    Where no tensor leaves its budget there is nothing to mark, and no picture.

    flatbuffer: its entry in the report. rows: the tensors of `first_divergence`.
    """
    graph = flatbuffer.get("graph") or []
    total = sum(flatbuffer.get("operators", {}).values())
    if not graph or total > len(graph) or not any(row["leaves"] for row in rows):
        return ""
    inputs = [t for t in flatbuffer["tensors"] if t.get("kind") == "input"]
    nodes = {
        -1 - k: (str(t["name"]), "input", _state(rows, [t["name"]])) for k, t in enumerate(inputs)
    }
    for place, operator in enumerate(graph):
        row = _row(rows, operator["writes"])
        layer = str(row["layer"]) if row else ""
        nodes[place] = (
            layer or _short(operator["name"]),
            _short(operator["name"]),
            _state(rows, operator["writes"]),
        )
    depth: dict[int, int] = {place: 0 for place in nodes if place < 0}
    for place, operator in enumerate(graph):
        depth[place] = 1 + max((depth.get(k, 0) for k in operator["reads"]), default=0)
    levels: dict[int, list[int]] = {}
    for place in nodes:
        levels.setdefault(depth[place], []).append(place)
    across = max(map(len, levels.values()))
    if across > _MOST_ACROSS:
        return ""
    width = across * _BOX + (across + 1) * _ACROSS
    at = {}
    for level, places in levels.items():
        free = width - len(places) * _BOX - (len(places) - 1) * _ACROSS
        for k, place in enumerate(places):
            at[place] = (free / 2 + k * (_BOX + _ACROSS), 4 + level * (_TALL + _DOWN))
    height = 8 + len(levels) * _TALL + (len(levels) - 1) * _DOWN
    parts = [
        _edge(at[k], at[place]) for place, o in enumerate(graph) for k in o["reads"] if k in at
    ]
    parts += [_box(at[place], *node) for place, node in nodes.items()]
    return (
        f'<svg role="img" aria-label="The graph of operators" class="graph" '
        f'viewBox="0 0 {width:g} {height:g}" style="max-width:{width:g}px">{"".join(parts)}</svg>'
    )


def _short(name: str) -> str:
    """An operator's name in so few letters that it fits into its box."""
    name = (
        name.removesuffix("_SEQUENCE_LSTM") + "_LSTM" if name.endswith("_SEQUENCE_LSTM") else name
    )
    return {"UNIDIRECTIONAL_LSTM": "LSTM"}.get(name, name)[:_MOST_LETTERS]


def _row(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Mapping[str, Any] | None:
    return next((row for row in rows if row["tensor"] in names), None)


def _state(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    row, first = _row(rows, names), next((row for row in rows if row["leaves"]), None)
    if row is None:
        return "unknown"
    return "first" if row is first else "beyond" if row["leaves"] else "within"


def _box(at: tuple[float, float], title: str, name: str, state: str) -> str:
    x, y = at
    middle = x + _BOX / 2
    shown = title if len(title) <= _MOST_LETTERS else f"{title[: _MOST_LETTERS - 1]}…"
    kind = name
    told = f"{title} ({name}): {_WORDS[state]}"
    lines = f'<text x="{middle:g}" y="{y + 25:g}">{escape(shown)}</text>'
    if shown != kind:
        lines = (
            f'<text x="{middle:g}" y="{y + 17:g}">{escape(shown)}</text>'
            f'<text class="kind" x="{middle:g}" y="{y + 32:g}">{escape(kind)}</text>'
        )
    return (
        f'<g class="{state}"><title>{escape(told)}</title>'
        f'<rect x="{x:g}" y="{y:g}" width="{_BOX}" height="{_TALL}" rx="7"/>{lines}</g>'
    )


def _edge(start: tuple[float, float], end: tuple[float, float]) -> str:
    x, y = start[0] + _BOX / 2, start[1] + _TALL
    to_x, to_y = end[0] + _BOX / 2, end[1]
    bend, left, right, above = (y + to_y) / 2, to_x - 4, to_x + 4, to_y - 6
    return (
        f'<path d="M{x:g} {y:g}C{x:g} {bend:g} {to_x:g} {bend:g} {to_x:g} {to_y:g}"/>'
        f'<path class="tip" d="M{left:g} {above:g}L{to_x:g} {to_y:g}L{right:g} {above:g}"/>'
    )
