"""Runs as pictures: equity, trades, and what a result hangs on."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from agv2.backtest.trades import Trade
from exploring.run import FinishedRun, daily_returns
from exploring.style import COLOURS

__all__ = ["crisis", "differences", "equity", "excursions", "fall", "heat", "returns"]


def equity(axes: Axes, run: FinishedRun, baselines: Sequence[str]) -> None:
    """Gain of the account and of some baselines since the first test bar, per cent."""
    curve = run.curve
    axes.plot(curve["ts"], 100.0 * (curve["equity"] / curve["equity"][0] - 1.0), color=COLOURS["blue"], label="the run")
    for name, colour in zip(baselines, ("orange", "green", "grey"), strict=False):
        line = run.baseline(name)
        gain = 100.0 * (line["equity"] / line["equity"][0] - 1.0)
        axes.plot(line["ts"], gain, color=COLOURS[colour], label=name.replace("_", " "), linewidth=0.9)
    axes.set_ylabel("gain, per cent")


def fall(axes: Axes, run: FinishedRun) -> None:
    """Drawdown of the account, per cent, and when trading was halted."""
    curve = run.curve
    axes.fill_between(curve["ts"], -100.0 * curve["drawdown"], color=COLOURS["orange"], alpha=0.5, linewidth=0)
    halted = curve.filter(curve["halted"])
    axes.plot(halted["ts"], np.zeros(halted.height), "|", color=COLOURS["black"], label="halted")
    axes.set_ylabel("drawdown, per cent")


def excursions(axes: Axes, trades: Sequence[Trade]) -> None:
    """Result of each trade in units of its initial risk, by how long it was held."""
    for won, colour in ((True, "blue"), (False, "orange")):
        own = [each for each in trades if (each.net_pnl > 0.0) == won and np.isfinite(each.r_multiple)]
        axes.plot([each.bars_held for each in own], [each.r_multiple for each in own], ".", color=COLOURS[colour])
    axes.axhline(0.0, color=COLOURS["grey"], linewidth=0.8)
    axes.set(xlabel="bars held", ylabel="net result, R")


def differences(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """Differences in Sharpe ratio with their intervals, the first row on top."""
    known = [row for row in rows if row["difference"] is not None]
    for place, row in enumerate(reversed(known)):
        axes.plot([row["low"], row["high"]], [place, place], color=COLOURS["grey"], linewidth=4.0, alpha=0.6)
        axes.plot(row["difference"], place, "|", color=COLOURS["black"], markersize=9, markeredgewidth=2.0)
    names = [row.get("name") or f"{row['parameter']}, {row['setting']}" for row in reversed(known)]
    axes.set_yticks(range(len(known)), names)
    axes.axvline(0.0, color=COLOURS["black"], linewidth=0.8)
    axes.set_xlabel("difference in annual Sharpe ratio")


def heat(axes: Axes, grid: Mapping[str, Any]) -> None:
    """Sharpe ratio over multiples of costs and of the volatility that is aimed at."""
    values = np.array([[np.nan if each is None else each for each in row] for row in grid["sharpe"]])
    reach = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 1.0
    axes.imshow(values, cmap="RdBu", vmin=-reach, vmax=reach, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        axes.text(column, row, f"{value:+.2f}", ha="center", va="center", fontsize=8)
    axes.set_xticks(range(values.shape[1]), [f"× {each:g}" for each in grid["volatility_multiples"]])
    axes.set_yticks(range(values.shape[0]), [f"× {each:g}" for each in grid["cost_multiples"]])
    axes.set(xlabel="volatility aimed at", ylabel="costs of a fill")
    axes.grid(visible=False)


def crisis(axes: Axes, scenario: Mapping[str, Any]) -> None:
    """The worst way through one crisis: the account and the market, per cent."""
    for name, colour in (("market", "orange"), ("account", "blue")):
        values = 100.0 * np.array(scenario["curves"][name])
        bars = np.linspace(0.0, scenario["curves"]["n_bars"], values.size)
        axes.plot(bars, values, color=COLOURS[colour], label=name)
    worst = scenario["paths"][scenario["worst_path"]]
    axes.set(title=f"{scenario['title']}, {scenario['how']}, {worst['direction']}", xlabel="bars")


def returns(axes: Axes, run: FinishedRun) -> None:
    """Daily returns, per cent."""
    axes.hist(100.0 * daily_returns(run.curve), bins=40, color=COLOURS["blue"])
    axes.set(xlabel="return of a day, per cent", ylabel="days")
