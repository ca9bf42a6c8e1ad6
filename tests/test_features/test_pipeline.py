from dataclasses import replace

import numpy as np
import pytest

from agv2.core.errors import DataError
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.data.synthetic import synthetic_bars
from agv2.features.feature_spec import Reads
from agv2.features.pipeline import FEATURES, compute_features, feature_columns
from tests.markets import NEW_YORK_DAYS, UTC_DAYS, gappy_bars, scrambled_after

# A timeframe of each customary pair of contexts, and one with the ×4 and ×24 of the rest.
OCTOBER_NS = 1_696_118_400_000_000_000  # 2023-10-01
TIMEFRAMES = ["1m", "5m", "15m", "30m", "1h", "4h"]


def same_bits(left: np.ndarray, right: np.ndarray) -> bool:
    return left.shape == right.shape and left.tobytes() == right.tobytes()


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
def test_scrambling_the_future_moves_no_bit_at_or_before_t(timeframe: str) -> None:
    bars = gappy_bars(2000, timeframe)
    before = compute_features(bars, UTC_DAYS)
    for t in (1490, 1603, 1801, 1850):  # near an end of warm-up, inside and at an end of coarse bars, in the flat part
        after = compute_features(scrambled_after(bars, t), UTC_DAYS)
        assert same_bits(before.values[: t + 1], after.values[: t + 1])
        assert same_bits(before.sigma[: t + 1], after.sigma[: t + 1])
        assert not same_bits(before.values[t + 1 :], after.values[t + 1 :])


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
@pytest.mark.parametrize("calendar", [UTC_DAYS, NEW_YORK_DAYS])
def test_a_row_from_the_whole_history_equals_the_row_from_its_last_bars(
    timeframe: str, calendar: SessionCalendar
) -> None:
    bars = gappy_bars(2400, timeframe)
    whole = compute_features(bars, calendar)
    needed = whole.warmup + 1
    for stop in range(needed + 1, len(bars) + 1, 37):
        alone = compute_features(bars.slice(stop - needed, stop), calendar)
        assert same_bits(alone.values[-1], whole.values[stop - 1])
        assert np.isfinite(alone.values[-1]).all()


@pytest.mark.parametrize("timeframe", ["5m", "1h"])
@pytest.mark.parametrize("calendar", [UTC_DAYS, NEW_YORK_DAYS])
def test_each_column_needs_no_more_than_the_lookback_it_declares(timeframe: str, calendar: SessionCalendar) -> None:
    bars = synthetic_bars("noise", 1700, 3, timeframe)  # no holes: coarse bars hold as much as they can
    whole = compute_features(bars, calendar)
    lookbacks = np.array([column.lookback for column in whole.columns])
    for lookback in sorted(set(lookbacks.tolist())):
        own = lookbacks == lookback
        for stop in (len(bars), len(bars) - 5, len(bars) - 13):
            alone = compute_features(bars.slice(stop - lookback, stop), calendar)
            assert same_bits(alone.values[-1, own], whole.values[stop - 1, own])
            assert np.isnan(alone.values[:-1, own]).all()


@pytest.mark.parametrize("timeframe", ["1h", "4h"])
def test_a_day_of_twenty_five_hours_is_within_the_declared_lookback(timeframe: str) -> None:
    """Round the clock on New York's days, with changes of its clocks among the bars that a context feature reads."""
    bars = synthetic_bars("noise", 2600 if timeframe == "1h" else 9000, 3, timeframe)
    bars = replace(bars, ts_ns=bars.ts_ns - bars.ts_ns[0] + OCTOBER_NS)
    whole = compute_features(bars, NEW_YORK_DAYS)
    needed = whole.warmup + 1
    for stop in range(needed + 1, len(bars) + 1, 23 if timeframe == "1h" else 211):
        alone = compute_features(bars.slice(stop - needed, stop), NEW_YORK_DAYS)
        assert same_bits(alone.values[-1], whole.values[stop - 1])


