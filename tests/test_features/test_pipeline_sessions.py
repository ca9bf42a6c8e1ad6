"""One implementation: a row from a whole history equals the row from its last bars, in markets with sessions."""

import numpy as np
import pytest

from agv2.core.bars import Bars
from agv2.core.timeframes import SessionCalendar, context_timeframes, utc_offset_ns
from agv2.data.bar_aggregator import aggregate_bars
from agv2.data.config import MarketConfig, MarketsConfig
from agv2.data.synthetic_markets.market import MarketRequest, instrument_market
from agv2.features.coarse_bars import coarse_bars
from agv2.features.pipeline import compute_features
from agv2.utils.config import load_config

MARKETS = load_config(MarketsConfig, "markets")
FEBRUARY_NS = int(np.datetime64("2021-02-22", "ns").astype(np.int64))  # three weeks before New York's clocks change


def config_of(symbol: str) -> MarketConfig:
    return MARKETS.entry(symbol)[0]


def market(symbol: str, timeframe: str, n_bars: int) -> tuple[Bars, SessionCalendar]:
    request = MarketRequest(symbol, timeframe=timeframe, start_ns=FEBRUARY_NS, n_bars=n_bars, seed=3)
    bars = instrument_market(request, config_of(symbol)).bars
    return bars, config_of(symbol).session_calendar(bars.ts_ns)


def require_equal_rows(bars: Bars, calendar: SessionCalendar, stops: list[int]) -> None:
    whole = compute_features(bars, calendar)
    needed = whole.warmup + 1
    for stop in stops:
        alone = compute_features(bars.slice(stop - needed, stop), calendar)
        assert alone.values[-1].tobytes() == whole.values[stop - 1].tobytes(), stop
        assert alone.sigma[-1] == whole.sigma[stop - 1]
        assert np.isfinite(alone.values[-1]).all()


@pytest.mark.parametrize("timeframe", ["5m", "15m", "30m", "1h", "4h"])
@pytest.mark.parametrize("symbol", ["XAUUSD", "US30", "ETHUSD"])
def test_a_row_from_a_history_equals_the_row_from_its_last_bars(symbol: str, timeframe: str) -> None:
    bars, calendar = market(symbol, timeframe, 8_000)
    after_gaps = 1 + np.flatnonzero(np.diff(bars.ts_ns) > bars.timeframe.nanoseconds)
    at_changes = 1 + np.flatnonzero(np.diff(utc_offset_ns(bars.ts_ns, "America/New_York")))
    anywhere = np.random.default_rng(0).integers(1_600, len(bars), 12)
    wanted = np.concatenate(
        [after_gaps[-4:], after_gaps[-4:] + 1, at_changes, at_changes + 1, at_changes + 30, anywhere]
    )
    stops = sorted({int(stop) for stop in wanted if 1_600 < stop <= len(bars)})
    assert timeframe in ("5m", "15m") or at_changes.size > 0  # the shortest histories hold no change of clocks
    require_equal_rows(bars, calendar, stops)


@pytest.mark.slow
@pytest.mark.parametrize("symbol", ["XAUUSD", "NAS100"])
def test_a_row_from_half_a_million_bars_equals_the_row_from_its_last_bars(symbol: str) -> None:
    bars, calendar = market(symbol, "1m", 500_000)
    stops = np.random.default_rng(1).integers(1_600, len(bars), 200)
    require_equal_rows(bars, calendar, [*stops.tolist(), len(bars)])


@pytest.mark.parametrize(
    ("symbol", "timeframe"),
    [*((symbol, timeframe) for symbol in ("XAUUSD", "US30") for timeframe in ("1m", "15m", "1h")), ("ETHUSD", "4h")],
)
def test_coarse_bars_are_those_that_the_archive_would_hold(symbol: str, timeframe: str) -> None:
    bars, calendar = market(symbol, timeframe, 5_000)
    for coarse in context_timeframes(bars.timeframe):
        made, view = aggregate_bars(bars, coarse, calendar), coarse_bars(bars, coarse, calendar)
        n_closed = len(made)
        assert n_closed > 3
        for name in ("open", "high", "low", "close"):
            assert (getattr(view, name)[:n_closed] == getattr(made, name)).all(), name
