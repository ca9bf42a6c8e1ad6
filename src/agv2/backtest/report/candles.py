"""The last fold bar by bar: candles, trades and the stops in force, cut into pages that fit a screen."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from agv2.backtest.report.numerals import Unit, format_number, format_stamp
from agv2.backtest.report.paths import SPAN, level_path
from agv2.backtest.report.reading import RunRecord
from agv2.backtest.report.scales import Tick, time_ticks, value_ticks
from agv2.backtest.report.words import in_words
from agv2.backtest.trades import Trade, round_trips
from agv2.core.arrays import FloatArray, IntArray

__all__ = ["CandleFigure", "candle_figures", "candle_paths"]

_PAGE_BARS = 240
_MOST_BARS = 10_000  # per report: beyond, the file would be too heavy to open with pleasure
_BODY = 0.62  # of a bar's width
_EXIT_STYLES = {"stop_loss": "stop", "trailing": "stop", "take_profit": "profit"}


@dataclass(frozen=True, slots=True)
class Marker:
    """One fill; across and down in per cent of the chart."""

    across: float
    down: float
    style: str
    title: str


class CandlePaths(NamedTuple):
    """Candles as SVG path data."""

    wicks_up: str
    wicks_down: str
    bodies_up: str
    bodies_down: str


@dataclass(frozen=True, slots=True)
class CandlePage:
    """One screen of bars as SVG path data; ticks in per cent."""

    span: str
    summary: str
    wicks_up: str
    wicks_down: str
    bodies_up: str
    bodies_down: str
    stops: str
    targets: str
    trips_won: str
    trips_lost: str
    markers: tuple[Marker, ...]
    price_ticks: tuple[Tick, ...]
    time_ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class CandleFigure:
    """One symbol's pages; `first_shown` is the newest page with a trade, `hover` is read by the page's script."""

    symbol: str
    fold: int
    pages: tuple[CandlePage, ...]
    first_shown: int
    trades: tuple[Trade, ...]
    left_out: int
    hover: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Candles:
    ts_ns: IntArray
    prices: FloatArray  # (n_bars, 4): open, high, low, close
    stop: FloatArray  # in force during the bar, NaN when none
    target: FloatArray


def candle_figures(record: RunRecord) -> list[CandleFigure]:
    """One figure per symbol of the run's last fold; none when the run left no bars."""
    trades = round_trips(record.rows)
    found = ((symbol, _bars(record, symbol)) for symbol in record.books)
    return [_figure(record, symbol, candles, trades) for symbol, candles in found if candles is not None]


def _bars(record: RunRecord, symbol: str) -> _Candles | None:
    if record.bars is None:
        return None
    rows = record.bars.filter(symbol=symbol).sort("ts")
    if rows.is_empty():
        return None
    ts_ns = rows["ts"].dt.epoch("ns").to_numpy()
    decisions = record.rows.decisions.filter(symbol=symbol).sort("ts")
    decided = decisions["ts"].dt.epoch("ns").to_numpy()
    levels = []
    for column in ("stop", "target"):
        level = np.full(len(ts_ns) + 1, np.nan)
        at = np.searchsorted(ts_ns, decided)
        known = (at < len(ts_ns)) & (ts_ns[np.minimum(at, len(ts_ns) - 1)] == decided)
        value = decisions[column].to_numpy()[known]
        level[at[known] + 1] = np.where(value > 0, value, np.nan)  # decided at a close, in force during the next bar
        levels.append(level[:-1])
    return _Candles(ts_ns, rows.select("open", "high", "low", "close").to_numpy(), *levels)


