"""Speed of the local store on years of one-minute bars: written, read, filtered through polars and through DuckDB.

    python benchmarks/store.py [--bars 5000000]

Median and best of the rounds, seconds, files in the page cache as after a first look. One process; polars and DuckDB
use all cores.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe
from agv2.data.duckdb_store import BarStore

ROUNDS, SEED, SYMBOL, MINUTE = 7, 7, "ETHUSD", Timeframe(1)
COLUMNS = "epoch_us(ts) AS ts, open, high, low, close, volume, spread"
WHERE = f"symbol = '{SYMBOL}' AND timeframe = '1m'"


def minutes(n_bars: int) -> Bars:
    """A walk on a price grid of cents, as venues quote."""
    rng = np.random.default_rng(SEED)
    close = np.round(2_000.0 * np.exp(np.cumsum(rng.normal(0.0, 4e-4, n_bars))), 2)
    open_ = np.concatenate([close[:1], close[:-1]])
    wick = np.round(rng.exponential(0.5, (2, n_bars)), 2)
    first = int(np.datetime64("2015-01-01", "ns").astype(np.int64))
    return Bars(
        symbol=SYMBOL,
        timeframe=MINUTE,
        ts_ns=first + np.arange(n_bars, dtype=np.int64) * MINUTE.nanoseconds,
        open=open_,
        high=np.maximum(open_, close) + wick[0],
        low=np.minimum(open_, close) - wick[1],
        close=close,
        volume=rng.integers(1, 500, n_bars).astype(np.float64),
        spread=np.full(n_bars, 0.6),
    )


def measure(work: str, action: Callable[[], object], rounds: int = ROUNDS) -> None:
    """Print how long `action` takes, after one to warm up."""
    seconds = []
    for turn in range(rounds + (rounds > 1)):
        began = time.perf_counter()
        action()
        if turn or rounds == 1:
            seconds.append(time.perf_counter() - began)
    print(  # noqa: T201 - the output of this script
        f"{work:<62} median {statistics.median(seconds):7.3f} s   best {min(seconds):7.3f} s"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bars", type=int, default=5_000_000)
    n_bars = parser.parse_args().bars
    bars = minutes(n_bars)
    low, high = (int(bars.ts_ns[int(n_bars * share)]) for share in (0.4, 0.5))
    page = bars.slice(n_bars - 20_000, n_bars)
    with tempfile.TemporaryDirectory() as name:
        store = BarStore(Path(name))
        measure(f"write {n_bars:,} bars into an empty store", lambda: store.write(bars), rounds=1)
        size = sum(path.stat().st_size for path in Path(name).rglob("*.parquet"))
        print(f"{size / 1e6:.1f} MB, {size / n_bars:.1f} bytes a bar")  # noqa: T201 - the output of this script
        flip = [page, page]
        flip[1] = Bars(**{field: getattr(page, field) for field in page.__slots__} | {"close": page.close + 0.01})

        def upsert() -> None:
            flip.reverse()
            store.write(flip[0])

        measure("upsert 20,000 bars into a full year", upsert)
        measure("read all (BarStore.read)", lambda: store.read(SYMBOL, MINUTE))
        measure("read a tenth by date (BarStore.read)", lambda: store.read(SYMBOL, MINUTE, low, high))

        def filtered() -> int:
            everything = store.read(SYMBOL, MINUTE)
            return int((everything.close > 2_000.0).sum())

        measure("read all and filter by price (BarStore.read, numpy)", filtered)
        measure("series() of the store", store.series)
        with store.connect() as connection:
            measure(
                "DuckDB view: read all into numpy, in order",
                lambda: connection.execute(f"SELECT {COLUMNS} FROM bars WHERE {WHERE} ORDER BY ts").fetchnumpy(),
            )
            measure(
                "DuckDB view: filter by price, count and mean",
                lambda: connection.execute(
                    f"SELECT count(*), avg(close) FROM bars WHERE {WHERE} AND close > 2000"
                ).fetchall(),
            )
            measure(
                "DuckDB view: filter by price and hour, rows into numpy",
                lambda: connection.execute(
                    f"SELECT {COLUMNS} FROM bars WHERE {WHERE} AND close > 2000 AND hour(ts) = 14 ORDER BY ts"
                ).fetchnumpy(),
            )


if __name__ == "__main__":
    main()
