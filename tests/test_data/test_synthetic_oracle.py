import dataclasses

import numpy as np
import pytest

from agv2.core.arrays import FloatArray
from agv2.core.errors import DataError
from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets.instruments import INSTRUMENTS
from agv2.data.synthetic_markets.level_filter import inferred_level_positions
from agv2.data.synthetic_markets.levels import Levels
from agv2.data.synthetic_markets.market import InstrumentMarket, MarketRequest, instrument_market
from agv2.data.synthetic_markets.oracle import SIDE_COST_FRAC, oracle_positions, oracle_sharpe
from agv2.data.synthetic_markets.strengths import EDGES, STRONG, WEAK
from agv2.utils.config import load_config

# Other seeds than those on which amplitudes were set.
SEEDS = range(101, 113)


def made(symbol: str, edge: str, strength: float, seed: int, n_bars: int = 12_000) -> InstrumentMarket:
    config = load_config(MarketsConfig, "markets").entry(symbol)[0]
    return instrument_market(MarketRequest(symbol, edge, strength, n_bars=n_bars, seed=seed), config)


@pytest.mark.parametrize("edge", EDGES[1:])
@pytest.mark.parametrize("symbol", INSTRUMENTS)
def test_the_oracle_earns_what_the_strength_says_on_seeds_it_was_not_set_on(symbol: str, edge: str) -> None:
    weak, strong = (
        np.array([oracle_sharpe(made(symbol, edge, strength, seed)) for seed in SEEDS]) for strength in (WEAK, STRONG)
    )
    error = weak.std() / np.sqrt(weak.size), strong.std() / np.sqrt(strong.size)
    assert 1.0 - 2.0 * error[0] < weak.mean() < 2.0 + 2.0 * error[0]
    assert 3.0 < strong.mean() < 6.0
    assert max(error) < 0.6


@pytest.mark.parametrize("edge", EDGES[1:])
def test_the_oracle_sees_past_bars_only(edge: str) -> None:
    """The future replaced: positions up to it, and through the bar after the last seen, stay as they were."""
    whole = made("XAUUSD", edge, STRONG, 1, 6000)
    other = made("XAUUSD", edge, STRONG, 2, 6000)
    cut = 4000

    def spliced(name: str) -> FloatArray:
        ratio = whole.bars.close[cut - 1] / other.bars.close[cut - 1]
        return np.concatenate([getattr(whole.bars, name)[:cut], getattr(other.bars, name)[cut:] * ratio])

    bars = dataclasses.replace(
        whole.bars, open=spliced("open"), high=spliced("high"), low=spliced("low"), close=spliced("close")
    )
    # Levels are what closes made them: those that later closes made or ended are of the future too.
    known = whole.levels.first_bar <= cut
    old = whole.levels
    end_bar = np.where(old.end_bar > cut, 6000, old.end_bar)[known]
    levels = Levels(old.price[known], old.first_bar[known], end_bar, old.is_support[known], old.was_broken[known])
    scrambled = dataclasses.replace(whole, bars=bars, levels=levels, sigma=whole.sigma * np.nan, drift=other.drift)
    before, after = oracle_positions(whole), oracle_positions(scrambled)
    assert (before[: cut + 1] == after[: cut + 1]).all()
    if edge != "session":
        assert (before[cut + 1 :] != after[cut + 1 :]).any()


@pytest.mark.parametrize("edge", EDGES[1:])
def test_the_oracle_of_an_edge_earns_nothing_where_it_is_not(edge: str) -> None:
    """Its rule on the same shocks without the drift: gross of costs, |z| < 4."""
    planted, plain = made("NAS100", edge, STRONG, 3, 40_000), made("NAS100", "none", 0.0, 3, 40_000)
    side = oracle_positions(dataclasses.replace(planted, bars=plain.bars, levels=plain.levels))
    earned = side[1:] * (plain.bars.close[1:] / plain.bars.close[:-1] - 1.0) / plain.sigma[1:]
    assert (side != 0.0).mean() > 0.01
    assert abs(earned.mean()) < 4.0 * earned.std() / np.sqrt(earned.size)


def test_costs_are_counted() -> None:
    market = made("XAUUSD", "momentum", STRONG, 4)
    assert oracle_sharpe(market, 1e-3) < oracle_sharpe(market, 2.5e-4) < oracle_sharpe(market, 0.0)


def test_there_is_nothing_to_earn_without_an_edge() -> None:
    market = made("XAUUSD", "none", 0.0, 1)
    assert not oracle_positions(market).any()
    assert oracle_sharpe(market) == 0.0


def test_one_bar_has_no_sharpe_ratio() -> None:
    with pytest.raises(DataError, match="two bars"):
        oracle_sharpe(made("XAUUSD", "momentum", STRONG, 1, 1))


def test_levels_can_be_inferred_from_past_closes_alone_at_a_price() -> None:
    """The filter sees the same before a cut whatever follows, is told nothing, and earns less than who is told."""
    whole, other = made("XAUUSD", "levels", STRONG, 1, 6000), made("XAUUSD", "levels", STRONG, 2, 6000)
    cut = 4000
    ratio = whole.bars.close[cut - 1] / other.bars.close[cut - 1]

    def spliced(name: str) -> FloatArray:
        return np.concatenate([getattr(whole.bars, name)[:cut], getattr(other.bars, name)[cut:] * ratio])

    bars = dataclasses.replace(
        whole.bars, open=spliced("open"), high=spliced("high"), low=spliced("low"), close=spliced("close")
    )
    none = np.empty(0, dtype=np.int64)
    levels = Levels(np.empty(0), none, none, none, none)
    blind = dataclasses.replace(whole, bars=bars, levels=levels, sigma=whole.sigma * np.nan, drift=whole.drift * np.nan)
    before, after = inferred_level_positions(whole), inferred_level_positions(blind)
    assert (before[: cut + 1] == after[: cut + 1]).all()
    assert set(np.unique(before)) == {-1.0, 0.0, 1.0}
    earned = [sharpe_of(one, inferred_level_positions(one)) for one in map(strong_levels, SEEDS)]
    told = [oracle_sharpe(strong_levels(seed)) for seed in SEEDS]
    assert 0.4 * np.mean(told) < np.mean(earned) < 0.8 * np.mean(told)
    with pytest.raises(DataError, match="XAUUSD: levels can be inferred where they are planted"):
        inferred_level_positions(made("XAUUSD", "session", STRONG, 1, 3000))


def strong_levels(seed: int) -> InstrumentMarket:
    return made("XAUUSD", "levels", STRONG, seed)


def sharpe_of(market: InstrumentMarket, side: FloatArray) -> float:
    close = market.bars.close
    net = side[1:] * (close[1:] / close[:-1] - 1.0) - SIDE_COST_FRAC * np.abs(np.diff(side))
    years = float(market.bars.ts_ns[-1] - market.bars.ts_ns[0]) / (365.25 * 86_400e9)
    return float(net.mean() / net.std() * np.sqrt(net.size / years))
