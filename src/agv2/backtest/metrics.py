"""What an account did: the sixteen numbers that stand beside every result.

All return measures are of trading days: the last equity of each day, simple returns, annualised by the
market's own trading days per year. All money measures are of completed round trips. An undefined measure is
NaN and carries its reason.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from agv2.backtest.trades import Trade
from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import ShapeError

__all__ = [
    "EquityCurve",
    "PerformanceReport",
    "conditional_value_at_risk",
    "daily_returns",
    "max_drawdown",
    "performance",
    "sharpe_ratio",
    "sortino_ratio",
]

_CONSTANT = 1e-12  # daily volatility below this share of the largest return is rounding, not risk


@dataclass(frozen=True, slots=True)
class EquityCurve:
    """An account at the close of each bar, oldest first; the first row is the account before its first fill."""

    ts_ns: IntArray
    """(n_rows,) bar open times, nanoseconds UTC."""
    day: IntArray
    """(n_rows,) trading day of each bar, rising, from `SessionCalendar.trading_days`."""
    equity: FloatArray
    """(n_rows,) cash plus open value, money."""
    gross_notional: FloatArray
    """(n_rows,) |units x close|, over all books of the account, money, >= 0."""

    def __post_init__(self) -> None:
        if not self.ts_ns.shape == self.day.shape == self.equity.shape == self.gross_notional.shape:
            raise ShapeError(f"equity curve: columns of {self.ts_ns.size}, {self.day.size}, {self.equity.size} rows")
        if self.ts_ns.size == 0:
            raise ShapeError("equity curve: no rows")


@dataclass(frozen=True, slots=True)
class PerformanceReport:
    """The measures of one account, with a reason for each that is undefined (NaN)."""

    net_return: float
    """Last equity / first equity - 1."""
    sharpe: float
    """Mean / standard deviation (n - 1) of daily returns, annualised."""
    sortino: float
    """Mean / downside deviation from 0 (over all days) of daily returns, annualised."""
    calmar: float
    """Compound annual return / max drawdown (Young 1991), over the whole run rather than 36 months."""
    max_drawdown: float
    """Largest 1 - equity / peak over the bars, >= 0."""
    underwater_bars: int
    """Longest run of bars below an earlier peak."""
    hit_rate: float
    """Share of trades with net P&L > 0."""
    profit_factor: float
    """Sum of the winners' net P&L / sum of the losers' loss."""
    expectancy_r: float
    """Mean net P&L / initial risk, over the trades that had a stop."""
    turnover_per_day: float
    """Notional filled (at mid) / equity at the close before, summed, per trading day."""
    trades: int
    """Completed round trips."""
    trades_per_day: float
    exposure: float
    """Mean gross notional / equity at the bars' closes."""
    cvar_95: float
    """Mean loss of the worst 5 % of days, as a fraction of equity; negative when even these gained."""
    cvar_99: float
    break_even_cost_frac: float
    """Cost per fill, as a fraction of mid, at which these trades would net zero: (net P&L + half spread, slippage
    and commission paid) / notional filled, both ways counted. Financing stays paid. Negative when the trades lose
    even at no cost."""
    undefined: Mapping[str, str] = field(default_factory=dict)
    """Why, for each measure that is NaN."""

    def values(self) -> dict[str, float | int | None]:
        """The sixteen measures by name, None where undefined."""
        named = {item.name: getattr(self, item.name) for item in dataclasses.fields(self) if item.name != "undefined"}
        return {name: value if math.isfinite(value) else None for name, value in named.items()}


def daily_returns(curve: EquityCurve) -> FloatArray:
    """Simple return of each trading day, from the first row's equity on, so they compound to the net return.

    Args:
        curve: an account; the first day's return starts at the first row.

    Returns:
        (n_days,) fractions, >= -1: a day that ends in ruin (equity <= 0) returns -1 and all later days 0.
    """
    closing = np.append(np.flatnonzero(np.diff(curve.day)), curve.day.size - 1)
    value = np.maximum(np.concatenate([curve.equity[:1], curve.equity[closing]]), 0.0)
    returns = np.zeros(closing.size)
    np.divide(np.diff(value), value[:-1], out=returns, where=value[:-1] > 0.0)
    return returns


def sharpe_ratio(returns: FloatArray, periods_per_year: float) -> float:
    """Annualised mean over standard deviation of `returns`, in excess of 0.

    Args:
        returns: (n,) simple returns per period.
        periods_per_year: 1 gives the ratio per period.

    Returns:
        The ratio with the n - 1 standard deviation; NaN for fewer than two returns or constant ones.

    Source: Sharpe (1994), Journal of Portfolio Management 21(1), 49-58.
    """
    if returns.size < 2:
        return math.nan
    deviation = float(returns.std(ddof=1))
    if deviation <= _CONSTANT * float(np.abs(returns).max()):
        return math.nan
    return float(returns.mean()) / deviation * math.sqrt(periods_per_year)


def sortino_ratio(returns: FloatArray, periods_per_year: float) -> float:
    """Annualised mean over downside deviation of `returns`, target 0.

    Args:
        returns: (n,) simple returns per period.
        periods_per_year: 1 gives the ratio per period.

    Returns:
        The ratio; the deviation is the root of the mean over all n of min(r, 0)². NaN without a negative return.

    Source: Sortino and Price (1994), Journal of Investing 3(3), 59-64.
    """
    if returns.size == 0 or float(returns.min()) >= 0.0:
        return math.nan
    downside = math.sqrt(float(np.square(np.minimum(returns, 0.0)).mean()))
    return float(returns.mean()) / downside * math.sqrt(periods_per_year)


