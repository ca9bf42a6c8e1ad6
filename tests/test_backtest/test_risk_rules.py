"""Each rule of the risk layer as a small table: what is wished at each close, what is held at it, and why.

`L`, `S` and `.` are long, short and flat. A wish at the close of a bar fills at the open of the next. Bars are four
hours long: bars 0 to 5 are one trading day, 6 to 11 the next.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from agv2.backtest.replay import ReplayResult, replay
from agv2.backtest.simulator import BatchSimulator
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import Float32Array
from agv2.decision.decider import PolicyOutput
from agv2.decision.planner import PlanReason
from agv2.risk.config import RiskParams
from tests.factories import bars_of
from tests.tapes import a_tape, limits

SIGMA = 0.02  # a full position is half of equity, its stop 5 % away
CASH = 100_000.0
WISHES = {".": 0.0, "L": 1.0, "S": 2.0}
LETTERS = {0: ".", 1: "L", -1: "S"}


class Written:
    """Wishes for what is written on the market row; full size, widest stop and target."""

    def act(self, observations: Float32Array) -> PolicyOutput:
        actions = np.full((len(observations), 4), 3)
        actions[:, 0] = observations[:, 0]
        return PolicyOutput(actions, np.zeros(len(actions)), np.zeros(len(actions)))


def tape_of(wishes: str, params: RiskParams, closes: list[float] | None = None, symbol: str = "ONE") -> MarketTape:
    rows = np.array([[WISHES[wish]] for wish in wishes], dtype=np.float32)
    bars = bars_of(closes or [100.0] * len(wishes), symbol=symbol, timeframe="4h")
    return a_tape(bars, rows, sigma=SIGMA, params=params._replace(target_volatility=0.01))


def letter(units: float) -> str:
    return LETTERS[int(np.sign(units))]


def by_replay(tape: MarketTape) -> str:
    held = [row.units for row in replay([tape], Written(), [CASH]).equity]
    return "".join(letter(units) for units in held[:-1])  # a fold closes at its last bar


def by_batch(tape: MarketTape) -> str:
    simulator, zero = BatchSimulator([tape], 1, CASH), np.zeros(1, dtype=np.int64)
    simulator.reset(zero, zero, zero, zero + tape.bars.size - 1)
    held = "."
    for _ in range(tape.bars.size - 2):
        simulator.step(Written().act(simulator.observations).actions)
        held += letter(float(simulator.accounts["units"][0]))
    return held


FALL = [100.0, 100.0, 98.0, 95.9, *([96.0] * 12)]  # half of it is lost: 2.05 % at bar 3


class Rule(NamedTuple):
    """A table and the limits that make it."""

    wished: str
    held: str
    params: RiskParams
    closes: list[float] | None = None


RULES = {
    "nothing in the way": Rule("L.LSS.", ".L.LS", limits()),
    # Two closes after the fill are too early to leave, the third is not; a turn waits as well.
    "minimum hold": Rule("L......", ".LLL..", limits(min_hold_bars=3)),
    "minimum hold before a turn": Rule("LSSSSS.", ".LLLSS", limits(min_hold_bars=3)),
    # Left at the open of bar 2, which counts as the first flat bar.
    "cool-down": Rule("L.LLLLL.", ".L...LL", limits(cooldown_bars=2)),
    "a turn cools down too": Rule("LSSSSSS.", ".L...SS", limits(cooldown_bars=2)),
    # Out at the open of bar 4, in again at the open after the first close of the next day.
    "daily loss": Rule("L" * 10, ".LLL...LL", limits(daily_loss_frac=0.02), FALL[:10]),
    "no new day, no new position": Rule("L" * 7, ".LLL..", limits(daily_loss_frac=0.02), FALL[:7]),
    # Two trading days later: bar 12. The new peak is what was left, so the same loss is no drawdown any more.
    "drawdown breaker": Rule(
        "L" * 16, ".LLL.........LL", limits(daily_loss_frac=1.0, drawdown_frac=0.02, breaker_cooldown_days=2), FALL
    ),
    "a loss just short of the limits": Rule(
        "L" * 10, ".LLLLLLLL", limits(daily_loss_frac=0.021, drawdown_frac=0.021), FALL[:10]
    ),
}


@pytest.mark.parametrize("trade", [by_replay, by_batch])
@pytest.mark.parametrize("name", RULES)
def test_table(name: str, trade: Callable[[MarketTape], str]) -> None:
    rule = RULES[name]
    assert trade(tape_of(rule.wished, rule.params, rule.closes)) == rule.held


def played(*tapes: MarketTape) -> dict[str, tuple[str, list[str]]]:
    """Of each symbol: what is held at each close but the last, and why."""
    result = replay(tapes, Written(), [CASH / len(tapes)] * len(tapes))
    return {tape.symbol: (_held(result, tape.symbol), _reasons(result, tape.symbol)) for tape in tapes}


def _held(result: ReplayResult, symbol: str) -> str:
    return "".join(letter(row.units) for row in result.equity if row.symbol == symbol)[:-1]


def _reasons(result: ReplayResult, symbol: str) -> list[str]:
    return [PlanReason(each.plan.reason).name.lower() for name, _, each in result.decisions if name == symbol]


def test_each_market_gets_the_exposure_that_those_before_it_have_left() -> None:
    """A full position is a sixth of the account; with a cap of a quarter there is one, half of another, and none."""
    params = limits(max_exposure=0.25)
    tapes = [tape_of("LL.", params, symbol=symbol) for symbol in ("ONE", "TWO", "WITHOUT")]
    result = replay(tapes, Written(), [CASH / 3] * 3)
    units = {row.symbol: row.units for row in result.equity if row.ts_ns == tapes[0].bars["ts_ns"][1]}
    assert list(units.values()) == pytest.approx([CASH / 600, CASH / 1200, 0.0], abs=0.01)
    assert [_reasons(result, tape.symbol)[0] for tape in tapes] == ["as_wished", "size_capped", "too_small"]


def test_one_position_at_a_time_and_its_place_is_free_once_it_is_closed() -> None:
    """At the close of bar 2 the first is told to leave, but holds; it is out at the open of bar 3."""
    params = limits(max_positions=1)
    found = played(tape_of("LL.....", params, symbol="ONE"), tape_of("LLLLLL.", params, symbol="TWO"))
    assert found["ONE"][0] == ".LL..."
    assert found["TWO"][0] == "....LL"
    assert found["TWO"][1][:4] == ["max_positions"] * 3 + ["as_wished"]


def test_a_market_that_is_closed_keeps_its_place_until_it_has_traded() -> None:
    """The first is told to leave at the close of bar 2 and next opens at bar 5; the other trades throughout."""
    params = limits(max_positions=1)
    whole = tape_of("LL......", params, symbol="ONE")
    awake = np.array([0, 1, 2, 5, 6, 7])
    asleep = MarketTape(
        "ONE", whole.bars[awake], whole.volatility[awake], whole.levels[awake], whole.market_rows[awake], whole.market,
        whole.params, whole.costs,
    )  # fmt: skip
    found = played(asleep, tape_of("LLLLLLL.", params, symbol="TWO"))
    assert found["ONE"][0] == ".LL.."
    assert found["TWO"][0] == "......L"


def test_the_limits_of_the_account_stop_every_book() -> None:
    """The first loses 2 % of the account, 4 % of its own money; the second has lost nothing and is flattened too."""
    params = limits(daily_loss_frac=0.01, max_exposure=10.0)
    found = played(tape_of("L" * 10, params, FALL[:10], symbol="ONE"), tape_of("S" * 10, params, symbol="TWO"))
    assert found["ONE"][0] == ".LLL...LL"
    assert found["TWO"][0] == ".SSS...SS"
    assert found["ONE"][1][3] == found["TWO"][1][3] == "daily_loss"
    alone = played(tape_of("S" * 10, params, symbol="TWO"))
    assert alone["TWO"][0] == ".SSSSSSSS"


def test_a_book_is_ruined_alone() -> None:
    """Sizing and ruin read the book: the other's money is not staked for it."""
    params = limits(daily_loss_frac=1.0, drawdown_frac=1.0, max_exposure=100.0, target_volatility=0.6)
    crash = [100.0, 100.0, 80.0, 80.0, 80.0]
    one = tape_of("LLLL.", params, crash, symbol="ONE")
    one = a_tape(bars_of(crash, symbol="ONE", timeframe="4h"), one.market_rows, sigma=0.1, params=params)
    found = played(one, tape_of("SSSS.", params, symbol="TWO"))
    assert found["ONE"] == (".LL.", ["as_wished", "hold", "ruined", "ruined"])
    assert found["TWO"][0] == ".SSS"
