"""Rows out of order, and stamps that several rows share."""

from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import BoolArray, IntArray
from agv2.data.quality.findings import Finding, Severity, finding, places_at
from agv2.data.raw_bars import RawBars

__all__ = ["RepeatedStamps", "check_stamps", "first_fall", "repeated_stamps"]


@dataclass(frozen=True, slots=True)
class RepeatedStamps:
    """Rows beyond the first of their stamp, in a table sorted by stamp."""

    repeats: BoolArray
    """(n_rows,) whether the row has the stamp of a row before it."""
    identical: BoolArray
    """(n_rows,) whether it also equals the first row of its stamp, unknown numbers being equal."""
    conflicting: IntArray
    """(n,) row of the first of each stamp that has different rows."""


def repeated_stamps(sorted_rows: RawBars) -> RepeatedStamps:
    """Which rows repeat a stamp, and which of those say something else than its first row."""
    ts_ns = sorted_rows.ts_ns
    repeats = np.zeros(ts_ns.size, dtype=np.bool_)
    repeats[1:] = ts_ns[1:] == ts_ns[:-1]
    identical = np.zeros(ts_ns.size, dtype=np.bool_)
    rows = np.flatnonzero(repeats)
    if rows.size == 0:
        return RepeatedStamps(repeats, identical, rows)
    firsts = np.flatnonzero(~repeats)
    first_of = firsts[np.cumsum(~repeats) - 1][rows]
    table = sorted_rows.table()
    same = ((table[rows] == table[first_of]) | (np.isnan(table[rows]) & np.isnan(table[first_of]))).all(axis=1)
    identical[rows] = same
    return RepeatedStamps(repeats, identical, np.unique(first_of[~same]))


def first_fall(raw: RawBars) -> int | None:
    """First row that is earlier than the row before it; None where stamps never fall."""
    falls = np.flatnonzero(np.diff(raw.ts_ns) < 0)
    return int(falls[0]) + 1 if falls.size else None


def check_stamps(raw: RawBars) -> list[Finding]:
    """Disorder, conflicting and identical duplicates; rows are those of the file."""
    found = []
    falls = np.flatnonzero(np.diff(raw.ts_ns) < 0) + 1
    order = np.arange(len(raw))
    rows = raw
    if falls.size:
        found.append(finding("disorder", Severity.ERROR, falls.size, len(raw), places_at(falls, raw.ts_ns[falls])))
        order = np.argsort(raw.ts_ns, kind="stable")
        rows = raw.take(order)
    repeated = repeated_stamps(rows)
    if repeated.conflicting.size:
        firsts = repeated.conflicting[:5]
        texts = [_difference(rows, int(first)) for first in firsts]
        places = places_at(order[firsts], rows.ts_ns[firsts], texts)
        n_stamps = int((~repeated.repeats).sum())
        found.append(finding("conflicting_duplicates", Severity.ERROR, repeated.conflicting.size, n_stamps, places))
    same = np.flatnonzero(repeated.identical)
    if same.size:
        places = places_at(order[same[:5]], rows.ts_ns[same[:5]])
        found.append(finding("identical_duplicates", Severity.WARNING, same.size, len(raw), places))
    return found


def _difference(rows: RawBars, first: int) -> str:
    """Where the first two different rows of a stamp disagree."""
    other = first + 1
    while np.array_equal(rows.table()[other : other + 1], rows.table()[first : first + 1], equal_nan=True):
        other += 1
    parts = []
    for name in ("open", "high", "low", "close", "volume", "spread"):
        one, two = float(getattr(rows, name)[first]), float(getattr(rows, name)[other])
        if one != two and not (np.isnan(one) and np.isnan(two)):
            parts.append(f"{name} {one:g} or {two:g}")
    return ", ".join(parts)
