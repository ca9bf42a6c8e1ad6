import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as check_gymnasium
from stable_baselines3.common.env_checker import check_env as check_sb3

from agv2.decision.actions import snap_actions
from agv2.rl.action_spaces import ActionKind
from agv2.rl.environment import TradingEnv
from agv2.rl.episodes import Span
from tests.rl_settings import small_config
from tests.tapes import a_tape, costs, limits, walk

PAID = costs(half_spread_frac=2e-4, slippage_frac=1e-4)


def an_env(episode_bars: int = 50, kind: ActionKind = "discrete") -> TradingEnv:
    tape = a_tape(walk(400, gap=0.002), costs=PAID)
    return TradingEnv([tape], [Span(0, 0, 399)], small_config(episode_bars=episode_bars), 100_000.0, kind)


@pytest.mark.parametrize("kind", ["discrete", "continuous"])
def test_it_passes_both_checkers_without_a_warning(kind: ActionKind) -> None:
    check_gymnasium(an_env(kind=kind), skip_render_check=True)  # warnings are errors in this suite
    check_sb3(an_env(kind=kind), warn=True)


def test_the_continuous_twin_lives_the_same_life() -> None:
    discrete, continuous = an_env(), an_env(kind="continuous")
    rng = np.random.default_rng(5)
    ended = True
    for seed in range(200):
        if ended:
            assert (discrete.reset(seed=seed)[0] == continuous.reset(seed=seed)[0]).all()
        written = rng.uniform(-1.0, 1.0, 4).astype(np.float32)
        choices = snap_actions(written[np.newaxis].astype(np.float64))[0]
        ours, theirs = discrete.step(choices), continuous.step(written)
        assert (ours[0] == theirs[0]).all()
        assert ours[1:] == theirs[1:]
        ended = ours[2] or ours[3]


def test_the_same_seed_begins_the_same_episodes() -> None:
    env = an_env()
    rng = np.random.default_rng(0)
    script = rng.integers(0, env.action_space.nvec, size=(120, 4))  # type: ignore[attr-defined]

    def run(seed: int) -> list[bytes]:
        seen = [env.reset(seed=seed)[0].tobytes()]
        for action in script:
            observation, worth, terminated, truncated, _ = env.step(action)
            seen.append(observation.tobytes() + np.float64(worth).tobytes())
            if terminated or truncated:
                seen.append(env.reset()[0].tobytes())
        return seen

    first = run(3)
    assert run(3) == first
    assert run(4) != first


def test_the_end_of_an_episode_is_truncation() -> None:
    env = an_env(episode_bars=20)
    for seed in range(5):
        env.reset(seed=seed)
        steps = 0
        truncated = False
        while not truncated:
            _, _, terminated, truncated, _ = env.step(np.zeros(4, dtype=np.int64))
            assert not terminated
            steps += 1
        assert 1 <= steps <= 20


def test_only_ruin_terminates() -> None:
    bars = walk(50, sigma=1e-4)
    bars.open[10:] *= 0.5  # half the price gone overnight, at four times leverage
    bars.high[10:] *= 0.5
    bars.low[10:] *= 0.5
    bars.close[10:] *= 0.5
    tape = a_tape(bars, sigma=1e-4, params=limits(target_volatility=0.01), costs=PAID)
    env = TradingEnv([tape], [Span(0, 0, 49)], small_config(episode_bars=20), 100_000.0)
    ended = set()
    for seed in range(20):
        env.reset(seed=seed)
        while True:
            _, worth, terminated, truncated, info = env.step(np.array([1, 3, 3, 3]))
            assert np.isfinite(worth)
            if terminated or truncated:
                assert terminated is not truncated
                assert (info["log_equity"] < -6.0) is terminated
                ended.add(terminated)
                break
    assert ended == {True, False}


def test_rewards_are_their_terms_in_targeted_volatilities() -> None:
    env = an_env()
    env.reset(seed=1)
    for _ in range(3):  # the episode's latency may be a bar
        _, worth, _, _, info = env.step(np.array([1, 3, 3, 3]))
    parts = sum(info[name] for name in ("log_equity", "drawdown", "trades", "hold"))
    assert info["total"] == pytest.approx(parts)
    assert worth == pytest.approx(info["total"] / limits().target_volatility)
    assert worth != 0.0
