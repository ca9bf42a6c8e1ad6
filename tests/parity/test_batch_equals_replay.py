"""The batch simulator and the event-driven replay, given the same actions: fill by fill, exactly."""

import numpy as np
import pytest

from agv2.backtest.replay import ReplayResult, replay
from agv2.backtest.simulator import BatchSimulator
from agv2.core.arrays import Float32Array, IntArray
from agv2.core.orders import FillReason
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.decider import PolicyOutput
from tests.tapes import a_tape, costs, limits, near_levels, walk

N_BARS = 1_500
PLAIN = costs(half_spread_frac=2e-4, slippage_frac=1e-4, commission_frac=1e-5, financing_long_frac_per_night=1e-4)

MOVED_STOPS = limits(level_stop_max_units=3.5, trailing_units=1.5)


class Script:
    """A policy that answers with the next line of a script, and keeps what it was shown."""

    def __init__(self, actions: IntArray) -> None:
        self.actions = actions
        self.seen: list[Float32Array] = []

    def act(self, observations: Float32Array) -> PolicyOutput:
        line = self.actions[len(self.seen)]
        self.seen.append(observations[0].copy())
        return PolicyOutput(line[np.newaxis], np.zeros(1), np.zeros(1))


@pytest.mark.parametrize(
    ("paid", "params"),
    [
        (PLAIN, limits()),
        (PLAIN._replace(latency_bars=2, participation_cap=0.05), limits(min_hold_bars=3, cooldown_bars=2)),
        (PLAIN._replace(participation_cap=0.02, carry_partial=False), limits(daily_loss_frac=0.01, drawdown_frac=0.05)),
        (PLAIN, MOVED_STOPS),
        (
            PLAIN._replace(latency_bars=1, participation_cap=0.02),
            MOVED_STOPS._replace(kelly_volatility=0.002, evidence_scale=0.8, daily_loss_frac=0.01, drawdown_frac=0.05),
        ),
    ],
    ids=["plain", "latency-and-carry", "cancel-and-tight-limits", "moved-stops", "everything-at-once"],
)
def test_same_fills_equity_and_observations(paid, params) -> None:  # type: ignore[no-untyped-def]
    levels = near_levels(np.random.default_rng(7).uniform(0.25, 6.0, (N_BARS, 2)))
    tape = a_tape(walk(N_BARS, seed=8, sigma=0.006, gap=0.003), costs=paid, params=params, levels=levels)
    actions = np.random.default_rng(9).integers(0, ACTION_NVEC, size=(N_BARS, 4))
    # Every so often a stretch of one wish, so that stops, targets and the minimum hold have their say.
    actions = actions[np.repeat(np.arange(0, N_BARS, 5), 5)]

    script = Script(actions)
    replayed = replay([tape], script, [100_000.0])

    simulator = BatchSimulator([tape], 3, 100_000.0)  # the book of interest among others
    zeros = np.zeros(3, dtype=np.int64)
    simulator.reset(np.arange(3), zeros, np.array([40, 0, 7]), np.full(3, N_BARS - 1))
    fills, equities, shown = [], [100_000.0], []
    for bar in range(N_BARS - 1):
        shown.append(simulator.observations[1].copy())
        others = np.full(4, bar % 3)
        if bar == N_BARS - 41:  # the first book is at its end: anywhere else will do
            simulator.reset(np.array([0]), zeros[:1], zeros[:1], np.array([N_BARS - 1]))
        if bar == N_BARS - 8:
            simulator.reset(np.array([2]), zeros[:1], zeros[:1], np.array([N_BARS - 1]))
        simulator.step(np.stack([others, actions[bar], others]))
        fills += [tuple(fill.item()) for fill in simulator.fills[1] if fill["units"] > 0.0]
        equities.append(float(simulator.equities[1]))

    expected = [tuple(fill) for _, fill in replayed.fills]
    if expected[-1][-2] == FillReason.END:  # only a fold is closed at its last bar
        expected.pop()
    assert len(fills) > 100
    assert fills == expected
    assert equities[:-1] == [row.equity for row in replayed.equity][:-1]
    assert (np.stack(shown) == np.stack(script.seen)).all()
    reasons = {FillReason(fill[-2]) for fill in fills}
    assert {FillReason.ENTRY, FillReason.STOP_LOSS, FillReason.TAKE_PROFIT} <= reasons
    assert (FillReason.TRAILING in reasons) is (params.trailing_units > 0.0)
    if paid == PLAIN:  # else a stop may fire while an exit waits, after a decision that leads to none
        _require_stops_in_decisions(replayed)


def _require_stops_in_decisions(replayed: ReplayResult) -> None:
    """A stop fills no better than at the price in force at the decision before, and was set at the bar it says."""
    in_force = {decision.ts_ns: decision.plan.stop_loss for _, _, decision in replayed.decisions}
    stamps = sorted(in_force)
    before = dict(zip(stamps[1:], stamps, strict=False))
    checked = 0
    for _, fill in replayed.fills:
        if fill.reason not in (FillReason.STOP_LOSS, FillReason.TRAILING) or fill.ts_ns not in before:
            continue
        stop = in_force[before[fill.ts_ns]]
        assert fill.side * (fill.mid - stop) >= 0.0
        assert in_force[fill.decided_ns] == stop
        if fill.reason == FillReason.TRAILING:
            just_before = before[fill.decided_ns]
            assert fill.side * (in_force[just_before] - stop) > 0.0, "it was moved at that bar, towards profit"
        checked += 1
    assert checked > 20
