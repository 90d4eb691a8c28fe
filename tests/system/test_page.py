"""The page works in a real browser: at two widths, in both themes, by keyboard.

Needs Chromium (Debian: apt-get install chromium). Where there is none these tests are reported as
untested; in CI that is a failure.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.report import document as report
from harness.report import exhibits, page
from harness.report.exhibits import Exhibit, Plot, Series, Table
from harness.report.page import content
from harness.support.project import ROOT
from tests.unit.report.test_document import CASE, FAILED, LIMITED

HOSTILE = '</script><script>window.hacked=1</script><img src=x onerror="window.hacked=1">"\'&<!--'
STEPS = {"signals": ["noise"], "raw": False, "error": [1e-7, 2e-7, 3e-7], "budget": [1e-6] * 3}
EXHIBIT = Exhibit(
    name="speed",
    title=f"Speed {HOSTILE}",
    text=HOSTILE,
    tables=(
        Table(title="times", columns=("runtime", HOSTILE), rows=(("TFLite", None), (HOSTILE, 2))),
    ),
    plots=(
        Plot(
            title=HOSTILE,
            x_label="T",
            y_label=HOSTILE,
            series=(Series(name=HOSTILE, x=(1.0, 10.0), y=(2.0, 20.0)),),
            x_scale="log",
        ),
    ),
)


def _document(*cases: dict[str, Any], **more: Any) -> dict[str, Any]:
    environment = report.environment(1, ["pytest"], {})
    return {**report.build(environment, len(cases), list(cases), {"wall": 1.0}, False), **more}


def _many(count: int) -> list[dict[str, Any]]:
    base = (CASE, FAILED, LIMITED)
    return [
        {**base[k % 3], "id": f"test_parity[m{k}/int8/tflm]", "subject": f"m{k}"}
        for k in range(count)
    ]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless. Reported as untested where there is none; in CI a failure."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if found is None:
        message = "untested: no Chromium (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        started = playwright.chromium.launch(executable_path=found, args=arguments)
        yield started
        started.close()


@dataclass
class Opened:
    """A page in the browser and what it complained of."""

    tab: Any
    complaints: list[str]

    def overflow(self) -> int:
        width = "document.documentElement.scrollWidth - innerWidth"
        return int(self.tab.evaluate(width))


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    contexts = []

    def opened(
        document: dict[str, Any], width: int = 1440, scheme: str = "light", address: str = ""
    ) -> Opened:
        path = page.write(document, tmp_path)
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        tab = context.new_page()
        complaints: list[str] = []
        tab.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(path.as_uri() + address)
        tab.wait_for_selector("#count:not(:empty)")
        return Opened(tab, complaints)

    yield opened
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_overflows_and_nothing_is_complained_of(
    show: Callable[..., Opened], tmp_path: Path, width: int, scheme: str
) -> None:
    long = {**FAILED, "subject": "m" * 300, "message": "x" * 2000 + "\n" + HOSTILE}
    exhibits.write(EXHIBIT, tmp_path)
    found = show(_document(long, CASE, LIMITED, {**CASE, "by_step": STEPS}), width, scheme)
    for row in found.tab.query_selector_all("details.case > summary"):
        row.click()
    assert found.overflow() <= 0
    assert found.complaints == []
    background = found.tab.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = sum(int(part) for part in background[4:-1].split(",")) / 3
    assert (lightness > 200) == (scheme == "light")


@pytest.mark.parametrize("key", ["subject", "recipe", "runtime", "message", "rerun", "id"])
def test_names_from_a_model_are_text(show: Callable[..., Opened], tmp_path: Path, key: str) -> None:
    exhibits.write(EXHIBIT, tmp_path)
    case = {
        **{**FAILED, key: HOSTILE},
        "blame": {"leg": "converter", "reason": HOSTILE},
        "by_step": STEPS,
        "operators": [
            {"position": 0, "kind": "int8", "rule": HOSTILE, "values": 1, "mismatches": 1}
        ],
    }
    found = show(_document(case))
    found.tab.click("details.case > summary")
    assert found.tab.evaluate("window.hacked") is None
    assert found.tab.query_selector("img") is None
    assert HOSTILE in found.tab.inner_text("#list")
    assert found.complaints == []


def test_the_policy_stops_a_script_that_is_not_the_pages_own(
    show: Callable[..., Opened], tmp_path: Path
) -> None:
    """Were something not escaped, it would still not run."""
    path = page.write(_document(CASE), tmp_path)
    text = path.read_text().replace("<main", "<script>window.hacked = 1</script><main", 1)
    found = show(_document(CASE))
    path.write_text(text)
    found.tab.goto(path.as_uri())
    assert found.tab.evaluate("window.hacked") is None
    assert any("Content Security Policy" in text for text in found.complaints)


def test_a_thousand_cases_open_and_filter_in_a_second(show: Callable[..., Opened]) -> None:
    """In processor time of the page's thread, which a busy machine does not change."""
    tab = show(_document(*_many(1000))).tab
    client = tab.context.new_cdp_session(tab)
    client.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = client.send("Performance.getMetrics")["metrics"]
        return float({m["name"]: m["value"] for m in metrics}["TaskDuration"])

    tab.reload()
    tab.wait_for_selector("#count:not(:empty)")
    assert 0.005 < spent() < 1
    before = spent()
    tab.fill("#text", "m777")
    assert tab.inner_text("#count") == "1 of 1,000 cases"
    assert spent() - before < 1
    tab.fill("#text", "")
    tab.select_option("#verdict", "failed")
    assert tab.inner_text("#count") == "333 of 1,000 cases"
    assert tab.locator("details.case").count() == 100
    tab.click("#more")
    assert tab.locator("details.case").count() == 200
    tab.click("#clear")
    assert tab.inner_text("#count") == "1,000 of 1,000 cases"


