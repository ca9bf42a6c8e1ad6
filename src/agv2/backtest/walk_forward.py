"""Walk-forward folds: train on the past, test on what follows, step on."""

import itertools
import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from agv2.core.arrays import IntArray
from agv2.core.errors import DataError, LeakError

__all__ = ["Fold", "portfolio_walk_forward", "require_purged", "walk_forward"]

MIN_FOLD_BARS = 3
"""A fold starts flat, decides once, fills and closes: shorter ones cannot hold a trade."""


class Fold(NamedTuple):
    """Half-open ranges of bar indices of one symbol: `train_lo <= i < train_hi`, `test_lo <= i < test_hi`."""

    train_lo: int
    train_hi: int
    test_lo: int
    test_hi: int


def require_purged(folds: Sequence[Fold], horizon: int, embargo_bars: int) -> None:
    """Stop a walk-forward whose training knows anything of its tests, however its folds were cut.

    Args:
        folds: of one symbol, in order.
        horizon: bars that a label looks ahead.
        embargo_bars: further bars between training and test.

    Raises:
        LeakError: a label of training reaches a test bar of its fold, or test bars are not adjacent; names the fold.
    """
    for number, fold in enumerate(folds, start=1):
        if not fold.train_lo < fold.train_hi <= fold.test_lo - horizon - embargo_bars:
            raise LeakError(
                f"fold {number}: training ends before bar {fold.train_hi}, the test begins with bar {fold.test_lo} and "
                f"labels look {horizon} bars ahead (embargo {embargo_bars}): training would know test bars"
            )
    for number, (one, next_one) in enumerate(itertools.pairwise(folds), start=1):
        if one.test_hi != next_one.test_lo:
            raise LeakError(f"fold {number} ends with bar {one.test_hi - 1}, the next begins with {next_one.test_lo}")


def walk_forward(
    n_bars: int,
    *,
    n_folds: int,
    first_train_frac: float,
    horizon: int,
    embargo_bars: int,
    warmup: int,
    mode: Literal["expanding", "rolling"] = "expanding",
    min_train_bars: int = 1,
) -> tuple[Fold, ...]:
    """Folds of one series; adjacent test ranges that end with the last bar.

    Args:
        n_bars: bars in the series.
        n_folds: test folds, >= 1.
        first_train_frac: share of the bars after `warmup` that lies before the first test fold, within 0..1.
        horizon: bars that a label looks ahead; as many are dropped from the end of each training range.
        embargo_bars: further bars dropped there.
        warmup: bars at the start without features.
        mode: `expanding` trains on everything since the start, `rolling` on as many bars as the first fold has.
        min_train_bars: bars that each training range must keep.

    Returns:
        `n_folds` folds in order; `train_hi + horizon + embargo_bars <= test_lo` in each.

    Raises:
        DataError: too few bars; says how many are needed.

    Source: López de Prado (2018), Advances in Financial Machine Learning, chapter 7 (purging, embargo).
    """

    def parts(n: int) -> tuple[int, int]:
        """Bars of the first training range and of the shortest test fold, if there were `n` bars."""
        first = _first_test(n - warmup, first_train_frac)
        return first - horizon - embargo_bars, (n - warmup - first) // n_folds

    _require_sensible(n_folds, first_train_frac, horizon, embargo_bars, warmup)
    least = (max(min_train_bars, 1), MIN_FOLD_BARS)
    if any(have < need for have, need in zip(parts(max(n_bars, warmup)), least, strict=True)):
        # each part grows with n at a known rate, so start near the answer and count up
        guess = warmup + max(
            math.floor((least[0] + horizon + embargo_bars) / first_train_frac),
            math.floor(least[1] * n_folds / (1.0 - first_train_frac)),
        )
        needed = max(n_bars + 1, guess - math.ceil(1.0 / (1.0 - first_train_frac)) - 1)
        while any(have < need for have, need in zip(parts(needed), least, strict=True)):
            needed += 1
        raise DataError(
            f"{n_bars:,} bars are too few for {n_folds} walk-forward fold{'s' if n_folds > 1 else ''}: {needed:,} "
            f"needed ({warmup:,} to warm up; {first_train_frac:.0%} of the rest come before the first test bar: "
            f"{least[0]:,} train and {horizon + embargo_bars:,} are purged); give more bars or fewer folds"
        )
    return portfolio_walk_forward(
        [np.arange(n_bars, dtype=np.int64)],
        n_folds=n_folds,
        first_train_frac=first_train_frac,
        horizon=horizon,
        embargo_bars=embargo_bars,
        warmups=[warmup],
        mode=mode,
        min_train_bars=min_train_bars,
    )[0]


