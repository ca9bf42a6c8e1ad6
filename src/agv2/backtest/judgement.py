"""From measured accounts and counted trials to evidence and a verdict."""

import math
from dataclasses import dataclass

import numpy as np

from agv2.backtest.bootstrap import Intervals, bootstrap_intervals
from agv2.backtest.evaluation import MeasuredAccount
from agv2.backtest.significance import probabilistic_sharpe_ratio
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
    bootstrap_rng, rates_rng = rng.spawn(2)
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
    selection = "not implemented yet"
    if count.n_trials < _TRIALS_FOR_SELECTION_TESTS:
        selection += f", and needs {_TRIALS_FOR_SELECTION_TESTS} trials on these bars: {count.n_trials} counted"
    significance = Significance(
        psr=psr,
        dsr=evidence.dsr_flat,
        n_trials=count.n_trials,
        n_effective_trials=count.n_effective(oos.days, oos.returns),
        pbo=math.nan,
        spa_p_value=math.nan,
        bootstrap_sharpe_ci=(intervals.sharpe.low, intervals.sharpe.high),
        undefined={"psr": why, "dsr": why, "bootstrap_sharpe_ci": why, "pbo": selection, "spa_p_value": selection},
    )
    return Judgement(significance, verdict, intervals, oos.returns - hold.returns)
