import numpy as np
import pytest

from agv2.core.errors import DataError
from agv2.rl.episodes import EpisodeSampler, Span
from agv2.sim.randomize import CostRanges
from tests.tapes import a_tape, costs, walk

RANGES = CostRanges(half_spread=(0.5, 2.0), slippage=(1.0, 1.0), max_latency_bars=0, fill=(1.0, 1.0))
TAPES = [a_tape(walk(300), costs=costs(half_spread_frac=1e-4)), a_tape(walk(200), costs=costs(half_spread_frac=9e-4))]
SPANS = [Span(0, 20, 120), Span(0, 200, 299), Span(1, 50, 60)]


def sampler(episode_bars: int = 30, seed: int = 0) -> EpisodeSampler:
    return EpisodeSampler(TAPES, SPANS, episode_bars, RANGES, np.random.default_rng(seed))


def test_episodes_stay_inside_their_spans() -> None:
    episodes = sampler().draw(20_000)
    assert (episodes.first < episodes.last).all()
    assert (episodes.last - episodes.first <= 30).all()
    inside = [
        (episodes.tapes == span.tape) & (episodes.first >= span.first) & (episodes.last <= span.last) for span in SPANS
    ]
    assert np.any(inside, axis=0).all()
    assert all(each.any() for each in inside)


def test_every_bar_is_traded_equally_often() -> None:
    episodes = sampler().draw(60_000)
    for span in SPANS:
        own = (episodes.tapes == span.tape) & (episodes.first >= span.first) & (episodes.last <= span.last)
        visits = np.zeros(300)
        np.add.at(visits, episodes.first[own], 1)
        np.add.at(visits, episodes.last[own], -1)
        traded = np.cumsum(visits)[span.first : span.last]
        assert traded.std() / traded.mean() < 0.03


def test_costs_are_those_of_the_market_perturbed() -> None:
    episodes = sampler().draw(500)
    for tape, base in ((0, 1e-4), (1, 9e-4)):
        own = episodes.costs["half_spread_frac"][episodes.tapes == tape]
        assert own.min() >= 0.5 * base
        assert own.max() <= 2.0 * base
        assert np.unique(own).size == own.size


def test_staggered_episodes_differ_in_length() -> None:
    lengths = (lambda e: e.last - e.first)(sampler().draw_staggered(300))
    assert lengths.min() >= 1
    assert np.unique(lengths).size > 15


@pytest.mark.parametrize(
    ("span", "message"),
    [
        (Span(2, 0, 10), "2 tapes"),
        (Span(0, 10, 10), "no part"),
        (Span(0, 10, 300), "no part"),
        (Span(0, -1, 30), "no part"),
    ],
)
def test_impossible_spans_are_refused(span: Span, message: str) -> None:
    with pytest.raises(DataError, match=message):
        EpisodeSampler(TAPES, [span], 30, RANGES, np.random.default_rng(0))


def test_no_span_and_unknown_rows_are_refused() -> None:
    with pytest.raises(DataError, match="no span"):
        EpisodeSampler(TAPES, [], 30, RANGES, np.random.default_rng(0))
    warming = a_tape(walk(100))
    warming.market_rows[:40, 1] = np.nan
    with pytest.raises(DataError, match=r"bar 39 .* start the span later") as refused:
        EpisodeSampler([warming], [Span(0, 39, 99)], 30, RANGES, np.random.default_rng(0))
    assert "WALK" in str(refused.value)
    EpisodeSampler([warming], [Span(0, 40, 99)], 30, RANGES, np.random.default_rng(0))
