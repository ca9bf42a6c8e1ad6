import dataclasses
import datetime
import functools
import math
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from agv2.core.arrays import FloatArray
from agv2.core.errors import DataError
from agv2.data.config import MarketConfig, MarketsConfig
from agv2.data.synthetic_markets.instruments import INSTRUMENTS
from agv2.data.synthetic_markets.levels import ZONE_DAYS
from agv2.data.synthetic_markets.market import InstrumentMarket, MarketRequest, instrument_market
from agv2.data.synthetic_markets.strengths import EDGES, STRONG, amplitude_of, parse_strength
from agv2.utils.config import load_config

SYMBOLS = tuple(INSTRUMENTS)
COLUMNS = ("ts_ns", "open", "high", "low", "close", "volume", "spread")


@functools.cache
def settings() -> MarketsConfig:
    return load_config(MarketsConfig, "markets")


def config_of(symbol: str) -> MarketConfig:
    return settings().entry(symbol)[0]


@functools.cache
def made(symbol: str, edge: str = "none", timeframe: str = "1h", n_bars: int = 6000, seed: int = 1) -> InstrumentMarket:
    strength = 0.0 if edge == "none" else STRONG
    request = MarketRequest(symbol, edge, strength, timeframe=timeframe, n_bars=n_bars, seed=seed)
    return instrument_market(request, config_of(symbol))


def day_ns(text: str) -> int:
    return int(np.datetime64(text, "ns").astype(np.int64))


