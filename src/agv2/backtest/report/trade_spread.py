"""What trades went through, and when they were entered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from agv2.backtest.report.numerals import Unit, format_number
from agv2.backtest.report.reading import RunRecord
from agv2.backtest.report.returns import Bar
from agv2.backtest.report.scales import Tick, value_ticks
from agv2.backtest.trades import Trade, round_trips
from agv2.core.arrays import BoolArray, FloatArray

__all__ = ["Excursions", "TradeSpread", "trade_spread"]

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MOST_DOTS = 1500
_LEAST_TRADES = 5


@dataclass(frozen=True, slots=True)
class Excursions:
    """Dots of at most 1,500 trades in a square of 1000; ticks are per cent from the top and from the left."""

    title: str
    won: str
    lost: str
    down: tuple[Tick, ...]
    across: tuple[Tick, ...]
    zero: float


@dataclass(frozen=True, slots=True)
class TradeSpread:
    """Excursions and entry times of the completed trades."""

    excursions: tuple[Excursions, ...]
    hours: tuple[Bar, ...]
    days: tuple[Bar, ...]
    hour_ticks: tuple[Tick, ...]
    day_ticks: tuple[Tick, ...]
    sentence: str


def trade_spread(record: RunRecord) -> TradeSpread | None:
    """Worst and best state of every trade at a bar's close, and what trades made by hour and weekday of their entry.

    None for fewer than five trades.
    """
    trades = round_trips(record.rows)
    if len(trades) < _LEAST_TRADES:
        return None
    worst, best, final = _excursions(record, trades)
    given_back = float(np.mean(np.maximum(best - final, 0.0)))
    sentence = (
        f"{len(trades):,} trades, results as a share of the book's equity at their entry, excursions at bars' closes. "
        f"At their best they stood {_percent(float(best.mean()))} in the mean, at their worst "
        f"{_percent(float(worst.mean()))}; {format_number(given_back, Unit.PERCENT)} was given back."
    )
    moments = [datetime.fromtimestamp(trade.opened_ns // 1_000_000_000, tz=UTC) for trade in trades]
    return TradeSpread(
        excursions=(
            _dots("Worst state against result", worst, final),
            _dots("Best state against result", best, final),
        ),
        hours=_columns([moment.hour for moment in moments], final, [f"{hour:02}:00" for hour in range(24)]),
        days=_columns([moment.weekday() for moment in moments], final, list(_DAYS)),
        hour_ticks=tuple(Tick(100.0 * (hour + 0.5) / 24, f"{hour:02}") for hour in range(0, 24, 4)),
        day_ticks=tuple(Tick(100.0 * (number + 0.5) / 7, name) for number, name in enumerate(_DAYS)),
        sentence=sentence,
    )


def _excursions(record: RunRecord, trades: Sequence[Trade]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(n_trades,) each: worst, best and final result, as a share of the equity of the book before the entry."""
    found = np.zeros((3, len(trades)))
    curves = {}
    for symbol in record.books:
        curve = record.curve(symbol)
        curves[symbol] = curve["ts"].dt.epoch("ns").to_numpy(), curve["equity"].to_numpy()
    for number, trade in enumerate(trades):
        stamps, equity = curves[trade.symbol]
        first, last = (int(i) for i in np.searchsorted(stamps, [trade.opened_ns, trade.closed_ns]))
        before = float(equity[max(first - 1, 0)])
        path = equity[first : last + 1] / before - 1.0
        result = trade.net_pnl / before
        found[:, number] = (
            min(float(path[:-1].min(initial=0.0)), result, 0.0),
            max(float(path[:-1].max(initial=0.0)), result, 0.0),
            result,
        )
    return found[0], found[1], found[2]


def _dots(title: str, across: FloatArray, down: FloatArray) -> Excursions:
    kept = np.linspace(0, across.size - 1, min(across.size, _MOST_DOTS)).astype(np.int64)
    across, down = across[kept], down[kept]
    x_low, x_high = _ends(across)
    y_low, y_high = _ends(down)
    x = 1000.0 * (across - x_low) / (x_high - x_low)
    y = 1000.0 * (y_high - down) / (y_high - y_low)

    def path(chosen: BoolArray) -> str:
        return "".join(f"M{a:.4g} {b:.4g}h0" for a, b in zip(x[chosen], y[chosen], strict=True))

    heights = ((100.0 * (y_high - mark) / (y_high - y_low), mark) for mark in value_ticks(y_low, y_high, 4))
    places = ((100.0 * (mark - x_low) / (x_high - x_low), mark) for mark in value_ticks(x_low, x_high, 3))
    return Excursions(
        title=title,
        won=path(down > 0.0),
        lost=path(down <= 0.0),
        down=tuple(Tick(place, _percent(mark)) for place, mark in heights),
        across=tuple(Tick(place, _percent(mark)) for place, mark in places),
        zero=1000.0 * y_high / (y_high - y_low),
    )


def _ends(values: FloatArray) -> tuple[float, float]:
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    room = 0.05 * (high - low) if high > low else 0.01
    return low - room, high + room


def _columns(groups: Sequence[int], results: FloatArray, names: Sequence[str]) -> tuple[Bar, ...]:
    """Sum of results of each group, up or down from the middle."""
    index = np.array(groups)
    sums = np.bincount(index, results, minlength=len(names))
    counts = np.bincount(index, minlength=len(names))
    largest = max(float(np.abs(sums).max()), 1e-12)
    return tuple(
        Bar(
            left=100.0 * number / len(names),
            wide=100.0 / len(names),
            high=50.0 * abs(float(sums[number])) / largest,
            style="won" if sums[number] > 0.0 else "lost",
            title=f"{name}: {counts[number]} trades, {_percent(float(sums[number]))} of equity, summed",
            up=bool(sums[number] > 0.0),
        )
        for number, name in enumerate(names)
        if counts[number]
    )


def _percent(value: float) -> str:
    return format_number(value, Unit.PERCENT, signed=True)
