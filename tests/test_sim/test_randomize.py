import numpy as np
import pytest

from agv2.core.arrays import RecordArray, record_dtype
from agv2.core.errors import ConfigError
from agv2.sim.costs import Costs, SpreadSource
from agv2.sim.randomize import CostRanges, perturb_costs
from agv2.utils.config import load_config, parse_override
from tests.tapes import costs

RANGES = CostRanges(half_spread=(0.5, 2.0), slippage=(1.0, 3.0), max_latency_bars=2, fill=(0.4, 0.9))
BASE = costs(half_spread_frac=2e-4, slippage_frac=1e-4, commission_frac=1e-5, latency_bars=1)


def records(one: Costs, n: int) -> RecordArray:
    return np.array([tuple(one)] * n, dtype=record_dtype(Costs))


def drawn(one: Costs = BASE, ranges: CostRanges = RANGES, n: int = 4_000, seed: int = 3) -> RecordArray:
    return perturb_costs(records(one, n), ranges, np.random.default_rng(seed))


def test_draws_fill_their_ranges_and_leave_them_nowhere() -> None:
    found = drawn()
    for name, low, high in (("half_spread_frac", 1e-4, 4e-4), ("slippage_frac", 1e-4, 3e-4), ("fill_frac", 0.4, 0.9)):
        assert low <= found[name].min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < found[name].max() <= high
    assert set(found["latency_bars"]) == {1, 2, 3}
    assert set(found["commission_frac"]) == {1e-5}


def test_each_episode_has_its_own_costs_and_the_given_ones_stay() -> None:
    given = records(BASE, 50)
    found = perturb_costs(given, RANGES, np.random.default_rng(0))
    assert np.unique(found["half_spread_frac"]).size == 50
    assert (given == records(BASE, 50)).all()


def test_same_seed_same_costs() -> None:
    assert (drawn(seed=5) == drawn(seed=5)).all()
    assert not (drawn(seed=5) == drawn(seed=6)).all()


def test_ranges_of_one_change_nothing() -> None:
    still = CostRanges(half_spread=(1.0, 1.0), slippage=(1.0, 1.0), max_latency_bars=0, fill=(1.0, 1.0))
    assert (drawn(ranges=still, n=10) == records(BASE, 10)).all()


def test_a_spread_of_the_bars_own_is_perturbed_through_slippage() -> None:
    own = BASE._replace(spread_source=SpreadSource.BAR)
    wider = CostRanges(half_spread=(2.0, 2.0), slippage=(1.0, 1.0), max_latency_bars=0, fill=(1.0, 1.0))
    assert drawn(own, wider, n=3)["slippage_frac"] == pytest.approx(1e-4 + 2e-4)
    narrower = wider.model_copy(update={"half_spread": (0.0, 0.0)})
    assert drawn(own, narrower, n=3)["slippage_frac"] == pytest.approx(0.0)


def test_what_is_drawn_together_is_drawn_independently() -> None:
    found = drawn(n=20_000)
    names = ("half_spread_frac", "slippage_frac", "latency_bars", "fill_frac")
    correlations = np.corrcoef(np.stack([found[name].astype(float) for name in names]))
    assert np.abs(correlations - np.eye(4)).max() < 0.03
    shares = np.bincount(found["latency_bars"])[1:] / found.size
    assert shares == pytest.approx([1 / 3] * 3, abs=0.02)


@pytest.mark.parametrize("ranges", [RANGES, RANGES.model_copy(update={"max_latency_bars": 0, "fill": (1.0, 1.0)})])
def test_every_range_takes_as_many_draws(ranges: CostRanges) -> None:
    generator, other = np.random.default_rng(4), np.random.default_rng(4)
    drawn_costs = perturb_costs(records(BASE, 7), ranges, generator)
    other.random(14)
    assert generator.bit_generator.state == other.bit_generator.state
    assert drawn_costs["half_spread_frac"] == pytest.approx(drawn(n=7, seed=4)["half_spread_frac"], rel=1e-15)


def test_a_markets_own_partial_fills_are_drawn_around() -> None:
    found = drawn(BASE._replace(fill_frac=0.5))["fill_frac"]
    assert 0.2 <= found.min() < 0.21
    assert 0.44 < found.max() <= 0.45


def test_shipped_ranges_leave_latency_and_fills_alone() -> None:
    from agv2.rl.config import PolicyConfig

    shipped = load_config(PolicyConfig, "rl_policy").cost_ranges
    found = drawn(ranges=shipped, n=500)
    assert set(found["fill_frac"]) == {1.0}
    assert set(found["latency_bars"]) == {BASE.latency_bars}


@pytest.mark.parametrize("wrong", ["[0.0, 1.0]", "[0.5, 1.5]"])
def test_a_share_filled_is_above_none_and_at_most_all(wrong: str) -> None:
    from agv2.rl.config import PolicyConfig

    with pytest.raises(ConfigError, match="fill"):
        load_config(PolicyConfig, "rl_policy", None, [parse_override(f"rl_policy.cost_ranges.fill={wrong}")])


def test_ranges_must_be_ordered() -> None:
    from agv2.rl.config import PolicyConfig

    with pytest.raises(ConfigError, match="half_spread must be \\[lowest, highest\\]"):
        load_config(PolicyConfig, "rl_policy", None, [parse_override("rl_policy.cost_ranges.half_spread=[2.0, 1.0]")])
