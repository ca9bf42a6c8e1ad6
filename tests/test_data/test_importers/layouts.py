"""Markets on known clocks, and vendors' layouts written from bars: what importers must read back."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from agv2.core.arrays import BoolArray, FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe
from agv2.data.importers.clocks import Clock, local_minutes

__all__ = ["LAYOUTS", "a_market", "ns_of", "on_clock", "shown_by", "write"]

MINUTE_NS = 60_000_000_000
NEW_YORK = "America/New_York"


def ns_of(text: str) -> int:
    """`2025-01-02 03:04` as nanoseconds since 1970."""
    return int(np.datetime64(text.replace(" ", "T"), "ns").astype(np.int64))


def shown_by(clock: Clock, ts_ns: IntArray) -> IntArray:
    """What `clock` shows at moments of UTC, as nanoseconds since 1970."""
    return (local_minutes(ts_ns, clock.zone) + clock.ahead_hours * 60) * MINUTE_NS + ts_ns % MINUTE_NS


def a_market(
    start: str, days: int, timeframe: str = "15m", hours: str = "futures", symbol: str = "TEST", seed: int = 0
) -> Bars:
    """Bars in the hours of a kind of market, most active at 9:30 New York and at 9:00 Berlin.

    Args:
        start: first moment, UTC.
        days: length.
        timeframe: length of a bar.
        hours: futures (Sunday 18:00 to Friday 17:00 New York, an hour's break a day), fx (17:00 to 17:00), cash
            (9:30 to 16:00) or always.
        symbol: its name.
        seed: of the prices.
    """
    step = Timeframe.parse(timeframe)
    every = ns_of(start) + np.arange(days * 1440 // step.minutes, dtype=np.int64) * step.nanoseconds
    ts_ns = every[_is_open(every, hours)]
    rng = np.random.default_rng(seed)
    activity = 1.0 + 4.0 * _bump(ts_ns, NEW_YORK, 570) + 2.0 * _bump(ts_ns, "Europe/Berlin", 540)
    close = 1_000.0 * np.exp(np.cumsum(rng.normal(0.0, 2e-4, ts_ns.size) * activity))
    opened = np.concatenate([close[:1], close[:-1]])
    wick = 1e-4 * activity * close * rng.uniform(0.5, 1.5, ts_ns.size)
    return Bars(
        symbol=symbol,
        timeframe=step,
        ts_ns=ts_ns,
        open=np.round(opened, 2),
        high=np.round(np.maximum(opened, close) + wick, 2),
        low=np.round(np.minimum(opened, close) - wick, 2),
        close=np.round(close, 2),
        volume=rng.integers(1, 500, ts_ns.size).astype(np.float64),
        spread=np.round(rng.integers(1, 60, ts_ns.size) / 100.0, 2),
    )


def on_clock(bars: Bars, clock: Clock, stamps: str = "open") -> IntArray:
    """What a vendor writes as the stamps of `bars`."""
    return shown_by(clock, bars.ts_ns + (bars.timeframe.nanoseconds if stamps == "close" else 0))


def write(path: Path, layout: str, bars: Bars, stamp_ns: IntArray) -> Path:
    """Write `bars`, stamped `stamp_ns`, as the vendor of `layout` would."""
    path.write_text(LAYOUTS[layout](bars, stamp_ns), encoding="utf-8")
    return path


def _is_open(ts_ns: IntArray, hours: str) -> BoolArray:
    local = local_minutes(ts_ns, NEW_YORK)
    week, day = (local + 3 * 1440) % 10080, local % 1440
    sunday, friday = 6 * 1440, 4 * 1440 + 17 * 60
    if hours == "fx":
        return np.asarray((week >= sunday + 1020) | (week < friday))
    if hours == "futures":
        return np.asarray(((week >= sunday + 1080) | (week < friday)) & ((day < 1020) | (day >= 1080)))
    if hours == "cash":
        return np.asarray((week < 5 * 1440) & (day >= 570) & (day < 960))
    return np.ones(ts_ns.size, dtype=np.bool_)


def _bump(ts_ns: IntArray, zone: str, minute: int) -> FloatArray:
    after = (local_minutes(ts_ns, zone) % 1440 - minute) % 1440
    return np.asarray(np.exp(-after / 90.0))


def _texts(stamp_ns: IntArray, pattern: str) -> list[str]:
    return pl.Series(stamp_ns // 1000).cast(pl.Datetime("us")).dt.strftime(pattern).to_list()


def _numbers(bars: Bars) -> Sequence[tuple[float, ...]]:
    return list(zip(bars.open, bars.high, bars.low, bars.close, bars.volume, bars.spread, strict=True))


def _mt5(bars: Bars, stamp_ns: IntArray) -> str:
    head = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\t<SPREAD>"
    rows = [
        f"{stamp}\t{o:.2f}\t{h:.2f}\t{low:.2f}\t{c:.2f}\t{v:.0f}\t0\t{s * 100:.0f}"
        for stamp, (o, h, low, c, v, s) in zip(_texts(stamp_ns, "%Y.%m.%d\t%H:%M:%S"), _numbers(bars), strict=True)
    ]
    return "\r\n".join([head, *rows, ""])


def _rows(pattern: str, line: str) -> Callable[[Bars, IntArray], str]:
    def lines(bars: Bars, stamp_ns: IntArray) -> str:
        rows = zip(_texts(stamp_ns, pattern), _numbers(bars), strict=True)
        return "\n".join(line.format(t=t, o=o, h=h, l=low, c=c, v=v) for t, (o, h, low, c, v, _) in rows) + "\n"

    return lines


def _headed(head: str, body: Callable[[Bars, IntArray], str]) -> Callable[[Bars, IntArray], str]:
    return lambda bars, stamp_ns: f"{head}\n{body(bars, stamp_ns)}"


def _epochs(line: str, per_ns: int) -> Callable[[Bars, IntArray], str]:
    def lines(bars: Bars, stamp_ns: IntArray) -> str:
        last = bars.timeframe.nanoseconds // per_ns - 1
        return "".join(
            line.format(t=t // per_ns, e=t // per_ns + last, o=o, h=h, l=low, c=c, v=v) + "\n"
            for t, (o, h, low, c, v, _) in zip(stamp_ns.tolist(), _numbers(bars), strict=True)
        )

    return lines


_KLINE = "{t},{o},{h},{l},{c},{v},{e},1.5,7,0.5,0.7,0"

LAYOUTS: dict[str, Callable[[Bars, IntArray], str]] = {
    "mt5": _mt5,
    "mt4": _rows("%Y.%m.%d,%H:%M", "{t},{o},{h},{l},{c},{v:.0f}"),
    "dukascopy": _headed(
        "Gmt time,Open,High,Low,Close,Volume", _rows("%d.%m.%Y %H:%M:%S.000", "{t},{o},{h},{l},{c},{v}")
    ),
    "histdata": _rows("%Y%m%d %H%M%S", "{t};{o};{h};{l};{c};{v:.0f}"),
    "binance": _epochs(_KLINE, 1_000_000),
    "binance-us": _epochs(_KLINE, 1_000),
    "bitfinex": _epochs("{t},{o},{c},{h},{l},{v}", 1_000_000),
    "fxcm": _headed("timestamp,open,high,low,close", _rows("%Y-%m-%d %H:%M:%S+00:00", "{t},{o},{h},{l},{c}")),
    "us-equity": _headed(
        "Date, Time, Open, High, Low, Close, Volume", _rows("%m/%d/%Y, %H:%M", "{t}, {o}, {h}, {l}, {c}, {v}")
    ),
    "csv": _headed("When;O;H;L;C;V", _rows("%Y-%m-%dT%H:%M:%S", "{t};{o};{h};{l};{c};{v}")),
}
"""Text of a vendor's file, by the bars and their stamps."""
