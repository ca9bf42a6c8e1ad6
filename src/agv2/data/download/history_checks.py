"""What a venue sent, put in order, and refused where it cannot be the history that is stored."""

from collections import Counter

import numpy as np

from agv2.core.arrays import BoolArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.data.download.history_pages import HistoryPage, HistoryReply
from agv2.data.parquet_columns import moment_text

__all__ = ["Oddities", "bars_in_order", "closed_bars", "require_grid", "require_same_prices"]

_NS_PER_HOUR = 3_600_000_000_000
_PRICES = ("open", "high", "low", "close")
_SAME_PRICE = 1e-9  # relative; prices pass through decimal text
_WORDS = {
    "revised": "stored bars had been revised at the venue: the newer values are kept",
    "repeated": "bars came twice under one stamp: the later one is kept",
    "unusable": "bars came without a price: dropped",
    "outside": "bars came from outside the span that was asked for: dropped",
    "odd": "bars open off the UTC grid of {timeframe}, as where a trading day begins elsewhere",
}


class Oddities:
    """What was found odd in a download, counted in bars."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def notes(self, timeframe: Timeframe) -> tuple[str, ...]:
        """One phrase each on what a person must know."""
        found = ((self.counts[word], text) for word, text in _WORDS.items())
        return tuple(f"{count:,} {text.format(timeframe=timeframe.name)}" for count, text in found if count)


def bars_in_order(reply: HistoryReply, wanted: BoolArray, symbol: str, timeframe: Timeframe) -> Bars:
    """The `wanted` rows of what a venue sent, by stamp; of equal stamps the one that came last."""
    rows = np.flatnonzero(wanted)
    order = rows[np.argsort(reply.ts_ns[rows], kind="stable")]
    if order.size:
        order = order[np.append(np.diff(reply.ts_ns[order]) > 0, True)]
    return Bars(
        symbol=symbol,
        timeframe=timeframe,
        ts_ns=reply.ts_ns[order],
        open=reply.open[order],
        high=reply.high[order],
        low=reply.low[order],
        close=reply.close[order],
        volume=reply.volume[order],
        spread=np.full(order.size, np.nan),
    )


def closed_bars(page: HistoryPage, symbol: str, timeframe: Timeframe, now_ns: int, oddities: Oddities) -> Bars:
    """The page's bars in order, each stamp once, within the page's span, with prices, closed at `now_ns`."""
    reply = page.reply
    if reply is None or not reply.ts_ns.size:
        return Bars.none(symbol, timeframe)
    usable = np.isfinite(np.column_stack([reply.open, reply.high, reply.low, reply.close])).all(axis=1)
    inside = (reply.ts_ns >= page.start_ns) & (reply.ts_ns < page.stop_ns)
    closed = reply.ts_ns + timeframe.nanoseconds <= now_ns
    wanted = usable & inside & closed
    bars = bars_in_order(reply, wanted, symbol, timeframe)
    oddities.counts["unusable"] += int((inside & closed & ~usable).sum())
    oddities.counts["outside"] += int((~inside & closed).sum())
    oddities.counts["repeated"] += int(wanted.sum()) - len(bars)
    return bars


def require_grid(bars: Bars, source: str, oddities: Oddities) -> None:
    """Refuse bars that do not open on their timeframe's grid.

    Raises:
        DataError: some do not; longer bars may begin at any hour, since a trading day may.
    """
    off = np.flatnonzero(bars.ts_ns % min(bars.timeframe.nanoseconds, _NS_PER_HOUR))
    if off.size:
        raise DataError(
            f"{bars.symbol}: {source} stamps a {bars.timeframe.name} bar {moment_text(bars.ts_ns[off[0]])} "
            f"({off.size} of {len(bars)} in this page are off the grid); the feed cannot be used at this timeframe: "
            "try another"
        )
    oddities.counts["odd"] += int((bars.ts_ns % bars.timeframe.nanoseconds != 0).sum())


def require_same_prices(stored: Bars, fetched: Bars, source: str, oddities: Oddities) -> None:
    """Refuse bars whose prices are not those stored under the same stamps; a few may have been revised.

    Raises:
        DataError: more than half of the common bars differ.
    """
    _, ours, theirs = np.intersect1d(stored.ts_ns, fetched.ts_ns, assume_unique=True, return_indices=True)
    differs: BoolArray = np.zeros(ours.size, dtype=np.bool_)
    for name in _PRICES:
        differs |= ~np.isclose(getattr(stored, name)[ours], getattr(fetched, name)[theirs], rtol=_SAME_PRICE, atol=0.0)
    count = int(differs.sum())
    if 2 * count > ours.size:
        at = int(np.flatnonzero(differs)[-1])
        raise DataError(
            f"{stored.symbol} {stored.timeframe.name}: {count} of {ours.size} stored bars are no longer what {source} "
            f"has, such as {moment_text(stored.ts_ns[ours[at]])}: close {stored.close[ours[at]]:g} stored, "
            f"{fetched.close[theirs[at]]:g} now; the feed or its price side has changed, or prices were adjusted: "
            "store it under another --symbol, or remove the series and download it anew"
        )
    oddities.counts["revised"] += count
