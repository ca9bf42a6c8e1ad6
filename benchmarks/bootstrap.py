"""Speed of the stationary bootstrap, beside that of arch in turn with it.

    python benchmarks/bootstrap.py            print the table
    python benchmarks/bootstrap.py --record   also append it to benchmarks/history.csv

One thread. Both draw resamples of 100,000 returns in blocks of ten, or of a hundred, in the mean and measure the Sharpe
ratio and the maximum drawdown of log growth of each; ours measures its net return and Sortino ratio too. What they draw
has the same distribution, which `tests/test_backtest/test_bootstrap.py` holds. Rounds of the two sides alternate; each
begins from the returns, so that ours sums up its blocks anew; figures are medians.
"""

import argparse

import numpy as np
from arch.bootstrap import StationaryBootstrap
from comparison import HISTORY, Line, record_lines
from speed import compare

from agv2.backtest.bootstrap import block_bootstrap
from agv2.core.arrays import FloatArray

SEED, N_RETURNS = 7, 100_000
OURS, THEIRS = 2000, 100
"""Resamples of a round; ours as many as a verdict draws."""


def measures(returns: FloatArray) -> FloatArray:
    """Sharpe ratio and maximum drawdown as numpy computes them, for arch to call."""
    growth = np.cumsum(np.log1p(returns))
    peak = np.maximum(np.maximum.accumulate(growth), 0.0)
    return np.array([returns.mean() / returns.std(ddof=1), -np.expm1((growth - peak).min())])


def stationary(block: float) -> Line:
    """Resamples a second of both."""
    returns = np.random.default_rng(SEED).standard_t(4, N_RETURNS) * 0.005

    def ours() -> int:
        block_bootstrap(returns, block, OURS, np.random.default_rng(SEED))
        return OURS

    def arch() -> int:
        StationaryBootstrap(block, returns, seed=np.random.default_rng(SEED)).apply(measures, THEIRS)
        return THEIRS

    return compare(f"resamples of 100,000 returns, blocks of {block:g}", ours, "arch StationaryBootstrap", arch)


def main() -> None:
    """Measure, print, and record when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--record", action="store_true", help=f"append to {HISTORY.name}")
    record = parser.parse_args().record
    lines = [stationary(10.0), stationary(100.0)]
    for line in lines:
        beside = f"{line.ratio:>8.2f} x {line.yardstick} ({line.yardstick_per_s:,.0f}/s)"
        print(f"{line.work:<44} {line.ours_per_s:>10,.0f}/s  {beside}")
    if record:
        record_lines(lines, ("numpy", "numba", "arch"))


if __name__ == "__main__":
    main()
