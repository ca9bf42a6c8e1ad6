"""What else could have come of the same trades: at other costs, and with their days in another order."""

import math
from dataclasses import dataclass

import numpy as np

from agv2.backtest.bootstrap import block_bootstrap
from agv2.backtest.report.curve_panels import CurvePanel, DrawnLine, curve_panel
from agv2.backtest.report.numerals import Unit, format_number
from agv2.backtest.report.reading import RunRecord
from agv2.backtest.report.returns import daily_account
from agv2.backtest.report.scales import Tick
from agv2.core.arrays import FloatArray, IntArray
from agv2.core.block_length import optimal_block_length
from agv2.utils.seeding import spawn_generators

__all__ = ["MonteCarlo", "cost_curve", "monte_carlo"]

_MULTIPLES = np.arange(0.0, 4.01, 0.25)
_DAYS_PER_YEAR = 365.25
_DAY_NS = 86_400_000_000_000
_LEAST_DAYS = 40
_PATHS = 500
_RESAMPLES = 5_000
_FAN = ((5.0, "s1"), (25.0, "s5"), (50.0, "s0"), (75.0, "s5"), (95.0, "s1"))
_DEEP = (0.1, 0.2, 0.3)


@dataclass(frozen=True, slots=True)
class MonteCarlo:
    """Days drawn again in blocks."""

    fan: CurvePanel | None
    rows: tuple[tuple[str, str, str, str, str], ...]
    """Measure, this run, and its 5, 50 and 95 % quantiles over the resamples."""
    sentence: str


def cost_curve(record: RunRecord) -> CurvePanel | None:
    """Annual Sharpe ratio of the same trades at 0 to 4 times what their fills cost; None without fills or days.

    Financing stays as it was. Sizes follow the account as it would have been; decisions do not change.
    """
    day, returns = daily_account(record)
    fills = record.rows.fills
    if fills.is_empty() or returns.size < _LEAST_DAYS:
        return None
    charged = fills["side"] * fills["units"] * (fills["price"] - fills["mid"]) + fills["commission"]
    paid_on = np.searchsorted(day, fills["ts"].dt.epoch("ns").to_numpy() // _DAY_NS)
    paid = np.bincount(np.minimum(paid_on, day.size - 1), charged.to_numpy(), minlength=day.size)
    curve = record.curve(record.account)
    ends = np.searchsorted(curve["ts"].dt.epoch("ns").to_numpy() // _DAY_NS, day, side="right") - 1
    equity = curve["equity"].to_numpy()
    before = np.concatenate([equity[:1], equity[ends][:-1]])
    share = np.divide(paid, before, out=np.zeros(day.size), where=before > 0.0)
    ratios = np.array([_sharpe(returns + (1.0 - multiple) * share, day) for multiple in _MULTIPLES])
    lines = [
        DrawnLine("s1", "nothing", np.array([0.0, 4.0]), np.zeros(2)),
        DrawnLine("s0", "Sharpe ratio", _MULTIPLES, ratios),
    ]
    steps = [Tick(25.0 * multiple, f"{multiple}×") for multiple in (1, 2, 3)]
    return curve_panel("Sharpe ratio of UTC days at other costs of a fill", lines, 4.0, kept=[1.0], steps=steps)


def monte_carlo(record: RunRecord) -> MonteCarlo | None:
    """Daily returns drawn again in blocks (stationary bootstrap); None for fewer than 40 days or none that moved.

    Source: Politis and Romano (1994), Journal of the American Statistical Association 89(428), 1303-1313.
    """
    day, returns = daily_account(record)
    if returns.size < _LEAST_DAYS or not returns.any():
        return None
    chance = spawn_generators(int(record.summary["seed"]), "monte carlo", "monte carlo paths")
    length = max(optimal_block_length(returns), optimal_block_length(np.square(returns - returns.mean())))
    found = block_bootstrap(returns, length, _RESAMPLES, chance["monte carlo"])
    scale = math.sqrt(_per_year(day))
    own = np.cumprod(1.0 + returns)
    fall = float((1.0 - own / np.maximum.accumulate(np.maximum(own, 1.0))).max())
    rows = (
        ("Net return", *_quantiles(float(own[-1]) - 1.0, found.net_return, Unit.PERCENT, signed=True)),
        (
            "Sharpe ratio, of UTC days",
            *_quantiles(_sharpe(returns, day), found.sharpe * scale, Unit.RATIO, signed=True),
        ),
        ("Max drawdown, of UTC days", *_quantiles(fall, found.max_drawdown, Unit.PERCENT, signed=False)),
    )
    deep = ", ".join(
        f"{format_number(float((found.max_drawdown > depth).mean()), Unit.PERCENT)} fell by more than {depth:.0%}"
        for depth in _DEEP
    )
    sentence = (
        f"{_RESAMPLES:,} histories of the run's own days, drawn in blocks of {length:.1f} days in the mean: "
        f"{format_number(float((found.net_return < 0.0).mean()), Unit.PERCENT)} ended with a loss; {deep}. They know "
        "no other days than those: what never happened in the test is in none of them."
    )
    return MonteCarlo(_fan(returns, length, chance["monte carlo paths"]), rows, sentence)


def _fan(returns: FloatArray, length: float, rng: np.random.Generator) -> CurvePanel | None:
    n = returns.size
    at = rng.integers(n, size=_PATHS)
    growth = np.empty((_PATHS, n))
    for step in range(n):
        growth[:, step] = returns[at]
        jumps = rng.random(_PATHS) < 1.0 / length
        at = np.where(jumps, rng.integers(n, size=_PATHS), (at + 1) % n)
    gains = 100.0 * (np.cumprod(1.0 + growth, axis=1) - 1.0)
    across = np.arange(1, n + 1) / n
    lines = [
        DrawnLine(style, f"{share:.0f} % of histories below", across, np.percentile(gains, share, axis=0))
        for share, style in _FAN
    ]
    steps = [Tick(25.0 * quarter, f"{n * quarter // 4:,} days") for quarter in (1, 2, 3)]
    return curve_panel("Gain of resampled histories, per cent: 5, 25, 50, 75 and 95 % below", lines, 1.0, steps=steps)


def _quantiles(own: float, values: FloatArray, unit: Unit, *, signed: bool) -> tuple[str, str, str, str]:
    defined = values[np.isfinite(values)]
    low, middle, high = np.quantile(defined, [0.05, 0.5, 0.95]) if defined.size else (math.nan,) * 3
    shown = (own, float(low), float(middle), float(high))
    first, second, third, fourth = (format_number(value, unit, signed=signed) for value in shown)
    return first, second, third, fourth


def _sharpe(returns: FloatArray, day: IntArray) -> float:
    spread = float(returns.std(ddof=1))
    return float(returns.mean()) / spread * math.sqrt(_per_year(day)) if spread > 0.0 else 0.0


def _per_year(day: IntArray) -> float:
    return day.size * _DAYS_PER_YEAR / (int(day[-1]) - int(day[0]) + 1)
