"""Measure what real bars look like, for synthetic markets to be held against: numbers only, no prices.

    AGV2_REAL_BARS=DIR python tools/market_statistics.py            # writes tests/test_data/market_statistics.json
    AGV2_REAL_BARS=DIR python tools/market_statistics.py --table    # the comparison in docs/synthetic_markets.md
    AGV2_REAL_BARS=DIR python tools/market_statistics.py --check    # says whether the written numbers still hold

A sample is a calendar year (5m: a quarter) of one file, or what the file has of it. Times in which a feed lacks the
night (indices, May 2015 to March 2018) or is stuck (indices, January 2025) are left out: they are no markets.
"""

import argparse
import json
import math
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from agv2.core.bars import Bars
from agv2.data.bars_file import read_bars
from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets.market import MarketRequest, instrument_market
from agv2.data.synthetic_markets.statistics import market_statistics, scalar_names
from agv2.utils.config import load_config

OUT = Path(__file__).resolve().parents[1] / "tests/test_data/market_statistics.json"
LEAST_BARS = {"1h": 2500, "5m": 8000}
MONTHS = {"1h": 12, "5m": 3}


class Source(NamedTuple):
    """A file, and the days of it that are sound."""

    file: str
    first: str = "2000-01-01"
    end: str = "2100-01-01"
    counts_quotes: bool = True
    """False where `volume` is the number of quoted minutes and says nothing."""


SERIES: dict[str, tuple[Source, ...]] = {
    "ETHUSD_1h": (Source("ETHUSDT_1h__to2018"), Source("ETHUSDT_1h__2020_2022")),
    "ETHUSD_5m": (Source("ETHUSD_5m"),),
    "XAUUSD_1h": (Source("XAUUSD_1h"), Source("XAUUSD_1h__mt5s__2025on"), Source("XAUUSD_1h__mt5j")),
    "XAUUSD_5m": (Source("XAUUSD_5m"), Source("XAUUSD_5m__ftmo")),
    "XAGUSD_1h": (Source("XAGUSD_1h", "2012-01-01", "2100-01-01", False), Source("XAGUSD_1h__mt5s__2025on")),
    "US30_1h": (
        *(Source("US30_1h", "2000-01-01", "2015-01-01", False), Source("US30_1h", "2018-04-01", "2100-01-01", False)),
        Source("US30_1h__mt5j", "2025-02-01"),
    ),
    "US30_5m": (Source("US30_5m"),),
    "NAS100_1h": (
        *(
            Source("NAS100_1h", "2000-01-01", "2015-01-01", False),
            Source("NAS100_1h", "2018-04-01", "2100-01-01", False),
        ),
        Source("NAS100_1h__mt5j", "2025-02-01"),
    ),
    "NAS100_5m": (Source("NAS100_5m"),),
}


def samples(bars: Bars, source: Source) -> list[Bars]:
    """The sound days of `bars`, cut at calendar years or quarters."""
    day = bars.ts_ns.astype("datetime64[ns]").astype("datetime64[D]")
    sound = (day >= np.datetime64(source.first)) & (day < np.datetime64(source.end))
    periods = day.astype("datetime64[M]").astype(np.int64) // MONTHS[bars.timeframe.name]
    pieces = []
    for period in np.unique(periods[sound]):
        where = np.flatnonzero(sound & (periods == period))
        if where.size >= LEAST_BARS[bars.timeframe.name]:
            pieces.append(bars.slice(int(where[0]), int(where[-1]) + 1))
    return pieces


def spread_of(rows: list[float]) -> dict[str, float] | None:
    """Mean, standard deviation, least and largest of the known values, to four significant digits."""
    known = np.array([value for value in rows if not math.isnan(value)])
    if known.size == 0:
        return None
    found = {"mean": known.mean(), "sd": known.std(), "low": known.min(), "high": known.max()}
    return {name: float(f"{value:.4g}") for name, value in found.items()}


def measured(directory: Path) -> dict[str, Any]:
    """What the JSON holds."""
    series: dict[str, Any] = {}
    for name, sources in SERIES.items():
        rows, labels = [], []
        for source in sources:
            symbol = name.partition("_")[0]
            for piece in samples(read_bars(directory / f"{source.file}.parquet", symbol).bars, source):
                row = asdict(market_statistics(piece))
                if not source.counts_quotes:
                    row["volume_correlation"] = math.nan
                rows.append(row)
                labels.append(f"{source.file} {str(piece.ts_ns[0].astype('datetime64[ns]'))[:7]}")
        entry: dict[str, Any] = {"samples": labels}
        for statistic in scalar_names():
            entry[statistic] = spread_of([row[statistic] for row in rows])
        for statistic in ("hour_profile", "spread_profile"):
            entry[statistic] = [spread_of([row[statistic][hour] for row in rows]) for hour in range(24)]
        series[name] = entry
    return {"made by": "tools/market_statistics.py", "series": series}


def synthetic_medians(name: str, seeds: range) -> dict[str, float]:
    """Median statistics of synthetic samples of a year (5m: a quarter)."""
    symbol, timeframe = name.split("_")
    config = load_config(MarketsConfig, "markets").entry(symbol)[0]
    n_bars = 6000 if timeframe == "1h" else 16_000
    rows = [
        asdict(market_statistics(instrument_market(request, config).bars))
        for request in (MarketRequest(symbol, timeframe=timeframe, n_bars=n_bars, seed=seed) for seed in seeds)
    ]
    return {statistic: float(np.median([row[statistic] for row in rows])) for statistic in scalar_names()}


def print_table(found: dict[str, Any]) -> None:
    """Least and largest real value and the synthetic median of each statistic, a table a timeframe."""
    for timeframe in LEAST_BARS:
        names = [name for name in found["series"] if name.endswith(f"_{timeframe}")]
        ours = {name: synthetic_medians(name, range(1, 21)) for name in names}
        heads = [f"{name.partition('_')[0]} ({len(found['series'][name]['samples'])})" for name in names]
        print(f"\n| {timeframe} | {' | '.join(heads)} |")
        print("|---|" + "---:|" * len(names))
        for statistic in scalar_names():
            cells = []
            for name in names:
                real = found["series"][name][statistic]
                wide = "–" if real is None else f"{real['low']:.2g} to {real['high']:.2g}"
                cells.append(
                    f"{wide} · {'–' if math.isnan(ours[name][statistic]) else format(ours[name][statistic], '.2g')}"
                )
            print(f"| `{statistic}` | {' | '.join(cells)} |")


def main() -> None:
    """Measure, then write, print or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", action="store_true", help="print a comparison with synthetic markets instead")
    parser.add_argument("--check", action="store_true", help="compare with the written numbers instead")
    options = parser.parse_args()
    directory = os.environ.get("AGV2_REAL_BARS")
    if not directory:
        sys.exit("AGV2_REAL_BARS is not set: name the directory of the real bars")
    found = measured(Path(directory))
    if options.table:
        print_table(found)
    elif options.check:
        if found != json.loads(OUT.read_text(encoding="utf-8")):
            sys.exit(f"{OUT.name} differs from what the files say now: run this without --check")
    else:
        OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