def test_values_lie_within_the_declared_range_and_are_finite_after_warm_up_across_a_flat_stretch() -> None:
    bars = gappy_bars(3000)
    matrix = compute_features(bars, UTC_DAYS)
    for j, column in enumerate(matrix.columns):
        values = matrix.values[column.lookback - 1 :, j]
        assert np.isfinite(values).all()
        assert values.min() >= column.spec.low
        assert values.max() <= column.spec.high
    assert np.isfinite(matrix.sigma[256:]).all()
    assert np.isnan(matrix.sigma[:256]).all()


def test_prices_that_never_move_give_finite_features() -> None:
    bars = synthetic_bars("noise", 1600, 1)
    flat = np.full(len(bars), 5.0)
    still = replace(bars, open=flat, high=flat, low=flat, close=flat)
    matrix = compute_features(still, UTC_DAYS)
    assert np.isfinite(matrix.values[matrix.warmup :]).all()
    assert (matrix.sigma[256:] == 1e-5).all()


@pytest.mark.parametrize("factor", [64.0, 0.00037])
def test_scaling_all_prices_changes_nothing_that_matters(factor: float) -> None:
    bars = gappy_bars(1700)
    prices = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
    found = compute_features(bars, UTC_DAYS)
    scaled = compute_features(replace(bars, **prices), UTC_DAYS)
    of_levels = np.array([column.spec.reads is Reads.LEVELS for column in found.columns])
    # Gold and ether look alike, but for the last bits of their logarithms.
    np.testing.assert_allclose(found.values[:, ~of_levels], scaled.values[:, ~of_levels], rtol=1e-6, atol=1e-8)
    # Those may move a bar's edge across the tolerance of a level.
    moved = np.abs(found.values[found.warmup :, of_levels] - scaled.values[found.warmup :, of_levels]) > 1e-5
    assert moved.mean() < 0.001


def test_context_values_change_only_when_a_coarse_bar_closes() -> None:
    matrix = compute_features(synthetic_bars("noise", 1700, 2), UTC_DAYS)
    j = matrix.names.index("log_return_1@4h")
    changed = 1 + np.flatnonzero(np.diff(matrix.values[matrix.warmup :, j])) + matrix.warmup
    assert changed.size > 20
    assert (changed % 4 == 3).all()  # the bars from 03:00, 07:00 … close the four hours


def test_a_history_shorter_than_warm_up_has_no_complete_row() -> None:
    matrix = compute_features(synthetic_bars("noise", 50, 2), UTC_DAYS)
    assert matrix.values.shape == (50, len(matrix.names))
    assert np.isnan(matrix.values).any(axis=1).all()


def test_no_bars_give_an_empty_matrix() -> None:
    matrix = compute_features(synthetic_bars("noise", 50, 2).slice(0, 0), UTC_DAYS)
    assert matrix.values.shape == (0, len(matrix.names))


def test_names_are_unique_and_contexts_repeat_all_but_the_clock() -> None:
    columns = feature_columns(Timeframe.parse("30m"))
    names = [column.name for column in columns]
    assert len(set(names)) == len(names)
    assert names[: len(FEATURES)] == [spec.name for spec in FEATURES]
    assert "range@2h" in names
    assert "range@8h" in names
    assert not any(name.startswith("session") and "@" in name for name in names)


def test_bars_too_close_together_are_refused_by_name_of_the_feature() -> None:
    bars = synthetic_bars("noise", 1600, 1, "1m")
    crowded = replace(bars, timeframe=Timeframe.parse("1h"))
    with pytest.raises(DataError, match=r"log_return_\d+@4h is undefined at row .*; .* closer together than 1h"):
        compute_features(crowded, UTC_DAYS)


@pytest.mark.parametrize("price", [-5.0, 0.0, np.nan, np.inf])
def test_a_price_that_is_none_is_named(price: float) -> None:
    bars = gappy_bars(2000)
    bars.close[1700] = price
    with pytest.raises(DataError, match=r"undefined at row 1700; the close of bar 1700 is .*finite and above zero"):
        compute_features(bars, UTC_DAYS)
