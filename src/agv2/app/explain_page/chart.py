"""Candles around a trade, how much each mattered to its entry, and what the heads expected then."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from agv2.app.explanation import Explanation
from agv2.backtest.report.candles import CandlePaths, candle_paths
from agv2.backtest.report.numerals import Unit, format_number, format_stamp
from agv2.backtest.report.paths import SPAN, level_path, line_path
from agv2.backtest.report.scales import Tick, time_ticks, value_ticks
from agv2.backtest.report.words import in_words
from agv2.core.arrays import FloatArray, IntArray

__all__ = ["LEAD", "TradeChart", "trade_chart"]

LEAD = 60
"""Bars before the decision that are shown, its own included."""

_AFTER, _LONGEST = 6, 120  # bars after the exit, and at most after the decision
_ROOM = 0.05
_LABEL_WIDTH = 7.0  # per cent
_FAR = 0.6  # of the candles' range: stops and targets further out are named, not drawn


@dataclass(frozen=True, slots=True)
class Heat:
    """One stretch of candles: across and width in per cent, `strength` 0 to 1 of the largest."""

    across: float
    width: float
    style: str
    strength: float
    title: str


@dataclass(frozen=True, slots=True)
class TradeMark:
    """Entry or exit; in per cent."""

    across: float
    down: float
    style: str
    title: str


@dataclass(frozen=True, slots=True)
class TradeChart:
    """SVG path data in a square of 1000 x 1000, marks and ticks in per cent."""

    candles: CandlePaths
    stops: str
    targets: str
    trip: str
    won: bool
    decided: float
    fan: tuple[tuple[str, str], ...]
    """Style and area of each pair of quantiles, the widest first."""
    median: str
    marks: tuple[TradeMark, ...]
    heat: tuple[Heat, ...]
    price_ticks: tuple[Tick, ...]
    time_ticks: tuple[Tick, ...]
    beyond: tuple[str, ...]
    """What does not fit into the picture."""
    summary: str


def trade_chart(explained: Explanation) -> TradeChart:
    """The bars from before the decision until after the exit."""
    trade, market = explained.trade, explained.remade.market
    bars, decided = market.bars, explained.remade.bar
    left = int(np.searchsorted(bars.ts_ns, trade.closed_ns))
    first = max(decided + 1 - LEAD, 0)
    stop = min(left + _AFTER + 1, decided + _LONGEST, len(bars))
    shown = bars.slice(first, stop)
    prices = np.stack([shown.open, shown.high, shown.low, shown.close], axis=1)
    levels = _levels_in_force(explained, shown.ts_ns)
    low, high, beyond = _price_range(explained, prices, levels)
    if left >= stop:
        beyond.append(f"the exit, {format_stamp(trade.closed_ns)}, lies to the right of the picture")
    width = SPAN / len(shown)

    def down(price: FloatArray | float) -> FloatArray:
        return np.asarray(SPAN * (high - np.asarray(price, dtype=np.float64)) / (high - low))

    def across(bar: FloatArray | float) -> FloatArray:
        return np.asarray((np.asarray(bar, dtype=np.float64) - first + 0.5) * width)

    entered = int(np.searchsorted(bars.ts_ns, trade.opened_ns))
    ends = np.array([entered, left]), np.array([trade.entry_price, trade.exit_price])
    heads = explained.heads
    steps = across(np.array([decided, *(decided + horizon for horizon in heads.horizons)]))
    paths = np.concatenate([np.full((1, len(heads.levels)), bars.close[decided]), heads.quantiles])
    pairs = [(k, len(heads.levels) - 1 - k) for k in range(len(heads.levels) // 2)]
    span = f"{format_stamp(int(shown.ts_ns[0]))} to {format_stamp(int(shown.ts_ns[-1]))}"
    return TradeChart(
        candles=candle_paths(prices, down(prices)),
        stops=level_path(down(levels[0]), width),
        targets=level_path(down(levels[1]), width),
        trip=line_path(across(ends[0]), down(ends[1])),
        won=trade.net_pnl > 0.0,
        decided=float(across(decided)) / 10 + width / 20,
        fan=tuple(("wide" if k == 0 else "near", _area(steps, down(paths[:, k]), down(paths[:, m]))) for k, m in pairs),
        median=line_path(steps, down(paths[:, len(heads.levels) // 2])),
        marks=_marks(explained, float(across(entered)), float(across(left)), down, left < stop),
        heat=tuple(_heat(explained, first, width)),
        price_ticks=tuple(
            Tick(float(down(price)) / 10, format_number(price, Unit.PRICE)) for price in value_ticks(low, high, 6)
        ),
        time_ticks=tuple(_apart([Tick((t.value + 0.5) * width / 10, t.text) for t in time_ticks(shown.ts_ns)])),
        beyond=tuple(beyond),
        summary=f"{trade.symbol} candles, {span}, with entry, exit, stop and target",
    )


def _levels_in_force(explained: Explanation, ts_ns: IntArray) -> tuple[FloatArray, FloatArray]:
    """Stop and target during each bar that the trade was open in; NaN elsewhere."""
    trade = explained.trade
    rows = explained.record.rows.decisions.filter(pl.col("fold") == trade.fold, symbol=trade.symbol)
    decided = rows["ts"].dt.epoch("ns").to_numpy()
    inside = (decided >= trade.decided_ns) & (decided < trade.closed_ns)
    found = []
    for column in ("stop", "target"):
        level = np.full(len(ts_ns) + 1, np.nan)
        place = np.searchsorted(ts_ns, decided[inside])
        known = place < len(ts_ns)
        level[place[known] + 1] = rows[column].to_numpy()[inside][known]
        level[level <= 0.0] = np.nan
        found.append(level[:-1])
    return found[0], found[1]


def _price_range(
    explained: Explanation, prices: FloatArray, levels: tuple[FloatArray, FloatArray]
) -> tuple[float, float, list[str]]:
    """Lowest and highest price of the picture, and what lies too far out to be in it."""
    trade = explained.trade
    low, high = float(prices[:, 2].min()), float(prices[:, 1].max())
    low, high = min(low, trade.entry_price, trade.exit_price), max(high, trade.entry_price, trade.exit_price)
    reach, beyond = _FAR * max(high - low, 1e-9 * high), []
    edges = [low, high, *explained.heads.quantiles[[-1], [0]], *explained.heads.quantiles[[-1], [-1]]]
    for name, level in zip(("stop", "target"), levels, strict=True):
        for price in np.unique(level[np.isfinite(level)]).tolist():
            if low - reach <= price <= high + reach:
                edges.append(price)
            else:
                where = "above" if price > high else "below"
                beyond.append(f"the {name}, {format_number(price, Unit.PRICE)}, lies {where} the picture")
    low, high = max(min(edges), low - reach), min(max(edges), high + reach)
    room = _ROOM * max(high - low, 1e-9 * high)
    return low - room, high + room, beyond[:3]


def _marks(
    explained: Explanation, entered: float, left: float, down: Callable[[float], FloatArray], has_exit: bool
) -> tuple[TradeMark, ...]:
    trade = explained.trade
    side = "long" if trade.side > 0 else "short"
    prices = [format_number(price, Unit.PRICE) for price in (trade.entry_price, trade.exit_price)]
    ends = [
        TradeMark(entered / 10, float(down(trade.entry_price)) / 10, side,
                  f"{format_stamp(trade.opened_ns)} · enter {side} at {prices[0]}"),
    ]  # fmt: skip
    if has_exit:
        style = {"stop_loss": "stop", "trailing": "stop", "take_profit": "profit"}.get(trade.exit_reason, "exit")
        ends.append(
            TradeMark(left / 10, float(down(trade.exit_price)) / 10, style,
                      f"{format_stamp(trade.closed_ns)} · {in_words(trade.exit_reason)} at {prices[1]}")
        )  # fmt: skip
    return tuple(ends)


def _heat(explained: Explanation, first: int, width: float) -> list[Heat]:
    """What each stretch of candles in the picture was worth."""
    decided, ts_ns = explained.remade.bar, explained.remade.market.bars.ts_ns
    shown = [far <= LEAD for _, far in explained.stretches]
    largest = max(float(np.abs(explained.candle_falls[shown]).max(initial=0.0)), 1e-12)
    found = []
    for (near, far), fall in zip(explained.stretches, explained.candle_falls.tolist(), strict=True):
        begin, end = max(decided - far + 1, first), decided - near + 2
        if end > begin:
            what = f"candle {near}" if near == far else f"candles {near} to {far}"
            effect = f"{'for' if fall > 0 else 'against'} it, {abs(fall):.3f} of the log-odds"
            title = f"{what} back, from {format_stamp(int(ts_ns[decided - far + 1]))}: {effect}"
            style = "for" if fall > 0 else "against"
            place, extent = (begin - first) * width / 10, (end - begin) * width / 10
            found.append(Heat(place, extent, style, min(abs(fall) / largest, 1.0), title))
    return found


def _apart(ticks: list[Tick]) -> list[Tick]:
    """Without ticks whose label would lie on the one before: the days around a closure are few bars apart."""
    kept: list[Tick] = []
    for tick in ticks:
        if not kept or tick.value - kept[-1].value >= _LABEL_WIDTH:
            kept.append(tick)
    return kept


def _area(x: FloatArray, lower: FloatArray, upper: FloatArray) -> str:
    there = line_path(x, lower)
    back = "L".join(f"{a:.4g} {b:.4g}" for a, b in zip(x[::-1], upper[::-1], strict=True))
    return f"{there}L{back}Z"
