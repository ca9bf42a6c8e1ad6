"""Which bars of each market an encoder is fitted on, as histories that stand for themselves."""

from collections.abc import Sequence
from typing import NamedTuple

from agv2.app.market_preparation import PreparedMarket
from agv2.app.settings import Settings
from agv2.backtest.walk_forward import Fold
from agv2.core.arrays import IntArray
from agv2.models.training_blocks import TrainingBlock, bars_outside

__all__ = ["TrainingPart", "training_parts"]


class TrainingPart(NamedTuple):
    """Adjacent bars of one market that an encoder is fitted on."""

    market: PreparedMarket
    bars: range
    """Those that the first window reads included."""
    is_after_block: bool
    """Whether what lies before it was left out, so that no label may be made from it."""

    @property
    def ts_ns(self) -> IntArray:
        """(n_bars,) open times."""
        return self.market.bars.ts_ns[self.bars.start : self.bars.stop]


def training_parts(
    markets: Sequence[PreparedMarket], folds: Sequence[Fold], settings: Settings, left_out: TrainingBlock | None
) -> list[TrainingPart]:
    """The bars of each market that an encoder is fitted on; parts that hold no whole window are dropped.

    Args:
        markets: prepared markets.
        folds: of each market.
        settings: the encoder's window.
        left_out: as for `training_data`.
    """
    lead = settings.encoder.window - 1
    found = []
    for market, fold in zip(markets, folds, strict=True):
        # Training begins no earlier than the first decision; the bars before it are there for its window.
        warm = range(fold.train_lo - lead, fold.train_hi)
        for bars in (warm,) if left_out is None else bars_outside(left_out, market.bars.ts_ns, warm):
            if len(bars) > lead:
                found.append(TrainingPart(market, bars, bars.start > warm.start))
    return found
