"""Speed of the features, beside the same columns in polars and the same heat map in numpy in turn with ours.

    python benchmarks/features.py            print the table, and where our time goes
    python benchmarks/features.py --record   also append it to benchmarks/history.csv

One thread each. Rounds of the two sides alternate; figures are medians of bars a second. The basic features are the
columns of the base timeframe that read no levels and the volatility that scales them, twenty in all, made as
`compute_features` makes them: rows of 32-bit numbers. polars makes the same columns from the same bars with its own
expressions, lazily, so that it takes what they share only once; it keeps them as columns of 64 bits, and is spared the
turning into rows. Half of its time goes to the wall clocks of three zones, so the rest is compared once more; ours then
still looks the clock up. The numpy heat map sums an exponential per pivot and bin, given the pivots and their weights,
and is timed on fewer bars. Both are checked against ours first. The whole matrix has no peer: its yardstick is polars'
twenty columns.
"""

import argparse
import cProfile
import functools
import math
import os
import pstats
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # read once, as polars is imported

import numpy as np
import polars as pl
from comparison import HISTORY, Line, record_lines

from agv2.core.arrays import Float32Array, FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.timeframes import SessionCalendar
from agv2.data.synthetic import synthetic_bars
from agv2.features.bar_volatility import LOOKBACK, VOLATILITY_FLOOR, bar_volatility
from agv2.features.feature_inputs import base_inputs
from agv2.features.feature_rows import write_rows
from agv2.features.feature_spec import FeatureSpec, Reads
from agv2.features.pipeline import FEATURES, compute_features, feature_columns
from agv2.features.row_blocks import row_blocks
from agv2.features.session_features import SESSIONS
from agv2.features.support_resistance import (
    HALF_WIDTH_SIGMAS,
    HEATMAP_BINS,
    MEMORY_BARS,
    PIVOT_WING,
    fractal_pivots,
    level_density,
)

ROUNDS, SEED, N_BARS, N_NAIVE, N_COSTS = 7, 7, 500_000, 3_000, 16
GRID = (np.arange(HEATMAP_BINS) + 0.5) * 2.0 * HALF_WIDTH_SIGMAS / HEATMAP_BINS - HALF_WIDTH_SIGMAS
BASIC = [spec for spec in FEATURES if spec.reads is not Reads.LEVELS]
WITHOUT_CLOCK = [spec for spec in BASIC if spec.on_context]
EVERY_DAY = SessionCalendar(0, "UTC", 365.0, None, weekend_nights=True)


def basic_features(bars: Bars, specs: list[FeatureSpec]) -> tuple[FloatArray, Float32Array]:
    """Volatility, and (n_bars, n_specs) the other columns."""
    sigma = bar_volatility(bars.close)
    rows = np.empty((len(bars), len(specs)), dtype=np.float32)
    for block in row_blocks(len(bars), LOOKBACK):
        read = slice(block.first, block.stop)
        inputs = base_inputs(bars.slice(block.first, block.stop), sigma[read], with_levels=False)
        write_rows(specs, inputs, rows[block.start : block.stop])
    return sigma, rows


