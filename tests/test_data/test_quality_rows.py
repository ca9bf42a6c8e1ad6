"""Defects of single rows and of stamps: each planted, found, counted, and cured or left out."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.core.errors import DataError
from agv2.data.quality.findings import Severity
from agv2.data.quality.repair import cleaned, repaired
from agv2.data.quality_checks import QualityReport, check_bars
from agv2.data.raw_bars import RawBars
from tests.quality_markets import SETTINGS, clean_bars, findings, joined, market_of, rows_of, taken

BARS = clean_bars(1_500)
DAY_NS = 86_400_000_000_000
places = st.sets(st.integers(0, len(BARS) - 1), min_size=1, max_size=40).map(lambda rows: np.array(sorted(rows)))


def spoiled(name: str, rows: np.ndarray, value: float) -> RawBars:
    values = getattr(BARS, name).copy()
    values[rows] = value
    return rows_of(BARS, **{name: values})


def appended(extra: np.ndarray, raw: RawBars | None = None) -> RawBars:
    """The rows with some of them repeated, each right after itself."""
    table = raw or RawBars.of(BARS)
    order = np.sort(np.concatenate([np.arange(len(table)), extra]), kind="stable")
    return table.take(order)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["1h", "15m", "4h"]), st.sampled_from(["XAUUSD", "MINE"]))
def test_clean_bars_have_no_error_and_no_warning(seed: int, timeframe: str, symbol: str) -> None:
    report = check_bars(clean_bars(1_200, timeframe, seed, symbol), market_of(symbol), SETTINGS)
    assert report.of(Severity.ERROR) == ()
    assert [each.id for each in report.of(Severity.WARNING) if each.id not in ("gaps", "absent_sessions")] == []


@settings(max_examples=25, deadline=None)
@given(places, st.sampled_from(["open", "high", "low", "close"]), st.sampled_from([np.nan, np.inf, -np.inf]))
def test_missing_prices_are_counted(rows: np.ndarray, name: str, value: float) -> None:
    found = findings(spoiled(name, rows, value))
    assert found["null_price"].count == rows.size
    assert found["null_price"].severity is Severity.ERROR
    assert found["null_price"].places[0].row == rows[0]
    assert cleaned(spoiled(name, rows, value)).raw.ts_ns.size == len(BARS) - rows.size


@settings(max_examples=25, deadline=None)
@given(places, st.sampled_from(["open", "high", "low", "close"]), st.sampled_from([0.0, -3.0]))
def test_prices_not_above_zero_are_counted(rows: np.ndarray, name: str, value: float) -> None:
    found = findings(spoiled(name, rows, value))
    assert found["non_positive_price"].count == rows.size
    assert "null_price" not in found


@settings(max_examples=25, deadline=None)
@given(places, st.sampled_from([("high", 0.5), ("low", 2.0), ("open", 2.0), ("close", 0.5)]))
def test_impossible_bars_are_counted(rows: np.ndarray, change: tuple[str, float]) -> None:
    name, factor = change
    values = getattr(BARS, name).copy()
    values[rows] *= factor
    raw = rows_of(BARS, **{name: values})
    assert findings(raw)["ohlc_violation"].count == rows.size
    assert cleaned(raw).done[0] == f"{rows.size} rows with missing, non-positive or impossible prices left out"


@settings(max_examples=25, deadline=None)
@given(places)
def test_identical_duplicates_are_counted_and_dropped(rows: np.ndarray) -> None:
    raw = appended(rows)
    found = findings(raw)
    assert (found["identical_duplicates"].count, found["identical_duplicates"].severity) == (
        rows.size,
        Severity.WARNING,
    )
    assert "conflicting_duplicates" not in found
    np.testing.assert_array_equal(repaired(raw).raw.ts_ns, BARS.ts_ns)


@settings(max_examples=25, deadline=None)
@given(places, st.sampled_from(["close", "volume", "spread"]))
def test_conflicting_duplicates_are_counted_and_the_first_row_stays(rows: np.ndarray, name: str) -> None:
    raw = appended(rows)
    values = getattr(raw, name).copy()
    second = np.flatnonzero(np.diff(raw.ts_ns) == 0) + 1
    values[second] = raw.open[second] if name == "close" else values[second] + 1.0
    raw = replace(raw, **{name: values})
    differing = int((values[second] != values[second - 1]).sum())
    found = findings(raw)
    assert found["conflicting_duplicates"].count == differing
    assert found["conflicting_duplicates"].severity is Severity.ERROR
    np.testing.assert_array_equal(getattr(repaired(raw).raw, name), getattr(BARS, name))


def test_a_stamp_with_three_rows_conflicts_with_its_first() -> None:
    raw = appended(np.array([7, 7]))
    volume = raw.volume.copy()
    volume[9] += 1.0
    found = findings(replace(raw, volume=volume))
    assert (found["conflicting_duplicates"].count, found["identical_duplicates"].count) == (1, 1)
    assert found["conflicting_duplicates"].places[0].row == 7


def test_an_unknown_volume_equals_an_unknown_volume() -> None:
    unknown = np.full(len(BARS), np.nan)
    found = findings(appended(np.array([3]), rows_of(BARS, volume=unknown)))
    assert "conflicting_duplicates" not in found
    assert found["identical_duplicates"].count == 1


def test_rows_out_of_order_are_an_error_and_sorting_cures_them() -> None:
    order = np.arange(len(BARS))
    order[[10, 11, 500, 900]] = order[[11, 10, 900, 500]]
    raw = RawBars.of(BARS).take(order)
    assert findings(raw)["disorder"].severity is Severity.ERROR
    cured = repaired(raw)
    np.testing.assert_array_equal(cured.raw.ts_ns, BARS.ts_ns)
    np.testing.assert_array_equal(cured.rows, np.argsort(order))
    assert "disorder" not in findings(cured.bars())


@settings(max_examples=15, deadline=None)
@given(places)
def test_negative_spreads_are_counted_and_become_unknown(rows: np.ndarray) -> None:
    raw = spoiled("spread", rows, -0.1)
    assert (findings(raw)["negative_spreads"].count, findings(raw)["negative_spreads"].severity) == (
        rows.size,
        Severity.WARNING,
    )
    assert np.flatnonzero(np.isnan(cleaned(raw).raw.spread)).tolist() == rows.tolist()


@pytest.mark.parametrize("length_hours", [4, 24])
def test_longer_bars_before_the_feed_are_an_error_and_cut_out(length_hours: int) -> None:
    n_long = 80
    early = BARS.ts_ns[0] - np.arange(n_long, 0, -1) * length_hours * 3_600_000_000_000
    early = early[(early // DAY_NS + 3) % 7 < 5]
    table = RawBars.of(BARS)
    raw = joined(replace(table.take(np.arange(early.size)), ts_ns=early), table)
    found = findings(raw)["mixed_granularity"]
    assert (found.severity, found.count) == (Severity.ERROR, early.size)
    assert f"longer {'1d' if length_hours == 24 else '4h'} bars among 1h bars" in found.evidence
    np.testing.assert_array_equal(repaired(raw).raw.ts_ns, BARS.ts_ns)
    assert cleaned(raw).bars().timeframe.name == "1h"


@settings(max_examples=15, deadline=None)
@given(st.sets(st.integers(0, 1_400), min_size=1, max_size=20))
def test_shorter_bars_among_the_others_are_an_error(rows: set[int]) -> None:
    extra = np.array(sorted(rows))
    table = RawBars.of(BARS)
    finer = replace(table.take(extra), ts_ns=BARS.ts_ns[extra] + 15 * 60_000_000_000)
    raw = joined(table, finer)
    assert findings(raw)["mixed_granularity"].count == extra.size
    np.testing.assert_array_equal(repaired(raw).raw.ts_ns, BARS.ts_ns)


def test_a_thin_market_has_no_longer_bars() -> None:
    rng = np.random.default_rng(3)
    bars = clean_bars(20_000, "1m")
    kept = np.flatnonzero(rng.random(len(bars)) < 0.3)
    assert "mixed_granularity" not in findings(taken(bars, kept), "MINE")


def test_a_table_without_two_usable_rows_is_unreadable() -> None:
    report = check_bars(RawBars.of(BARS).take(np.array([4])), market_of("XAUUSD"), SETTINGS)
    assert [each.id for each in report.of(Severity.ERROR)] == ["unreadable"]
    assert report.bars is None
    with pytest.raises(DataError, match="one bar only"):
        repaired(RawBars.of(BARS).take(np.array([4])))
    assert QualityReport.unreadable("X", "why").findings[0].evidence == "why"


def test_errors_come_first_and_every_finding_speaks() -> None:
    raw = replace(spoiled("close", np.array([5]), np.nan), spread=np.full(len(BARS), -1.0))
    report = check_bars(raw, market_of("XAUUSD"), SETTINGS)
    assert report.findings[0].severity is Severity.ERROR
    for each in report.findings:
        assert each.title
        assert each.unit
        assert each.effect.endswith(".")
        assert each.remedy.endswith(".")
        assert 0.0 <= each.share <= 1.0


def test_the_same_table_gives_the_same_report() -> None:
    first, second = (check_bars(BARS, market_of("XAUUSD"), SETTINGS) for _ in range(2))
    assert first.findings == second.findings
