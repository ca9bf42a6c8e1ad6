"""Bars told so far, so that a caller need not tell two thousand of them each time."""

import numpy as np

from agv2.core.arrays import FloatArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.deploy.messages import BarsIn, HistoryGapError

__all__ = ["BarMemory"]

_NS = 1_000_000_000
_SPARE = 256
_COLUMNS = ("open", "high", "low", "close", "volume", "spread")


class BarMemory:
    """One symbol's newest bars.

    Args:
        symbol: of the market.
        timeframe: of its bars.
        needed: how many a decision reads.
    """

    def __init__(self, symbol: str, timeframe: Timeframe, needed: int) -> None:
        self._needed, self._known = needed, Bars.none(symbol, timeframe)

    @property
    def until_ns(self) -> int | None:
        """Open time of the newest bar; None where there is none."""
        return int(self._known.ts_ns[-1]) if len(self._known) else None

    def newest(self, n_bars: int) -> Bars:
        """The newest of them, at most `n_bars`, oldest first."""
        return self._known.slice(max(len(self._known) - n_bars, 0), len(self._known))

    def joined(self, told: BarsIn, now_ns: int) -> Bars:
        """The bars told, with those before them that are remembered where they are too few by themselves.

        Args:
            told: by the caller; the first one must be remembered, unless they are enough.
            now_ns: a bar that has not closed by then is refused.

        Raises:
            HistoryGapError: they do not connect, contradict what was told before, or are too few.
            DataError: they are no bars of this timeframe, or the newest has not closed.
        """
        bars = self._bars(told)
        step_ns = bars.timeframe.nanoseconds
        if len(bars) > 1 and int(np.diff(bars.ts_ns).min()) < step_ns:
            raise DataError(
                f"these bars lie closer together than {bars.timeframe.name}, on which the bundle was trained"
            )
        if int(bars.ts_ns[-1]) + step_ns > now_ns:
            raise DataError("the newest bar has not closed yet: tell closed bars only, by their open time in UTC")
        if len(bars) >= self._needed:
            return bars
        at = int(np.searchsorted(self._known.ts_ns, bars.ts_ns[0]))
        if at == len(self._known) or self._known.ts_ns[at] != bars.ts_ns[0]:
            raise HistoryGapError(
                f"{len(bars)} bars that do not begin with one told before; tell {self._needed:,}, "
                "or begin with the newest that /v1/state names"
            )
        self._require_same(bars, at)
        whole = _concatenated(self._known.slice(0, at), bars)
        if len(whole) < self._needed:
            raise HistoryGapError(f"a decision needs {self._needed:,} bars, and {len(whole):,} are known; tell more")
        return whole

    def remember(self, bars: Bars) -> None:
        """Keep `bars` for the next call, unless newer ones are known."""
        if self.until_ns is None or int(bars.ts_ns[-1]) >= self.until_ns:
            self._known = bars.slice(max(len(bars) - self._needed - _SPARE, 0), len(bars))

    def _bars(self, told: BarsIn) -> Bars:
        n_bars = len(told.ts)
        columns = {name: _column(getattr(told, name), n_bars) for name in _COLUMNS}
        return Bars(self._known.symbol, self._known.timeframe, np.asarray(told.ts, dtype=np.int64) * _NS, **columns)

    def _require_same(self, bars: Bars, at: int) -> None:
        n_common = min(len(self._known) - at, len(bars))
        for name in ("ts_ns", *_COLUMNS):
            before, now = getattr(self._known, name)[at : at + n_common], getattr(bars, name)[:n_common]
            if not np.array_equal(before, now, equal_nan=name != "ts_ns"):
                row = int(np.argmin((before == now) | ((before != before) & (now != now))))
                stamp = int(bars.ts_ns[row]) // _NS
                raise HistoryGapError(
                    f"the bar of {stamp} differs in {name} from what was told before; "
                    f"if that was wrong, tell {self._needed:,} bars anew"
                )


def _column(values: list[float] | list[float | None] | None, n_bars: int) -> FloatArray:
    if values is None:
        return np.full(n_bars, np.nan)
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _concatenated(before: Bars, after: Bars) -> Bars:
    columns = {name: np.concatenate([getattr(before, name), getattr(after, name)]) for name in ("ts_ns", *_COLUMNS)}
    return Bars(after.symbol, after.timeframe, **columns)
