"""When money was made: months, rolling Sharpe ratio, the spread of daily returns."""

import math
from dataclasses import dataclass

import numpy as np

from agv2.backtest.metrics import conditional_value_at_risk
from agv2.backtest.report.curve_panels import CurvePanel, DrawnLine, curve_panel
from agv2.backtest.report.numerals import Unit, format_number
from agv2.backtest.report.reading import RunRecord
from agv2.backtest.report.scales import Tick, time_ticks
from agv2.core.arrays import FloatArray, IntArray

__all__ = [
    "Bar",
    "MonthCell",
    "ReturnSpread",
    "YearRow",
    "daily_account",
    "month_rows",
    "return_spread",
    "rolling_sharpe",
]

_DAY_NS = 86_400_000_000_000
_DAYS_PER_YEAR = 365.25
_ROLLING_DAYS = 63  # a quarter of trading days
_LEAST_DAYS = 40
_BINS = 41


@dataclass(frozen=True, slots=True)
class MonthCell:
    """One month; `shade` is its size, 0 to 1, of the largest."""

    text: str
    style: str
    shade: float


@dataclass(frozen=True, slots=True)
class YearRow:
    """Twelve months, those without a bar empty, and the year."""

    year: int
    months: tuple[MonthCell, ...]
    whole: MonthCell


@dataclass(frozen=True, slots=True)
class Bar:
    """One column of a small chart, per cent of its width and height."""

    left: float
    wide: float
    high: float
    style: str
    title: str
    up: bool = True


@dataclass(frozen=True, slots=True)
class ReturnSpread:
    """Daily returns as columns, the worst twentieth set apart."""

    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]
    zero: float
    sentence: str


def month_rows(record: RunRecord) -> list[YearRow]:
    """Return of each month of the test bars, the first from the first row on; years with the newest last."""
    stamps, equity = _account(record)
    month = stamps.astype("datetime64[ns]").astype("datetime64[M]").astype(np.int64)
    ends = np.append(np.flatnonzero(np.diff(month)), month.size - 1)
    gains = _changes(equity, ends)
    by_month = dict(zip(month[ends].tolist(), gains.tolist(), strict=True))
    largest = max(map(abs, by_month.values()), default=0.0)
    rows = []
    for year in range(int(month[0]) // 12, int(month[-1]) // 12 + 1):
        own = [by_month.get(12 * year + number) for number in range(12)]
        whole = math.prod(1.0 + gain for gain in own if gain is not None) - 1.0
        rows.append(YearRow(1970 + year, tuple(_cell(gain, largest) for gain in own), _cell(whole, math.inf)))
    return rows


def rolling_sharpe(record: RunRecord) -> CurvePanel | None:
    """Annual Sharpe ratio of the last 63 days at each day; None where there are fewer than twice as many."""
    day, returns = daily_account(record)
    if returns.size < 2 * _ROLLING_DAYS:
        return None
    per_year = returns.size * _DAYS_PER_YEAR / (int(day[-1]) - int(day[0]) + 1)
    windows = np.lib.stride_tricks.sliding_window_view(returns, _ROLLING_DAYS)
    spread = windows.std(axis=1, ddof=1)
    ratio = np.where(spread > 0.0, windows.mean(axis=1) / np.where(spread > 0.0, spread, 1.0), 0.0)
    ends = day[_ROLLING_DAYS - 1 :]
    first, width = int(day[0]), max(int(day[-1] - day[0]), 1)
    line = DrawnLine("s0", f"Sharpe ratio of {_ROLLING_DAYS} days", (ends - first) / width, ratio * math.sqrt(per_year))
    nothing = DrawnLine("s1", "nothing", np.array([0.0, 1.0]), np.zeros(2))
    ticks = [
        Tick(100.0 * float(day[int(tick.value)] - first) / width, tick.text)
        for tick in time_ticks(day * _DAY_NS, at_most=6)
    ]
    return curve_panel(f"Sharpe ratio of the last {_ROLLING_DAYS} days, annual", [nothing, line], 1.0, steps=ticks)


def return_spread(record: RunRecord) -> ReturnSpread | None:
    """How daily returns are spread; None for fewer than 40 days, or for an account that never moved.

    Days on which it did not move count in the sentence and have no column: one tall column would hide the rest.
    """
    _, returns = daily_account(record)
    if returns.size < _LEAST_DAYS or not returns.any():
        return None
    moved = returns[returns != 0.0]
    reach = float(np.quantile(np.abs(moved), 0.995))
    moved = np.clip(moved, -reach, reach)
    counts, edges = np.histogram(moved, bins=_BINS, range=(-reach, reach))
    worst = float(np.quantile(returns, 0.05))
    bars = tuple(
        Bar(
            left=100.0 * number / _BINS,
            wide=100.0 / _BINS,
            high=100.0 * int(count) / int(counts.max()),
            style="lost" if edges[number + 1] <= worst else "won",
            title=f"{int(count)} days from {_percent(edges[number])} to {_percent(edges[number + 1])}",
        )
        for number, count in enumerate(counts)
        if count
    )
    marks = [-reach, -reach / 2, 0.0, reach / 2, reach]
    ticks = tuple(Tick(50.0 + 50.0 * mark / reach, _percent(mark)) for mark in marks[1:-1])
    centred = returns - returns.mean()
    spread = float(returns.std())
    skew, kurtosis = float((centred**3).mean()) / spread**3, float((centred**4).mean()) / spread**4
    sentence = (
        f"{returns.size:,} days: best {_percent(float(returns.max()))}, worst {_percent(float(returns.min()))}, "
        f"skew {format_number(skew, Unit.RATIO, signed=True)}, kurtosis {format_number(kurtosis, Unit.RATIO)} (3 for a "
        f"normal distribution). The worst twentieth, set apart, lost {_tail(returns)} in the mean. What lies beyond "
        f"the chart's ends is in its outermost columns; {returns.size - moved.size:,} days without a move have none."
    )
    return ReturnSpread(bars, ticks, 50.0, sentence)


def daily_account(record: RunRecord) -> tuple[IntArray, FloatArray]:
    """(n_days,) UTC days with a row of the account, counted since 1970, and (n_days,) the return of each."""
    stamps, equity = _account(record)
    day = stamps // _DAY_NS
    ends = np.append(np.flatnonzero(np.diff(day)), day.size - 1)
    return day[ends], _changes(equity, ends)


def _account(record: RunRecord) -> tuple[IntArray, FloatArray]:
    curve = record.curve(record.account)
    return curve["ts"].dt.epoch("ns").to_numpy(), np.maximum(curve["equity"].to_numpy(), 0.0)


def _changes(equity: FloatArray, ends: IntArray) -> FloatArray:
    value = np.concatenate([equity[:1], equity[ends]])
    changes = np.zeros(ends.size)
    np.divide(np.diff(value), value[:-1], out=changes, where=value[:-1] > 0.0)
    return changes


def _cell(gain: float | None, largest: float) -> MonthCell:
    if gain is None:
        return MonthCell("", "", 0.0)
    shade = abs(gain) / largest if largest > 0.0 else 0.0
    return MonthCell(_percent(gain), "lost" if gain < 0.0 else "won" if gain > 0.0 else "", round(shade, 3))


def _tail(returns: FloatArray) -> str:
    return format_number(conditional_value_at_risk(returns, 0.95), Unit.PERCENT)


def _percent(value: float) -> str:
    return format_number(value, Unit.PERCENT, signed=True)