def test_the_keyboard_reaches_everything(show: Callable[..., Opened]) -> None:
    cases = [
        {**CASE, "subject": subject, "recipe": recipe, "id": f"test_parity[{subject}/{recipe}/x]"}
        for subject in ("a", "b")
        for recipe in ("float32", "int8")
    ]
    found = show(_document(*cases))
    tab = found.tab
    tab.keyboard.press("/")
    assert tab.evaluate("document.activeElement.id") == "text"
    tab.focus("#theme")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.dataset.c") == "0"  # one stop for the matrix
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("ArrowRight")
    assert "b / int8 / tflm: agreed in compare" in tab.inner_text(".pointed")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("details.case[open]")
    assert tab.inner_text("#count").startswith("1 of 4 cases")
    assert tab.evaluate("document.activeElement.tagName") == "SUMMARY"
    tab.keyboard.press("Enter")
    assert tab.query_selector("details.case[open]") is None


def test_the_theme_is_chosen_and_kept(show: Callable[..., Opened]) -> None:
    tab = show(_document(CASE)).tab
    theme = "document.documentElement.dataset.theme"
    seen = []
    for _ in range(3):
        tab.click("#theme")
        seen.append(tab.evaluate(theme))
    assert seen == ["light", "dark", "light"]
    tab.click("#theme")
    tab.click("#theme")
    tab.reload()
    assert tab.evaluate(theme) == "dark"


def test_an_address_opens_its_case_with_all_that_is_known(show: Callable[..., Opened]) -> None:
    case = {
        **LIMITED,
        "limitation": "int8-while-calibrator",
        "flatbuffer": "abc",
        "histogram": {"unit": "steps", "most": 8, "counts": {"-1": 2, "0": 7}},
        "resources": {"arena_bytes": 4208, "arena": {}, "op_resolver": ["resolver.AddSoftmax();"]},
    }
    flatbuffers = {
        "abc": {
            "bytes": 1234,
            "operators": {"UNIDIRECTIONAL_SEQUENCE_LSTM": 2},
            "tensors": [
                {"index": 0, "name": "in", "dtype": "int8", "shape": [1], "scale": 0.5, "scales": 1}
            ],
        }
    }
    document = _document(case, CASE, flatbuffers=flatbuffers)
    found = show(document, address="#case=test_parity%5Blast%2Fint8%2Fkeras%5D")
    text = found.tab.inner_text("details.case[open]")
    for part in ("1,234 bytes", "2 × UNIDIRECTIONAL_SEQUENCE_LSTM", "-1 LSB", "0.5", "Copy"):
        assert part in text
    assert "4,208 bytes" in text
    assert "resolver.AddSoftmax();" in text
    assert "tensor of the WHILE operator" in text
    link = found.tab.locator("details.case[open] a")
    assert link.get_attribute("href").startswith("https://github.com/")
    assert found.complaints == []


def test_the_page_needs_no_network(tmp_path: Path) -> None:
    text = page.write(_document(CASE), tmp_path).read_text()
    assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text
    assert "src=" not in text.replace("img-src", "").replace("-src", "")


