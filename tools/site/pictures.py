"""Draw the documentation's pictures: terminal and page of a real run, the way of a case."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness.support.project import ROOT
from tools.site import gallery
from tools.site.failures import FAILURES

IMAGES = ROOT / "docs" / "images"
TERMINAL, PAGE, FLOW = IMAGES / "terminal.svg", IMAGES / "page.png", IMAGES / "architecture.svg"
#: What the pictures of terminal and page show.
SHOWN = FAILURES[0]
#: Phases of a case, the package that carries each out, and where its native code runs.
STEPS = (
    ("options", "plugins"),
    ("selection", "pipeline"),
    ("build", "conversion"),
    ("convert", "conversion"),
    ("structure", "flatbuffer, structure"),
    ("load, invoke", "execution"),
    ("compare", "checks, comparison"),
    ("explain", "diagnosis"),
    ("report", "report"),
)


def pages() -> Mapping[Path, bytes]:
    """The pictures by their path."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gallery.make_models(folder)
        status, text = gallery.run(SHOWN.options, folder, colour=True)
        assert (status != 0) == SHOWN.fails, text
        return {
            TERMINAL: terminal(text).encode(),
            PAGE: screenshot(folder / "report" / "index.html"),
            FLOW: flow(),
        }


def terminal(text: str) -> str:
    """An SVG of a gate's verdict as a terminal shows it."""
    console = Console(record=True, width=gallery.COLUMNS, file=io.StringIO())
    console.print(Text(f"$ lstm-conformance gate {SHOWN.options}", style="bold"))
    console.print(Text.from_ansi(gallery.verdict_of(text)))
    return console.export_svg(title="lstm-conformance", unique_id="terminal")


def screenshot(page: Path) -> bytes:
    """The top of a report's page, 1200 pixels wide. Needs Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        shown = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme="light")
        shown.goto(page.as_uri())
        return bytes(shown.screenshot())


def flow() -> bytes:
    """The way of a case as an SVG: its steps, and the packages that carry them out."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "lstm-conformance"
    import matplotlib.pyplot as plt
    from matplotlib.patches import Rectangle

    figure, axes = plt.subplots(figsize=(12, 3))
    axes.set_axis_off()
    pitch = 1.3  # of boxes of width 1
    for k, (step, package) in enumerate(STEPS):
        native = step in ("build", "convert", "load, invoke")
        colour = "#ffe0b2" if native else "#e8eaf6"
        axes.add_patch(Rectangle((k * pitch, 1), 1, 0.8, lw=1.2, ec="#3949ab", fc=colour))
        middle = k * pitch + 0.5
        axes.text(middle, 1.55, step, fontsize=8.5, weight="bold", ha="center", va="center")
        axes.text(middle, 1.25, package.replace(", ", "\n"), fontsize=8, ha="center", va="center")
        if k:
            start = k * pitch
            axes.annotate("", (start, 1.4), (start - 0.3, 1.4), arrowprops={"arrowstyle": "->"})
    for first, last, text in (
        (0, 1, "fixtures\nwhat is tested, as data"),
        (2, 5, "workers\nTensorFlow and interpreters in processes with limits"),
        (6, 7, "reference\noracles, budgets: NumPy only"),
    ):
        left, right = first * pitch, last * pitch + 1
        axes.add_patch(Rectangle((left, 0.2), right - left, 0.5, lw=1, ec="#888888", fc="white"))
        axes.text((left + right) / 2, 0.45, text, ha="center", va="center", fontsize=8.5)
        for k in range(first, last + 1):
            up = k * pitch + 0.5
            axes.annotate("", (up, 0.98), (up, 0.72), arrowprops={"arrowstyle": "->", "lw": 0.6})
    axes.set_xlim(-0.1, len(STEPS) * pitch)
    axes.set_ylim(0.1, 1.9)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    plt.close(figure)
    return buffer.getvalue()
