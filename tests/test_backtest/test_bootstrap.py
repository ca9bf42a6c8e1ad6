import math
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import stats

from agv2.backtest.bootstrap import block_bootstrap, bootstrap_intervals
from agv2.backtest.metrics import max_drawdown, sharpe_ratio, sortino_ratio
from agv2.core.arrays import FloatArray
from agv2.core.errors import DataError


def some_returns(n: int = 500, seed: int = 0, drift: float = 0.0005) -> FloatArray:
    returns: FloatArray = np.random.default_rng(seed).standard_t(5, n) * 0.01 + drift
    return returns


def autoregression(persistence: float, n: int, seed: int) -> FloatArray:
    noise = np.random.default_rng(seed).standard_normal(n)
    for i in range(1, n):
        noise[i] += persistence * noise[i - 1]
    return noise


def wealth(returns: FloatArray) -> FloatArray:
    path: FloatArray = np.cumprod(np.insert(1 + returns, 0, 1.0), dtype=np.float64)
    return path


def test_one_block_of_everything_is_a_rotation_with_the_samples_own_measures() -> None:
    returns = some_returns()
    found = block_bootstrap(returns, float(returns.size), 50, np.random.default_rng(1), stationary=False)
    assert found.sharpe == pytest.approx(np.full(50, sharpe_ratio(returns, 1.0)))
    assert found.sortino == pytest.approx(np.full(50, sortino_ratio(returns, 1.0)))
    assert found.net_return == pytest.approx(np.full(50, np.prod(1 + returns) - 1))
    rotations = [max_drawdown(wealth(np.roll(returns, -k))) for k in range(returns.size)]
    assert all(np.isclose(rotations, deepest, atol=1e-12).any() for deepest in found.max_drawdown)
    assert np.unique(found.max_drawdown.round(9)).size > 5


