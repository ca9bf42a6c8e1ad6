"""Draw the pictures of docs/features.md: the same synthetic bars in each, price on top, features below.

    python -m tools.feature_plots       # needs matplotlib; writes docs/figures/features/*.svg

The same sources give the same files. A test compares what a picture says it was drawn from with the features as they
are, so a changed feature asks for this to be run again.
"""

import io
import re

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from agv2.core.arrays import FloatArray
from agv2.core.timeframes import Timeframe, utc_offset_ns
from agv2.features.coarse_bars import coarse_bars
from agv2.features.pipeline import FEATURES
from agv2.features.support_resistance import HALF_WIDTH_SIGMAS, HEAT_COLUMNS
from tools.feature_page import DRAWN, FAMILIES, PICTURES, SHOWN_BARS, drawn_values, market

UP, DOWN, INK, QUIET, SECOND = "#0072b2", "#d55e00", "#1a202c", "#8a94a6", "#d55e00"  # told apart by every eye
SESSION_COLOURS = {"asia": "#cc79a7", "london": "#009e73", "new_york": "#e69f00"}
WIDTH_INCHES = 9.0
DAY_NS, HOUR_NS = 86_400_000_000_000, 3_600_000_000_000

Panels = tuple[tuple[str, ...], ...]


def style() -> None:
    """White, quiet, and the same bytes each time; text stays text."""
    rcParams.update(
        {
            "svg.hashsalt": "agv2", "svg.fonttype": "none", "figure.facecolor": "white", "axes.facecolor": "white",
            "font.family": "sans-serif", "font.size": 8.5, "axes.spines.top": False, "axes.spines.right": False,
            "axes.edgecolor": QUIET, "xtick.color": QUIET, "ytick.color": QUIET, "text.color": INK,
            "axes.labelcolor": INK, "axes.linewidth": 0.6, "lines.linewidth": 0.9,
        }
    )  # fmt: skip


def figure(n_panels: int, price_share: float = 2.0) -> tuple[Figure, Axes, list[Axes]]:
    """A figure with the price on top and panels below it, in step."""
    heights = [price_share, *([1.0] * n_panels)]
    drawn = Figure(figsize=(WIDTH_INCHES, 0.92 * sum(heights) + 0.4), layout="constrained")
    axes = drawn.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    price(axes[0])
    days(axes[-1])
    return drawn, axes[0], list(axes[1:])


def price(axes: Axes, up: str = UP, down: str = DOWN) -> None:
    """Candles, all wicks one path and all bodies another."""
    bars = market().bars.slice(len(market().bars) - SHOWN_BARS, len(market().bars))
    rising = bars.close >= bars.open
    for colour, here in ((up, rising), (down, ~rising)):
        for low, high, width in ((bars.low, bars.high, 0.5), (bars.open, bars.close, 1.6)):
            x, y = (np.full(3 * int(here.sum()), np.nan) for _ in range(2))
            x[0::3] = x[1::3] = np.flatnonzero(here)
            y[0::3], y[1::3] = low[here], high[here]
            axes.plot(x, y, color=colour, linewidth=width, solid_capstyle="butt")
    axes.set_ylabel("price")
    axes.set_xlim(-1.0, SHOWN_BARS)


def days(axes: Axes) -> None:
    """Ticks where trading days begin."""
    stamps = market().bars.ts_ns[-SHOWN_BARS:]
    trading_days = market().calendar.trading_days(stamps)
    first = np.flatnonzero(np.diff(trading_days, prepend=trading_days[0]))
    names = trading_days[first].astype("datetime64[D]")
    axes.set_xticks(first, [str(name)[5:] for name in names])
    axes.set_xlabel("trading day, month-day of 2020; one bar is an hour")


def shown(column: str) -> FloatArray:
    """Values of a column of the matrix over the shown bars."""
    features = market().features
    values: FloatArray = features.values[-SHOWN_BARS:, features.names.index(column)].astype(np.float64)
    return values


def series(axes: Axes, *columns: str) -> None:
    """Lines of one or two columns, named beside the panel, with their unit on the axis."""
    unit = next(spec.unit for spec in FEATURES if spec.name == columns[0].split("@")[0])
    for column, colour in zip(columns, (INK, SECOND), strict=False):
        axes.plot(shown(column), color=colour, drawstyle="steps-post" if "@" in column else "default")
    axes.set_ylabel(unit.replace(" of ", "\nof "))
    for place, (column, colour) in enumerate(zip(columns, (INK, SECOND), strict=False)):
        axes.text(0.004 + 0.25 * place, 1.0, column, transform=axes.transAxes, color=colour, va="bottom", weight="bold")
    if min(shown(column).min() for column in columns) < 0.0:
        axes.axhline(0.0, color=QUIET, linewidth=0.5)