def max_drawdown(equity: FloatArray) -> float:
    """Largest fall from a running peak as a fraction of it; 0 for a curve that never falls.

    Args:
        equity: (n,) money, first value > 0.
    """
    return float((1.0 - equity / np.maximum.accumulate(equity)).max())


def conditional_value_at_risk(returns: FloatArray, level: float) -> float:
    """Mean loss of the worst 1 - `level` share of `returns`, as a positive fraction.

    A share that is no whole number of observations takes the next one in part.

    Args:
        returns: (n,) simple returns per period.
        level: 0.95 for the worst twentieth.

    Returns:
        Minus the tail's mean; NaN when the tail holds less than one observation.

    Source: Rockafellar and Uryasev (2002), Journal of Banking & Finance 26(7), 1443-1471, equation 24.
    """
    tail = returns.size * (1.0 - level)
    if tail < 1.0 - 1e-9:
        return math.nan
    whole = math.floor(tail + 1e-9)
    worst = np.sort(returns)[: whole + 1]
    return -float(worst[:whole].sum() + max(tail - whole, 0.0) * worst[-1]) / tail


def performance(
    curve: EquityCurve,
    trades: Sequence[Trade],
    fill_ts_ns: IntArray,
    fill_notional: FloatArray,
    trading_days_per_year: float,
) -> PerformanceReport:
    """Measure one account.

    Args:
        curve: its equity; of a portfolio that of the whole account.
        trades: its completed round trips; of a portfolio those of all books.
        fill_ts_ns: (n_fills,) open time of the bar of each fill.
        fill_notional: (n_fills,) units x mid of each fill, > 0.
        trading_days_per_year: from the market's calendar.

    Returns:
        The measures, and for each NaN among them its reason.
    """
    equity, alive = curve.equity, curve.equity > 0.0
    returns = daily_returns(curve)
    n_days = returns.size
    net_return = float(equity[-1] / equity[0] - 1.0)
    drawdown = max_drawdown(equity)
    growth = math.log1p(net_return) * trading_days_per_year / n_days if net_return > -1.0 else -math.inf
    before = np.maximum(np.searchsorted(curve.ts_ns, fill_ts_ns) - 1, 0)  # a fill's bar is never the first row
    traded = np.where(alive[before], fill_notional / np.where(alive, equity, 1.0)[before], 0.0)
    pnl = np.array([trade.net_pnl for trade in trades])
    in_r = np.array([trade.r_multiple for trade in trades])
    risked = in_r[np.isfinite(in_r)]
    lost = -float(pnl[pnl < 0.0].sum())
    notional = sum(trade.notional for trade in trades)
    cost = sum(trade.cost for trade in trades)
    report = PerformanceReport(
        net_return=net_return,
        sharpe=sharpe_ratio(returns, trading_days_per_year),
        sortino=sortino_ratio(returns, trading_days_per_year),
        calmar=math.expm1(growth) / drawdown if drawdown > 0.0 and growth < 700.0 else math.nan,
        max_drawdown=drawdown,
        underwater_bars=_longest_underwater(equity),
        hit_rate=float((pnl > 0.0).mean()) if pnl.size else math.nan,
        profit_factor=float(pnl[pnl > 0.0].sum()) / lost if lost > 0.0 else math.nan,
        expectancy_r=float(risked.mean()) if risked.size else math.nan,
        turnover_per_day=float(traded.sum()) / n_days,
        trades=len(trades),
        trades_per_day=len(trades) / n_days,
        exposure=float((curve.gross_notional[alive] / equity[alive]).mean()) if alive.any() else math.nan,
        cvar_95=conditional_value_at_risk(returns, 0.95),
        cvar_99=conditional_value_at_risk(returns, 0.99),
        break_even_cost_frac=(float(pnl.sum()) + cost) / notional if notional > 0.0 else math.nan,
    )
    return dataclasses.replace(report, undefined=_reasons(report, n_days))


def _longest_underwater(equity: FloatArray) -> int:
    at_peak = np.flatnonzero(equity >= np.maximum.accumulate(equity))
    return int(np.diff(np.append(at_peak, equity.size)).max()) - 1


def _reasons(report: PerformanceReport, n_days: int) -> dict[str, str]:
    """One reason for every NaN; the first that applies."""
    no_trades = "no completed trades"
    days = "1 trading day" if n_days == 1 else f"{n_days} trading days"
    known = {
        "sharpe": f"{days}, at least 2 needed" if n_days < 2 else "daily returns do not vary",
        "sortino": "no losing day",
        "calmar": "no drawdown" if report.max_drawdown == 0.0 else "annual return too large to express",
        "hit_rate": no_trades,
        "profit_factor": "no losing trade" if report.trades else no_trades,
        "expectancy_r": "no trade had a stop" if report.trades else no_trades,
        "exposure": "equity was never above zero",
        "cvar_95": f"{days}, at least 20 needed",
        "cvar_99": f"{days}, at least 100 needed",
        "break_even_cost_frac": no_trades,
    }
    return {name: known.get(name, "not finite") for name, value in report.values().items() if value is None}
