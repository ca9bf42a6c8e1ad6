"""Whether predicted quantiles and probabilities mean what they say, as bars and points for the page to place."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from agv2.app.encoder_page.words import HEAD_WORDS, cell_name
from agv2.app.encoder_report import HeadReliability
from agv2.backtest.report.numerals import Unit, format_number
from agv2.backtest.report.paths import SPAN
from agv2.models.evidence.findings import HeadEvidence

__all__ = ["QuantileFigure", "ReliabilityFigure", "quantile_figures", "reliability_figures"]

_MOST_RATIO = 2.0  # of what is expected: a bar that is higher is cut


@dataclass(frozen=True, slots=True)
class CoverageBar:
    """A central interval: how much of what came lies in it, and how much should; per cent of the width."""

    nominal: float
    found: float
    text: str


@dataclass(frozen=True, slots=True)
class PitBar:
    """One range between neighbouring quantiles: its share of what came over that expected, 100 being twice as much."""

    left: float
    wide: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class QuantileFigure:
    """One symbol and horizon."""

    name: str
    coverage: tuple[CoverageBar, ...]
    pit: tuple[PitBar, ...]


def quantile_figures(heads: Sequence[HeadEvidence], levels: Sequence[float]) -> list[QuantileFigure]:
    """A figure for each symbol and horizon of the quantile head.

    Args:
        heads: evidence, of whichever heads.
        levels: of the quantiles, rising.
    """
    return [
        QuantileFigure(cell_name(each), _coverage(each), _pit(each, levels))
        for each in heads
        if each.head == "quantiles"
    ]


def _coverage(each: HeadEvidence) -> tuple[CoverageBar, ...]:
    nominal = sorted(int(name.removeprefix("coverage_")) for name in each.measures if name.startswith("coverage_"))
    found = [each.measures[f"coverage_{level}"] for level in nominal]
    return tuple(
        CoverageBar(float(level), 100.0 * share, format_number(share, Unit.PERCENT))
        for level, share in zip(nominal, found, strict=True)
    )


def _pit(each: HeadEvidence, levels: Sequence[float]) -> tuple[PitBar, ...]:
    edges = [0.0, *levels, 1.0]
    bars = []
    for place, (low, high) in enumerate(pairwise(edges)):
        share = each.measures.get(f"pit_{place}")
        if share is None:
            return ()
        expected = high - low
        title = (
            f"between the quantiles {low:g} and {high:g}: {format_number(share, Unit.PERCENT)} of returns, "
            f"{format_number(expected, Unit.PERCENT)} expected"
        )
        height = 100.0 * min(share / expected, _MOST_RATIO) / _MOST_RATIO
        bars.append(PitBar(100.0 * low, 100.0 * expected, height, title))
    return tuple(bars)


@dataclass(frozen=True, slots=True)
class ReliabilityMark:
    """Predictions of one size; places in a square of 1000, the area in proportion to their number."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, slots=True)
class ReliabilityFigure:
    """One event on one symbol; on the diagonal predictions come true as often as they say."""

    title: str
    reach: str
    """The probability at the end of both axes."""
    marks: tuple[ReliabilityMark, ...]


def reliability_figures(curves: Sequence[HeadReliability]) -> list[ReliabilityFigure]:
    """A figure for each event."""
    return [_reliability(each) for each in curves if each.points]


def _reliability(curve: HeadReliability) -> ReliabilityFigure:
    reach = min(1.0, 1.1 * max(max(point.predicted, point.happened) for point in curve.points))
    reach = max(reach, 0.01)
    return ReliabilityFigure(
        title=f"{curve.symbol} · {HEAD_WORDS[curve.head][0].lower()}: {curve.event}",
        reach=format_number(reach, Unit.PERCENT),
        marks=tuple(
            ReliabilityMark(
                SPAN * point.predicted / reach,
                SPAN * (1.0 - point.happened / reach),
                f"said {format_number(point.predicted, Unit.PERCENT)}, happened "
                f"{format_number(point.happened, Unit.PERCENT)} of {point.n:,} times",
            )
            for point in curve.points
        ),
    )
