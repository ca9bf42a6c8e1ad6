"""Bars on whole prices, where opens, ranges, stops and targets meet exactly: again by both simulators."""

from collections import Counter
from typing import NamedTuple

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agv2.core.bars import Bars
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.sim.costs import Costs
from tests.brute_force import BookSetup, brute_force
from tests.factories import START_NS
from tests.parity.test_brute_force import Wishes, compare, replayed
from tests.tapes import ANY_LOT, costs, limits

HOUR_NS = 3_600_000_000_000
UTC = SessionCalendar(0, "UTC", 365.0, None, weekend_nights=True)


class WholeBar(NamedTuple):
    open: int
    up: int
    """From the higher of open and close to the high."""
    down: int
    close: int
    volume: float


PRICE = st.integers(95, 105)
BARS = st.lists(
    st.builds(
        WholeBar, PRICE, st.integers(0, 3), st.integers(0, 3), PRICE, st.sampled_from([0.0, 60.0, 1e4, float("nan")])
    ),
    min_size=3,
    max_size=25,
)
WISH = st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
COSTS = st.builds(
    costs,
    slippage_frac=st.sampled_from([0.0, 0.001]),
    latency_bars=st.integers(0, 2),
    participation_cap=st.sampled_from([0.0, 0.25]),
    fill_frac=st.sampled_from([1.0, 0.5]),
    carry_partial=st.booleans(),
)


def a_setup(drawn: list[WholeBar], paid: Costs, min_hold: int, cooldown: int) -> BookSetup:
    """A book whose stops and targets lie on whole prices one to ten away."""
    open_, close = (np.array([float(getattr(bar, name)) for bar in drawn]) for name in ("open", "close"))
    high = np.maximum(open_, close) + [bar.up for bar in drawn]
    low = np.minimum(open_, close) - [bar.down for bar in drawn]
    stamps = START_NS + HOUR_NS * np.arange(len(drawn), dtype=np.int64)
    volume = np.array([bar.volume for bar in drawn])
    bars = Bars("WHOLE", Timeframe(60), stamps, open_, high, low, close, volume, np.full(len(drawn), np.nan))
    return BookSetup(
        bars=bars,
        calendar=UTC,
        hourly_spread=None,
        volatility=[0.0098] * len(drawn),
        levels=[(float("nan"), float("nan"))] * len(drawn),
        market=ANY_LOT._replace(tick_size=1.0, lot_step=1.0, min_lot=1.0),
        limits=limits(min_hold_bars=min_hold, cooldown_bars=cooldown, target_volatility=0.004),
        costs=paid,
        initial_equity=50_000.0,
    )


@settings(max_examples=150, deadline=None)
@given(BARS, st.lists(WISH, min_size=25, max_size=25), COSTS, st.sampled_from([0, 2]), st.sampled_from([0, 1]))
@example(  # long from the second open at 100 with a stop at 99, which the third bar's low only just touches
    [WholeBar(100, 1, 0, 100, 1e4)] * 2 + [WholeBar(100, 1, 1, 100, 1e4)] + [WholeBar(99, 0, 0, 99, 1e4)] * 2,
    [(1, 3, 0, 0)] * 25, costs(), 0, 0,
)  # fmt: skip
def test_exact_touches_are_the_same_touches(
    drawn: list[WholeBar], wishes: Wishes, paid: Costs, min_hold: int, cooldown: int
) -> None:
    setup = a_setup(drawn, paid, min_hold, cooldown)
    compare(replayed([setup], wishes), brute_force([setup], wishes))


def test_prices_do_meet_exactly() -> None:
    """Stops and targets of both sides are touched to the point, by ranges and by opens, and that is a touch to both."""
    rng = np.random.default_rng(0)
    met: Counter[tuple[str, int, str]] = Counter()
    for _ in range(300):
        columns = rng.integers([95, 0, 0, 95], [106, 4, 4, 106], size=(25, 4))
        drawn = [WholeBar(int(row[0]), int(row[1]), int(row[2]), int(row[3]), 1e4) for row in columns]
        setup = a_setup(drawn, costs(), 0, 0)
        wishes = [(int(a), 3, int(b), 0) for a, b in rng.integers([1, 0], [3, 4], size=(25, 2))]
        by_stamp = dict(zip(setup.bars.ts_ns.tolist(), drawn, strict=True))
        outcome = brute_force([setup], wishes)
        compare(replayed([setup], wishes), outcome)
        for fill in outcome.fills:
            bar = by_stamp[fill.ts_ns]
            highest, lowest = max(bar.open, bar.close) + bar.up, min(bar.open, bar.close) - bar.down
            place = "open" if fill.price == bar.open else "range"
            if fill.reason == "take_profit":
                extreme = highest if fill.side < 0 else lowest
                met[fill.reason, fill.side, place] += fill.price in (bar.open, extreme)
            elif fill.reason == "stop_loss" and place == "range":
                met[fill.reason, fill.side, place] += fill.price == (lowest if fill.side < 0 else highest)
    assert len(met) == 6
    assert min(met.values()) > 5, met
