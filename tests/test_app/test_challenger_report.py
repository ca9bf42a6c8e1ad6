"""What is said of a challenger: never better without evidence over the champion and over being flat."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agv2.app.challenger_report import Contest, contest

N_DAYS = 400
NOISE = np.random.default_rng(3).normal(0.0, 0.01, (2, N_DAYS))


def account(returns: Any, first_day: int = 20_000) -> Any:
    """As much of a measured account as a contest reads."""
    return SimpleNamespace(days=np.arange(first_day, first_day + len(returns)), returns=np.asarray(returns))


def held(challenger: Any, champion: Any) -> Contest:
    return contest(account(challenger), account(champion), 7, 500)


@pytest.mark.parametrize(
    ("challenger", "champion", "finding", "words"),
    [
        (NOISE[0] + 0.004, NOISE[1], "better", "Better on 400 days held out: +"),
        (NOISE[0] - 0.004, NOISE[1], "worse", "Worse on 400 days held out: -"),
        (NOISE[0], NOISE[1], "not shown", "Not shown to be better on 400 days held out"),
        (0.1 * NOISE[0], NOISE[1] - 0.004, "not shown", "but not shown to beat being flat"),
        (NOISE[0], NOISE[0], "not shown", "On 400 days held out champion and challenger earned the same"),
        (NOISE[0][:15] + 0.02, NOISE[1][:15], "unknown", "15 days were held out: too few"),
    ],
    ids=["better", "worse", "chance", "less bad", "the same", "few days"],
)
def test_the_finding_is_what_the_intervals_show(challenger: Any, champion: Any, finding: str, words: str) -> None:
    found = held(challenger, champion)
    assert found.finding == finding
    assert words in found.words


def test_days_are_paired_so_that_what_both_went_through_cancels() -> None:
    """Alone neither differs from chance; the small gap between them is plain on the same days."""
    found = held(NOISE[0] + 0.0008 + 0.05 * NOISE[1], NOISE[0])
    assert found.champion.finding == "draw"
    assert found.difference.low > 0.0


def test_only_common_days_count() -> None:
    found = contest(account(NOISE[0], 20_000), account(NOISE[1], 20_100), 7, 500)
    assert found.difference.n_days == N_DAYS - 100
