"""The days of all folds are one series, and that is what is scored."""

import math

import numpy as np
import pytest

from agv2.app.tuning.score import joined, score
from agv2.app.tuning.trial import MeasuredFold


def fold(days: list[int], returns: list[float]) -> MeasuredFold:
    return MeasuredFold(tuple(days), tuple(returns), tuple(0.5 * each for each in returns), 260.0)


def test_a_day_that_two_folds_share_is_compounded() -> None:
    series = joined([fold([1, 2], [0.1, 0.1]), fold([2, 3], [0.2, -0.5])])
    assert series.days.tolist() == [1, 2, 3]
    assert series.returns == pytest.approx([0.1, 1.1 * 1.2 - 1.0, -0.5])
    assert series.excess == pytest.approx([0.05, 0.15, -0.25])


def test_the_ratio_is_that_of_all_days_and_not_the_mean_of_the_folds() -> None:
    rng = np.random.default_rng(1)
    one, two = rng.normal(0.01, 0.01, 5).tolist(), rng.normal(-0.002, 0.02, 60).tolist()
    folds = [fold(list(range(5)), one), fold(list(range(5, 65)), two)]
    every = np.array([*one, *two])
    assert score(folds, "sharpe") == pytest.approx(every.mean() / every.std(ddof=1) * math.sqrt(260.0))
    assert score(folds, "growth") == pytest.approx(np.log1p(every).mean() * 260.0)


def test_a_policy_that_never_traded_scores_nothing_and_a_ruined_one_something_finite() -> None:
    assert score([fold([1, 2, 3, 4], [0.0] * 4)], "sharpe") == 0.0
    assert -10_000.0 < score([fold([1, 2, 3], [0.0, -1.0, 0.0])], "growth") < -1000.0
