"""What the quality page draws."""

import numpy as np

from agv2.data.quality.findings import Severity
from agv2.data.quality_checks import QualityReport, check_bars
from agv2.data.quality_page.drawings import activity_week, coverage_years, price_line
from agv2.data.quality_page.page import quality_page
from tests.quality_markets import HOUR_NS, SETTINGS, clean_bars, market_of, taken

BARS = clean_bars(6_000)
DAY_NS = 24 * HOUR_NS


def report_of(kept: np.ndarray) -> QualityReport:
    return check_bars(taken(BARS, kept), market_of("XAUUSD"), SETTINGS)


def shades(kept: np.ndarray) -> dict[str, str]:
    """By date, the shade of its cell."""
    report = report_of(kept)
    assert report.bars is not None
    assert report.sessions is not None
    years = coverage_years(report.bars, report.sessions)
    return {day.title[:10]: day.shade for year in years for day in year.days}


def test_each_day_has_a_cell_shaded_by_its_bars() -> None:
    days = BARS.ts_ns // DAY_NS
    wednesday, thursday = (np.datetime64(date, "D").astype(np.int64) for date in ("2018-03-07", "2018-03-08"))
    kept = (days != wednesday) & ~((days == thursday) & (BARS.ts_ns % DAY_NS < 8 * HOUR_NS))
    shade = shades(kept)
    assert shade["2018-03-06"] == "c3"
    assert shade["2018-03-07"] == "missing"
    assert shade["2018-03-08"] == "c1"
    assert shade["2018-03-10"] == "closed"
    assert len(shade) == int(days[-1] - days[0]) + 1


def test_a_cell_stands_in_its_week_and_weekday() -> None:
    report = report_of(np.ones(len(BARS), dtype=np.bool_))
    assert report.bars is not None
    assert report.sessions is not None
    first = coverage_years(report.bars, report.sessions)[0]
    assert first.year == 2018
    cells = {day.title[:10]: (day.week, day.weekday) for day in first.days}
    assert cells["2018-01-02"] == (0, 1)
    assert cells["2018-01-08"] == (1, 0)


def test_the_price_line_marks_warnings_where_they_are() -> None:
    kept = np.ones(len(BARS), dtype=np.bool_)
    kept[3_000:3_012] = False
    report = report_of(kept)
    assert report.bars is not None
    line = price_line(report, report.bars)
    assert [mark.severity for mark in line.marks] == ["warning"]
    assert abs(line.marks[0].across - 50.0) < 2.0
    assert line.path.startswith("M0.0 ")


def test_activity_peaks_where_the_market_is_lively() -> None:
    bars = activity_week(BARS)
    assert len(bars) == 168
    by_hour = np.array([bar.height for bar in bars])
    assert by_hour[6 * 24 :].max() == 0.0  # Saturday
    assert {int(hour) % 24 for hour in np.argsort(by_hour)[-5:]} <= {8, 9, 10}


def test_a_page_of_an_unreadable_file_says_so() -> None:
    page = quality_page([("bad.parquet", QualityReport.unreadable("bad", "the file is empty"))])
    assert "The file is empty." in page
    assert "Coverage, day by day" not in page


def test_the_same_reports_give_the_same_page() -> None:
    report = report_of(np.ones(len(BARS), dtype=np.bool_))
    assert report.of(Severity.ERROR) == ()
    assert quality_page([("a", report)]) == quality_page([("a", report)])