def test_the_command_writes_the_page_of_a_stored_report(tmp_path: Path) -> None:
    report.write(_document(CASE), tmp_path / "conformance.json")
    command = [sys.executable, "-m", "harness", "report", "page", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, (tmp_path / "index.html").is_file()) == (0, True), done.stderr
    (tmp_path / "conformance.json").write_text('{"schema": "other"}')
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "not a report of lstm-conformance/2" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_headline_says_what_is_wrong() -> None:
    assert content.headline(_document(CASE))[0] == "agreed"
    tone, text = content.headline(_document(CASE, FAILED))
    assert (tone, "1 case failed" in text) == ("failed", True)
    document = _document(CASE)
    document["totals"]["untested"] = 2
    assert "2 cases not tested" in content.headline(document)[1]
    assert "interrupted" in content.headline({**document, "interrupted": True})[1]


def test_values_that_were_not_finite_leave_a_gap_in_their_plot() -> None:
    growth = {"tensor": "t", "axis": "step", "steps": [0, 1, 2], "error": [0.1, None, None]}
    case = {**FAILED, "first_divergence": {"growth": {**growth, "budget": [1e-3] * 3}}}
    (drawn,) = content.plots_of(case)
    assert [name for _, name in drawn.legend] == ["largest error", "budget"]
    case["first_divergence"]["growth"]["error"] = [None] * 3
    (drawn,) = content.plots_of(case)
    assert [name for _, name in drawn.legend] == ["budget"]


# Verdicts and what one looks at ------------------------------------------------------------------

MINE = {"subject": "my.keras", "kind": "keras"}
BROKEN = {
    **FAILED,
    **MINE,
    "id": "test_parity[my]",
    "flatbuffer": "0123",
    "budget_used": 4.0,
    "blame": {"leg": "file", "reason": "long", "kind": "ranges-do-not-fit"},
    "answers": {"expected": [0.0, 1.0], "actual": [0.5, 0.2], "budget": 0.1},
    "first_divergence": {
        "text": "tensor 'a' is the first beyond its budget",
        "tensors": [
            {"tensor": "x", "operator": "input", "layer": "sensor", "leaves": False},
            {"tensor": "a", "operator": "LSTM", "layer": HOSTILE, "leaves": True},
        ],
    },
}
NARROW = {
    **FAILED,
    **MINE,
    "id": "test_quantization[my]",
    "suite": "test_quantization",
    "runtime": None,
    "findings": [
        {
            "rule": "too-narrow",
            "level": "error",
            "message": f"input 'x' holds -1 to 1 {HOSTILE}",
            "cure": "calibrate with data that reaches as far",
            "tensors": [f"tensor of {HOSTILE}"],
            "holds": [-1.0, 1.0],
            "reach": [-9.0, 9.0],
            "failing": True,
        }
    ],
}
FILES = {
    "0123": {
        "bytes": 8,
        "operators": {"UNIDIRECTIONAL_SEQUENCE_LSTM": 1},
        "graph": [{"name": "UNIDIRECTIONAL_SEQUENCE_LSTM", "reads": [-1], "writes": ["a"]}],
        "tensors": [{"index": 0, "name": "x", "dtype": "int8", "shape": [1], "kind": "input"}],
    }
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_begins_with_the_verdict_and_its_pictures(
    show: Callable[..., Opened], width: int, scheme: str
) -> None:
    found = show(_document(BROKEN, NARROW, flatbuffers=FILES), width, scheme)
    tab = found.tab
    assert tab.inner_text("h1") == "DO NOT SHIP: my.keras as int8"
    first = tab.query_selector("main > section, main > article")
    assert first.get_attribute("id") == "verdicts"
    told = tab.inner_text("article.verdict")
    assert "The calibration does not fit: input 'x' holds -1 to 1" in told
    assert "calibrate with data that reaches as far" in told
    assert "(2 of 2 cases)" in told
    assert tab.query_selector_all("article.verdict .why").__len__() == 1
    titles = [each.inner_text() for each in tab.query_selector_all("article figcaption")]
    assert titles == [
        "Answers against expected ones: tflite, int8",
        "What the tensors hold, and what the samples reach",
        "Where it starts: tflite",
    ]
    assert tab.query_selector_all("svg.graph g.first").__len__() == 1
    assert tab.query_selector_all("svg.graph g.within").__len__() == 1
    assert tab.evaluate("window.hacked") is None
    assert found.overflow() <= 0
    assert found.complaints == []
    for drawing in tab.query_selector_all("article svg"):
        box = drawing.bounding_box()
        assert box["height"] > 60
        assert box["x"] + box["width"] <= width


def test_a_case_that_a_cause_covers_opens_from_the_verdict(show: Callable[..., Opened]) -> None:
    found = show(_document(BROKEN, NARROW, flatbuffers=FILES))
    found.tab.click("details.cases > summary")
    found.tab.click("details.cases a >> nth=0")
    found.tab.wait_for_selector("details.case[open]")
    assert found.complaints == []