def portfolio_walk_forward(
    stamps: Sequence[IntArray],
    *,
    n_folds: int,
    first_train_frac: float,
    horizon: int,
    embargo_bars: int,
    warmups: Sequence[int],
    mode: Literal["expanding", "rolling"] = "expanding",
    min_train_bars: int = 1,
    symbols: Sequence[str] = (),
) -> tuple[tuple[Fold, ...], ...]:
    """Folds of several series of one timeframe, cut at common times inside the span that all of them cover.

    Cuts are equally many stamps of the merged clock apart. No training bar of any symbol closes after the first
    test bar of any opens.

    Args:
        stamps: per symbol (n_bars,) bar open times, strictly rising.
        n_folds: as for `walk_forward`, and so are the other arguments.
        first_train_frac: of the merged stamps since every symbol has features.
        horizon: in each symbol's own bars.
        embargo_bars: in each symbol's own bars.
        warmups: per symbol, bars at its start without features.
        mode: `rolling` trains on as many merged stamps as the first fold.
        min_train_bars: of each symbol.
        symbols: names for messages.

    Returns:
        Per symbol its folds; fold k of every symbol covers the same time. Bars outside the common span are in none.

    Raises:
        DataError: no common span, or a symbol with too few bars in a fold.
    """
    _require_sensible(n_folds, first_train_frac, horizon, embargo_bars, min(warmups))
    names = list(symbols) or [f"series {index}" for index in range(len(stamps))]
    for name, series, warmup in zip(names, stamps, warmups, strict=True):
        if series.size <= warmup:
            raise DataError(f"{name}: {series.size:,} bars do not outlast a warm-up of {warmup:,}; give more bars")
    start = max(int(series[warmup]) for series, warmup in zip(stamps, warmups, strict=True))
    end = min(int(series[-1]) for series in stamps)
    clock = np.unique(np.concatenate([series[(series >= start) & (series <= end)] for series in stamps]))
    first = _first_test(clock.size, first_train_frac)
    if (clock.size - first) // n_folds < MIN_FOLD_BARS or first < 1:
        raise DataError(
            f"{', '.join(names)} have {clock.size:,} common stamps after warm-up, too few for {n_folds} walk-forward "
            "folds; give files that overlap more, or fewer folds"
        )
    cuts = [first + (clock.size - first) * fold // n_folds for fold in range(n_folds + 1)]
    bar_length = min(int(np.diff(series).min(initial=np.iinfo(np.int64).max)) for series in stamps)
    return tuple(
        tuple(
            _fold(
                name,
                series,
                train_from=int(clock[cut - first if mode == "rolling" else 0]),
                test_from=int(clock[cut]),
                test_before=int(clock[following]) if following < clock.size else end + 1,
                bar_length=bar_length,
                purged=horizon + embargo_bars,
                min_train_bars=max(min_train_bars, 1),
            )
            for cut, following in itertools.pairwise(cuts)
        )
        for name, series in zip(names, stamps, strict=True)
    )


def _fold(
    name: str,
    series: IntArray,
    *,
    train_from: int,
    test_from: int,
    test_before: int,
    bar_length: int,
    purged: int,
    min_train_bars: int,
) -> Fold:
    train_lo, test_lo, test_hi = (int(i) for i in np.searchsorted(series, [train_from, test_from, test_before]))
    # grids may be offset from each other: a bar that is still open at the cut is not past
    closed = int(np.searchsorted(series, test_from - bar_length, side="right"))
    fold = Fold(train_lo, min(test_lo, closed) - purged, test_lo, test_hi)
    if fold.test_hi - fold.test_lo < MIN_FOLD_BARS:
        raise DataError(
            f"{name}: {fold.test_hi - fold.test_lo} bars in a test fold, {MIN_FOLD_BARS} needed; "
            "give files that overlap more, or fewer folds"
        )
    if fold.train_hi - fold.train_lo < min_train_bars:
        raise DataError(
            f"{name}: {max(fold.train_hi - fold.train_lo, 0):,} bars to train a fold on, {min_train_bars:,} needed "
            f"after {purged:,} purged; give more bars"
        )
    return fold


def _first_test(n_usable: int, first_train_frac: float) -> int:
    return math.floor(n_usable * first_train_frac + 1e-9)


def _require_sensible(n_folds: int, first_train_frac: float, horizon: int, embargo_bars: int, warmup: int) -> None:
    if n_folds < 1 or not 0.0 < first_train_frac < 1.0 or min(horizon, embargo_bars, warmup) < 0:
        raise DataError(
            f"walk-forward needs n_folds >= 1, 0 < first_train_frac < 1 and no negative lengths; found {n_folds}, "
            f"{first_train_frac}, horizon {horizon}, embargo_bars {embargo_bars}, warmup {warmup}"
        )