def new_york(ts_ns: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(ts_ns / 1e9, ZoneInfo("America/New_York"))


# ------------------------------------------------------------------------------------------------ bars


@pytest.mark.parametrize("timeframe", ["1m", "5m", "1h", "4h", "1d"])
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_bars_are_possible_and_on_the_price_grid(symbol: str, timeframe: str) -> None:
    bars = made(symbol, "none", timeframe, 1500).bars
    assert (bars.symbol, bars.timeframe.name, len(bars)) == (symbol, timeframe, 1500)
    assert (np.diff(bars.ts_ns) >= bars.timeframe.nanoseconds).all()
    assert (bars.low > 0.0).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    tick_size = config_of(symbol).tick_size
    for prices in (bars.open, bars.high, bars.low, bars.close, bars.spread):
        assert np.abs(prices / tick_size - np.round(prices / tick_size)).max() < 1e-5
        assert (prices > 0.0).all()
    assert (bars.volume >= 1.0).all()


def test_ether_trades_round_the_clock() -> None:
    assert (np.diff(made("ETHUSD").bars.ts_ns) == 3_600_000_000_000).all()


@pytest.mark.parametrize("symbol", ["XAUUSD", "XAGUSD"])
def test_metals_rest_at_weekends_and_for_an_hour_a_day(symbol: str) -> None:
    moments = [new_york(int(ts)) for ts in made(symbol).bars.ts_ns]
    assert not [moment for moment in moments if moment.hour == 17]
    assert not [moment for moment in moments if moment.weekday() == 5]
    assert not [moment for moment in moments if moment.weekday() == 4 and moment.hour >= 17]
    wednesdays = [moment for moment in moments if moment.weekday() == 2]
    per_day = {date: sum(m.date() == date for m in wednesdays) for date in {m.date() for m in wednesdays}}
    assert sorted(per_day.values())[len(per_day) // 2] == 23


@pytest.mark.parametrize("symbol", ["US30", "NAS100", "US2000"])
def test_indices_rest_at_weekends_in_breaks_and_on_holidays(symbol: str) -> None:
    moments = [new_york(int(ts)) for ts in made(symbol).bars.ts_ns]
    assert not [moment for moment in moments if moment.hour == 17 or moment.weekday() == 5]
    good_friday = [moment for moment in moments if moment.date() == datetime.date(2020, 4, 10) and moment.hour >= 10]
    assert not good_friday


def test_the_day_follows_new_york_through_its_clock_changes() -> None:
    market = made("US30", "none", "5m", 250_000)
    hour = (market.bars.ts_ns // 3_600_000_000_000) % 24
    month = market.bars.ts_ns.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64) % 12
    size = np.abs(np.log(market.bars.close / market.bars.open))
    for season, utc_hour in ((np.isin(month, (5, 6, 7)), 13), (np.isin(month, (11, 0, 1)), 14)):
        busy = size[season & (hour == utc_hour)].mean()
        assert busy > 1.5 * size[season & (hour == utc_hour - 1)].mean()


@pytest.mark.parametrize("symbol", ["XAUUSD", "US30"])
def test_weekends_open_with_larger_moves_than_breaks_and_breaks_with_larger_ones_than_no_closure(symbol: str) -> None:
    market = made(symbol, "none", "1h", 30_000)
    bars = market.bars
    opening = np.abs(np.log(bars.open[1:] / bars.close[:-1]))
    closed = market.slots.closed_hours[1:]
    weekend, rest, none = opening[closed > 30.0], opening[(closed > 0.0) & (closed < 5.0)], opening[closed == 0.0]
    assert weekend.mean() > 1.5 * rest.mean() > 4.0 * none.mean()


def test_volume_goes_with_volatility() -> None:
    bars = made("XAUUSD", "none", "1h", 30_000).bars
    assert np.corrcoef(np.log(bars.volume), np.log(bars.high / bars.low + 1e-6))[0, 1] > 0.6


def test_spreads_are_widest_around_the_roll_and_wider_in_asia_than_in_america() -> None:
    market = made("XAUUSD", "none", "1h", 30_000)
    spread, hour = market.bars.spread / market.bars.close, market.slots.local_hour
    means = {k: spread[hour == k].mean() for k in (4, 12, 18, 20)}
    assert means[18] > means[20] > 1.05 * means[12]


# ---------------------------------------------------------------------------------------------- seeds


@pytest.mark.parametrize("edge", EDGES)
def test_the_same_request_gives_the_same_bits(edge: str) -> None:
    first = made("XAUUSD", edge)
    again = instrument_market(first.request, config_of("XAUUSD"))
    for name in COLUMNS:
        assert getattr(first.bars, name).tobytes() == getattr(again.bars, name).tobytes()
    assert first.drift.tobytes() == again.drift.tobytes()


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("symbol", ["ETHUSD", "US30"])
def test_a_longer_market_begins_with_the_shorter_one(symbol: str, edge: str) -> None:
    short, long = made(symbol, edge, "1h", 2500), made(symbol, edge, "1h", 6000)
    for name in COLUMNS:
        assert getattr(short.bars, name).tobytes() == getattr(long.bars, name)[:2500].tobytes()
    assert short.drift.tobytes() == long.drift[:2500].tobytes()


@pytest.mark.parametrize("changed", [{"seed": 2}, {"symbol": "XAGUSD"}, {"timeframe": "30m"}])
def test_other_seeds_symbols_and_timeframes_share_no_chance(changed: dict[str, object]) -> None:
    request = MarketRequest("XAUUSD", n_bars=6000, seed=1)
    other = dataclasses.replace(request, **changed)  # type: ignore[arg-type]
    one, two = (
        np.sign(np.diff(instrument_market(each, config_of(each.symbol)).bars.close)) for each in (request, other)
    )
    assert abs(float((one * two).mean())) < 4.0 / math.sqrt(6000)


def test_markets_of_one_seed_differ_by_their_edge_alone() -> None:
    plain, planted = made("XAUUSD"), made("XAUUSD", "momentum")
    assert plain.sigma.tobytes() == planted.sigma.tobytes()
    difference = np.diff(np.log(planted.bars.close)) - np.diff(np.log(plain.bars.close))
    assert np.abs(difference - planted.drift[1:]).max() < 1e-4  # what rounding to the grid leaves


def test_until_a_day_equals_as_many_bars() -> None:
    request = MarketRequest("US30", start_ns=day_ns("2021-03-01"), stop_ns=day_ns("2021-06-01"), seed=3)
    until = instrument_market(request, config_of("US30")).bars
    counted = instrument_market(dataclasses.replace(request, stop_ns=None, n_bars=len(until)), config_of("US30")).bars
    assert day_ns("2021-03-01") <= until.ts_ns[0] < until.ts_ns[-1] < day_ns("2021-06-01")
    assert until.close.tobytes() == counted.close.tobytes()


# --------------------------------------------------------------------------------------------- no edge


def rule_z_score(market: InstrumentMarket, side: FloatArray) -> float:
    """Standard errors by which a rule's gross mean return, in volatilities, differs from none."""
    move = (market.bars.close[1:] / market.bars.close[:-1] - 1.0) / market.sigma[1:]
    earned = (side * move)[side != 0.0]
    return float(earned.mean() / earned.std() * math.sqrt(earned.size))


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_without_an_edge_no_rule_on_past_bars_earns_anything_before_costs(symbol: str) -> None:
    """Ten rules, six markets, |z| < 4 each: a fair market fails about four times in a thousand runs."""
    market = made(symbol, "none", "1h", 60_000, 5)
    close = market.bars.close
    log_close = np.log(close)
    assert not market.drift.any()
    for lookback in (1, 3, 12, 24, 120):
        past = np.zeros(close.size - 1)
        past[lookback:] = np.sign(log_close[lookback:-1] - log_close[: -lookback - 1])
        assert abs(rule_z_score(market, past)) < 4.0
    wick = np.sign(market.bars.high + market.bars.low - 2.0 * close)[:-1]
    opening = np.sign(market.bars.open - np.concatenate([close[:1], close[:-1]]))[:-1]
    shape = INSTRUMENTS[symbol]
    hours = np.isin(market.slots.local_hour, shape.up_hours).astype(float)[1:]
    hours -= np.isin(market.slots.local_hour, shape.down_hours)[1:]
    calm = (market.bars.high / market.bars.low)[:-1] < np.median(market.bars.high / market.bars.low)
    for side in (wick, opening, hours, calm.astype(float), np.ones(close.size - 1)):
        assert abs(rule_z_score(market, side)) < 4.0


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_without_an_edge_variance_grows_with_the_horizon(symbol: str) -> None:
    """Lo and MacKinlay (1988) with their heteroscedasticity-robust errors, |z| < 4."""
    returns = np.diff(np.log(made(symbol, "none", "1h", 60_000, 6).bars.close))
    returns -= returns.mean()
    total = float((returns**2).sum())
    for horizon in (2, 8, 32):
        ratio, variance = 1.0, 0.0
        for lag in range(1, horizon):
            weight = 2.0 * (horizon - lag) / horizon
            ratio += weight * float((returns[lag:] * returns[:-lag]).sum()) / total
            variance += weight**2 * float(((returns[lag:] * returns[:-lag]) ** 2).sum()) / total**2
        assert abs(ratio - 1.0) < 4.0 * math.sqrt(variance), (symbol, horizon)


@pytest.mark.parametrize("distance", [0.5, 1.5])
@pytest.mark.parametrize("side", [1.0, -1.0])
def test_without_an_edge_neither_stop_nor_target_within_the_bar_earns_anything(side: float, distance: float) -> None:
    """In at the open, out at a stop (or a target) so many volatilities away, or else at the close; |z| < 4."""
    market = made("NAS100", "none", "1h", 60_000, 7)
    bars = market.bars
    for sign in (side, -side):  # a long's stop is where a short's target is, and fills alike
        level = bars.open * (1.0 - sign * distance * market.sigma)
        level = (np.floor if sign > 0.0 else np.ceil)(level * 10.0) / 10.0  # where a venue's grid would have it
        touched = bars.low <= level if sign > 0.0 else bars.high >= level
        earned = side * (np.where(touched, level, bars.close) / bars.open - 1.0) / market.sigma
        assert abs(earned.mean()) < 4.0 * earned.std() / math.sqrt(earned.size)


def test_without_an_edge_prices_end_on_average_where_they_began() -> None:
    growth = [made("ETHUSD", "none", "1d", 60, seed).bars.close[-1] / 3000.0 for seed in range(200)]
    assert np.mean(growth) == pytest.approx(1.0, abs=4.0 * np.std(growth) / math.sqrt(200))


# ------------------------------------------------------------------------------------- edges and truth


@pytest.mark.parametrize("edge", EDGES[1:])
@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_recorded_drift_is_what_returns_average_to(symbol: str, edge: str) -> None:
    market = made(symbol, edge, "1h", 30_000, 2)
    returns = market.bars.close / np.concatenate([[INSTRUMENTS[symbol].start_price], market.bars.close[:-1]]) - 1.0
    rest = (returns - market.drift) / market.sigma
    planted = market.drift / market.sigma
    slope = float((planted * returns / market.sigma).sum() / (planted**2).sum())
    error = float(rest.std()) / math.sqrt(float((planted**2).sum()))
    assert abs(slope - 1.0) < 4.0 * error
    assert error < 0.25  # else this says nothing


def test_every_regime_covers_a_fair_share_of_bars() -> None:
    for edge in EDGES:
        share = np.bincount(made("XAUUSD", edge, "1h", 30_000).regime, minlength=3) / 30_000
        assert (share > 0.08).all()
        assert (share < 0.8).all()


def test_regimes_differ_as_their_names_say() -> None:
    market = made("XAUUSD", "none", "1h", 60_000)
    size = np.abs(np.log(market.bars.close / market.bars.open)) / np.sqrt(market.slots.variance_hours)
    trend, consolidation, volatile = (size[market.regime == k].mean() for k in range(3))
    assert volatile > 1.5 * max(trend, consolidation)
    first = np.flatnonzero(np.diff(market.regime * 3 + market.direction, prepend=-99))
    last = np.append(first[1:], len(market.bars)) - 1
    log_close = np.log(market.bars.close)
    travelled = np.abs(log_close[last] - log_close[first]) / np.sqrt(last - first + 1.0)
    assert travelled[market.regime[first] == 0].mean() > 2.0 * travelled[market.regime[first] == 1].mean()
    moved = np.sign(log_close[last] - log_close[first])[market.regime[first] == 0]
    assert (moved == market.direction[first][market.regime[first] == 0]).mean() > 0.9


def bounces(market: InstrumentMarket) -> tuple[int, int]:
    """Visits to the inner half of a level's zone that left on the side they came from, and all that left."""
    log_close, zone = np.log(market.bars.close), ZONE_DAYS * market.day_sigma
    back, through = 0, 0
    for price, first, end, is_support in zip(*market.levels[:4], strict=True):
        side = 1.0 if is_support else -1.0
        away = side * (log_close[first : end + 1] - math.log(price))
        inside = False
        for distance in away:
            if not inside and abs(distance) < 0.5 * zone:
                inside = True
            elif inside and abs(distance) >= zone:
                back, through, inside = back + (distance > 0.0), through + (distance < 0.0), False
    return back, back + through


def test_price_turns_at_planted_levels_more_often_than_at_levels_that_mean_nothing() -> None:
    planted, chance = (bounces(made("XAUUSD", edge, "1h", 60_000)) for edge in ("levels", "none"))
    shares = [turned / visits for turned, visits in (planted, chance)]
    assert min(planted[1], chance[1]) > 200
    assert shares[0] > shares[1] + 0.1


def test_a_level_is_a_swing_of_the_bars_before_it() -> None:
    market = made("XAUUSD", "levels", "1h", 6000)
    log_close = np.log(market.bars.close)
    for price, first, end, is_support in zip(*market.levels[:4], strict=True):
        before = log_close[max(0, first - 60) : first]
        assert first < end <= 6000
        assert np.abs(before - math.log(price)).min() < 1e-3  # a close of the last 48 open hours, rounding apart
        assert (math.log(price) < log_close[first - 1]) == bool(is_support)


# --------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"symbol": "XPTUSD"}, "XPTUSD"),
        ({"edge": "luck"}, "luck"),
        ({"edge": "session", "strength": 4.5, "timeframe": "4h"}, "divides 1h"),
        ({"edge": "session", "strength": 4.5, "timeframe": "7m"}, "divides 1h"),
        ({"edge": "levels", "strength": 4.5, "timeframe": "1d"}, "divides 4h"),
        ({"edge": "momentum", "strength": 50.0}, "out of reach"),
        ({"edge": "momentum", "strength": math.nan}, "out of reach"),
        ({"strength": 2.0}, "no --edge"),
        ({"n_bars": 0}, "at least one bar"),
        ({"n_bars": None}, "--bars and --to"),
        ({"stop_ns": 1}, "--bars and --to"),
        ({"n_bars": None, "stop_ns": 1}, "after --from"),
        ({"n_bars": 50_000, "timeframe": "1d"}, "2050"),
        ({"start_ns": 0}, "2000"),
        ({"n_bars": None, "start_ns": day_ns("2021-01-02"), "stop_ns": day_ns("2021-01-03")}, "closed"),
    ],
)
def test_what_cannot_be_made_is_refused(changes: dict[str, object], words: str) -> None:
    request = dataclasses.replace(MarketRequest("XAUUSD", n_bars=100), **changes)  # type: ignore[arg-type]
    with pytest.raises(DataError, match=words):
        instrument_market(request, config_of("XAUUSD"))


