"""How often the verdict's own rule errs, measured on simulated daily returns of a run's length.

This measures the rule, not the pipeline: it draws returns, it trains nothing. `agv2 truth` measures the whole.
"""

import math
from typing import NamedTuple

import numpy as np

from agv2.backtest.significance import return_moments, sharpe_z_score
from agv2.core.arrays import FloatArray

__all__ = ["Rate", "RuleRates", "measure_rule_rates"]

TAIL_DEGREES_OF_FREEDOM = 4.0
"""Of the simulated daily returns' t distribution; daily returns of the markets here fit 3 to 5."""

EDGES_ANNUAL_SHARPE = (1.0, 2.0)
_SAMPLES, _MOST_DRAWS = 2000, 6_000_000
_CHUNK_DRAWS = 400_000


class Rate(NamedTuple):
    """A share of samples with its 95 % Wilson interval."""

    rate: float
    low: float
    high: float
    n_samples: int

    @classmethod
    def of(cls, hits: int, n_samples: int) -> "Rate":
        """Wilson (1927), Journal of the American Statistical Association 22, 209-212."""
        z = 1.959963984540054
        share, weight = hits / n_samples, z * z / n_samples
        centre = (share + weight / 2.0) / (1.0 + weight)
        half = z * math.sqrt(share * (1.0 - share) / n_samples + weight / (4.0 * n_samples)) / (1.0 + weight)
        # rounding must not leave a rate just outside its own interval
        return cls(share, min(share, max(0.0, centre - half)), max(share, min(1.0, centre + half)), n_samples)


class RuleRates(NamedTuple):
    """Share of simulated runs in which the rule finds at least weak evidence."""

    false_alarm: Rate
    """Without any edge."""
    power: tuple[Rate, ...]
    """With true annual Sharpe ratios of `EDGES_ANNUAL_SHARPE`, buy and hold earning nothing."""


def measure_rule_rates(
    n_days: int,
    trading_days_per_year: float,
    z_needed: float,
    benchmarks: tuple[float, float],
    hold_volatility_frac: float,
    hold_correlation: float,
    rng: np.random.Generator,
) -> RuleRates:
    """Apply the rule's two tests to runs drawn at random.

    A run is a pair of series of independent, fat-tailed days: the account's and buy and hold's, with the relative
    volatility and correlation of the run at hand. Its days have no clustering and it has trades enough; of the
    rule, the minimum sample and (as it only parts weak from strong) the bootstrap are left out.

    Args:
        n_days: days of each series, >= 3.
        trading_days_per_year: turns annual Sharpe ratios into daily ones.
        z_needed: standard errors by which both Sharpe ratios must exceed their benchmark.
        benchmarks: Sharpe ratios per day that the account, and its excess over buy and hold, must beat.
        hold_volatility_frac: volatility of buy and hold / that of the account, >= 0; 0 for no buy and hold.
        hold_correlation: correlation of the two, -1..1.
        rng: chance.

    Returns:
        Rates over 2,000 runs, fewer for very long ones.
    """
    samples = max(200, min(_SAMPLES, _MOST_DRAWS // (2 * n_days)))
    edges = (0.0, *(edge / math.sqrt(trading_days_per_year) for edge in EDGES_ANNUAL_SHARPE))
    hits = np.zeros(len(edges), dtype=np.int64)
    done = 0
    while done < samples:
        count = min(samples - done, max(1, _CHUNK_DRAWS // n_days))
        account, own = _noise(count, n_days, rng), _noise(count, n_days, rng)
        hold = hold_volatility_frac * (
            hold_correlation * account + math.sqrt(max(0.0, 1.0 - hold_correlation**2)) * own
        )
        for index, edge in enumerate(edges):
            over_flat = sharpe_z_score(return_moments(account + edge), benchmarks[0])
            over_hold = sharpe_z_score(return_moments(account + edge - hold), benchmarks[1])
            hits[index] += int(((over_flat >= z_needed) & (over_hold >= z_needed)).sum())
        done += count
    first, *others = (Rate.of(int(count), samples) for count in hits)
    return RuleRates(first, tuple(others))


def _noise(count: int, n_days: int, rng: np.random.Generator) -> FloatArray:
    """(count, n_days) draws with mean 0 and variance 1."""
    scale = math.sqrt((TAIL_DEGREES_OF_FREEDOM - 2.0) / TAIL_DEGREES_OF_FREEDOM)
    noise: FloatArray = rng.standard_t(TAIL_DEGREES_OF_FREEDOM, size=(count, n_days)) * scale
    return noise
