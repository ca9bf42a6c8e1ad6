"""Does anything that is said to be known at bar t change when only bars after t do?

The future is changed in several ways, and everything that was computed at and before t must stay as it was. Two more
changes leave every bar as it is but for where it lies: the whole history moved in time, and its oldest bars left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from agv2.backtest.leakcheck_perturbations import Perturbation, clock_shift_weeks, moved_by_weeks, with_another_future
from agv2.backtest.leakcheck_report import Leak, LeakReport, StageResult
from agv2.core.arrays import BoolArray, Float32Array, FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError, ShapeError
from agv2.core.timeframes import context_timeframes
from agv2.features.session_features import SESSIONS
from agv2.utils.seeding import spawn_generators

__all__ = ["Columns", "Stage", "check_leaks"]

ZONES = tuple(sorted({"America/New_York", *(zone for zone, _, _ in SESSIONS.values())}))
"""Clocks that features and most trading days read."""

_MINUTES_PER_DAY = 1440
_HEADS = 3
_LONGEST_HEAD = 0.9  # of what can be left out


class Columns(NamedTuple):
    """What a stage computes, one row a bar."""

    names: tuple[str, ...]
    values: FloatArray | Float32Array
    """(n_bars, n_columns); NaN where there is no value."""
    settled: BoolArray | None = None
    """(n_bars,) False for rows that may differ for a reason that is no leak; None: there are none."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of the decision path, as a function of bars.

    Attributes:
        name: as the report calls it.
        compute: columns of any history, by nothing but that history.
        tolerance: largest difference that is no leak, for values above one as a share of them; 0: bit for bit.
        lookbacks: bars that decide a row of each column, or of all, the present one included; None: the column
            depends on all bars since the first, so none may be left out.
        fitted_bars: first bars that every row may depend on, because something is fitted on them.
        early_bars: a row's value is known so many bars before the bar's close; 1 for a position that is held from
            the bar's open.
        is_costly: True: computed for the first history of each kind alone, the one whose future begins earliest.
    """

    name: str
    compute: Callable[[Bars], Columns]
    tolerance: float = 0.0
    lookbacks: int | IntArray | None = None
    fitted_bars: int = 0
    early_bars: int = 0
    is_costly: bool = False


class _Case(NamedTuple):
    """A perturbed history, and which of its rows are rows of the true one."""

    perturbation: Perturbation
    place: int
    bars: Bars
    head: int
    """Bars left out at the start."""
    last: int
    """Last row, of the true history, that may be compared."""


def check_leaks(
    bars: Bars,
    stages: Sequence[Stage],
    n_cuts: int,
    seed: int,
    perturbations: Sequence[Perturbation] = tuple(Perturbation),
    zones: Sequence[str] = (),
    turns: Sequence[IntArray] = (),
    progress: Callable[[int, int], None] | None = None,
) -> LeakReport:
    """Compare every column of every stage between the true history and perturbed ones.

    A leak from bar u into row r < u is found if it moves the value and some cut lies at r or between r and u. A leak
    that reaches far is found by any cut in between, even where a single row has it. A leak that both reaches only a
    bar or two ahead and sits in a few rows is found only if a cut falls there; one that every row has, or that has to
    do with gaps in time or with `turns`, is found, because cuts are spread over the history and some lie right before
    those.

    Args:
        bars: the true history.
        stages: what to check; the first `fitted_bars` of any are left alone.
        n_cuts: bars t after which the future is changed, >= 1, beside those that fits and `turns` call for.
        seed: of cuts and perturbations.
        perturbations: which to use.
        zones: clocks that stages read beside those that features do, such as that of the market's trading day.
        turns: bars right before something is complete, such as the bars of a context; a kind an array, rising.
        progress: told the perturbed histories done and how many there are.

    Raises:
        DataError: too few bars after those that are fitted, or a column has no value to compare.
        ShapeError: a stage gives other columns, or not one row a bar.
    """
    truth = [_columns_of(stage, bars) for stage in stages]
    longest = _longest_lookback(stages)
    lowest = max([1, min(longest - 1, len(bars) - 2), *(stage.fitted_bars - 1 for stage in stages)])
    fitted = min((stage.fitted_bars for stage in stages if stage.fitted_bars), default=0)
    if lowest > len(bars) - 2:
        raise DataError(f"{bars.symbol}: {len(bars):,} bars are too few to change any after bar {lowest:,}")
    places, notes = _places(bars, stages, _cuts(bars, lowest, n_cuts, seed, fitted, turns), seed, perturbations, zones)
    found: list[dict[tuple[str, Perturbation], Leak]] = [{} for _ in stages]
    comparisons = [0] * len(stages)
    known = [np.zeros(len(columns.names), dtype=np.bool_) for columns in truth]
    kinds: set[Perturbation] = set()
    for done, (kind, place) in enumerate(places):
        case = _case(bars, kind, place, seed)
        for i, stage in enumerate(stages):
            if (case.head and stage.lookbacks is None) or (stage.is_costly and kind in kinds):
                continue
            if case.last < min(stage.fitted_bars, len(bars)) - 1:
                continue  # fitted on bars that were changed
            compared = _compare(bars, stage, truth[i], _columns_of(stage, case.bars), case)
            comparisons[i] += len(truth[i].names)
            known[i] |= compared.known
            for leak in compared.leaks:
                found[i].setdefault((leak.column, leak.perturbation), leak)
        kinds.add(kind)
        if progress is not None:
            progress(done + 1, len(places))
    for i, stage in enumerate(stages):
        if comparisons[i] and not known[i].all():
            column = truth[i].names[int(np.argmin(known[i]))]
            raise DataError(
                f"{bars.symbol}: {len(bars):,} bars are too few, column {column} of {stage.name} has no value to "
                "compare"
            )
    results = [
        StageResult(stage.name, len(truth[i].names), comparisons[i], tuple(found[i].values()))
        for i, stage in enumerate(stages)
    ]
    return LeakReport(tuple(results), notes)


def _columns_of(stage: Stage, bars: Bars) -> Columns:
    columns = stage.compute(bars)
    if columns.values.shape != (len(bars), len(columns.names)):
        raise ShapeError(
            f"stage {stage.name}: {columns.values.shape} values for {len(bars)} bars and {len(columns.names)} columns"
        )
    return columns


def _longest_lookback(stages: Sequence[Stage]) -> int:
    return max([1, *(int(np.max(stage.lookbacks)) for stage in stages if stage.lookbacks is not None)])


def _cuts(bars: Bars, lowest: int, n_cuts: int, seed: int, fitted: int, turns: Sequence[IntArray]) -> list[int]:
    """Bars after which the future is changed.

    They are the last but one and others, `n_cuts` in all, one in each stretch of the history and every other one
    before a gap. On top come the last that something is fitted on, which shows whether it was fitted on one more, and
    one before each kind of turn, where alone a leak at a turn is seen.
    """
    highest = len(bars) - 2
    generator = spawn_generators(seed, "cuts")["cuts"]
    edges = np.linspace(lowest, highest + 1, n_cuts + 1)
    before_gaps = np.flatnonzero(np.diff(bars.ts_ns) > bars.timeframe.nanoseconds)
    cuts = [highest, *([fitted - 1] if fitted > 1 else [])]
    for number in range(n_cuts - 1):
        low, high = int(edges[number]), max(int(edges[number + 1]), int(edges[number]) + 1)
        gaps = before_gaps[(before_gaps >= low) & (before_gaps < high)]
        cuts.append(int(generator.choice(gaps)) if number % 2 and gaps.size else int(generator.integers(low, high)))
    for kind in turns:
        possible = kind[(kind >= lowest) & (kind <= highest)]
        cuts += [int(generator.choice(possible))] if possible.size else []
    return sorted(set(cuts))


def _places(
    bars: Bars,
    stages: Sequence[Stage],
    cuts: Sequence[int],
    seed: int,
    perturbations: Sequence[Perturbation],
    zones: Sequence[str],
) -> tuple[list[tuple[Perturbation, int]], tuple[str, ...]]:
    """Each perturbed history by its kind and place, and what cannot be made of these bars."""
    places: list[tuple[Perturbation, int]] = []
    notes: list[str] = []
    for kind in perturbations:
        if kind is Perturbation.CLOCK:
            # Shorter coarse bars are counted from the start of each trading day, which lies in a zone.
            coarse = context_timeframes(bars.timeframe)
            periods = [each.nanoseconds for each in coarse if each.minutes > _MINUTES_PER_DAY]
            weeks = clock_shift_weeks(bars.ts_ns, sorted({*ZONES, *zones}), periods)
            if weeks is None:
                notes.append("clock not moved: no number of weeks keeps all summer times and coarse bars as they are")
            else:
                places.append((kind, weeks))
        elif kind is Perturbation.HEAD:
            most = int(_LONGEST_HEAD * (len(bars) - _longest_lookback(stages)))
            if most < 1:
                notes.append("head not left out: no more bars than the longest lookback")
            else:
                drops = spawn_generators(seed, "head")["head"].integers(1, most + 1, _HEADS - 1)
                places.extend((kind, drop) for drop in sorted({1, *drops.tolist()}))
        else:
            places.extend((kind, t) for t in cuts)
    return places, tuple(notes)


def _case(bars: Bars, kind: Perturbation, place: int, seed: int) -> _Case:
    last = len(bars) - 1
    if kind is Perturbation.CLOCK:
        return _Case(kind, place, moved_by_weeks(bars, place), 0, last)
    if kind is Perturbation.HEAD:
        return _Case(kind, place, bars.slice(place, len(bars)), place, last)
    name = f"{kind.value} {place}"
    return _Case(kind, place, with_another_future(bars, place, kind, spawn_generators(seed, name)[name]), 0, place)


class _Compared(NamedTuple):
    leaks: list[Leak]
    known: BoolArray
    """(n_columns,) whether there was anything but NaN to compare."""


def _compare(bars: Bars, stage: Stage, truth: Columns, other: Columns, case: _Case) -> _Compared:
    if truth.names != other.names:
        raise ShapeError(f"stage {stage.name}: its columns depend on the bars")
    stop = min(case.last + 1 + (0 if case.head else stage.early_bars), case.head + len(case.bars))
    before, after = truth.values[case.head : stop], other.values[: stop - case.head]
    moved = ~((before == after) | (np.isnan(before) & np.isnan(after)))
    if stage.tolerance > 0.0:
        moved &= ~(np.abs(before - after) <= stage.tolerance * np.maximum(1.0, np.abs(before)))
    for columns, rows in ((truth, slice(case.head, stop)), (other, slice(0, stop - case.head))):
        if columns.settled is not None:
            moved[~columns.settled[rows]] = False
    compared = np.isfinite(before)
    if case.head and stage.lookbacks is not None:
        complete = np.arange(len(moved))[:, None] >= np.broadcast_to(stage.lookbacks, len(truth.names)) - 1
        moved &= complete
        compared &= complete
    leaks = []
    for j in np.flatnonzero(moved.any(axis=0)):
        i = int(np.argmax(moved[:, j]))
        row = case.head + i
        stamp, values = int(bars.ts_ns[row]), (float(before[i, j]), float(after[i, j]))
        leaks.append(Leak(stage.name, truth.names[j], case.perturbation, case.place, row, stamp, *values))
    return _Compared(leaks, np.any(compared, axis=0))
