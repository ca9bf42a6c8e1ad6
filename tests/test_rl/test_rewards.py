import math
from typing import Any

import numpy as np
import pytest

from agv2.backtest.simulator import StepLedger
from agv2.core.arrays import RecordArray, record_dtype
from agv2.rl.config import RewardWeights
from agv2.rl.rewards import RUIN_FLOOR, reward

WEIGHTS = RewardWeights(scale=7.0, lambda_drawdown=0.5, lambda_trades=0.01, lambda_hold=0.001)


def a_step(**changes: Any) -> RecordArray:
    row = StepLedger(
        equity_before=100.0, equity_after=101.0, worst_drawdown_before=0.02, worst_drawdown_after=0.02,
        costs_paid=3.0, financing=1.0, exposure=0.0, fills=0, halted=False, terminated=False, truncated=False,
    )._replace(**changes)  # fmt: skip
    return np.array([tuple(row)], dtype=record_dtype(StepLedger))


def test_a_quiet_step_is_worth_its_log_return_and_costs_are_not_taken_twice() -> None:
    terms = reward(a_step(), WEIGHTS)
    assert terms.total[0] == terms.log_equity[0] == pytest.approx(math.log(1.01))


@pytest.mark.parametrize(
    ("change", "term", "worth"),
    [
        ({"worst_drawdown_after": 0.05}, "drawdown", -0.5 * 0.03),
        ({"fills": 1}, "trades", -0.01),
        ({"fills": 2}, "trades", -0.01),
        ({"exposure": 3.0}, "hold", -0.003),
    ],
)
def test_each_penalty_is_counted_once_and_by_name(change: dict[str, Any], term: str, worth: float) -> None:
    terms = reward(a_step(**change), WEIGHTS)
    assert getattr(terms, term)[0] == pytest.approx(worth)
    assert terms.total[0] == pytest.approx(math.log(1.01) + worth)


@pytest.mark.parametrize("left", [0.0, -500.0, 1e-9])
def test_ruin_is_finite(left: float) -> None:
    terms = reward(a_step(equity_after=left, worst_drawdown_after=1.0 - left / 100.0), WEIGHTS)
    assert terms.log_equity[0] == pytest.approx(math.log(RUIN_FLOOR))
    assert np.isfinite(terms.total).all()


def test_books_do_not_mix() -> None:
    steps = np.concatenate([a_step(), a_step(equity_after=90.0, fills=1)])
    together = reward(steps, WEIGHTS).total
    alone = [reward(steps[[i]], WEIGHTS).total[0] for i in range(2)]
    assert together.tolist() == alone
