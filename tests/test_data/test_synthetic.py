import numpy as np
import pytest

from agv2.core.arrays import FloatArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.data.synthetic import synthetic_bars, synthetic_market

SIDE_COST = 2.5e-4
HOURS_PER_YEAR = 8760


def momentum_returns(bars: Bars, lookback: int, side_cost: float) -> FloatArray:
    """Net log returns a bar of holding the sign of the last `lookback` bars' move."""
    log_close = np.log(bars.close)
    side = np.sign(log_close[lookback:-1] - log_close[: -lookback - 1])
    net: FloatArray = side * np.diff(log_close)[lookback:] - side_cost * np.abs(np.diff(side, prepend=0.0))
    return net


def annual_sharpe(returns: FloatArray) -> float:
    return float(returns.mean() / returns.std() * np.sqrt(HOURS_PER_YEAR))


@pytest.mark.parametrize("kind", ["trend", "noise"])
def test_bars_are_possible(kind: str) -> None:
    bars = synthetic_bars(kind, 5000, 1, "5m", "MINE")
    assert (bars.symbol, bars.timeframe.name, len(bars)) == ("MINE", "5m", 5000)
    assert (np.diff(bars.ts_ns) == bars.timeframe.nanoseconds).all()
    assert (bars.low > 0.0).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.spread > 0.0).all()
    assert (bars.volume > 0.0).all()


def test_the_same_seed_gives_the_same_bars_and_another_gives_others() -> None:
    one, two, other = (synthetic_bars("noise", 100, seed) for seed in (7, 7, 8))
    assert one.close.tobytes() == two.close.tobytes()
    assert one.high.tobytes() == two.high.tobytes()
    assert one.close.tobytes() != other.close.tobytes()


def test_a_generator_is_a_seed_too() -> None:
    from_seed = synthetic_bars("trend", 100, 7)
    from_generator = synthetic_bars("trend", 100, np.random.default_rng(7))
    assert from_seed.close.tobytes() == from_generator.close.tobytes()


@pytest.mark.parametrize("seed", range(5))
def test_momentum_earns_its_costs_many_times_over_on_the_trend_market(seed: int) -> None:
    assert annual_sharpe(momentum_returns(synthetic_bars("trend", 12_000, seed), 48, SIDE_COST)) > 3.0


@pytest.mark.parametrize("lookback", [1, 12, 48])
def test_momentum_finds_nothing_in_noise_even_free_of_cost(lookback: int) -> None:
    bars = synthetic_bars("noise", 400_000, 11)
    returns = momentum_returns(bars, lookback, 0.0)
    assert abs(returns.mean()) < 3.5 * returns.std() / np.sqrt(returns.size)
    assert annual_sharpe(momentum_returns(bars, lookback, SIDE_COST)) < 0.0


def test_noise_prices_drift_nowhere() -> None:
    # A martingale's price, not its logarithm, has mean zero change: 200 markets end around where they began.
    growth = [bars.close[-1] / bars.open[0] for bars in (synthetic_bars("noise", 500, seed) for seed in range(200))]
    assert np.mean(growth) == pytest.approx(1.0, abs=3.5 * np.std(growth) / np.sqrt(200))


def test_nothing_is_earned_between_open_and_close_of_noise_either() -> None:
    bars = synthetic_bars("noise", 400_000, 12)
    gap = np.log(bars.open[1:] / bars.close[:-1])
    rest = np.log(bars.close[1:] / bars.open[1:])
    scale = np.sign(gap) * rest
    assert abs(scale.mean()) < 3.5 * scale.std() / np.sqrt(scale.size)


def test_noise_clusters_and_has_fat_tails() -> None:
    returns = np.diff(np.log(synthetic_bars("noise", 50_000, 3).close))
    size = np.abs(returns)
    assert np.corrcoef(size[:-24], size[24:])[0, 1] > 0.05
    assert (returns**4).mean() / (returns**2).mean() ** 2 > 5.0


def test_a_planted_regime_lasts_as_long_and_moves_as_much_as_stated() -> None:
    market = synthetic_market("trend", 200_000, 5)
    n_changes = int((np.diff(market.regime) != 0).sum())
    assert 200_000 / n_changes == pytest.approx(120.0, rel=0.1)
    move = np.diff(np.log(market.bars.close)) / market.sigma[1:]
    for regime in (-1, 0, 1):
        assert move[market.regime[1:] == regime].mean() == pytest.approx(0.2 * regime, abs=0.02)


def test_noise_has_no_regime_to_find() -> None:
    assert not synthetic_market("noise", 100, 0).regime.any()


def test_volatility_is_the_stated_one_at_any_timeframe() -> None:
    for timeframe, bars_per_year in (("5m", 105_120), ("4h", 2190)):
        returns = np.diff(np.log(synthetic_bars("trend", 30_000, 2, timeframe).close))
        assert returns.std() * np.sqrt(bars_per_year) == pytest.approx(0.45, rel=0.06)


@pytest.mark.parametrize(("kind", "n_bars"), [("tides", 10), ("noise", 0)])
def test_what_cannot_be_made_is_refused(kind: str, n_bars: int) -> None:
    with pytest.raises(DataError):
        synthetic_bars(kind, n_bars, 0)
