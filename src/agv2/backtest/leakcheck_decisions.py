"""Stages at the end of the decision path: what the policy sees, what is decided, and what it earns."""

from collections.abc import Callable

import numpy as np

from agv2.backtest.leakcheck import Columns, Stage
from agv2.backtest.leakcheck_stages import remembered
from agv2.backtest.replay import ReplayResult, replay
from agv2.backtest.tape import MarketTape
from agv2.core.account import Account, equity, open_account
from agv2.core.arrays import BoolArray, Float32Array
from agv2.core.bars import Bar, Bars
from agv2.core.orders import NO_ORDER, FillReason
from agv2.decision.actions import ACTION_NVEC, Action
from agv2.decision.decider import Decider, Policy, PolicyOutput
from agv2.decision.observation import ObservationLayout
from agv2.risk.limits import fresh_risk_state
from agv2.risk.position_sizer import AccountView

__all__ = ["account_stages", "decision_stages", "observation_names"]

_MONEY = 100_000.0
_OPENING_FILLS = (FillReason.ENTRY, FillReason.EXIT, FillReason.REVERSE, FillReason.RISK)
_PLANNED = ("planned_side", "stop_loss", "take_profit", "wished_units", "ordered_units", "reason")
_TapeOf = Callable[[Bars], MarketTape]


def observation_names(layout: ObservationLayout) -> tuple[str, ...]:
    """A name for each number of an observation."""
    return tuple(
        name if stop - start == 1 else f"{name}[{i}]"
        for name, (start, stop) in layout.slices().items()
        for i in range(stop - start)
    )


def decision_stages(
    tape_of: _TapeOf,
    policy: Policy,
    layout: ObservationLayout,
    is_settled: Callable[[Float32Array], BoolArray],
    lookback: int | None,
    tolerance: float,
) -> tuple[Stage, Stage]:
    """Observation and decision of every bar, for a book that the bar's own shape decides: flat, long or short.

    Args:
        tape_of: the market with all that the policy sees of it.
        policy: evaluates the network.
        layout: names of the observation.
        is_settled: (n,) whether no choice about each observation (n, size) hangs by a rounding.
        lookback: bars that decide what the policy sees of the market; None: all since the first.
        tolerance: of the network.
    """

    def decide(bars: Bars) -> tuple[Float32Array, Columns]:
        tape = tape_of(bars)
        decider = Decider(policy, tape.params, tape.market)
        seen = np.full((len(bars), layout.size), np.nan, dtype=np.float32)
        made = np.full((len(bars), len(Action._fields) + len(_PLANNED) + 2), np.nan)
        rows = np.flatnonzero(np.isfinite(tape.market_rows).all(axis=1))
        for t in rows:
            bar, volatility = tape.bar(int(t)), float(tape.volatility[t])
            book = _book(bar, volatility)
            decision = decider.decide(
                book,
                fresh_risk_state(equity(book), bar.day),
                AccountView(equity(book), 0.0, 0),
                bar,
                volatility,
                tape.levels_at(int(t)),
                tape.market_rows[t],
                2,
            )
            seen[t] = decision.observation
            # The plan but for its order, whose units, stop and target the plan repeats.
            made[t] = (*decision.action, *decision.plan[1:], decision.entropy, decision.value)
        settled = np.ones(len(bars), dtype=np.bool_)
        settled[rows] = is_settled(seen[rows])
        return seen, Columns((*Action._fields, *_PLANNED, "entropy", "value"), made, settled)

    decided = remembered(decide)
    names = observation_names(layout)
    return (
        Stage("observation", lambda bars: Columns(names, decided(bars)[0]), tolerance, lookback),
        Stage("decision", lambda bars: decided(bars)[1], tolerance, lookback),
    )


def account_stages(tape_of: _TapeOf, start: int, seed: int) -> tuple[Stage, Stage]:
    """An account traded from bar `start` on by a fixed rule on what the policy sees; bit for bit.

    The second stage is the position that earns a bar's return: it was decided at the close of the bar before, and so
    is known one bar earlier than everything else.

    Args:
        tape_of: the market; its rows are what the rule reads, in numbers that no network has touched.
        start: first bar of the account; whatever is fitted, is fitted on earlier bars.
        seed: of the rule.
    """

    def trade(bars: Bars) -> ReplayResult:
        tape = tape_of(bars).slice(start, len(bars))
        return replay([tape], _RestlessRule(seed), [_MONEY])

    traded = remembered(trade)

    def account(bars: Bars) -> Columns:
        result = traded(bars)
        names = ("equity", "cash", "units", "financing", "halted", *Action._fields, *_PLANNED)
        values = np.full((len(bars), len(names)), np.nan)
        values[start:, :5] = [(row.equity, row.cash, row.units, row.financing, row.halted) for row in result.equity]
        for _, index, decision in result.decisions:
            values[start + index, 5:] = (*decision.action, *decision.plan[1:])
        return Columns(names, values, _but_for_the_last(bars))

    def position(bars: Bars) -> Columns:
        result = traded(bars)
        held = np.full(len(bars), np.nan)
        held[start:] = [0.0, *(row.units for row in result.equity[:-1])]
        for _, fill in result.fills:
            if fill.reason in _OPENING_FILLS:
                held[np.searchsorted(bars.ts_ns, fill.ts_ns)] += fill.side * fill.units
        return Columns(("units_from_the_open",), held[:, np.newaxis], _but_for_the_last(bars))

    fitted = start + 3  # an account needs three bars
    return Stage("account", account, fitted_bars=fitted), Stage("payoff", position, fitted_bars=fitted, early_bars=1)


class _RestlessRule:
    """Picks each choice by a digit of a fixed weighted sum: it changes its mind all the time, whatever the market.

    A rule that stays flat would earn the same with any leak.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def act(self, observations: Float32Array) -> PolicyOutput:
        """Answer each row."""
        n, size = observations.shape
        weights = np.random.default_rng(self._seed).normal(size=(size, len(ACTION_NVEC)))
        digits = np.floor(10.0 * np.abs(observations.astype(np.float64) @ weights)).astype(np.int64)
        return PolicyOutput(digits % np.array(ACTION_NVEC), np.zeros(n), np.zeros(n))


def _but_for_the_last(bars: Bars) -> BoolArray:
    """An account ends with its last bar, which therefore decides nothing and closes what is open."""
    return np.arange(len(bars)) < len(bars) - 1


def _book(bar: Bar, volatility: float) -> Account:
    """Flat after a bar that is mostly body, long above a long lower wick, short below a long upper one."""
    upper, lower = bar.high - max(bar.open, bar.close), min(bar.open, bar.close) - bar.low
    if abs(bar.close - bar.open) >= max(upper, lower):
        return open_account(_MONEY, bar.close)
    side = 1.0 if lower > upper else -1.0
    risk = 2.0 * volatility * bar.close
    units = side * 0.5 * _MONEY / bar.close
    return Account(
        cash=_MONEY - units * bar.close,
        units=units,
        close_price=bar.close,
        entry_price=bar.open,
        initial_risk=risk,
        stop_loss=bar.close - side * risk,
        take_profit=bar.close + 2.0 * side * risk,
        bracket_order_id=1,
        bracket_decided_ns=0,
        target_decided_ns=0,
        trailed=False,
        bars_held=3,
        bars_flat=0,
        pending=NO_ORDER,
        wait_bars=0,
    )