def test_a_price_that_falls_to_its_grid_is_refused() -> None:
    coarse = config_of("XAUUSD").model_copy(update={"tick_size": 500.0})
    with pytest.raises(DataError, match="grid of 500"):
        instrument_market(MarketRequest("XAUUSD", n_bars=100), coarse)


@pytest.mark.parametrize(
    ("text", "edge", "strength"),
    [("weak", "levels", 1.5), ("strong", "levels", 4.5), ("2.5", "levels", 2.5), (None, "levels", 4.5)],
)
def test_strengths_are_read(text: str | None, edge: str, strength: float) -> None:
    assert parse_strength(text, edge) == strength


@pytest.mark.parametrize(("text", "edge"), [("heroic", "levels"), ("weak", "none")])
def test_strengths_that_mean_nothing_are_refused(text: str, edge: str) -> None:
    with pytest.raises(DataError):
        parse_strength(text, edge)


@pytest.mark.parametrize("edge", EDGES[1:])
def test_more_strength_is_more_drift(edge: str) -> None:
    for symbol in SYMBOLS:
        amplitudes = [amplitude_of(symbol, edge, strength) for strength in (1.0, 1.5, 3.0, 4.5)]
        assert 0.0 < amplitudes[0] < amplitudes[1] < amplitudes[2] < amplitudes[3]
