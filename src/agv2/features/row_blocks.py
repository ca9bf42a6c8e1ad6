"""A long history in blocks that fit the nearer caches."""

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["RowBlock", "row_blocks"]

_ROWS = 12_000


class RowBlock(NamedTuple):
    """Rows to compute, and the bars before them that they read."""

    first: int
    """First bar read."""
    start: int
    """First row."""
    stop: int
    """One past the last row."""


def row_blocks(n_bars: int, lookback: int) -> Iterator[RowBlock]:
    """All rows in order, block by block.

    What reads no further back than `lookback` bars gives a row the same bits in a block as in the whole history, so
    nothing but time and memory depends on how the rows are cut.

    Args:
        n_bars: bars of the history.
        lookback: bars that decide a row, the present one included.
    """
    for start in range(0, n_bars, _ROWS):
        yield RowBlock(max(start - lookback + 1, 0), start, min(start + _ROWS, n_bars))
