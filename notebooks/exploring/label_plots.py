"""Labels as a picture: one position between its barriers, the map of reactions, and how often each class occurs."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.features.labels.level_reaction import Reaction
from exploring.style import COLOURS

__all__ = ["barrier_box", "class_shares", "reaction_strip"]

REACTION_COLOURS = ("#DDDDDD", COLOURS["sky"], COLOURS["orange"])
CLASS_COLOURS = (COLOURS["grey"], COLOURS["sky"], COLOURS["orange"])


def barrier_box(
    axes: Axes, bars: Bars, sigma: FloatArray, entry: int, horizon: int, stop_sigmas: float, target_sigmas: float
) -> None:
    """The bars after a long position was taken at the close of bar `entry`, between its three barriers."""
    before = 8
    rows = slice(entry - before, entry + horizon + 1)
    unit = sigma[entry] * bars.close[entry]
    high, low, close = ((each[rows] - bars.close[entry]) / unit for each in (bars.high, bars.low, bars.close))
    x = np.arange(-before, horizon + 1)
    axes.vlines(x, low, high, color=np.where(x > 0, COLOURS["black"], COLOURS["grey"]), linewidth=1)
    axes.plot(x, close, ".", color=COLOURS["black"], markersize=3)
    for level, colour, name in (
        (-stop_sigmas, COLOURS["orange"], "stop"),
        (target_sigmas, COLOURS["blue"], "target"),
    ):
        axes.plot((0, horizon), (level, level), color=colour, linewidth=1.6)
        axes.text(-0.5, level, name, color=colour, ha="right", va="center", fontsize=8)
    axes.plot((horizon, horizon), (-stop_sigmas, target_sigmas), color=COLOURS["grey"], linewidth=1.6)
    axes.plot(0, 0, "o", color=COLOURS["green"])
    axes.set(xlabel="bars from the entry", ylim=(-stop_sigmas - 2.5, target_sigmas + 2.5))


def reaction_strip(axes: Axes, reactions: IntArray) -> None:
    """What price did at each band around each close; the axis counts bars."""
    half = reactions.shape[1] / 2
    axes.imshow(
        np.ma.masked_less(reactions.T, 0),
        cmap=ListedColormap(REACTION_COLOURS),
        vmin=0,
        vmax=2,
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        extent=(-0.5, len(reactions) - 0.5, -half, half),
    )
    axes.axhline(0, color=COLOURS["black"], linewidth=0.8)
    axes.set_ylabel("band, volatilities from the close")
    axes.grid(visible=False)
    for each, colour in zip(Reaction, ("white", *REACTION_COLOURS), strict=True):
        if each >= 0:
            axes.add_patch(Rectangle((0, 0), 0, 0, color=colour, label=each.name.lower().replace("_", " ")))


def class_shares(axes: Axes, labels: dict[str, tuple[IntArray, list[str]]]) -> tuple[float, float]:
    """A bar of shares for each label, unknown ones left out; returns the least and the largest share of any class."""
    all_shares: list[float] = []
    for row, (classes, names) in enumerate(labels.values()):
        shares = np.bincount(classes[classes >= 0], minlength=len(names)) / (classes >= 0).sum()
        left = 0.0
        for share, name, colour in zip(shares, names, CLASS_COLOURS, strict=True):
            axes.barh(row, share, left=left, color=colour, edgecolor="white")
            axes.text(left + share / 2, row, f"{name}\n{share:.0%}", ha="center", va="center", fontsize=7)
            left += share
        all_shares += shares.tolist()
    axes.set_yticks(range(len(labels)), list(labels))
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of the labelled bars")
    axes.grid(visible=False)
    return min(all_shares), max(all_shares)
