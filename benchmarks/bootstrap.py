"""Speed of the stationary bootstrap, beside that of arch in turn with it.

    python benchmarks/bootstrap.py            print the table
    python benchmarks/bootstrap.py --record   also append it to benchmarks/history.csv

One thread. Both draw resamples of 100,000 returns in blocks of ten in the mean and measure the Sharpe ratio and the
maximum drawdown of each; what they draw has the same distribution, which `tests/test_backtest/test_bootstrap.py` holds.
Rounds of the two sides alternate; figures are medians.
"""

import argparse

import numpy as np
from arch.bootstrap import StationaryBootstrap
from comparison import HISTORY, Line, record_lines
from speed import compare

from agv2.backtest.bootstrap import block_bootstrap
from agv2.core.arrays import FloatArray

SEED, N_RETURNS, BLOCK = 7, 100_000, 10.0
OURS, THEIRS = 60, 6
"""Resamples of a round."""


def measures(returns: FloatArray) -> FloatArray:
    """Sharpe ratio and maximum drawdown as numpy computes them, for arch to call."""
    growth = np.cumsum(np.log1p(returns))
    peak = np.maximum(np.maximum.accumulate(growth), 0.0)
    return np.array([returns.mean() / returns.std(ddof=1), -np.expm1((growth - peak).min())])


def stationary() -> Line:
    """Resamples a second of both."""
    returns = np.random.default_rng(SEED).standard_t(4, N_RETURNS) * 0.005

    def ours() -> int:
        block_bootstrap(returns, BLOCK, OURS, np.random.default_rng(SEED))
        return OURS

    def arch() -> int:
        StationaryBootstrap(BLOCK, returns, seed=np.random.default_rng(SEED)).apply(measures, THEIRS)
        return THEIRS

    return compare("resamples of 100,000 returns, stationary", ours, "arch StationaryBootstrap", arch)


def main() -> None:
    """Measure, print, and record when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help=f"append to {HISTORY.name}")
    record = parser.parse_args().record
    line = stationary()
    beside = f"{line.ratio:>8.2f} x {line.yardstick} ({line.yardstick_per_s:,.0f}/s)"
    print(f"{line.work:<44} {line.ours_per_s:>10,.0f}/s  {beside}")
    if record:
        record_lines([line], ("numpy", "numba", "arch"))


if __name__ == "__main__":
    main()
