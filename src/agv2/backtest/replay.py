"""Event-driven replay: the decision path called one bar at a time, as paper and live call it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from agv2.backtest.tape import MarketTape
from agv2.core.account import Account, equity, open_account
from agv2.core.bars import Bar
from agv2.core.errors import DataError
from agv2.core.orders import NO_ORDER, Fill, Order
from agv2.decision.decider import Decider, Decision, Policy
from agv2.risk.limits import RiskState, fresh_risk_state, is_halted, observe_equity
from agv2.risk.position_sizer import AccountView
from agv2.risk.trailing import with_trailed_stop
from agv2.sim.kernel import advance, close_out

__all__ = ["EquityRow", "ReplayResult", "replay"]

_SHORTEST_FOLD = 3  # a first row without a fill, a bar to trade, a last bar to close


@dataclass(frozen=True, slots=True)
class EquityRow:
    """An account at the close of one bar."""

    symbol: str
    ts_ns: int
    equity: float
    cash: float
    units: float
    financing: float
    halted: bool


@dataclass(slots=True)
class ReplayResult:
    """What one fold left behind, in the order in which it happened."""

    fills: list[tuple[str, Fill]] = field(default_factory=list)
    equity: list[EquityRow] = field(default_factory=list)
    decisions: list[tuple[str, int, Decision]] = field(default_factory=list)
    """Symbol, bar index on its tape, decision."""


@dataclass(slots=True)
class _BookState:
    """One book while it is replayed."""

    tape: MarketTape
    decider: Decider
    book: Account
    order: Order = NO_ORDER
    last_order_id: int = 0

    def committed_notional(self) -> float:
        """Gross notional that is held, or will be once what is pending or just ordered has filled.

        The larger of the two: an exit may have to wait for its market to open, and others trade meanwhile.
        """
        pending = self.order if self.order.order_id != 0 else self.book.pending
        return max(abs(self.book.units), abs(self.book.units + pending.units)) * self.book.close_price


def replay(
    tapes: Sequence[MarketTape],
    policy: Policy,
    initial_equities: Sequence[float],
    progress: Callable[[int], None] | None = None,
) -> ReplayResult:
    """Trade one fold: every tape from its first bar to its last, on the clock that merges them.

    A book starts flat, first decides at the close of its first bar, decides nothing at its last and is closed at
    that bar's close. Sizing, leverage and ruin read the book; exposure, positions, daily loss and the drawdown
    breaker read the account.

    Args:
        tapes: the fold's markets, each at least three bars.
        policy: evaluates the network.
        initial_equities: money in each book at its first bar.
        progress: called with the number of stamps done, now and then.

    Returns:
        Fills, equity rows and decisions of every book.

    Raises:
        DataError: a tape is shorter than three bars.
    """
    for tape in tapes:
        if tape.bars.size < _SHORTEST_FOLD:
            raise DataError(f"{tape.symbol}: a fold of {tape.bars.size} bars is too short; at least {_SHORTEST_FOLD}")
    states = [
        _BookState(tape, Decider(policy, tape.params, tape.market), open_account(money, float(tape.bars["close"][0])))
        for tape, money in zip(tapes, initial_equities, strict=True)
    ]
    result = ReplayResult()
    risk: RiskState | None = None
    stamps = np.unique(np.concatenate([tape.bars["ts_ns"] for tape in tapes]))
    cursor = [0] * len(states)

    for done, stamp in enumerate(stamps):
        present: list[tuple[_BookState, int, Bar]] = []
        financing: dict[str, float] = {}
        for number, state in enumerate(states):
            index = cursor[number]
            if index < state.tape.bars.size and state.tape.bars["ts_ns"][index] == stamp:
                bar = state.tape.bar(index)
                financing[state.tape.symbol] = _advance_book(state, index, bar, result)
                present.append((state, index, bar))
                cursor[number] += 1

        account_equity = float(sum(equity(state.book) for state in states))
        day = max(bar.day for _, _, bar in present)
        params = states[0].tape.params
        if risk is None:
            risk = fresh_risk_state(account_equity, day)
        else:
            # Where markets roll at different hours, the account is in the latest day that any of them has reached.
            risk = observe_equity(risk, account_equity, max(day, risk.day), params)

        for state, index, bar in present:
            if index + 1 < state.tape.bars.size:
                _decide(state, states, index, bar, risk, account_equity, result)
        halted = is_halted(risk)
        for state, _, bar in present:
            symbol, book = state.tape.symbol, state.book
            row = EquityRow(symbol, bar.ts_ns, equity(book), book.cash, book.units, financing[symbol], halted)
            result.equity.append(row)
        if progress is not None and done % 256 == 0:
            progress(done)
    return result


def _advance_book(state: _BookState, index: int, bar: Bar, result: ReplayResult) -> float:
    """Carry the book through one bar, and close it out at its last; returns the financing paid."""
    if index == 0:
        return 0.0
    tape = state.tape
    step = advance(state.book, state.order, bar, tape.costs, tape.market)
    volatility = float(tape.volatility[index])
    state.book = with_trailed_stop(step.account, bar, volatility, tape.params, tape.market)
    state.order = NO_ORDER
    fills = [step.market_fill, step.bracket_fill]
    if index == tape.bars.size - 1:
        decided_ns = int(tape.bars["ts_ns"][index - 1])
        closing = close_out(state.book, bar, state.last_order_id + 1, decided_ns, tape.costs, tape.market)
        state.book = closing.account
        fills.append(closing.market_fill)
    result.fills.extend((tape.symbol, fill) for fill in fills if fill.units > 0.0)
    return float(step.financing)


def _decide(
    state: _BookState,
    states: Sequence[_BookState],
    index: int,
    bar: Bar,
    risk: RiskState,
    account_equity: float,
    result: ReplayResult,
) -> None:
    others = [other.committed_notional() for other in states if other is not state]
    view = AccountView(account_equity, float(sum(others)), sum(notional > 0.0 for notional in others))
    tape = state.tape
    state.last_order_id += 1
    decision = state.decider.decide(
        state.book,
        risk,
        view,
        bar,
        float(tape.volatility[index]),
        tape.levels_at(index),
        tape.market_rows[index],
        state.last_order_id,
    )
    state.order = decision.plan.order
    result.decisions.append((tape.symbol, index, decision))