def polars_features(frame: pl.LazyFrame, specs: list[FeatureSpec]) -> pl.DataFrame:
    """The same columns as expressions."""
    open_, high, low, close, sigma = (pl.col(name) for name in ("open", "high", "low", "close", "sigma"))
    one = (close / close.shift(1)).log()
    floor = VOLATILITY_FLOOR

    def root_mean_square(values: pl.Expr, lookback: int) -> pl.Expr:
        return (values * values).rolling_mean(lookback).sqrt()

    def log_ratio(estimate: pl.Expr) -> pl.Expr:
        return (pl.max_horizontal(estimate, pl.lit(floor)) / sigma).log().clip(-6.0, 6.0)

    top, bottom = pl.max_horizontal(open_, close), pl.min_horizontal(open_, close)
    span, previous = high - low, close.shift(1)
    true_range = (pl.max_horizontal(high, previous) / pl.min_horizontal(low, previous)).log()
    # Each zone's clock is asked once: twice is what costs polars most.
    zones = sorted({zone for zone, _, _ in SESSIONS.values()})
    local = {zone: pl.col(zone) for zone in zones}
    new_york = local["America/New_York"]
    day_angle = (new_york.dt.hour().cast(pl.Float64) * 60 + new_york.dt.minute()) * (2 * math.pi / 1440)
    week_angle = (new_york.dt.weekday().cast(pl.Float64) - 1) * (2 * math.pi / 7)

    def is_open(zone: str, opens: int, closes: int) -> pl.Expr:
        hour, weekday = local[zone].dt.hour(), local[zone].dt.weekday()
        return (hour.is_between(opens, closes, closed="left") & (weekday <= 5)).cast(pl.Float64)

    yardstick = pl.max_horizontal(root_mean_square(one, 64), 0.5 * root_mean_square(one, 256), pl.lit(floor))
    columns = {
        f"log_return_{n}": ((close / close.shift(n)).log() / (math.sqrt(n) * sigma)).clip(-20.0, 20.0)
        for n in (1, 3, 12, 60)
    } | {
        "opening_gap": ((open_ / previous).log() / sigma).clip(-20.0, 20.0),
        "range": ((high / low).log() / sigma).clip(0.0, 20.0),
        "upper_wick": pl.when(span > 0.0).then((high - top) / span).otherwise(0.0),
        "lower_wick": pl.when(span > 0.0).then((bottom - low) / span).otherwise(0.0),
        "realized_volatility": log_ratio(root_mean_square(one, 12)),
        "parkinson_volatility": log_ratio(root_mean_square((high / low).log(), 12) / math.sqrt(4.0 * math.log(2.0))),
        "average_true_range": log_ratio(true_range.rolling_mean(12)),
        "usual_volatility": log_ratio(root_mean_square(one, 256)),
        **{f"session_{name}": is_open(*session) for name, session in SESSIONS.items()},
        "time_of_day_sine": day_angle.sin(),
        "time_of_day_cosine": day_angle.cos(),
        "day_of_week_sine": week_angle.sin(),
        "day_of_week_cosine": week_angle.cos(),
    }
    named = (columns[spec.name].alias(spec.name) for spec in specs)
    clocks = {zone: pl.col("ts").dt.convert_time_zone(zone) for zone in zones}
    return frame.with_columns(sigma=yardstick, **clocks).select("sigma", *named).collect()


class Pivots(NamedTuple):
    """What the naive heat map is given: all pivots of the market and what each had met."""

    bar: IntArray
    log_price: FloatArray
    weight: FloatArray
    """(n_bars, most pivots in memory) before it fades, 0 once broken; padded with 0."""
    first: IntArray
    """(n_bars,) index of the first pivot in memory."""
    n_in_memory: IntArray


def pivots_of(bars: Bars, sigma: FloatArray) -> Pivots:
    """Pivots with their prominence, visits and end, bar by bar; not timed."""
    confirmed = fractal_pivots(bars.high, bars.low)
    log_high, log_low, log_close = np.log(bars.high), np.log(bars.low), np.log(bars.close)
    found = [
        (t - PIVOT_WING, sign, side[t - PIVOT_WING], sigma[t])
        for t in range(len(bars))
        for bit, sign, side in ((1, 1.0, log_high), (2, -1.0, log_low))
        if confirmed[t] & bit and not math.isnan(sigma[t])
    ]
    place, signs, price, unit = (np.array(column) for column in zip(*found, strict=True))
    place = place.astype(np.int64)
    t = np.arange(len(bars))
    first = np.searchsorted(place, t - MEMORY_BARS + 1).astype(np.int64)
    count = np.searchsorted(place, t - PIVOT_WING, side="right").astype(np.int64) - first
    weight = np.zeros((len(bars), int(count.max())))
    for p in range(place.size):
        since = slice(place[p] + 1, place[p] + MEMORY_BARS)
        near = (log_low[since] <= price[p] + 0.5 * unit[p]) & (log_high[since] >= price[p] - 0.5 * unit[p])
        near[:PIVOT_WING] = True  # it has to be left, after its confirmation, before it can be visited
        visits = np.minimum(np.cumsum(near & ~np.append(True, near[:-1])[: near.size]), 5)
        away = np.maximum.accumulate(signs[p] * (price[p] - (log_low if signs[p] > 0.0 else log_high)[since]))
        prominence = np.clip(away / (16.0 * unit[p]), 0.0, 1.0)
        stands = ~np.logical_or.accumulate(signs[p] * (log_close[since] - price[p]) > unit[p])
        at = t[since][PIVOT_WING - 1 :]
        weight[at, p - first[at]] = (prominence * (1.0 + 0.5 * visits) * stands)[PIVOT_WING - 1 :]
    return Pivots(place, price, weight, first, count)


def numpy_density(bars: Bars, sigma: FloatArray, pivots: Pivots) -> FloatArray:
    """The heat map of the last `N_NAIVE` bars, an exponential per pivot and bin."""
    log_close = np.log(bars.close)
    rows = []
    for t in range(len(bars) - N_NAIVE, len(bars)):
        part = slice(pivots.first[t], pivots.first[t] + pivots.n_in_memory[t])
        own = pivots.weight[t, : pivots.n_in_memory[t]]
        stands = own > 0.0
        weight = own[stands] * 0.5 ** ((t - pivots.bar[part][stands]) / (0.5 * MEMORY_BARS))
        distance = (pivots.log_price[part][stands] - log_close[t]) / sigma[t]
        rows.append(weight @ np.exp(-0.5 * ((GRID - distance[:, None]) / 0.75) ** 2))
    return np.array(rows)