def test_same_seed_same_resamples_and_another_seed_others() -> None:
    returns = some_returns()
    one, two, other = (block_bootstrap(returns, 7.5, 20, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(one.sharpe, two.sharpe)
    assert not np.array_equal(one.sharpe, other.sharpe)


def test_single_day_blocks_spread_the_sharpe_ratio_as_theory_says() -> None:
    returns = np.random.default_rng(5).standard_normal(1000) * 0.01
    found = block_bootstrap(returns, 1.0, 4000, np.random.default_rng(6))
    assert float(found.sharpe.std()) == pytest.approx(1 / math.sqrt(1000), rel=0.05)
    assert float(found.sharpe.mean()) == pytest.approx(sharpe_ratio(returns, 1.0), abs=0.003)


def test_blocks_keep_the_dependence_that_single_days_lose() -> None:
    returns = autoregression(0.8, 2000, 7) * 0.01
    blocks = block_bootstrap(returns, 60.0, 1000, np.random.default_rng(8)).net_return
    single = block_bootstrap(returns, 1.0, 1000, np.random.default_rng(8)).net_return
    assert float(np.log1p(blocks).std()) > 2.0 * float(np.log1p(single).std())


def walked(returns: FloatArray, length: float, n_resamples: int, seed: int, *, stationary: bool) -> FloatArray:
    """Net return, Sharpe, Sortino and drawdown of the same resamples, walked through day by day."""
    chances, n, found = iter(np.random.default_rng(seed).random(200_000)), returns.size, []
    for _ in range(n_resamples):
        days: list[int] = []
        while len(days) < n:
            first, chance = divmod(next(chances) * n, 1.0)
            block = 1 + int(np.log1p(-chance) / np.log1p(-1.0 / length)) if stationary and length > 1 else round(length)
            days += [(int(first) + day) % n for day in range(min(block, n - len(days)))]
        drawn = returns[days]
        path = np.cumprod(np.insert(np.maximum(1.0 + drawn, 0.0), 0, 1.0))
        downside = np.sqrt(np.square(np.minimum(drawn, 0.0)).mean())
        drawdown = (1.0 - path / np.maximum.accumulate(path)).max()
        found.append((path[-1] - 1.0, drawn.mean() / drawn.std(ddof=1), drawn.mean() / downside, drawdown))
    return np.array(found).T


@pytest.mark.parametrize("stationary", [True, False])
@pytest.mark.parametrize(("n", "length"), [(33, 1.0), (64, 1.5), (500, 7.3), (3000, 10.0), (700, 100.0), (400, 400.0)])
def test_composed_resamples_are_those_that_a_walk_through_their_days_gives(
    n: int, length: float, stationary: bool
) -> None:
    returns = some_returns(n)
    found = block_bootstrap(returns, length, 20, np.random.default_rng(3), stationary=stationary)
    assert np.array(found) == pytest.approx(walked(returns, length, 20, 3, stationary=stationary), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("length", [5.0, 150.0])
def test_resamples_with_and_without_a_ruin_are_those_of_a_walk(length: float) -> None:
    returns = some_returns(300, drift=0.002)
    returns[77] = -1.2
    found = block_bootstrap(returns, length, 40, np.random.default_rng(4))
    expected = walked(returns, length, 40, 4, stationary=True)
    assert np.array(found)[[0, 3]] == pytest.approx(expected[[0, 3]], rel=1e-9)
    assert 0 < np.count_nonzero(found.max_drawdown == 1.0) < 40


def test_days_without_a_move_are_no_sharpe_ratio_however_large_the_one_move_left_out() -> None:
    returns = np.full(200, 1e-4)
    returns[50] = 0.3
    found = block_bootstrap(returns, 20.0, 200, np.random.default_rng(5))
    left_out = np.isclose(found.net_return, 1.0001**200 - 1.0)
    assert 0 < np.count_nonzero(left_out) < 200
    assert np.isnan(found.sharpe[left_out]).all()
    assert np.isfinite(found.sharpe[~left_out]).all()


def test_resamples_of_the_stationary_bootstrap_are_distributed_as_those_of_arch() -> None:
    arch = pytest.importorskip("arch.bootstrap")
    returns = autoregression(0.3, 400, 9) * 0.01

    def measures(drawn: FloatArray) -> FloatArray:
        return np.array([drawn.mean() / drawn.std(ddof=1), max_drawdown(wealth(drawn))])

    theirs = arch.StationaryBootstrap(8, returns, seed=np.random.default_rng(11)).apply(measures, 3000).T
    found = block_bootstrap(returns, 8.0, 20_000, np.random.default_rng(10))
    for ours, peers in zip((found.sharpe, found.max_drawdown), theirs, strict=True):
        assert stats.ks_2samp(ours, peers).pvalue > 0.01
        assert stats.ks_2samp(ours * 1.1, peers).pvalue < 1e-4  # as far as that would be noticed


def test_ruin_ends_at_minus_everything_and_no_lower() -> None:
    found = block_bootstrap(np.array([0.1, -1.5, 0.05, 0.02]), 1.0, 200, np.random.default_rng(0))
    assert found.net_return.min() == -1.0
    assert found.max_drawdown.max() == 1.0
    assert not np.isnan(found.max_drawdown).any()


def test_intervals_hold_the_measure_and_scale_with_the_year() -> None:
    returns = some_returns(750)
    found = bootstrap_intervals(returns, 252.0, np.random.default_rng(1), n_resamples=500)
    assert found.sharpe.low < sharpe_ratio(returns, 252.0) < found.sharpe.high
    assert found.net_return.low < float(np.prod(1 + returns)) - 1 < found.net_return.high
    assert 0.0 < found.max_drawdown.low < found.max_drawdown.high < 1.0
    assert list(found.as_json()) == ["net_return", "sharpe", "sortino", "max_drawdown"]
    assert found.as_json()["sharpe"] == [found.sharpe.low, found.sharpe.high]
    daily = bootstrap_intervals(returns, 1.0, np.random.default_rng(1), n_resamples=500)
    assert found.sharpe.low == pytest.approx(daily.sharpe.low * math.sqrt(252.0))


@pytest.mark.parametrize("returns", [np.zeros(300), np.full(300, 0.1), np.array([0.1])])
def test_constant_returns_have_no_sharpe_interval(returns: FloatArray) -> None:
    found = bootstrap_intervals(returns, 252.0, np.random.default_rng(0), n_resamples=50)
    assert math.isnan(found.sharpe.low)
    assert math.isnan(found.sharpe.high)
    assert "sharpe" not in found.as_json()


def test_too_little_to_resample_is_refused() -> None:
    with pytest.raises(DataError):
        block_bootstrap(np.array([0.1]), 1.0, 10, np.random.default_rng(0))
    with pytest.raises(DataError):
        block_bootstrap(some_returns(), 0.5, 10, np.random.default_rng(0))


def test_compiled_equals_plain() -> None:
    code = (
        "import numpy as np\n"
        "from agv2.backtest.bootstrap import block_bootstrap\n"
        "returns = np.random.default_rng(1).standard_t(4, 200) * 0.01\n"
        "found = block_bootstrap(returns, 7.3, 20, np.random.default_rng(0))\n"
        "print(b''.join(item.tobytes() for item in found).hex())"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "AGV2_PLAIN_KERNELS": plain},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for plain in ("0", "1")
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 1000
