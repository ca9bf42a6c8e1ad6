"""Book and risk state, written down and read again at any bar, go on as if nothing had happened."""

import json
from typing import Any

import numpy as np
import pytest

from agv2.backtest.tape import MarketTape
from agv2.core.account import Account, equity, open_account
from agv2.core.orders import Fill, Order
from agv2.decision.actions import ACTION_NVEC, decode_action
from agv2.decision.planner import plan_order
from agv2.risk.limits import RiskState, fresh_risk_state, is_halted, observe_equity
from agv2.risk.position_sizer import AccountView
from agv2.risk.trailing import with_trailed_stop
from agv2.sim.kernel import advance
from tests.tapes import a_tape, costs, limits, near_levels, walk

N_BARS = 400
PARAMS = limits(
    daily_loss_frac=0.004, drawdown_frac=0.015, breaker_cooldown_days=2, min_hold_bars=2, cooldown_bars=1,
    level_stop_max_units=3.5, trailing_units=1.5, evidence_scale=0.9,
)  # fmt: skip


def reread(book: Account, risk: RiskState) -> tuple[Account, RiskState]:
    """Through text, as a state store keeps them."""
    text = json.dumps({"book": [*book[:-2], list(book.pending), book.wait_bars], "risk": list(risk)})
    stored: dict[str, Any] = json.loads(text)
    *plain, pending, wait_bars = stored["book"]
    return Account._make([*plain, Order(*pending), wait_bars]), RiskState(*stored["risk"])


def traded(tape: MarketTape, restarts: set[int]) -> tuple[list[Fill], list[float], int]:
    rng = np.random.default_rng(5)
    actions = np.repeat(rng.integers(0, ACTION_NVEC, size=(N_BARS, 4)), 3, axis=0)
    book, risk = open_account(100_000.0, tape.bar(0).close), fresh_risk_state(100_000.0, tape.bar(0).day)
    fills: list[Fill] = []
    worth: list[float] = []
    halted = 0
    for at in range(N_BARS - 1):
        if at in restarts:
            book, risk = reread(book, risk)
        sigma, action = float(tape.volatility[at]), decode_action(*(int(choice) for choice in actions[at]))
        view = AccountView(equity(book), 0.0, 0)
        plan = plan_order(
            book, risk, view, action, tape.bar(at), sigma, tape.levels_at(at), PARAMS, tape.market, at + 1
        )
        if at in restarts:  # between the decision and its order: what is saved before an order is sent
            book, risk = reread(book, risk)
        bar = tape.bar(at + 1)
        step = advance(book, plan.order, bar, tape.costs, tape.market)
        book = with_trailed_stop(step.account, bar, sigma, PARAMS, tape.market)
        risk = observe_equity(risk, equity(book), bar.day, PARAMS)
        fills += [fill for fill in (step.market_fill, step.bracket_fill) if fill.units > 0.0]
        worth.append(equity(book))
        halted += is_halted(risk)
    return fills, worth, halted


@pytest.mark.parametrize("restarts", [{170}, set(range(N_BARS))], ids=["once", "at every bar"])
def test_a_restart_is_a_load(restarts: set[int]) -> None:
    levels = near_levels(np.random.default_rng(7).uniform(0.25, 6.0, (N_BARS, 2)))
    paid = costs(half_spread_frac=2e-4, slippage_frac=1e-4, latency_bars=1, participation_cap=0.3)
    tape = a_tape(walk(N_BARS, seed=8, sigma=0.006, gap=0.003), costs=paid, params=PARAMS, levels=levels)
    fills, worth, halted = traded(tape, set())
    assert len(fills) > 40
    assert halted > 10
    assert traded(tape, restarts) == (fills, worth, halted)
