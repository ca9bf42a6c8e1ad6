from typing import Any

import numpy as np
import pytest

from agv2.backtest.simulator import BatchSimulator
from agv2.core.arrays import BoolArray, Float32Array, IntArray
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.observation import BOOK_FIELDS
from agv2.rl.episodes import Span
from agv2.rl.vec_env import TradingVecEnv
from tests.rl_settings import small_config
from tests.tapes import a_tape, costs, limits, walk

PAID = costs(half_spread_frac=2e-4, slippage_frac=1e-4)
TAPES = [
    a_tape(walk(300, seed=1), costs=PAID),
    a_tape(walk(300, seed=2), costs=PAID, params=limits(target_volatility=0.006)),
]
SPANS = [Span(0, 0, 299), Span(1, 100, 299)]


def an_env(seed: int = 0, **changes: object) -> TradingVecEnv:
    return TradingVecEnv(TAPES, SPANS, small_config(**changes), 100_000.0, np.random.default_rng(seed))


def step(env: TradingVecEnv, actions: IntArray) -> tuple[Float32Array, Float32Array, BoolArray, list[dict[str, Any]]]:
    shown, rewards, ended, infos = env.step(actions)
    assert isinstance(shown, np.ndarray)
    return shown, rewards, ended, infos


def test_books_run_on_as_new_episodes_and_hand_over_their_last_observation() -> None:
    env = an_env()
    shown = env.reset()
    rng = np.random.default_rng(1)
    lengths = np.zeros(16, dtype=int)
    returns = np.zeros(16)
    finished = 0
    for _ in range(200):
        kept, copy = shown, shown.copy()
        shown, rewards, ended, infos = step(env, rng.integers(0, ACTION_NVEC, size=(16, 4)))
        assert (kept == copy).all(), "an observation that was handed out does not change"
        lengths += 1
        returns += rewards
        for book in range(16):
            if not ended[book]:
                assert infos[book] == {}
                continue
            finished += 1
            info = infos[book]
            assert info["TimeLimit.truncated"] is True
            assert info["episode"]["l"] == lengths[book] <= 50
            assert info["episode"]["r"] == pytest.approx(returns[book], abs=1e-4)
            assert not np.array_equal(info["terminal_observation"], shown[book])
            assert shown[book, 6 + BOOK_FIELDS.index("side")] == 0.0, "the new book is flat"
            lengths[book], returns[book] = 0, 0.0
    assert finished > 16 * 3


def test_same_generator_same_course() -> None:
    def course(seed: int) -> bytes:
        env = an_env(seed)
        rng = np.random.default_rng(2)
        seen = [env.reset().tobytes()]
        for _ in range(80):
            shown, rewards, _, _ = step(env, rng.integers(0, ACTION_NVEC, size=(16, 4)))
            seen.append(shown.tobytes() + rewards.tobytes())
        return b"".join(seen)

    assert course(5) == course(5)
    assert course(5) != course(6)


def test_rewards_are_scaled_by_each_markets_targeted_volatility() -> None:
    env = an_env()
    env.reset()
    assert set(env.scale) == {1.0 / 0.003, 1.0 / 0.006}
    rewards = env.step(np.tile([1, 3, 3, 3], (16, 1)))[1]
    raw = np.log(env.simulator.ledger["equity_after"] / env.simulator.ledger["equity_before"])
    assert (raw != 0.0).any()
    same = raw >= 0.0  # no drawdown term
    assert rewards[same] == pytest.approx((raw * env.scale)[same], rel=1e-5)


def test_first_episodes_are_staggered() -> None:
    env = an_env(n_books=64, n_steps=16)
    env.reset()
    ends = [int(env.step(np.zeros((64, 4), dtype=np.int64))[2].sum()) for _ in range(49)]
    assert max(ends) < 12


def test_mean_reward_terms_are_taken_once() -> None:
    env = an_env()
    env.reset()
    for _ in range(5):
        env.step(np.tile([1, 3, 3, 3], (16, 1)))
    terms = env.take_terms()
    assert terms["log_equity"] != 0.0
    assert terms["total"] == pytest.approx(terms["log_equity"] + terms["drawdown"] + terms["trades"] + terms["hold"])
    assert set(env.take_terms().values()) == {0.0}


def test_a_book_among_others_lives_as_it_would_alone() -> None:
    env = an_env(
        cost_ranges={"half_spread": (1.0, 1.0), "slippage": (1.0, 1.0), "max_latency_bars": 0, "fill": (1.0, 1.0)}
    )
    env.reset()
    place = env.simulator.state()["places"][3].copy()
    alone = BatchSimulator(TAPES, 1, 100_000.0)
    tape = int(place["tape"])
    first, last = int(place["at"]) - 300 * tape, int(place["end"]) - 300 * tape
    alone.reset(np.zeros(1, dtype=np.int64), np.array([tape]), np.array([first]), np.array([last]))
    rng = np.random.default_rng(3)
    for _ in range(last - first):
        actions = rng.integers(0, ACTION_NVEC, size=(16, 4))
        env.step(actions)
        alone.step(actions[[3]])
        assert env.simulator.ledger[3] == alone.ledger[0]
