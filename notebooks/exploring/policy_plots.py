"""Policies as pictures: how they learned, what they chose, and what came of it."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from agv2.app.policy_fitting import FittedPolicy
from exploring.policy import Studied
from exploring.price_plots import dates_below
from exploring.style import COLOURS

__all__ = ["curves", "equities", "looks", "side_by_trend", "sides"]

SIDE_COLOURS = {-1: COLOURS["orange"], 0: COLOURS["grey"], 1: COLOURS["blue"]}
SIDE_WORDS = {-1: "short", 0: "flat", 1: "long"}


def curves(
    axes: Axes,
    policies: Mapping[int, FittedPolicy],
    name: str,
    factor: float,
    colour: str | None = None,
    label: str = "",
) -> None:
    """One number of the learning curve of each policy; a colour a seed, or one for all with a single `label`."""
    for (seed, one), own in zip(policies.items(), COLOURS.values(), strict=False):
        points = [(point["step"], factor * point[name]) for point in one.curve if name in point]
        if points:
            axes.plot(*zip(*points, strict=True), color=colour or own, label=label or f"seed {seed}")
            label = "_" + label if label else ""  # named once
    axes.set_xlabel("environment steps")


def looks(axes: Axes, policies: Mapping[int, FittedPolicy]) -> None:
    """Sharpe ratio per bar at each look at the validation block; a dot: the weights that were kept."""
    for (seed, one), colour in zip(policies.items(), COLOURS.values(), strict=False):
        steps = [look.step for look in one.looks]
        ratios = [look.score.sharpe_per_bar for look in one.looks]
        axes.plot(steps, ratios, color=colour, label=f"seed {seed}")
        best = one.facts["best_step"]
        axes.plot(best, ratios[steps.index(int(best))], "o", color=colour, markersize=5)
    axes.axhline(0.0, color=COLOURS["black"], linewidth=0.8)
    axes.set(xlabel="environment steps", ylabel="Sharpe ratio per bar")


def sides(axes: Axes, study: Studied, seed: int, part: slice) -> None:
    """Price over a stretch of test bars, and behind it the side that is held."""
    close, held = study.tested.close[part], study.held(seed)[part]
    axes.plot(close, color=COLOURS["black"], linewidth=0.9)
    for side in (-1, 1):
        within = np.repeat(held == side, 2)
        x = np.repeat(np.arange(held.size), 2) + np.tile((-0.5, 0.5), held.size)
        axes.fill_between(x, close.min(), close.max(), where=within, color=SIDE_COLOURS[side], alpha=0.25, linewidth=0)
    axes.set_xlim(0, close.size)
    dates_below(axes, study.tested.ts_ns[part])


def equities(axes: Axes, study: Studied) -> None:
    """Account of each policy over the test bars, and holding the market, over what each began with."""
    for (seed, _), colour in zip(study.policies.items(), COLOURS.values(), strict=False):
        axes.plot(study.equity(seed), color=colour, label=f"seed {seed}")
    close = study.tested.close
    axes.plot(close / close[0], color=COLOURS["grey"], linewidth=0.8, label="the market")
    axes.set(xlabel="test bars", ylabel="times the start")


def side_by_trend(axes: Axes, study: Studied) -> dict[tuple[int, int], float]:
    """Bars of shares of sides, one for each trend.

    Returns:
        (trend −1 to 1, place of the side) → share, of all policies together.
    """
    assert study.direction is not None, "somebody knows the trend"
    told = {}
    for trend in (-1, 0, 1):
        where = study.direction == trend
        left = 0.0
        for place, side in enumerate(SIDE_WORDS):
            share = float(np.mean([np.mean(study.held(seed)[where] == side) for seed in study.policies]))
            told[trend, place] = share
            label = SIDE_WORDS[side] if trend == -1 else None
            axes.barh(trend, share, left=left, color=SIDE_COLOURS[side], label=label)
            left += share
    axes.set_yticks((-1, 0, 1), ("falls", "rests", "rises"))
    axes.set_xlabel("share of bars")
    return told