def save(drawn: Figure, name: str) -> None:
    """Write a picture without a date, with the fingerprint of what it shows."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    shows = f"values {drawn_values(name)}" if name in DRAWN else "no values"
    metadata = {"Date": None, "Creator": "tools/feature_plots.py", "Description": shows}
    picture = io.StringIO()
    drawn.savefig(picture, format="svg", metadata=metadata)
    hundredths = re.sub(r"(\d\.\d\d)\d+", r"\1", picture.getvalue())  # of a point, which nobody sees
    text = "\n".join(line.rstrip() for line in hundredths.splitlines()) + "\n"
    (PICTURES / f"{name}.svg").write_text(text, encoding="utf-8")


def family(name: str, panels: Panels) -> None:
    """Price, and a panel for each entry."""
    drawn, _, axes = figure(len(panels))
    for one, columns in zip(axes, panels, strict=True):
        series(one, *columns)
    save(drawn, name)


def clock() -> None:
    """Sessions as bands, time of day and weekday as lines."""
    sessions, circles = FAMILIES["clock"][:3], FAMILIES["clock"][3:]
    drawn, _, axes = figure(1 + len(circles) // 2, 1.5)
    for height, name in enumerate(sessions):
        colour = SESSION_COLOURS[name.removeprefix("session_")]
        edges = np.flatnonzero(np.diff(np.concatenate([[0.0], shown(name), [0.0]])))
        axes[0].broken_barh([(a - 0.5, b - a) for a, b in edges.reshape(-1, 2)], (height, 0.85), color=colour)
    axes[0].set_yticks(np.arange(len(sessions)) + 0.42, sessions)
    axes[0].tick_params(axis="y", length=0, labelcolor=INK)
    for one, place in zip(axes[1:], range(0, len(circles), 2), strict=True):
        series(one, *circles[place : place + 2])
    save(drawn, "clock")


def levels() -> None:
    """The nearest levels on the price, as thick as they are strong, and the four columns."""
    drawn, top, axes = figure(4, 3.0)
    close, sigma = market().bars.close[-SHOWN_BARS:], market().features.sigma[-SHOWN_BARS:]
    for name, sign, colour in (("level_above", 1.0, DOWN), ("level_below", -1.0, UP)):
        distance = shown(name)
        at = np.where(distance < HALF_WIDTH_SIGMAS, close * np.exp(sign * distance * sigma), np.nan)
        strength = shown(f"{name}_strength")
        for weak, strong, width in ((0.0, 1.0, 0.8), (1.0, 2.0, 1.8), (2.0, np.inf, 3.0)):
            x, y = (np.full(3 * SHOWN_BARS, np.nan) for _ in range(2))
            x[0::3], x[1::3] = np.arange(SHOWN_BARS) - 0.5, np.arange(SHOWN_BARS) + 0.5
            y[0::3] = y[1::3] = np.where((strength > weak) & (strength <= strong), at, np.nan)
            known = np.isfinite(np.repeat(y[0::3], 3))
            top.plot(x[known], y[known], color=colour, linewidth=width, solid_capstyle="butt", alpha=0.6)
    for one, name in zip(axes, FAMILIES["levels"], strict=True):
        series(one, name)
    save(drawn, "levels")


def heatmap() -> None:
    """The heat map around the price, and as the policy sees it."""
    drawn = Figure(figsize=(WIDTH_INCHES, 6.2), layout="constrained")
    top, below = drawn.subplots(2, 1, sharex=True, height_ratios=[1.6, 1.0])
    close, sigma = market().bars.close[-SHOWN_BARS:], market().features.sigma[-SHOWN_BARS:]
    heat = np.array([shown(name) for name in FAMILIES["heatmap"]])
    half = HEAT_COLUMNS // 2
    edges = close * np.exp(np.arange(-half, half + 1)[:, None] * sigma)
    bars = market().bars.slice(len(market().bars) - SHOWN_BARS, len(market().bars))
    low, high = float(bars.low.min()), float(bars.high.max())
    room = 0.15 * (high - low)
    prices = np.linspace(low - room, high + room, 150)
    painted = np.full((prices.size, SHOWN_BARS), np.nan)
    for t in range(SHOWN_BARS):
        row = np.searchsorted(edges[:, t], prices) - 1
        inside = (row >= 0) & (row < HEAT_COLUMNS)
        painted[inside, t] = heat[row[inside], t]
    look = {
        "aspect": "auto",
        "origin": "lower",
        "cmap": "YlOrRd",
        "vmin": 0.0,
        "vmax": 1.4 * heat.max(),
        "interpolation": "none",
    }
    top.imshow(painted, extent=(-0.5, SHOWN_BARS - 0.5, prices[0], prices[-1]), **look)
    price(top, INK, INK)
    top.set_ylim(prices[0], prices[-1])
    top.set_title("the density of levels at each close, drawn at its prices", loc="left", fontsize=9)
    image = below.imshow(heat, extent=(-0.5, SHOWN_BARS - 0.5, -half, half), **look)
    below.set_title("heatmap_00 .. heatmap_31: the same, as columns of the matrix", loc="left", fontsize=9)
    below.set_ylabel("volatilities from the close")
    days(below)
    drawn.colorbar(image, ax=[top, below], label="log strength", shrink=0.5, pad=0.01)
    save(drawn, "heatmap")


def context() -> None:
    """One feature on three timeframes."""
    drawn, _, axes = figure(3)
    for one, column in zip(axes, DRAWN["context"], strict=True):
        series(one, column)
    save(drawn, "context")


def trading_day() -> None:
    """Bars of 1h, the bars of 4h that they become, and which of these is seen at the close of each hour."""
    bars, zone = market().bars, market().calendar.roll_zone
    view = coarse_bars(bars, Timeframe(240), market().calendar)
    local_hour = (bars.ts_ns + utc_offset_ns(bars.ts_ns, zone)) % DAY_NS // HOUR_NS
    last_of_day = np.flatnonzero(np.diff(market().calendar.trading_days(bars.ts_ns)) == 1)
    roll = int(last_of_day[last_of_day > len(bars) - SHOWN_BARS][1])
    first, last = roll - 8, roll + 9
    drawn = Figure(figsize=(WIDTH_INCHES, 2.5), layout="constrained")
    axes = drawn.subplots()
    bin_of = np.searchsorted(view.last_base_bar, np.arange(len(bars)))
    letters = {int(coarse): chr(ord("A") + i) for i, coarse in enumerate(np.unique(bin_of[first - 5 : last + 1]))}
    palette = ("#cfe3f3", "#f9dcc8")
    hours = (bars.ts_ns - bars.ts_ns[first]) / HOUR_NS
    for t in range(first, last + 1):
        coarse = int(bin_of[t])
        axes.add_patch(Rectangle((hours[t], 2.0), 0.94, 0.8, color=palette[coarse % 2]))
        axes.text(hours[t] + 0.47, 2.4, f"{local_hour[t]:02d}", ha="center", va="center")
        axes.add_patch(Rectangle((hours[t], 0.0), 0.94, 0.8, color=palette[int(view.last_closed[t]) % 2]))
        axes.text(hours[t] + 0.47, 0.4, letters[int(view.last_closed[t])], ha="center", va="center", weight="bold")
    for coarse in np.unique(bin_of[first : last + 1]):
        inside = [t for t in range(first, last + 1) if bin_of[t] == coarse]
        begin, end = hours[inside[0]], hours[inside[-1]] + 0.94
        axes.add_patch(Rectangle((begin, 1.0), end - begin, 0.8, color=palette[int(coarse) % 2]))
        axes.text((begin + end) / 2.0, 1.4, letters[int(coarse)], ha="center", va="center", weight="bold")
    axes.axvline(hours[roll] + 1.0, color=DOWN, linewidth=1.2, linestyle="--", ymax=0.9)
    axes.text(hours[roll] + 1.0, 2.95, "the trading day rolls", color=DOWN, ha="center")
    for height, name in (
        (2.4, "1h bars, New York hour"),
        (1.4, "4h bars"),
        (0.4, "4h bar that a 1h bar\nsees at its close"),
    ):
        axes.text(-0.3, height, name, ha="right", va="center")
    axes.set_xlim(-5.5, hours[last] + 1.2)
    axes.set_ylim(0.0, 3.2)
    axes.axis("off")
    save(drawn, "trading_day")


def main() -> None:
    """Draw every picture."""
    style()
    for name in ("returns", "shapes", "volatility"):
        family(name, tuple((column,) for column in FAMILIES[name]))
    family("swings", (FAMILIES["swings"],))
    for draw in (clock, levels, heatmap, context, trading_day):
        draw()
    for path in sorted(PICTURES.glob("*.svg")):
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