def alternate(
    work: str, yardstick: str, ours: Callable[[], Any], peer: Callable[[], Any], n_ours: int, n_peer: int
) -> Line:
    """Median bars per second of both, in alternating rounds after one to warm up."""
    rates: tuple[list[float], list[float]] = ([], [])
    for turn in range(ROUNDS + 1):
        for rate, side, n_bars in zip(rates, (ours, peer), (n_ours, n_peer), strict=True):
            began = time.perf_counter()
            side()
            if turn:
                rate.append(n_bars / (time.perf_counter() - began))
    return Line(work, statistics.median(rates[0]), yardstick, statistics.median(rates[1]))


def compare_basic(bars: Bars) -> list[Line]:
    """Twenty basic features against polars, and the whole matrix."""
    prices = {name: getattr(bars, name) for name in ("open", "high", "low", "close")}
    stamps = pl.Series(bars.ts_ns.astype("datetime64[ns]")).dt.replace_time_zone("UTC")
    frame = pl.LazyFrame({"ts": stamps, **prices})
    (sigma, rows), theirs = basic_features(bars, BASIC), polars_features(frame, BASIC)
    ours = {"sigma": sigma} | {spec.name: column for spec, column in zip(BASIC, rows.T, strict=True)}
    assert list(ours) == theirs.columns
    for name, values in ours.items():
        np.testing.assert_allclose(theirs[name].to_numpy()[400:], values[400:], rtol=1e-6, atol=1e-6, err_msg=name)
    work = f"{len(ours)} basic features"
    whole = f"whole matrix, {len(feature_columns(bars.timeframe))} features"
    fewer = f"{len(WITHOUT_CLOCK) + 1} basic features, none of the clock"
    peer = functools.partial(polars_features, frame, BASIC)
    peer_without = functools.partial(polars_features, frame, WITHOUT_CLOCK)
    return [
        alternate(work, "polars", lambda: basic_features(bars, BASIC), peer, N_BARS, N_BARS),
        alternate(fewer, "polars", lambda: basic_features(bars, WITHOUT_CLOCK), peer_without, N_BARS, N_BARS),
        alternate(whole, f"polars, {work}", lambda: compute_features(bars, EVERY_DAY), peer, N_BARS, N_BARS),
    ]


def compare_density(bars: Bars) -> Line:
    """The exact heat map against numpy."""
    sigma = bar_volatility(bars.close)
    pivots = pivots_of(bars, sigma)
    ours = level_density(bars.high, bars.low, bars.close, sigma)[-N_NAIVE:]
    theirs = numpy_density(bars, sigma, pivots)
    assert (np.abs(ours - theirs).max(axis=1) <= 1e-5 * np.maximum(theirs.max(axis=1), 1.0)).all()
    return alternate(
        "64-bin heat map of 500 bars' pivots",
        "numpy",
        lambda: level_density(bars.high, bars.low, bars.close, sigma),
        lambda: numpy_density(bars, sigma, pivots),
        len(bars),
        N_NAIVE,
    )


def where_time_goes(bars: Bars) -> list[tuple[str, float]]:
    """Processor nanoseconds a bar in each function itself while the whole matrix is made, the longest first."""
    profile = cProfile.Profile(time.process_time)
    profile.runcall(compute_features, bars, EVERY_DAY)
    stats = pstats.Stats(profile).get_stats_profile().func_profiles
    costs = [(name.strip("<>"), 1e9 * each.tottime / len(bars)) for name, each in stats.items()]
    return sorted(costs, key=lambda cost: -cost[1])[:N_COSTS]


def main() -> None:
    """Measure, print, and record when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help=f"append to {HISTORY.name}")
    record = parser.parse_args().record
    bars = synthetic_bars("noise", N_BARS, SEED, "5m")
    lines = [*compare_basic(bars), compare_density(bars.slice(0, 100_000))]
    for line in lines:
        print(  # noqa: T201 - the output of this script
            f"{line.work:<44} {line.ours_per_s:>14,.0f}/s  {line.ratio:>8.2f} x {line.yardstick}"
            f" ({line.yardstick_per_s:,.0f}/s)"
        )
    costs = where_time_goes(bars)
    print(f"Where the time of the whole matrix goes, the {len(costs)} functions that take most:")  # noqa: T201
    for name, cost in costs:
        print(f"  {name:<42} {cost:>10.1f} ns a bar")  # noqa: T201
    if record:
        record_lines(lines, ("numpy", "numba", "polars"))


if __name__ == "__main__":
    main()
