"""The verdict: one of three levels, by a rule that is fixed before any result is seen.

The rule. Two questions are asked of the out-of-sample daily returns, and both must be answered well:
(a) is the deflated Sharpe ratio against a flat account high enough, and (b) is that of the returns in excess of
volatility-targeted buy and hold? `weak evidence` needs 0.95 in both; `strong evidence` needs 0.99 in both, and a
95 % bootstrap interval of the Sharpe ratio wholly above 0, since the bootstrap keeps the dependence between days
that the formula ignores. Fewer than `MIN_DAYS` days or `MIN_TRADES` trades are never evidence.
"""

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from agv2.backtest.rule_rates import EDGES_ANNUAL_SHARPE, Rate, RuleRates, measure_rule_rates
from agv2.backtest.significance import deflated_sharpe_ratio, deflation_benchmark
from agv2.backtest.truth_rates import false_alarms, power
from agv2.core.arrays import FloatArray

__all__ = ["Evidence", "Verdict", "give_verdict", "weigh_evidence"]

LEVELS = NO_EVIDENCE, WEAK_EVIDENCE, STRONG_EVIDENCE = "no evidence", "weak evidence", "strong evidence"
WEAK_PROBABILITY = 0.95
STRONG_PROBABILITY = 0.99
MIN_DAYS = 60
MIN_TRADES = 30


class Evidence(NamedTuple):
    """What the rule looks at; NaN where undefined."""

    n_days: int
    n_trades: int
    n_trials: int
    dsr_flat: float
    dsr_hold: float
    """Of daily returns in excess of volatility-targeted buy and hold."""
    sharpe_low: float
    """Lower end of the bootstrap interval of the annualised Sharpe ratio."""
    benchmarks: tuple[float, float]
    """Daily Sharpe ratios that the trials without skill would reach: against flat, against buy and hold."""


class Verdict(NamedTuple):
    """A level, and the sentences that give its reasons and its error rates."""

    level: str
    text: str
    rates: RuleRates


def weigh_evidence(
    returns: FloatArray,
    hold_returns: FloatArray,
    n_trades: int,
    n_trials: int,
    earlier_sharpes: tuple[tuple[float, ...], tuple[float, ...]],
    sharpe_low: float,
) -> Evidence:
    """Compute both deflated Sharpe ratios.

    Args:
        returns: (n_days,) the account's simple returns.
        hold_returns: (n_days,) those of volatility-targeted buy and hold on the same days.
        n_trades: completed round trips.
        n_trials: trials on these data, this one included.
        earlier_sharpes: daily Sharpe ratios of the others, against flat and in excess of buy and hold.
        sharpe_low: lower end of the bootstrap interval of the Sharpe ratio.
    """
    excess = returns - hold_returns
    bars = (
        deflation_benchmark(returns, n_trials, earlier_sharpes[0]),
        deflation_benchmark(excess, n_trials, earlier_sharpes[1]),
    )
    return Evidence(
        n_days=returns.size,
        n_trades=n_trades,
        n_trials=n_trials,
        dsr_flat=deflated_sharpe_ratio(returns, n_trials, earlier_sharpes[0]),
        dsr_hold=deflated_sharpe_ratio(excess, n_trials, earlier_sharpes[1]),
        sharpe_low=sharpe_low,
        benchmarks=bars,
    )


def level_of(evidence: Evidence) -> str:
    """The rule itself; a NaN is never evidence."""
    if evidence.n_days < MIN_DAYS or evidence.n_trades < MIN_TRADES:
        return NO_EVIDENCE
    if not (evidence.dsr_flat >= WEAK_PROBABILITY and evidence.dsr_hold >= WEAK_PROBABILITY):
        return NO_EVIDENCE
    lower = min(evidence.dsr_flat, evidence.dsr_hold)
    return STRONG_EVIDENCE if lower >= STRONG_PROBABILITY and evidence.sharpe_low > 0.0 else WEAK_EVIDENCE


