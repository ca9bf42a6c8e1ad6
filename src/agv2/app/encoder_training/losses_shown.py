"""The losses of each head while an encoder trains."""

from collections.abc import Mapping

from rich.table import Table

from agv2.app.encoder_page.words import HEAD_WORDS
from agv2.app.progress import RunProgress
from agv2.models.training_log import TrainingLook

__all__ = ["ShownLosses"]


class ShownLosses:
    """Shows the losses of one training; satisfies the `Progress` that training calls.

    Args:
        progress: of the stage in which it trains.
    """

    def __init__(self, progress: RunProgress) -> None:
        self._progress = progress
        self._said = 0
        """Step of the last look that was told."""

    def __call__(self, step: int, steps: int, losses: Mapping[str, float], look: TrainingLook) -> None:
        """Called after every step."""
        self._progress.update(step / steps, f"step {step:,} of {steps:,}")
        is_new = look.step > self._said
        self._said = max(look.step, self._said)
        self._progress.show(_table(losses, look), _line(look, steps) if is_new else "")


def _table(losses: Mapping[str, float], look: TrainingLook) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for name in ("", "last batch", "training", "selection"):
        table.add_column(name, justify="right" if name else "left", style="dim" if name == "last batch" else "")
    for head, loss in losses.items():
        means = (f"{own[head]:.4f}" if head in own else "" for own in (look.train, look.selection))
        table.add_row(HEAD_WORDS[head][0], f"{loss:.4f}", *means)
    return table


def _line(look: TrainingLook, steps: int) -> str:
    pairs = (
        f"{head} {look.train.get(head, float('nan')):.4f}/{selection:.4f}" for head, selection in look.selection.items()
    )
    return f"  step {look.step:,} of {steps:,}, training/selection: {', '.join(pairs)}"
