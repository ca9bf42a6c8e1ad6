"""Rows of several files as one series: sorted, repeats dropped, contradictions refused or settled as asked."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import DataError
from agv2.data.importers.vendor_rows import VendorRows, spread_between
from agv2.data.parquet_columns import moment_text

__all__ = ["DatedRows", "JoinedRows", "Prefer", "join_rows", "minute_bars", "with_ask"]

Prefer = Literal["first", "last"]

_MINUTE_NS = 60_000_000_000
_CLOSE, _SPREAD = 3, 5


class DatedRows(NamedTuple):
    """One file's rows and when their bars open."""

    rows: VendorRows
    ts_ns: IntArray
    """(n_rows,) opens, nanoseconds UTC, in the order of the file."""


@dataclass(frozen=True, slots=True)
class JoinedRows:
    """One series, stamps strictly rising."""

    ts_ns: IntArray
    values: FloatArray
    """(n_bars, 6) open, high, low, close, volume, spread."""
    n_repeated: int = 0
    """Rows dropped because they repeat another."""
    n_settled: int = 0
    """Stamps that carried different bars, of which one was preferred."""
    n_falling: int = 0
    """Rows earlier than the row before them."""


def join_rows(parts: Sequence[DatedRows], prefer: Prefer | None) -> JoinedRows:
    """All rows in order of time, each stamp once.

    Args:
        parts: files in the order given.
        prefer: which of different bars of one stamp to keep, by order of files and rows; None: refuse them.

    Raises:
        DataError: a stamp carries different bars and nothing says which is right.
    """
    ts_ns = np.concatenate([part.ts_ns for part in parts])
    values = np.concatenate([_table(part.rows) for part in parts])
    n_falling = sum(int(np.count_nonzero(np.diff(part.ts_ns) < 0)) for part in parts)
    order = np.argsort(ts_ns, kind="stable")
    ts_ns, values = ts_ns[order], values[order]
    is_first = np.concatenate([[True], np.diff(ts_ns) != 0])
    starts = np.flatnonzero(is_first)
    if starts.size == ts_ns.size:
        return JoinedRows(ts_ns, values, n_falling=n_falling)
    group = np.cumsum(is_first) - 1
    of_first = values[starts][group]
    differs = ~((values == of_first) | (np.isnan(values) & np.isnan(of_first))).all(axis=1)
    torn = np.unique(group[differs])
    if torn.size and prefer is None:
        row = int(np.argmax(differs))
        places = " and ".join(_place(parts, int(order[each])) for each in (starts[group[row]], row))
        raise DataError(
            f"{parts[0].rows.path}: {torn.size} stamps carry different bars, the first {moment_text(ts_ns[row])}: "
            f"{places}; remove the wrong ones, or say --prefer first or --prefer last"
        )
    keep = np.append(starts[1:], ts_ns.size) - 1 if prefer == "last" else starts
    n_repeated = ts_ns.size - starts.size - int(differs.sum())
    return JoinedRows(ts_ns[keep], values[keep], n_repeated, int(torn.size), n_falling)


def minute_bars(parts: Sequence[DatedRows]) -> JoinedRows:
    """Ticks as bars of one minute, of their bids.

    Volume is the number of ticks, spread the last ask less the last bid of the minute: what an order at the bar's
    close would have met, and what a pair of bid and ask bars gives.

    Raises:
        DataError: files overlap in time, so that ticks would count twice.
    """
    spans = sorted((int(part.ts_ns.min()), int(part.ts_ns.max()), str(part.rows.path)) for part in parts)
    for one, other in itertools.pairwise(spans):
        if other[0] <= one[1]:
            raise DataError(f"{other[2]}: its ticks overlap those of {one[2]}; give every tick once")
    ts_ns = np.concatenate([part.ts_ns for part in parts])
    values = np.concatenate([_table(part.rows) for part in parts])
    order = np.argsort(ts_ns, kind="stable")
    minutes, bids, spreads = ts_ns[order] // _MINUTE_NS, values[order, _CLOSE], values[order, _SPREAD]
    starts = np.flatnonzero(np.diff(minutes, prepend=minutes[0] - 1))
    ends = np.append(starts[1:], minutes.size) - 1
    columns = (
        bids[starts], np.maximum.reduceat(bids, starts), np.minimum.reduceat(bids, starts), bids[ends],
        (ends - starts + 1).astype(np.float64), spreads[ends],
    )  # fmt: skip
    n_falling = sum(int(np.count_nonzero(np.diff(part.ts_ns) < 0)) for part in parts)
    return JoinedRows(minutes[starts] * _MINUTE_NS, np.column_stack(columns), n_falling=n_falling)


def with_ask(bid: JoinedRows, ask: JoinedRows) -> tuple[JoinedRows, tuple[str, ...]]:
    """Bid bars with the spread that ask bars of the same stamps give: ask close less bid close.

    Sampled apart, the two sides now and then give a negative spread; it stays, and readers of bars take it as unknown.

    Returns:
        The bid bars, and a note on each thing that was noticed.
    """
    place = np.minimum(np.searchsorted(ask.ts_ns, bid.ts_ns), ask.ts_ns.size - 1)
    both = ask.ts_ns[place] == bid.ts_ns
    values = bid.values.copy()
    spread = spread_between(bid.values[:, _CLOSE], ask.values[place, _CLOSE])
    values[:, _SPREAD] = np.where(both, spread, np.nan)
    notes = []
    if not both.all():
        notes.append(f"{int((~both).sum())} bid bars have no ask bar: spread unknown there")
    if (n_alone := ask.ts_ns.size - int(both.sum())) > 0:
        notes.append(f"{n_alone} ask bars have no bid bar: left out")
    if n_negative := int((values[:, _SPREAD] < 0.0).sum()):
        notes.append(f"{n_negative} spreads are negative: kept, and taken as unknown by whatever reads the bars")
    joined = JoinedRows(
        bid.ts_ns, values, bid.n_repeated + ask.n_repeated, bid.n_settled + ask.n_settled, bid.n_falling + ask.n_falling
    )
    return joined, tuple(notes)


def _table(rows: VendorRows) -> FloatArray:
    return np.column_stack([rows.open, rows.high, rows.low, rows.close, rows.volume, rows.spread])


def _place(parts: Sequence[DatedRows], row: int) -> str:
    """Name and line of a row, counted over all files."""
    for part in parts:
        if row < part.ts_ns.size:
            return f"{part.rows.path.name} {part.rows.counted} {part.rows.lines[row]}"
        row -= part.ts_ns.size
    raise AssertionError("every row is of some file")
