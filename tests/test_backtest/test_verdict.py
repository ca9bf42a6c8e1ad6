import math

import numpy as np
import pytest

from agv2.backtest.significance import deflated_sharpe_ratio
from agv2.backtest.verdict import (
    MIN_DAYS,
    MIN_TRADES,
    Evidence,
    Verdict,
    give_verdict,
    level_of,
    weigh_evidence,
)

GOOD = Evidence(500, 100, 1, 0.995, 0.992, 0.3, (0.0, 0.0))


@pytest.mark.parametrize(
    ("change", "level"),
    [
        ({}, "strong evidence"),
        ({"sharpe_low": 0.0}, "weak evidence"),
        ({"sharpe_low": math.nan}, "weak evidence"),
        ({"dsr_hold": 0.98}, "weak evidence"),
        ({"dsr_flat": 0.95, "dsr_hold": 0.95}, "weak evidence"),
        ({"dsr_hold": 0.9499}, "no evidence"),
        ({"dsr_flat": 0.9499}, "no evidence"),
        ({"dsr_flat": math.nan}, "no evidence"),
        ({"dsr_hold": math.nan}, "no evidence"),
        ({"n_days": MIN_DAYS - 1}, "no evidence"),
        ({"n_trades": MIN_TRADES - 1}, "no evidence"),
        ({"n_days": MIN_DAYS, "n_trades": MIN_TRADES}, "strong evidence"),
    ],
)
def test_the_rule(change: dict[str, float], level: str) -> None:
    assert level_of(GOOD._replace(**change)) == level  # type: ignore[arg-type] # one dict of ints and floats


def judged(edge: float, n_days: int = 600, n_trials: int = 1, trades: int = 100, seed: int = 0) -> Verdict:
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(n_days)
    returns = 0.01 * ((noise - noise.mean()) / noise.std() + edge)
    hold = 0.01 * rng.standard_normal(n_days)
    evidence = weigh_evidence(returns, hold - hold.mean(), trades, n_trials, ((), ()), 0.1)
    return give_verdict(evidence, returns, hold - hold.mean(), 252.0, np.random.default_rng(1))


def test_a_planted_edge_is_found_and_noise_is_not() -> None:
    assert judged(0.25).level == "strong evidence"
    assert judged(0.0).level == "no evidence"


def test_an_edge_that_buy_and_hold_shares_is_none() -> None:
    rng = np.random.default_rng(0)
    market = 0.01 * rng.standard_normal(600) + 0.002
    returns = market + 0.001 * rng.standard_normal(600)
    evidence = weigh_evidence(returns, market, 100, 1, ((), ()), 0.5)
    assert evidence.dsr_flat > 0.99
    verdict = give_verdict(evidence, returns, market, 252.0, rng)
    assert verdict.level == "no evidence"
    assert "against volatility-targeted buy and hold, where both must reach 0.95" in verdict.text


def test_trials_take_evidence_away() -> None:
    assert judged(0.12).level == "weak evidence"
    assert judged(0.12, n_trials=1000).level == "no evidence"


def test_both_questions_are_deflated_by_the_trials_before() -> None:
    rng = np.random.default_rng(2)
    returns, hold = 0.01 * rng.standard_normal((2, 300)) + [[0.001], [0.0]]
    earlier = ((0.05, -0.02), (0.01, 0.04))
    evidence = weigh_evidence(returns, hold, 50, 3, earlier, 0.0)
    assert evidence.dsr_flat == deflated_sharpe_ratio(returns, 3, earlier[0])
    assert evidence.dsr_hold == deflated_sharpe_ratio(returns - hold, 3, earlier[1])


def test_the_text_gives_numbers_rates_and_what_is_missing() -> None:
    text = judged(0.0).text
    assert text.startswith("No evidence of an edge: the deflated Sharpe ratio is 0.")
    assert "600 trading days, 100 trades, 1 trial counted" in text
    assert "2,000 simulated runs of 600 fat-tailed days" in text
    assert "true annual Sharpe ratio of 2" in text
    assert "`agv2 truth` counted false alarms of" in text


def test_too_short_a_run_is_not_judged_and_claims_no_measured_rate() -> None:
    verdict = judged(0.5, n_days=40)
    assert verdict.level == "no evidence"
    assert verdict.text.startswith("No evidence of an edge: 40 trading days, 100 trades are too few to judge")
    assert "simulated" not in verdict.text
    assert verdict.rates.false_alarm.n_samples == 0
    assert "too few" in judged(0.5, trades=3).text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "interval begins at 0.30, above 0"),
        ({"sharpe_low": -0.1}, "interval reaches below 0"),
        ({"dsr_hold": 0.96}, "not both 0.99"),
        ({"dsr_flat": math.nan}, "is undefined against a flat account"),
    ],
)
def test_the_reason_fits_the_level(change: dict[str, float], words: str) -> None:
    evidence = GOOD._replace(**change)  # type: ignore[arg-type] # one dict of ints and floats
    returns = np.random.default_rng(0).standard_normal(100)
    verdict = give_verdict(evidence._replace(n_days=100), returns, returns[::-1], 252.0, np.random.default_rng(0))
    assert words in verdict.text


def test_an_account_that_never_traded_is_judged_without_error() -> None:
    flat = np.zeros(300)
    evidence = weigh_evidence(flat, np.random.default_rng(0).standard_normal(300) * 0.01, 0, 1, ((), ()), math.nan)
    verdict = give_verdict(evidence, flat, flat, 252.0, np.random.default_rng(0))
    assert verdict.level == "no evidence"
    assert "300 trading days, 0 trades are too few" in verdict.text
