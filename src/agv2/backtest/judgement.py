"""From measured accounts and counted trials to evidence and a verdict."""

import math
from dataclasses import dataclass

import numpy as np

from agv2.backtest.bootstrap import Intervals, bootstrap_intervals
from agv2.backtest.evaluation import MeasuredAccount
from agv2.backtest.selection_tests import MIN_DAYS, common_returns, overfitting_probability, superior_ability
from agv2.backtest.significance import deflated_sharpe_ratio, probabilistic_sharpe_ratio
from agv2.backtest.summary import Significance
from agv2.backtest.trial_ledger import TrialCount
from agv2.backtest.verdict import Verdict, give_verdict, weigh_evidence
from agv2.core.arrays import FloatArray
from agv2.core.errors import DataError

__all__ = ["Judgement", "judge"]

_TRIALS_FOR_SELECTION_TESTS = 8


@dataclass(frozen=True, slots=True)
class Judgement:
    """A run's evidence, what follows from it, and how far its measures could have strayed."""

    significance: Significance
    verdict: Verdict
    intervals: Intervals
    excess_returns: FloatArray
    """(n_days,) daily returns in excess of volatility-targeted buy and hold, for the trial ledger."""
    dsr_effective: float
    """The deflated Sharpe ratio against a flat account, were like trials counted once; it moves no verdict."""


def judge(
    oos: MeasuredAccount, hold: MeasuredAccount, count: TrialCount, rng: np.random.Generator, n_resamples: int = 2000
) -> Judgement:
    """Weigh an out-of-sample account against flat and against volatility-targeted buy and hold.

    Args:
        oos: the account.
        hold: volatility-targeted buy and hold under the same costs, bar for bar.
        count: trials before this one, from `TrialLedger.count_before` at the start of the run.
        rng: chance of the bootstrap and of the rule's error rates.
        n_resamples: of the bootstrap.

    Returns:
        The same for the same arguments and state of `rng`.

    Raises:
        DataError: the two accounts are not of the same days.
    """
    if not np.array_equal(oos.days, hold.days):
        raise DataError(f"the account has {oos.days.size} trading days, buy and hold {hold.days.size} or other ones")
    bootstrap_rng, rates_rng, selection_rng = rng.spawn(3)
    intervals = bootstrap_intervals(oos.returns, oos.trading_days_per_year, bootstrap_rng, n_resamples)
    earlier = (
        tuple(trial.sharpe for trial in count.earlier),
        tuple(trial.excess_sharpe for trial in count.earlier),
    )
    evidence = weigh_evidence(
        oos.returns, hold.returns, oos.report.trades, count.n_trials, earlier, intervals.sharpe.low
    )
    verdict = give_verdict(evidence, oos.returns, hold.returns, oos.trading_days_per_year, rates_rng)
    psr = probabilistic_sharpe_ratio(oos.returns)
    why = "fewer than 3 trading days" if oos.returns.size < 3 else "daily returns do not vary"
    n_effective = count.n_effective(oos.days, oos.returns)
    dsr_effective = deflated_sharpe_ratio(oos.returns, max(1, round(n_effective)), earlier[0])
    pbo, spa, selection = _selection(oos, hold, count, selection_rng)
    significance = Significance(
        psr=psr,
        dsr=evidence.dsr_flat,
        n_trials=count.n_trials,
        n_effective_trials=n_effective,
        pbo=pbo,
        spa_p_value=spa,
        bootstrap_sharpe_ci=(intervals.sharpe.low, intervals.sharpe.high),
        undefined={"psr": why, "dsr": why, "bootstrap_sharpe_ci": why, "pbo": selection, "spa_p_value": selection},
    )
    return Judgement(significance, verdict, intervals, oos.returns - hold.returns, dsr_effective)


def _selection(
    oos: MeasuredAccount, hold: MeasuredAccount, count: TrialCount, rng: np.random.Generator
) -> tuple[float, float, str]:
    """Probability of overfitting, p-value of superior ability, and why both are undefined where they are.

    The p-value is the worse of two: against a flat account, and against volatility-targeted buy and hold. Trials that
    `agv2 tune` measured on bars before the tests count, but have no result on these days to be ranked by.
    """
    same = [one for one in count.earlier if np.intersect1d(one.days, oos.days, assume_unique=True).size]
    known = 1 + len(same)
    if known < _TRIALS_FOR_SELECTION_TESTS:
        why = "can be read" if len(same) == len(count.earlier) else "have results on these days"
        found = f"{count.n_trials} counted" + ("" if known == count.n_trials else f", of which {known} {why}")
        return math.nan, math.nan, f"needs {_TRIALS_FOR_SELECTION_TESTS} trials on these bars: {found}"
    days, returns = common_returns([*((one.days, one.returns) for one in same), (oos.days, oos.returns)])
    if days.size < MIN_DAYS:
        return math.nan, math.nan, f"needs {MIN_DAYS} days that all trials have: {days.size} found"
    held = hold.returns[np.searchsorted(hold.days, days)][:, np.newaxis]
    flat_rng, hold_rng = rng.spawn(2)
    over_flat, over_hold = superior_ability(returns, flat_rng)[0], superior_ability(returns - held, hold_rng)[0]
    return overfitting_probability(returns), float(np.maximum(over_flat, over_hold)), "no trial moved"
