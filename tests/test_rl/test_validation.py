import math

import numpy as np
import pytest

from agv2.backtest.replay import replay
from agv2.core.arrays import Float32Array
from agv2.decision.decider import PolicyOutput
from agv2.rl.episodes import Span
from agv2.rl.validation import score_policy
from tests.tapes import a_tape, costs, walk

TAPES = [a_tape(walk(200, seed=1), costs=costs(half_spread_frac=2e-4)), a_tape(walk(120, seed=2))]


class Contrary:
    """Long after a low first number, short after a high one; the same answer to the same row."""

    def act(self, observations: Float32Array) -> PolicyOutput:
        position = np.where(observations[:, 0] < 0.0, 1, 2)
        actions = np.stack([position, *[np.full(len(position), 2)] * 3], axis=1).astype(np.int64)
        return PolicyOutput(actions, np.zeros(len(actions)), np.zeros(len(actions)))


class Idle:
    def act(self, observations: Float32Array) -> PolicyOutput:
        return PolicyOutput(np.zeros((len(observations), 4), dtype=np.int64), np.zeros(1), np.zeros(1))


def test_spans_are_traded_as_the_replay_trades_them() -> None:
    scores = []
    for number, (first, last) in enumerate([(10, 199), (5, 80)]):
        found = score_policy(TAPES, [Span(number, first, last)], Contrary(), 100_000.0)
        rows = replay([TAPES[number].slice(first, last + 2)], Contrary(), [100_000.0]).equity[:-1] if last < 199 else []
        if rows:
            assert found.log_growth == pytest.approx(math.log(rows[-1].equity / 100_000.0), abs=1e-12)
        scores.append(found)
    both = score_policy(TAPES, [Span(0, 10, 199), Span(1, 5, 80)], Contrary(), 100_000.0)
    assert both.log_growth == pytest.approx((scores[0].log_growth + scores[1].log_growth) / 2)
    assert both.fills == scores[0].fills + scores[1].fills > 50
    assert both.worst_drawdown == max(score.worst_drawdown for score in scores)


def test_who_never_trades_scores_nothing() -> None:
    assert score_policy(TAPES, [Span(0, 0, 199)], Idle(), 100_000.0) == (0.0, 0.0, 0.0, 0)
