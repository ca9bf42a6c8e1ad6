"""How the losses of each head went during training."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from agv2.app.encoder_page.words import HEAD_WORDS
from agv2.app.encoder_report import TrainedSeed
from agv2.backtest.report.paths import SPAN, line_path
from agv2.backtest.report.scales import Tick, value_ticks
from agv2.models.training_log import TrainingLook

__all__ = ["CurvePanel", "curve_panels"]

_ROOM = 0.06


@dataclass(frozen=True, slots=True)
class Curve:
    """Losses of one encoder in a square of 1000; `style` is `train` or `selection`."""

    style: str
    path: str
    title: str


@dataclass(frozen=True, slots=True)
class CurvePanel:
    """One head; ticks are per cent from the top and from the left."""

    title: str
    curves: tuple[Curve, ...]
    kept: tuple[float, ...]
    """Where the weights that each encoder kept come from, per cent of the width."""
    ticks: tuple[Tick, ...]
    steps: tuple[Tick, ...]


def curve_panels(seeds: Sequence[TrainedSeed]) -> list[CurvePanel]:
    """A panel for each head that was looked at, with two lines an encoder."""
    names = dict.fromkeys(name for one in seeds for look in one.looks for name in look.selection)
    return [panel for name in names if (panel := _panel(name, seeds)) is not None]


def _panel(head: str, seeds: Sequence[TrainedSeed]) -> CurvePanel | None:
    last = max(look.step for one in seeds for look in one.looks)
    drawn = [
        (kind, one.seed, points)
        for one in seeds
        for kind, losses_of in _KINDS.items()
        if len(points := [(look.step, losses_of(look)[head]) for look in one.looks if head in losses_of(look)]) > 1
    ]
    values = [loss for _, _, points in drawn for _, loss in points]
    if not values:
        return None
    low, high = min(values), max(values)
    room = _ROOM * (high - low) if high > low else 0.01 * max(abs(high), 1.0)
    low, high = low - room, high + room
    curves = []
    for kind, seed, points in drawn:
        steps, losses = (np.array(each, dtype=np.float64) for each in zip(*points, strict=True))
        path = line_path(SPAN * steps / last, SPAN * (high - losses) / (high - low))
        curves.append(Curve(kind, path, f"seed {seed}, {kind}: {losses[0]:.4f} to {losses[-1]:.4f}"))
    return CurvePanel(
        title=HEAD_WORDS[head][0],
        curves=tuple(curves),
        kept=tuple(100.0 * one.best_step / last for one in seeds),
        ticks=tuple(Tick(100.0 * (high - mark) / (high - low), f"{mark:g}") for mark in value_ticks(low, high, 4)),
        steps=tuple(Tick(100.0 * mark / last, f"{mark:,.0f}") for mark in value_ticks(0.0, float(last), 4)),
    )


_KINDS: dict[str, Callable[[TrainingLook], "dict[str, float]"]] = {
    "train": lambda look: dict(look.train),
    "selection": lambda look: dict(look.selection),
}
