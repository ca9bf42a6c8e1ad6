"""How the losses of each head went during training."""

from collections.abc import Callable, Sequence

import numpy as np

from agv2.app.encoder_page.words import HEAD_WORDS
from agv2.app.encoder_report import TrainedSeed
from agv2.backtest.report.curve_panels import CurvePanel, DrawnLine, curve_panel
from agv2.models.training_log import TrainingLook

__all__ = ["curve_panels"]


def curve_panels(seeds: Sequence[TrainedSeed]) -> list[CurvePanel]:
    """A panel for each head that was looked at, with two lines an encoder: `train` and `selection`."""
    names = dict.fromkeys(name for one in seeds for look in one.looks for name in look.selection)
    return [panel for name in names if (panel := _panel(name, seeds)) is not None]


def _panel(head: str, seeds: Sequence[TrainedSeed]) -> CurvePanel | None:
    lines = []
    for one in seeds:
        for kind, losses_of in _KINDS.items():
            points = [(look.step, losses_of(look)[head]) for look in one.looks if head in losses_of(look)]
            across, losses = np.array(points, dtype=np.float64).reshape(-1, 2).T
            lines.append(DrawnLine(kind, f"seed {one.seed}, {kind}", across, losses))
    last = max(look.step for one in seeds for look in one.looks)
    return curve_panel(HEAD_WORDS[head][0], lines, last, [one.best_step for one in seeds])


_KINDS: dict[str, Callable[[TrainingLook], "dict[str, float]"]] = {
    "train": lambda look: dict(look.train),
    "selection": lambda look: dict(look.selection),
}
