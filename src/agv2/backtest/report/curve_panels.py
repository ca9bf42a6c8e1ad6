"""Small charts of numbers against steps or time, several lines in each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from agv2.backtest.report.paths import SPAN, keep_extremes, line_path
from agv2.backtest.report.scales import Tick, value_ticks
from agv2.core.arrays import FloatArray

__all__ = ["CurvePanel", "DrawnLine", "curve_panel"]

_ROOM = 0.06
_POINTS = 600


class DrawnLine(NamedTuple):
    """One line before it is placed."""

    style: str
    """Class in the style sheet."""
    name: str
    across: FloatArray
    """(n,) rising, >= 0."""
    values: FloatArray
    """(n,) finite."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One line in a square of 1000."""

    style: str
    path: str
    title: str


@dataclass(frozen=True, slots=True)
class CurvePanel:
    """One chart; ticks are per cent from the top and from the left."""

    title: str
    curves: tuple[Curve, ...]
    kept: tuple[float, ...]
    """What is marked, per cent of the width."""
    ticks: tuple[Tick, ...]
    steps: tuple[Tick, ...]


def curve_panel(
    title: str,
    lines: Sequence[DrawnLine],
    last: float,
    kept: Sequence[float] = (),
    steps: Sequence[Tick] | None = None,
    *,
    fractions: bool = False,
) -> CurvePanel | None:
    """The lines on one scale; None where no line has two points.

    Args:
        title: of the chart.
        lines: those with fewer than two points are left out.
        last: what the right edge stands for, > 0.
        kept: places across to be marked.
        steps: ticks across, per cent of the width; None: round numbers of `across`.
        fractions: values are fractions, to be read as per cent.
    """
    drawn = [line for line in lines if len(line.values) > 1]
    if not drawn:
        return None
    low, high = min(float(line.values.min()) for line in drawn), max(float(line.values.max()) for line in drawn)
    room = _ROOM * (high - low) if high > low else 0.01 * max(abs(high), 1.0)
    low, high = low - room, high + room
    curves = []
    for line in drawn:
        shown = keep_extremes(line.values, _POINTS)
        path = line_path(SPAN * line.across[shown] / last, SPAN * (high - line.values[shown]) / (high - low))
        title_of = f"{line.name}: {line.values[0]:.4f} to {line.values[-1]:.4f}"
        curves.append(Curve(line.style, path, title_of))
    if steps is None:
        steps = [Tick(100.0 * mark / last, f"{mark:,.0f}") for mark in value_ticks(0.0, float(last), 4)]
    return CurvePanel(
        title=title,
        curves=tuple(curves),
        kept=tuple(100.0 * place / last for place in kept),
        ticks=tuple(
            Tick(100.0 * (high - mark) / (high - low), f"{100.0 * mark:.6g}\u202f%" if fractions else f"{mark:g}")
            for mark in value_ticks(low, high, 4)
        ),
        steps=tuple(steps),
    )
