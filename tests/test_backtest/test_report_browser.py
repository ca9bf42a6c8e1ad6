"""The report as a reader meets it: in Chromium, offline."""

from pathlib import Path
from typing import Any

import pytest

from agv2.backtest.report.page import write_report
from tests.run_directory import write_run_directory


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_run_directory(tmp_path_factory.mktemp("browser") / "run", n_bars=3000)
    return write_report(path)


class Visit:
    """A page, with everything it complained about and everything it asked for."""

    def __init__(self, browser: Any, report: Path, **options: Any) -> None:
        context = browser.new_context(offline=True, **{"viewport": {"width": 1280, "height": 900}, **options})
        self.page = context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(report.as_uri())


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_it_opens_offline_without_a_complaint_or_a_request(browser: Any, report: Path, color_scheme: str) -> None:
    visit = Visit(browser, report, color_scheme=color_scheme)
    assert visit.complaints == []
    assert [url for url in visit.requests if not url.startswith("data:")] == [report.as_uri()]
    assert visit.page.locator("h1").inner_text().startswith("No evidence of an edge")
    box = visit.page.locator("h1").bounding_box()
    assert box["y"] + box["height"] < 900
    for chart in (".panel.equity svg[role=img]", ".panel.drawdown svg[role=img]", ".page:not([hidden]) svg[role=img]"):
        drawn = visit.page.locator(chart).bounding_box()
        assert drawn["width"] > 600
        assert drawn["height"] > 80
    paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (color_scheme == "light")


def test_candles_turn_their_pages(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    figure = visit.page.locator(".candles").first
    span, number = figure.locator(".span"), figure.locator(".page-number")
    last = span.inner_text()
    assert number.inner_text() == "5 / 5"
    figure.get_by_label("Previous page", exact=True).click()
    assert span.inner_text() != last
    assert number.inner_text() == "4 / 5"
    assert figure.locator(".page:visible").count() == 1
    figure.locator(".scroller").press("PageDown")
    assert span.inner_text() == last
    assert figure.get_by_label("Next page", exact=True).is_disabled()
    figure.locator("input").fill("0")
    assert number.inner_text() == "1 / 5"
    figure.locator(".scroller").press("ArrowRight")
    assert "open" in figure.locator(".ohlc").inner_text()
    assert visit.complaints == []


def test_hovering_and_arrow_keys_read_values(browser: Any, report: Path) -> None:
    visit = Visit(browser, report)
    figure = visit.page.locator(".equity-figure")
    value = figure.locator(".panel.equity output").first
    resting = value.inner_text()
    plot = figure.locator(".panel.equity .plot")
    plot.hover(position={"x": 100, "y": 50})
    hovered = value.inner_text()
    assert hovered != resting
    assert "2018" in figure.locator(".when").inner_text()
    visit.page.mouse.move(5, 5)
    assert value.inner_text() == resting
    figure.focus()
    figure.press("Home")
    assert value.inner_text().startswith("0.0")


def test_a_phone_scrolls_in_one_direction(browser: Any, report: Path) -> None:
    visit = Visit(browser, report, viewport={"width": 390, "height": 844})
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 390


def test_without_script_the_first_view_is_complete(browser: Any, report: Path) -> None:
    visit = Visit(browser, report, java_script_enabled=False)
    assert visit.page.locator(".candles .page:visible").count() == 1
    assert visit.page.locator(".pager:visible").count() == 0
    assert visit.page.locator(".panel.equity svg[role=img]").is_visible()


def test_on_paper_the_settings_are_open_and_the_controls_gone(browser: Any, report: Path, tmp_path: Path) -> None:
    visit = Visit(browser, report)
    assert visit.page.locator("#settings pre:visible").count() == 0
    visit.page.emulate_media(media="print")
    visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert visit.page.locator("#settings pre:visible").count() == 2
    assert visit.page.locator(".pager:visible").count() == 0
    visit.page.evaluate("dispatchEvent(new Event('afterprint'))")
    visit.page.emulate_media(media="null")
    assert visit.page.locator("#settings pre:visible").count() == 0
    paper = visit.page.pdf(path=tmp_path / "report.pdf", prefer_css_page_size=True)
    assert 3 <= paper.count(b"/Type /Page\n") <= 7  # of which returns, trades and robustness fill one and a half
