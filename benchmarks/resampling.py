"""Speed of gathering 1m bars into 5m, 15m and 1h, beside polars' group_by_dynamic in turn with it.

    python benchmarks/resampling.py            print the table
    python benchmarks/resampling.py --record   also append it to benchmarks/history.csv

One thread each. Rounds of the two sides alternate; figures are medians of fine bars a second, all timeframes of the
line made. Both begin with columns in memory and end with them. Ours makes 15m of 5m and 1h of 15m, which gives the
same bits; the lines of one timeframe compare single passes.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # read once, as polars is imported

import numpy as np
import polars as pl
from comparison import HISTORY, Line, record_lines

from agv2.core.bars import Bars
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.data.bar_aggregator import aggregate_each

ROUNDS, SEED, N_BARS = 7, 7, 5_000_000
UTC = SessionCalendar(0, "UTC", 365.0, None, weekend_nights=True)
YARDSTICK = "polars group_by_dynamic"
NEW_YORK = SessionCalendar(17, "America/New_York", 260.0, 2, weekend_nights=False)


def one_minute_bars() -> Bars:
    """A walk of 1m bars without gaps, volumes and spreads known."""
    rng = np.random.default_rng(SEED)
    close = 2_000.0 * np.exp(np.cumsum(rng.normal(0.0, 2e-4, N_BARS)))
    open_ = np.concatenate([close[:1], close[:-1]])
    wick = rng.random((2, N_BARS))
    stamps = 1_420_070_400_000_000_000 + np.arange(N_BARS, dtype=np.int64) * 60_000_000_000  # from 2015-01-01
    high, low = np.maximum(open_, close) + wick[0], np.minimum(open_, close) - wick[1]
    volume, spread = np.round(rng.exponential(20.0, N_BARS), 3), np.round(rng.random(N_BARS), 2)
    return Bars("WALK", Timeframe(1), stamps, open_, high, low, close, volume, spread)


def compare(bars: Bars, calendar: SessionCalendar, targets: tuple[str, ...], work: str) -> Line:
    """Median fine bars per second of both, in alternating rounds after one to warm up."""
    columns = {"ts": bars.ts_ns.astype("datetime64[ns]")} | {
        name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume", "spread")
    }
    frame = pl.DataFrame(columns).set_sorted("ts")
    gathered = [
        pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last(),
        pl.col("volume").sum(), pl.col("spread").last(),
    ]  # fmt: skip

    def ours() -> int:
        return sum(len(each) for each in aggregate_each(bars, [Timeframe.parse(name) for name in targets], calendar))

    def polars() -> int:
        return sum(frame.group_by_dynamic("ts", every=name).agg(gathered).height for name in targets)

    sides: tuple[Callable[[], int], Callable[[], int]] = (ours, polars)
    rates: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS + 1):
        for rate, side in zip(rates, sides, strict=True):
            began = time.perf_counter()
            side()
            if turn:
                rate.append(len(bars) / (time.perf_counter() - began))
    return Line(work, statistics.median(rates[0]), YARDSTICK, statistics.median(rates[1]))


def main() -> None:
    """Measure, print, and record when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help=f"append to {HISTORY.name}")
    record = parser.parse_args().record
    bars = one_minute_bars()
    lines = [
        compare(bars, UTC, ("5m", "15m", "1h"), "1m bars into 5m, 15m and 1h"),
        compare(bars, NEW_YORK, ("5m", "15m", "1h"), "1m bars into 5m, 15m and 1h, New York days"),
        compare(bars, UTC, ("5m",), "1m bars into 5m"),
        compare(bars, UTC, ("1h",), "1m bars into 1h"),
    ]
    for line in lines:
        print(  # noqa: T201 - the output of this script
            f"{line.work:<44} {line.ours_per_s:>14,.0f}/s  {line.ratio:>8.2f} x {line.yardstick}"
            f" ({line.yardstick_per_s:,.0f}/s)"
        )
    if record:
        record_lines(lines, ("numpy", "numba", "polars"))


if __name__ == "__main__":
    main()
