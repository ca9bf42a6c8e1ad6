"""Where training episodes start and end, and what they cost."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agv2.backtest.tape import MarketTape
from agv2.core.arrays import IntArray, RecordArray, record_dtype
from agv2.core.errors import DataError
from agv2.sim.costs import Costs
from agv2.sim.randomize import CostRanges, perturb_costs

__all__ = ["EpisodeSampler", "Episodes", "Span"]


class Span(NamedTuple):
    """Bars on which an account may live: it first decides at the close of `first` and is over at that of `last`."""

    tape: int
    """Which market, by its place in the list of tapes."""
    first: int
    last: int


class Episodes(NamedTuple):
    """The beginning of one episode each, as `BatchSimulator.reset` takes them."""

    tapes: IntArray
    first: IntArray
    last: IntArray
    costs: RecordArray


class EpisodeSampler:
    """Draws episodes of at most `episode_bars` bars from the allowed spans.

    Starts are drawn so that every bar of every span is covered equally often: an episode may begin before its span
    does, in thought, and is then cut at the front, as others are cut at the span's end.
    """

    def __init__(
        self,
        tapes: Sequence[MarketTape],
        spans: Sequence[Span],
        episode_bars: int,
        ranges: CostRanges,
        generator: np.random.Generator,
    ) -> None:
        """Check the spans and prepare to draw.

        Raises:
            DataError: there is no span, or one leaves its tape, has no bar to trade or contains unknown values.
        """
        require_spans(tapes, spans)
        self.generator = generator
        self._ranges = ranges
        self._episode_bars = episode_bars
        self._spans: IntArray = np.array(spans, dtype=np.int64)
        offsets = self._spans[:, 2] - self._spans[:, 1] + episode_bars - 1
        self._offset_ends: IntArray = np.cumsum(offsets)
        self._costs = np.array([tuple(tape.costs) for tape in tapes], dtype=record_dtype(Costs))

    def draw(self, n: int) -> Episodes:
        """`n` episodes."""
        ticket = self.generator.integers(0, self._offset_ends[-1], size=n)
        which = np.searchsorted(self._offset_ends, ticket, side="right")
        tapes, lowest, highest = self._spans[which].T
        begin = highest - (self._offset_ends[which] - ticket)
        first = np.maximum(begin, lowest)
        last = np.minimum(begin + self._episode_bars, highest)
        return Episodes(tapes, first, last, perturb_costs(self._costs[tapes], self._ranges, self.generator))

    def draw_staggered(self, n: int) -> Episodes:
        """`n` episodes cut short at random, so that books that start together do not end together."""
        episodes = self.draw(n)
        length = self.generator.integers(1, episodes.last - episodes.first, endpoint=True)
        return episodes._replace(last=episodes.first + length)


def require_spans(tapes: Sequence[MarketTape], spans: Sequence[Span]) -> None:
    """Refuse spans on which an account could not live.

    Raises:
        DataError: see `EpisodeSampler`.
    """
    if not spans:
        raise DataError("there is no span of bars to trade on")
    for span in spans:
        if not 0 <= span.tape < len(tapes):
            raise DataError(f"{span}: there are {len(tapes)} tapes")
        tape = tapes[span.tape]
        if not 0 <= span.first < span.last < tape.bars.size:
            raise DataError(f"{tape.symbol}: bars {span.first} to {span.last} are no part of {tape.bars.size} bars")
        inside = np.s_[span.first : span.last + 1]
        known = np.isfinite(tape.volatility[inside]) & np.isfinite(tape.market_rows[inside]).all(axis=1)
        if not known.all():
            row = span.first + int(np.argmin(known))
            raise DataError(f"{tape.symbol}: bar {row} has no volatility or market row yet; start the span later")
