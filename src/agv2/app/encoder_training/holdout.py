"""Which bars nothing is fitted on."""

from collections.abc import Sequence

from agv2.app.run_plan import least_training_bars
from agv2.app.settings import Settings
from agv2.backtest.walk_forward import Fold, portfolio_walk_forward
from agv2.core.arrays import IntArray
from agv2.core.errors import DataError

__all__ = ["hold_out", "purge_bars"]


def purge_bars(settings: Settings) -> int:
    """Bars left out before those held out, so that no target that teaches reads a bar of a scored window."""
    return settings.encoder.window - 1 + settings.label_reach + settings.encoder.embargo_bars


def hold_out(
    stamps: Sequence[IntArray], first_rows: Sequence[int], names: Sequence[str], settings: Settings, share: float
) -> list[Fold]:
    """The last `share` of the bars as the one test fold of a walk-forward over all symbols.

    Args:
        stamps: per symbol (n_bars,) open times, rising.
        first_rows: per symbol the first bar with a whole window.
        names: of the symbols, for messages.
        settings: window, reach of the labels, embargo.
        share: of the stamps that all symbols cover, within 0..1.

    Returns:
        Per symbol its fold: cut at a moment common to all, for what one market does tells of another; bars that only
        some have before the common span teach as well, those after it are in no fold.

    Raises:
        DataError: too few bars in common.
    """
    try:
        folds = portfolio_walk_forward(
            stamps,
            n_folds=1,
            first_train_frac=1.0 - share,
            horizon=purge_bars(settings),
            embargo_bars=0,
            warmups=first_rows,
            # The encoder purges once more, before the last of these bars, by which it chooses its weights.
            min_train_bars=least_training_bars(settings),
            symbols=names,
        )
    except DataError as error:
        raise DataError(f"{error} (--holdout {share:g}, encoder.window {settings.encoder.window})") from None
    return [fold._replace(train_lo=first) for (fold,), first in zip(folds, first_rows, strict=True)]
