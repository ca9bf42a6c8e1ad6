"""Which bars teach the encoder, which choose its weights and which score it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import Float32Array, FloatArray, Int8Array, IntArray
from agv2.core.errors import DataError, ShapeError
from agv2.models.config import EncoderConfig

__all__ = ["PurgedRows", "TrainingSeries", "purged_rows", "purged_stamps", "validation_starts"]

MIN_ROWS = 64
BY_BAR = ("ts_ns", "features", "sigma", "future", "regime", "pattern", "reacted", "level_distance")


@dataclass(frozen=True, slots=True)
class TrainingSeries:
    """One symbol's training bars and what they are to predict, cut by the caller to the past of its fold.

    Attributes:
        symbol: its name, for messages.
        ts_ns: (n_bars,) open times, rising.
        features: (n_bars, n_features) normalised and finite.
        sigma: (n_bars,) causal volatility, log return per bar, > 0; the unit of `future`.
        future: (n_bars, horizons) forward log returns in σ·√h, NaN where unknown.
        regime: (n_bars,) class numbers, -1 where unknown.
        pattern: (n_bars,) class numbers, -1 where unknown.
        reacted: (n_bars, bands) 1 where price turned at the band, 0 where it did not, -1 where unknown.
        level_distance: (n_bars, 2) to the nearest level above and below in σ, >= 0, NaN where there is none; only
            baselines read it.
        label_reach: bars that the furthest of these targets looks ahead; regimes are made apart for bars apart.
        asset_class: number of the market's class in `ASSET_CLASSES`.
    """

    symbol: str
    ts_ns: IntArray
    features: Float32Array
    sigma: FloatArray
    future: FloatArray
    regime: IntArray
    pattern: IntArray
    reacted: Int8Array
    level_distance: FloatArray
    label_reach: int
    asset_class: int = 0

    def __post_init__(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in BY_BAR}
        if len(set(lengths.values())) != 1:
            raise ShapeError(f"{self.symbol}: arrays of one length expected, got {lengths}")
        finite = np.isfinite(self.features).all(axis=1)
        if not finite.all():
            raise DataError(f"{self.symbol}: features at row {int(np.argmin(finite))} are not finite")

    def __len__(self) -> int:
        return len(self.ts_ns)


@dataclass(frozen=True, slots=True)
class PurgedRows:
    """Row ranges [start, stop) of one series; a row is a bar with a whole window, taught or scored by its targets.

    Attributes:
        train: rows that teach.
        select: rows that choose between the weights seen during training.
        score: rows behind the reported scores; nothing was fitted or chosen on them.
    """

    train: range
    select: range
    score: range


def purged_rows(series: Sequence[TrainingSeries], config: EncoderConfig) -> list[PurgedRows]:
    """`purged_stamps` of series."""
    reach = max((one.label_reach for one in series), default=0)
    return purged_stamps([one.ts_ns for one in series], reach, config)


def purged_stamps(stamps: Sequence[IntArray], reach: int, config: EncoderConfig) -> list[PurgedRows]:
    """Split every series at the same moments, with a purge before the selection rows.

    The last `validation_fraction` of the rows (by time, over all symbols) validate: their first half selects, their
    second half scores. Training ends `window - 1 + label reach + embargo` rows before the first validation row.
    So, in each series, the bars that any training target reads lie before the input window of every validation row.
    The moments are common to all symbols, because gold's tomorrow is a hint about silver's. Between selection and
    scoring `label reach` rows are dropped: both are only looked at, so windows may overlap but targets may not.

    Args:
        stamps: per series (n_bars,) open times, rising; one or more.
        reach: bars that the furthest-looking target reads ahead.
        config: window, embargo and validation share.

    Returns:
        The rows of each series, in order.

    Raises:
        DataError: fewer than 64 training rows, or no row to select or score by, would be left in all series together.
    """
    lead = config.window - 1
    needed = f"give more bars (the window is {config.window} and the purge {lead + reach + config.embargo_bars})"
    if all(one.size <= lead for one in stamps):
        raise DataError(f"no bar has a whole window: {needed}")
    select_ns, score_ns = validation_starts(stamps, config)
    split = [_split(one, lead, reach, config.embargo_bars, select_ns, score_ns) for one in stamps]
    train, select, score = (
        sum(len(part) for part in parts)
        for parts in ([s.train for s in split], [s.select for s in split], [s.score for s in split])
    )
    if train < MIN_ROWS or not select or not score:
        raise DataError(f"{train} training, {select} selection and {score} scoring rows are too few: {needed}")
    return split


def validation_starts(stamps: Sequence[IntArray], config: EncoderConfig) -> tuple[int, int]:
    """Moments at which the selection and the scoring rows begin, common to all symbols.

    A label that looks at all the bars it is given must be made for the bars before the first moment alone, and for
    those after it apart.

    Args:
        stamps: per symbol (n_bars,) open times, as in `TrainingSeries`; one at least as long as the window.
        config: window and validation share.

    Returns:
        Open times of the first selection and the first scoring bar.
    """
    clock = np.sort(np.concatenate([one[config.window - 1 :] for one in stamps]))
    shares = (1.0, 0.5)
    at = [min(int(len(clock) * (1.0 - share * config.validation_fraction)), len(clock) - 1) for share in shares]
    return int(clock[at[0]]), int(clock[at[1]])


def _split(ts_ns: IntArray, lead: int, reach: int, embargo: int, select_ns: int, score_ns: int) -> PurgedRows:
    first, middle = (max(int(np.searchsorted(ts_ns, moment)), lead) for moment in (select_ns, score_ns))
    return PurgedRows(
        train=range(lead, max(lead, first - lead - reach - embargo)),
        select=range(first, max(first, middle - reach)),
        score=range(middle, ts_ns.size),
    )
