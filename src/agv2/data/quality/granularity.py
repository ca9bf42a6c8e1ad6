"""The length of the bars, and rows of another length among them."""

from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import BoolArray, IntArray
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.data.parquet_columns import moment_text
from agv2.data.quality.findings import Finding, Place, Severity, finding

__all__ = ["Granularity", "check_granularity", "granularity_of"]

_NS_PER_MINUTE = 60_000_000_000
_NS_PER_HOUR = 60 * _NS_PER_MINUTE
_LEAST_RUN = 12  # coarse steps in a row beside a dense feed: more than two weeks of days
_LEAST_SPARSE_RUN = 60  # in a row where the feed is sparse anyway, so that a regular stretch may be chance
_NEARBY = 50  # steps on either side that say whether the feed is dense
_DENSE_SHARE = 0.7  # of those that are the commonest
_TYPICAL_SHARE = 0.6  # of the steps of a coarse stretch that are its own length; weekends take the rest
_ALIGNED_SHARE = 0.9  # of its steps that are whole multiples, an hour of summer time allowed


@dataclass(frozen=True, slots=True)
class Granularity:
    """The commonest bar length and the rows that have another."""

    timeframe: Timeframe
    finer: BoolArray
    """(n_rows,) opens before the row before it has closed, by half a bar or more."""
    coarser: BoolArray
    """(n_rows,) belongs to a stretch of longer bars."""
    coarse_ns: int
    """Length of those longer bars; 0 for none."""
    cut_short: int
    """Bars that the next one cuts short by less than half, as where clocks change."""

    @property
    def minority(self) -> BoolArray:
        """(n_rows,) of another length than the commonest."""
        either: BoolArray = self.finer | self.coarser
        return either


def granularity_of(ts_ns: IntArray) -> Granularity:
    """Bar length of a table, the shorter of two that are equally common.

    Args:
        ts_ns: (n_rows,) bar opens, strictly rising.

    Raises:
        DataError: there is one bar only, or bars are not whole minutes; the text is without a file's name.
    """
    if ts_ns.size < 2:
        raise DataError("one bar only, so its timeframe cannot be told; export more bars")
    steps = np.diff(ts_ns)
    lengths, counts = np.unique(steps, return_counts=True)
    length = int(lengths[np.argmax(counts)])
    if length % _NS_PER_MINUTE:
        raise DataError(
            f"bars are mostly {length / 1e9:g} s apart, expected whole minutes; aggregate them to bars of 1m or more"
        )
    finer = np.zeros(ts_ns.size, dtype=np.bool_)
    finer[1:] = 2 * steps < length
    coarser, coarse_ns = _coarse_rows(steps, length)
    cut_short = int(((steps < length) & (2 * steps >= length)).sum())
    return Granularity(Timeframe(length // _NS_PER_MINUTE), finer, coarser, coarse_ns, cut_short)


def check_granularity(ts_ns: IntArray, found: Granularity, rows: IntArray) -> list[Finding]:
    """Rows of another bar length than the commonest, and bars that are cut short.

    Args:
        ts_ns: (n_rows,) bar opens, strictly rising.
        found: of these stamps.
        rows: (n_rows,) their rows in the file.
    """
    findings = []
    odd = np.flatnonzero(found.minority)
    if odd.size:
        parts, places = [], []
        for mask, words in ((found.coarser, "longer"), (found.finer, "shorter")):
            here = np.flatnonzero(mask)
            if here.size == 0:
                continue
            span = f"{moment_text(int(ts_ns[here[0]]))} to {moment_text(int(ts_ns[here[-1]]))}"
            name = Timeframe(found.coarse_ns // _NS_PER_MINUTE).name + " " if words == "longer" else ""
            parts.append(f"{here.size:,} {words} {name}bars among {found.timeframe.name} bars, {span}")
            places += [
                Place(int(ts_ns[i]), f"{words} bar, {text}", int(rows[i]))
                for i, text in ((here[0], "the first"), (here[-1], "the last"))
            ]
        findings.append(finding("mixed_granularity", Severity.ERROR, odd.size, ts_ns.size, places, "; ".join(parts)))
    if found.cut_short:
        findings.append(finding("clock_changes", Severity.INFO, found.cut_short, ts_ns.size))
    return findings


def _coarse_rows(steps: IntArray, length: int) -> tuple[BoolArray, int]:
    """Rows in stretches whose steps are a longer bar's, and that length.

    A feed that is merely sparse also has long steps, but not of one length, nor on one grid.
    """
    coarse = np.zeros(steps.size + 1, dtype=np.bool_)
    is_long = steps >= 2 * length
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_long, [False]]).astype(np.int8)))
    coarse_ns = 0
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if last - first < _LEAST_RUN:
            continue
        beside = np.concatenate([steps[max(first - _NEARBY, 0) : first], steps[last : last + _NEARBY]])
        dense = bool(beside.size) and float((beside == length).mean()) >= _DENSE_SHARE
        if last - first < (_LEAST_RUN if dense else _LEAST_SPARSE_RUN):
            continue
        own = steps[first:last]
        lengths, counts = np.unique(own, return_counts=True)
        step = int(lengths[np.argmax(counts)])
        rest = own % step
        slack = _NS_PER_HOUR if step > 2 * _NS_PER_HOUR else 0
        aligned = np.minimum(rest, step - rest) <= slack
        if counts.max() >= _TYPICAL_SHARE * own.size and aligned.mean() >= _ALIGNED_SHARE:
            coarse[first:last] = True
            coarse_ns = max(coarse_ns, step)
    return coarse, coarse_ns
