"""Bars as a picture: candles, sessions and classes behind them, and the heat map of levels."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.features.session_features import SESSIONS, session_flags
from agv2.features.support_resistance import HALF_WIDTH_SIGMAS, Levels
from exploring.style import COLOURS

__all__ = ["candles", "dates_below", "heat_behind", "level_marks", "shade_classes", "shade_sessions"]

PALE = ListedColormap(plt.get_cmap("Purples")(np.linspace(0.0, 0.7, 128)))
"""Pale enough for candles to be seen before it."""
SESSION_COLOURS = {"asia": COLOURS["yellow"], "london": COLOURS["green"], "new_york": COLOURS["sky"]}


def candles(axes: Axes, bars: Bars) -> None:
    """A candle for each bar, side by side whatever the time between them; dates below."""
    x = np.arange(len(bars))
    rising = bars.close >= bars.open
    for chosen, colour in ((rising, COLOURS["blue"]), (~rising, COLOURS["orange"])):
        axes.vlines(x[chosen], bars.low[chosen], bars.high[chosen], color=colour, linewidth=0.7)
        low = np.minimum(bars.open, bars.close)[chosen]
        axes.bar(x[chosen], np.abs(bars.close - bars.open)[chosen], 0.7, low, color=colour, linewidth=0)
    axes.set_xlim(-1, len(bars))
    dates_below(axes, bars.ts_ns)


def dates_below(axes: Axes, ts_ns: IntArray, n_ticks: int = 8) -> None:
    """Dates under an axis that counts bars."""
    at = np.linspace(0, ts_ns.size - 1, n_ticks).astype(np.int64)
    spans_years = ts_ns[-1] - ts_ns[0] > 300 * 86_400_000_000_000
    texts = np.datetime_as_string(ts_ns[at].astype("datetime64[ns]"), unit="D" if spans_years else "m")
    axes.set_xticks(at, [text if spans_years else f"{text[5:10]}\n{text[11:16]}" for text in texts])
    axes.set_xlabel("open of the bar, UTC")


def shade_sessions(axes: Axes, ts_ns: IntArray) -> None:
    """A strip for each session below price, and the same colour faintly behind it; the axis counts bars."""
    for row, (session, (zone, opens, closes)) in enumerate(SESSIONS.items()):
        colour = SESSION_COLOURS[session]
        label = f"{session.replace('_', ' ').title()}, {opens}:00 to {closes}:00 {zone}"
        for start, stop, is_open in runs_of(session_flags(ts_ns, session).astype(np.int64)):
            if is_open:
                axes.axvspan(start - 0.5, stop - 0.5, color=colour, alpha=0.10, linewidth=0)
                low, high = 0.035 * row, 0.035 * (row + 1)
                axes.axvspan(start - 0.5, stop - 0.5, low, high, color=colour, linewidth=0, label=label)
                label = ""


def shade_classes(axes: Axes, classes: IntArray, names: Sequence[str], colours: Sequence[str]) -> None:
    """Colour behind each run of one class; the axis counts bars, and classes below 0 stay white."""
    waiting = dict(enumerate(names))
    for start, stop, found in runs_of(classes):
        if found >= 0:
            label = waiting.pop(found, "")
            axes.axvspan(start - 0.5, stop - 0.5, color=colours[found], alpha=0.25, linewidth=0, label=label)


def runs_of(classes: IntArray) -> list[tuple[int, int, int]]:
    """(first, first after, class) of each run of equal classes."""
    starts = np.flatnonzero(np.diff(classes, prepend=classes[0] - 1))
    stops = np.append(starts[1:], classes.size)
    return [(int(start), int(stop), int(classes[start])) for start, stop in zip(starts, stops, strict=True)]


def heat_behind(axes: Axes, bars: Bars, sigma: FloatArray, density: FloatArray) -> None:
    """The density of levels over price: each bar's column is what was known at that bar's close.

    Args:
        axes: counts bars; its limits become those of the prices.
        bars: what is shown.
        sigma: (n_bars,) volatility of one bar's log return.
        density: (n_bars, n_bins) around each close, from `level_density`.
    """
    low, high = np.log(bars.low.min()), np.log(bars.high.max())
    margin = 0.06 * (high - low)
    prices = np.linspace(low - margin, high + margin, 260)
    n_bins = density.shape[1]
    offset = (np.arange(n_bins) + 0.5) * 2.0 * HALF_WIDTH_SIGMAS / n_bins - HALF_WIDTH_SIGMAS
    columns = [
        np.interp(prices, np.log(close) + offset * unit, row, left=np.nan, right=np.nan)
        for close, unit, row in zip(bars.close, sigma, density, strict=True)
    ]
    edges = np.arange(len(bars) + 1) - 0.5
    mesh = axes.pcolormesh(edges, np.exp(prices), np.log1p(np.array(columns).T)[:-1], cmap=PALE, shading="flat")
    axes.set_facecolor("#EDEDED")  # farther than the density reaches
    plt.colorbar(mesh, ax=axes, label="log(1 + density of levels)", pad=0.01)
    axes.set_ylim(np.exp(prices[0]), np.exp(prices[-1]))


def level_marks(axes: Axes, bars: Bars, sigma: FloatArray, levels: Levels, rows: slice) -> None:
    """A short line at the nearest level above and below each close, as known at it; none where there is no level.

    Args:
        axes: counts bars.
        bars: what is shown.
        sigma: (n_bars,) volatility of one bar's log return.
        levels: of the whole history.
        rows: where in it the bars shown lie.
    """
    x = np.arange(len(bars))
    for sign, distance, strength, colour in (
        (1.0, levels.above[rows], levels.above_strength[rows], COLOURS["black"]),
        (-1.0, levels.below[rows], levels.below_strength[rows], COLOURS["green"]),
    ):
        price = bars.close * np.exp(sign * distance * sigma)
        there = strength > 0.0
        label = "nearest level above" if sign > 0 else "nearest level below"
        axes.hlines(price[there], x[there] - 0.5, x[there] + 0.5, color=colour, linewidth=1.3, label=label)
    axes.legend(loc="upper left", frameon=True, framealpha=0.9, edgecolor="white")