def _figure(record: RunRecord, symbol: str, candles: _Candles, trades: tuple[Trade, ...]) -> CandleFigure:
    n_bars = len(candles.ts_ns)
    trips = [trade for trade in trades if trade.symbol == symbol and trade.closed_ns >= candles.ts_ns[0]]
    shown = min(n_bars, _MOST_BARS // len(record.books))
    n_pages = max(1, -(-shown // _PAGE_BARS))
    edges = np.linspace(n_bars - shown, n_bars, n_pages + 1).astype(int)
    pages = tuple(_page(symbol, candles, trips, a, b) for a, b in pairwise(edges.tolist()))
    busy = [index for index, page in enumerate(pages) if page.markers]
    digits = 2 if candles.prices.max() >= 100 else 4 if candles.prices.max() >= 1 else 6
    seconds = candles.ts_ns[edges[0] :] // 1_000_000_000
    return CandleFigure(
        symbol=symbol,
        fold=int(record.curve(symbol)["fold"].to_numpy()[-1]),
        pages=pages,
        first_shown=busy[-1] if busy else n_pages - 1,
        trades=tuple(trips),
        left_out=n_bars - shown,
        hover={
            "edges": (edges - edges[0]).tolist(),
            "busy": busy,
            "digits": digits,
            "t": np.diff(seconds, prepend=0).tolist(),
            **{
                name: np.round(candles.prices[edges[0] :, column], digits).tolist()
                for column, name in enumerate("ohlc")
            },
        },
    )


def _page(symbol: str, candles: _Candles, trips: list[Trade], first: int, last: int) -> CandlePage:
    ts_ns, prices = candles.ts_ns[first:last], candles.prices[first:last]
    here = [trip for trip in trips if trip.opened_ns <= ts_ns[-1] and trip.closed_ns >= ts_ns[0]]
    low, high = float(prices[:, 2].min()), float(prices[:, 1].max())
    room = 0.06 * (high - low) if high > low else 0.01 * high
    low, high = low - room, high + room
    width = SPAN / len(ts_ns)

    def down(price: FloatArray | float) -> FloatArray:
        return np.asarray(SPAN * (high - np.asarray(price)) / (high - low))

    def across(stamp: int) -> float:
        return (int(np.searchsorted(candles.ts_ns, stamp)) - first + 0.5) * width

    y = down(prices)
    marks = value_ticks(low, high, 6)
    span = f"{format_stamp(int(ts_ns[0]))} to {format_stamp(int(ts_ns[-1]))}"
    return CandlePage(
        span=span,
        summary=f"{symbol} candles, {span}, {len(here)} trades; low {format_number(prices[:, 2].min(), Unit.PRICE)}, "
        f"high {format_number(prices[:, 1].max(), Unit.PRICE)}.",
        **candle_paths(prices, y)._asdict(),
        stops=level_path(down(candles.stop[first:last]), width),
        targets=level_path(down(candles.target[first:last]), width),
        trips_won=_segments([t for t in here if t.net_pnl > 0], across, down),
        trips_lost=_segments([t for t in here if t.net_pnl <= 0], across, down),
        markers=tuple(marker for trip in here for marker in _markers(trip, ts_ns, across, down)),
        price_ticks=tuple(Tick(float(down(p)) / 10, format_number(p, Unit.PRICE)) for p in marks),
        time_ticks=tuple(Tick((t.value + 0.5) * width / 10, t.text) for t in time_ticks(ts_ns, at_most=12)),
    )


def candle_paths(prices: FloatArray, y: FloatArray) -> CandlePaths:
    """Candles side by side over the whole width.

    Args:
        prices: (n_bars, 4) open, high, low, close.
        y: (n_bars, 4) how far down they are, 0 to SPAN.
    """
    width = SPAN / len(prices)
    centre: FloatArray = (np.arange(len(prices), dtype=np.float64) + 0.5) * width
    up = prices[:, 3] >= prices[:, 0]
    return CandlePaths(
        wicks_up=_wicks(centre[up], y[up]),
        wicks_down=_wicks(centre[~up], y[~up]),
        bodies_up=_bodies(centre[up], y[up], width),
        bodies_down=_bodies(centre[~up], y[~up], width),
    )


def _wicks(x: FloatArray, y: FloatArray) -> str:
    return "".join(f"M{a:.4g} {row[1]:.4g}V{row[2]:.4g}" for a, row in zip(x, y, strict=True))


def _bodies(x: FloatArray, y: FloatArray, width: float) -> str:
    wide = _BODY * width
    tops = np.minimum(y[:, 0], y[:, 3])
    heights = np.maximum(np.abs(y[:, 0] - y[:, 3]), 2.0)
    return "".join(
        f"M{a - wide / 2:.4g} {top:.4g}h{wide:.3g}v{tall:.3g}h{-wide:.3g}z"
        for a, top, tall in zip(x, tops, heights, strict=True)
    )


def _segments(trips: list[Trade], across: Any, down: Any) -> str:
    return "".join(
        f"M{across(t.opened_ns):.5g} {down(t.entry_price):.4g}L{across(t.closed_ns):.5g} {down(t.exit_price):.4g}"
        for t in trips
    )


def _markers(trip: Trade, ts_ns: IntArray, across: Any, down: Any) -> list[Marker]:
    side = "long" if trip.side > 0 else "short"
    size = format_number(trip.units, Unit.RATIO)
    result = format_number(trip.net_pnl, Unit.MONEY, signed=True)
    if np.isfinite(trip.r_multiple):
        result += f" ({format_number(trip.r_multiple, Unit.R, signed=True)})"
    ends = [
        (trip.opened_ns, trip.entry_price, side, f"enter {side} {size} at {{price}}"),
        (trip.closed_ns, trip.exit_price, f"{_EXIT_STYLES.get(trip.exit_reason, 'exit')} {_tone(trip)}",
         f"{in_words(trip.exit_reason)} of a {side} at {{price}}: {result}"),
    ]  # fmt: skip
    return [
        Marker(across(at) / 10, float(down(price)) / 10, style,
               f"{format_stamp(at)} · {text.format(price=format_number(price, Unit.PRICE))}")
        for at, price, style, text in ends
        if ts_ns[0] <= at <= ts_ns[-1]
    ]  # fmt: skip


def _tone(trip: Trade) -> str:
    return "won" if trip.net_pnl > 0 else "lost"