def give_verdict(
    evidence: Evidence,
    returns: FloatArray,
    hold_returns: FloatArray,
    trading_days_per_year: float,
    rng: np.random.Generator,
) -> Verdict:
    """Judge, say why, and measure how often this rule is wrong on returns of this length.

    Args:
        evidence: from `weigh_evidence`.
        returns: (n_days,) the account's simple returns.
        hold_returns: (n_days,) those of volatility-targeted buy and hold.
        trading_days_per_year: from the market's calendar.
        rng: chance of the error rates.
    """
    level = level_of(evidence)
    if evidence.n_days < MIN_DAYS:
        never = Rate(0.0, 0.0, 0.0, 0)  # by construction, not by measurement
        text = f"{_reason(level, evidence)} On so few days the rule never sees an edge: no false alarms, and no power."
        return Verdict(level, text, RuleRates(never, (never,) * len(EDGES_ANNUAL_SHARPE)))
    own, hold = float(returns.std()), float(hold_returns.std())
    related = own > 0.0 and hold > 0.0
    rates = measure_rule_rates(
        evidence.n_days,
        trading_days_per_year,
        NormalDist().inv_cdf(WEAK_PROBABILITY),
        evidence.benchmarks,
        hold / own if related else 0.0,
        float(np.corrcoef(returns, hold_returns)[0, 1]) if related else 0.0,
        rng,
    )
    return Verdict(level, f"{_reason(level, evidence)} {_error_rates(evidence, rates)}", rates)


def _reason(level: str, evidence: Evidence) -> str:
    sample = f"{_count(evidence.n_days, 'trading day')}, {_count(evidence.n_trades, 'trade')}"
    trials = f"{_count(evidence.n_trials, 'trial')} counted on these bars"
    opening = f"{level.capitalize()} of an edge"
    if evidence.n_days < MIN_DAYS or evidence.n_trades < MIN_TRADES:
        return f"{opening}: {sample} are too few to judge; the rule asks for {MIN_DAYS} and {MIN_TRADES}."
    scores = (
        f"the deflated Sharpe ratio is {_score(evidence.dsr_flat)} against a flat account and "
        f"{_score(evidence.dsr_hold)} against volatility-targeted buy and hold"
    )
    if level == NO_EVIDENCE:
        needed = f"where both must reach {WEAK_PROBABILITY}"
    elif level == STRONG_EVIDENCE:
        needed = (
            f"both at least {STRONG_PROBABILITY}, and the Sharpe ratio's 95 % interval begins at "
            f"{evidence.sharpe_low:.2f}, above 0"
        )
    elif min(evidence.dsr_flat, evidence.dsr_hold) >= STRONG_PROBABILITY:
        needed = f"both at least {STRONG_PROBABILITY}, but the Sharpe ratio's 95 % interval reaches below 0"
    else:
        needed = f"both at least {WEAK_PROBABILITY} but not both {STRONG_PROBABILITY}"
    return f"{opening}: {scores}, {needed} ({sample}, {trials})."


def _error_rates(evidence: Evidence, rates: RuleRates) -> str:
    found = " and ".join(
        f"{_percent(rate)} of runs with a true annual Sharpe ratio of {edge:g}"
        for edge, rate in zip(EDGES_ANNUAL_SHARPE, rates.power, strict=True)
    )
    return (
        f"The rule's own error rates, on {rates.false_alarm.n_samples:,} simulated runs of {evidence.n_days:,} "
        f"fat-tailed days with trades enough: it saw an edge in {_percent(rates.false_alarm)} of runs "
        f"that had none, and in {found}. "
        f"These are rates of the rule alone. {_studied()}"
    )


def _studied() -> str:
    """What `agv2 truth` found where something chose, traded and was judged."""
    silent = " and ".join(f"{_percent(kind.weak)} on {kind.meaning}" for kind in false_alarms())
    found = [100.0 * kind.weak.rate for kind in power()]
    return (
        f"On synthetic markets, {false_alarms()[0].weak.n_samples} of a kind, one trial each on about 250 days, traded "
        f"by the best of twenty simple rules, `agv2 truth` counted false alarms of {silent}; planted edges were seen "
        f"on {min(found):.0f} to {max(found):.0f} % of markets, by kind."
    )


def _percent(rate: Rate) -> str:
    return f"{100 * rate.rate:.1f} % ({100 * rate.low:.1f} to {100 * rate.high:.1f} %)"


def _score(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.3f}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
