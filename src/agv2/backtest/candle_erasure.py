"""What a decision would have been had price stood still in some candles, every feature computed anew."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from agv2.backtest.erasure import Odds
from agv2.core.arrays import Float32Array, FloatArray
from agv2.core.bars import Bars

__all__ = ["candle_stretches", "erase_candles", "standing_still"]

_SINGLE, _BY_FOUR = 24, 96


def standing_still(bars: Bars, first: int, stop: int) -> Bars:
    """The same history as if price had not moved from bar `first` up to but not including `stop`.

    Those candles become points at the last close before them, and everything before `stop` moves by one factor so
    that the close of `stop - 1`, and all that follows, is as it was.

    Args:
        bars: history.
        first: at least 1.
        stop: more than `first`.
    """
    factor = bars.close[stop - 1] / bars.close[first - 1]
    prices = {}
    for name in ("open", "high", "low", "close"):
        price = getattr(bars, name).copy()
        price[:first] *= factor
        price[first:stop] = bars.close[stop - 1]
        prices[name] = price
    return replace(bars, **prices)


def candle_stretches(n_bars: int) -> list[tuple[int, int]]:
    """Candles back from a decision, first and last of each stretch counted from 1: single ones, fours, then quarters.

    Args:
        n_bars: of the window, at least as many as are taken singly.
    """
    single, by_four = min(_SINGLE, n_bars), min(_BY_FOUR, n_bars)
    near = [(back, back) for back in range(1, single + 1)]
    near += [(back, min(back + 3, by_four)) for back in range(single + 1, by_four + 1, 4)]
    edges = np.unique(np.linspace(by_four, n_bars, 5).round().astype(int)).tolist()
    return near + [(low + 1, high) for low, high in pairwise(edges)]


def erase_candles(
    odds: Odds,
    bars: Bars,
    state: Float32Array,
    window_of: Callable[[Bars], Float32Array],
    stretches: Sequence[tuple[int, int]],
) -> FloatArray:
    """By how much the log-odds fall where price had stood still, the state of the book as it was.

    This reaches what erasing a window's features cannot: a return over 60 bars at the last bar is made of 60 candles.

    Args:
        odds: of the explained position.
        bars: history that ends with the decision's bar and holds all that its window depends on.
        state: (S,) of the book.
        window_of: normalised features (L, F) of the last bars of such a history.
        stretches: candles back from the decision, first and last, counted from 1.

    Returns:
        (n_stretches,) log-odds as they are, minus those without the stretch.
    """
    whole = float(odds(window_of(bars)[np.newaxis], state[np.newaxis])[0])
    falls = np.empty(len(stretches))
    for number, (near, far) in enumerate(stretches):
        changed = standing_still(bars, len(bars) - far, len(bars) - near + 1)
        falls[number] = whole - float(odds(window_of(changed)[np.newaxis], state[np.newaxis])[0])
    return falls
