"""One look for all pictures of the notebooks: white ground, so that they can be read in a dark page too."""

from collections.abc import Iterable
from typing import Any

import matplotlib.pyplot as plt
from IPython.display import Markdown, display

__all__ = ["COLOURS", "between", "conclude", "table", "use_style"]

COLOURS = {
    "blue": "#0072B2",
    "orange": "#D55E00",
    "green": "#009E73",
    "yellow": "#E69F00",
    "pink": "#CC79A7",
    "sky": "#56B4E9",
    "black": "#222222",
    "grey": "#8A8A8A",
}
"""Told apart by every kind of colour vision. Source: Okabe and Ito (2008), Color Universal Design."""


def use_style() -> None:
    """Set the defaults of matplotlib."""
    plt.rcdefaults()
    plt.rcParams.update(
        {
            "figure.figsize": (9.6, 3.6),
            "figure.dpi": 104,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "white",
            "axes.facecolor": "white",
            "axes.prop_cycle": plt.cycler(color=list(COLOURS.values())),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": "#555555",
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlelocation": "left",
            "axes.titlesize": 10,
            "axes.titleweight": "bold",
            "axes.labelsize": 9,
            "figure.titlesize": 10,
            "figure.titleweight": "bold",
            "font.size": 9,
            "grid.color": "#E4E4E4",
            "grid.linewidth": 0.7,
            "legend.frameon": False,
            "legend.fontsize": 8,
            "lines.linewidth": 1.2,
            "xtick.labelsize": 8,
            "ytick.labelsize": 8,
        }
    )


def between(values: Iterable[float], form: str) -> str:
    """The least and the largest of `values` as `least to largest`, or the one number where they print alike."""
    known = list(values)
    low, high = format(min(known), form), format(max(known), form)
    return low if low == high else f"{low} to {high}"


def conclude(text: str) -> None:
    """What the picture or the numbers above say, in words."""
    display(Markdown(f"> {text}"))


def table(heads: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Rows below their heads; columns of numbers stand on the right."""
    cells = [tuple(str(cell) for cell in row) for row in rows]
    columns = zip(*cells, strict=True)
    sides = tuple("--:" if all(cell[:1] in "+-−–.0123456789" for cell in column) else ":--" for column in columns)
    lines = "\n".join("| " + " | ".join(line) + " |" for line in (heads, sides, *cells))
    display(Markdown(lines))
