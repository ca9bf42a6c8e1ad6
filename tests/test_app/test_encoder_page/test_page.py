"""The page of the evidence shows what was found, and opens anywhere."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agv2.app.encoder_page.calibration import quantile_figures
from agv2.app.encoder_page.curves import curve_panels
from agv2.app.encoder_page.page import evidence_page
from agv2.app.encoder_report import finding_counts
from tests.encoder_reports import LEVELS, a_report, compared, evidence_of

REPORT = a_report()


def test_the_page_is_the_same_text_each_time_and_holds_all_it_needs() -> None:
    page = evidence_page(REPORT)
    assert page == evidence_page(a_report())
    assert re.findall(r'(?:src|href)="(?!data:|#)', page) == []
    assert len(page) < 200_000


def test_the_headline_counts_what_was_found() -> None:
    assert finding_counts(REPORT.heads) == {"better": 8, "draw": 4, "worse": 2}
    assert "Better than the best baseline on 8 of 14 counts, level with it on 4, worse on 2" in evidence_page(REPORT)
    won = replace(REPORT, heads=(evidence_of("A", "regime", compared("trees", 1.0, -0.1, -0.2, -0.05)),))
    assert "on 1 of 1 counts, worse on none" in evidence_page(won)
    assert "No head had a baseline to beat" in evidence_page(replace(REPORT, heads=()))


def test_what_there_is_nothing_of_is_not_there() -> None:
    bare = replace(REPORT, heads=(), probes=(), reliability=(), ablation=(), notes=(), seeds=REPORT.seeds[:1])
    page = evidence_page(replace(bare, seeds=(replace(bare.seeds[0], looks=()),)))
    assert re.findall(r'<section id="(\w+)"', page) == ["bars"]
    assert "1 encoder;" in page


def test_coverage_and_shares_are_drawn_against_what_they_should_be() -> None:
    figure = quantile_figures(REPORT.heads, LEVELS)[0]
    assert [(bar.nominal, bar.found) for bar in figure.coverage] == [(50.0, 46.0), (90.0, 87.2)]
    assert [bar.left for bar in figure.pit] == pytest.approx([0.0, 5.0, 25.0, 50.0, 75.0, 95.0])
    # Half the height is exactly as often as expected.
    assert [bar.height for bar in figure.pit] == pytest.approx([70.0, 52.5, 45.0, 47.5, 50.0, 65.0])
    assert "7.0\u202f% of returns, 5.0\u202f% expected" in figure.pit[0].title


def test_curves_have_a_line_a_seed_and_kind() -> None:
    panels = curve_panels(REPORT.seeds)
    assert len(panels) == 5
    assert [curve.style for curve in panels[0].curves] == ["train", "selection"] * 3
    assert panels[0].kept == pytest.approx((75.0, 75.0, 75.0))
    assert curve_panels([replace(one, looks=one.looks[:1]) for one in REPORT.seeds]) == []


def test_the_document_has_no_number_that_json_has_not() -> None:
    document = REPORT.document()
    text = json.dumps(document, allow_nan=False)
    assert document == json.loads(text)
    levels = next(head for head in document["heads"] if head["head"] == "levels")
    assert levels["comparisons"][0]["difference"]["low"] is None
    assert (levels["finding"], levels["best_baseline"]) == ("draw", "distance to level")
    assert document["seeds"][0]["looks"][0]["selection"].keys() == {head["head"] for head in document["heads"]}


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)])
def test_a_browser_shows_it_offline_without_a_complaint(browser: Any, tmp_path: Path, scheme: str, width: int) -> None:
    path = tmp_path / "page.html"
    path.write_text(evidence_page(REPORT), encoding="utf-8")
    context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    zero = page.locator("#pattern .lane").first
    lane, dot = zero.bounding_box(), zero.locator("b").bounding_box()
    assert lane["width"] > 150
    assert lane["x"] - 6 <= dot["x"] <= lane["x"] + lane["width"]
    assert page.locator(".square svg").first.bounding_box()["width"] > 150
    assert page.locator(".curve .plot").first.bounding_box()["height"] > 100
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")
    assert complaints == []
    context.close()
