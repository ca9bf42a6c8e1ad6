"""Heads against their baselines as dots and whiskers on one scale a head."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agv2.app.encoder_page.words import HEAD_WORDS, MEASURE_WORDS, cell_name, interval_text, measures_text, of_baseline
from agv2.app.encoder_report import best_baseline
from agv2.backtest.report.numerals import Unit, format_number
from agv2.backtest.report.scales import Tick, value_ticks
from agv2.backtest.report.words import in_words
from agv2.models.evidence.findings import BaselineComparison, Finding, HeadEvidence

__all__ = ["Forest", "ForestCell", "ForestRow", "forests"]

# Weak baselines lie many times farther off than the best one. The scale is made for the latter; the former are drawn
# at the edge, with their numbers beside them.
_BEYOND_BEST = 2.5
_LEAST_REACH = 1e-3


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One baseline; places in per cent of the scale's width."""

    baseline: str
    is_best: bool
    finding: Finding
    dot: float
    left: float
    wide: float
    """Of the interval; 0 where there is none."""
    is_cut: bool
    """Whether some of it lies beyond the scale."""
    loss: str
    difference: str
    interval: str


@dataclass(frozen=True, slots=True)
class ForestCell:
    """One symbol, for returns over one horizon."""

    name: str
    loss: str
    seeds: str
    n_rows: str
    measures: str
    rows: tuple[ForestRow, ...]


@dataclass(frozen=True, slots=True)
class Forest:
    """One head on every symbol."""

    head: str
    title: str
    meaning: str
    measure: str
    zero: float
    """Where a difference of nothing is, per cent of the width."""
    ticks: tuple[Tick, ...]
    cells: tuple[ForestCell, ...]


def forests(heads: Sequence[HeadEvidence]) -> list[Forest]:
    """A figure for each head, in the order in which they come."""
    return [_forest([each for each in heads if each.head == head]) for head in dict.fromkeys(e.head for e in heads)]


def _forest(cells: Sequence[HeadEvidence]) -> Forest:
    low, high = _range(cells)
    title, meaning = HEAD_WORDS[cells[0].head]

    return Forest(
        head=cells[0].head,
        title=title,
        meaning=meaning,
        measure=MEASURE_WORDS[cells[0].measure],
        zero=_across(0.0, low, high),
        ticks=tuple(
            Tick(_across(mark, low, high), format_number(mark, Unit.PERCENT, signed=True))
            for mark in value_ticks(low, high, 5)
        ),
        cells=tuple(
            ForestCell(
                name=cell_name(each),
                loss=f"{each.loss:.4f}",
                seeds=_seeds(each.seed_losses),
                n_rows=f"{each.n_rows:,}",
                measures=measures_text(each),
                rows=tuple(_row(one, one is best_baseline(each), low, high) for one in each.comparisons),
            )
            for each in cells
        ),
    )


def _row(one: BaselineComparison, is_best: bool, low: float, high: float) -> ForestRow:
    found = one.difference
    mean, *ends = (_frac(value, one.loss) for value in (found.mean, found.low, found.high))

    known = all(map(math.isfinite, ends))
    left, right = (_across(end, low, high) for end in ends) if known else (0.0, 0.0)
    shown = [value for value in (mean, *ends) if math.isfinite(value)]
    return ForestRow(
        baseline=in_words(one.baseline),
        is_best=is_best,
        finding=one.finding,
        dot=_across(mean if math.isfinite(mean) else 0.0, low, high),
        left=left,
        wide=right - left,
        is_cut=any(not low <= value <= high for value in shown),
        loss=f"{one.loss:.4f}",
        difference=of_baseline(found.mean, one.loss),
        interval=interval_text(found, one.loss),
    )


def _range(cells: Sequence[HeadEvidence]) -> tuple[float, float]:
    """Ends of the scale, as shares of the baselines' losses: zero is inside, the best baselines are whole."""
    ends = [0.0]
    for each in cells:
        best = best_baseline(each)
        if best is not None:
            found = best.difference
            ends += [_frac(value, best.loss) for value in (found.mean, found.low, found.high)]
    ends = [end for end in ends if math.isfinite(end)]
    low, high = _BEYOND_BEST * min(ends), _BEYOND_BEST * max(ends)
    room = max(0.12 * (high - low), _LEAST_REACH)
    return low - room, high + room


def _frac(difference: float, baseline_loss: float) -> float:
    return difference / baseline_loss if baseline_loss > 0.0 else math.nan


def _across(frac: float, low: float, high: float) -> float:
    return 100.0 * (min(max(frac, low), high) - low) / (high - low)


def _seeds(losses: Sequence[float]) -> str:
    return f"{min(losses):.4f} to {max(losses):.4f}" if len(losses) > 1 else ""
