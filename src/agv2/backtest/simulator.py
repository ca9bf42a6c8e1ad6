"""Many books at once: the scalar kernels of the decision path composed in one compiled loop."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from agv2.backtest.records import (
    read_account,
    read_bar,
    read_costs,
    read_levels,
    read_market,
    read_params,
    read_risk,
    write_account,
    write_fill,
    write_risk,
)
from agv2.backtest.tape import MarketTape
from agv2.core.account import Account, equity, open_account
from agv2.core.arrays import Float32Array, FloatArray, IntArray, RecordArray, record_dtype
from agv2.core.instruments import Market
from agv2.core.jit import kernel
from agv2.core.orders import Fill
from agv2.decision.actions import decode_action
from agv2.decision.observation import BOOK_FIELDS, write_observation
from agv2.decision.planner import plan_order
from agv2.risk.config import RiskParams
from agv2.risk.limits import RiskState, fresh_risk_state, is_halted, observe_equity
from agv2.risk.position_sizer import AccountView
from agv2.risk.trailing import with_trailed_stop
from agv2.sim.costs import Costs
from agv2.sim.kernel import advance

__all__ = ["BatchSimulator", "StepLedger"]


class StepLedger(NamedTuple):
    """What one step did to one book; every reward is computed from this."""

    equity_before: float
    equity_after: float
    worst_drawdown_before: float
    """Largest drawdown of the episode before the step, fraction >= 0; a breaker's new peak does not reset it."""
    worst_drawdown_after: float
    costs_paid: float
    """Spread, slippage and commission of the step's fills, money."""
    financing: float
    exposure: float
    """Gross notional per unit of equity after the step."""
    fills: int
    """0, 1 or 2."""
    halted: bool
    terminated: bool
    """Ruin: equity is zero or less."""
    truncated: bool
    """The episode's last bar was reached."""


class _Place(NamedTuple):
    """Where a book is, and what its episode has seen."""

    at: int
    """Bar index on the joined tape at whose close the book stands."""
    end: int
    """Last bar index of the episode."""
    tape: int
    """Which market."""
    last_order_id: int
    peak_equity: float
    worst_drawdown: float


class BatchSimulator:
    """Steps `n_books` independent accounts, each on one market, through the shared kernels.

    Every array it hands out is written anew by the next `step`; copy what must last.
    """

    def __init__(self, tapes: Sequence[MarketTape], n_books: int, initial_equity: float) -> None:
        """Join `tapes` end to end; books are placed on them by `reset`.

        Args:
            tapes: markets whose volatility and market rows are finite wherever a book is placed.
            n_books: how many accounts.
            initial_equity: money in each at a reset, > 0.
        """
        self.initial_equity = initial_equity
        self.n_books = n_books
        lengths = [tape.bars.size for tape in tapes]
        self.starts: IntArray = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
        self.lengths: IntArray = np.array(lengths, dtype=np.int64)
        self._bars = np.concatenate([tape.bars for tape in tapes])
        self._volatility = np.concatenate([tape.volatility for tape in tapes])
        self._levels = np.concatenate([tape.levels for tape in tapes])
        self._market_rows = np.concatenate([tape.market_rows for tape in tapes])
        self._markets = np.array([tuple(tape.market) for tape in tapes], dtype=record_dtype(Market))
        self._params = np.array([tuple(tape.params) for tape in tapes], dtype=record_dtype(RiskParams))
        self._tape_costs = np.array([tuple(tape.costs) for tape in tapes], dtype=record_dtype(Costs))

        self.accounts: RecordArray = np.zeros(n_books, dtype=record_dtype(Account))
        self.risks: RecordArray = np.zeros(n_books, dtype=record_dtype(RiskState))
        self.costs: RecordArray = np.zeros(n_books, dtype=record_dtype(Costs))
        self._places = np.zeros(n_books, dtype=record_dtype(_Place))
        self.ledger: RecordArray = np.zeros(n_books, dtype=record_dtype(StepLedger))
        self.fills: RecordArray = np.zeros((n_books, 2), dtype=record_dtype(Fill))
        self.observations: Float32Array = np.zeros(
            (n_books, self._market_rows.shape[1] + len(BOOK_FIELDS)), dtype=np.float32
        )

    def reset(
        self, books: IntArray, tapes: IntArray, first: IntArray, last: IntArray, costs: RecordArray | None = None
    ) -> None:
        """Start new episodes.

        Args:
            books: (k,) which books.
            tapes: (k,) market of each.
            first: (k,) bar of its tape at whose close each first decides.
            last: (k,) bar of its tape at which each episode is truncated, > first.
            costs: (k,) records of `Costs`, such as perturbed ones; the tape's own when None.
        """
        self.costs[books] = self._tape_costs[tapes] if costs is None else costs
        _reset_books(
            books, tapes, first + self.starts[tapes], last + self.starts[tapes], self.initial_equity,
            self._bars, self._volatility, self._market_rows, self._markets, self._params,
            self.accounts, self.risks, self._places, self.observations,
        )  # fmt: skip

    def step(self, actions: IntArray) -> RecordArray:
        """Carry out `actions`, move every book one bar on and refresh `observations`, `fills` and the ledger.

        Args:
            actions: (n_books, 4) indices below `ACTION_NVEC`.

        Returns:
            (n_books,) records of `StepLedger`.
        """
        _step_books(
            actions, self._bars, self._volatility, self._levels, self._market_rows, self._markets, self._params,
            self.costs, self.accounts, self.risks, self._places, self.ledger, self.fills, self.observations,
        )  # fmt: skip
        return self.ledger

    def state(self) -> dict[str, RecordArray | Float32Array]:
        """Everything that the next `step` depends on, by name; writing into these arrays restores it."""
        return {
            "accounts": self.accounts, "risks": self.risks, "costs": self.costs, "places": self._places,
            "observations": self.observations,
        }  # fmt: skip

    @property
    def equities(self) -> FloatArray:
        """(n_books,) equity of each book after its last bar, money."""
        value: FloatArray = self.accounts["cash"] + self.accounts["units"] * self.accounts["close_price"]
        return value


@kernel
def _reset_books(
    books: IntArray,
    tapes: IntArray,
    first: IntArray,
    last: IntArray,
    initial_equity: float,
    bars: RecordArray,
    volatility: FloatArray,
    market_rows: Float32Array,
    markets: RecordArray,
    params: RecordArray,
    accounts: RecordArray,
    risks: RecordArray,
    places: RecordArray,
    observations: Float32Array,
) -> None:
    for k in range(books.size):
        i = books[k]
        at = first[k]
        bar = read_bar(bars, at)
        account = open_account(initial_equity, bar.close)
        risk = fresh_risk_state(initial_equity, bar.day)
        write_account(accounts, i, account)
        write_risk(risks, i, risk)
        place = places[i]
        place["at"] = at
        place["end"] = last[k]
        place["tape"] = tapes[k]
        place["last_order_id"] = 0
        place["peak_equity"] = initial_equity
        place["worst_drawdown"] = 0.0
        write_observation(
            observations[i], market_rows[at], account, risk, AccountView(initial_equity, 0.0, 0), bar, volatility[at],
            read_params(params, tapes[k]), read_market(markets, tapes[k]),
        )  # fmt: skip


@kernel
def _step_books(
    actions: IntArray,
    bars: RecordArray,
    volatility: FloatArray,
    levels: RecordArray,
    market_rows: Float32Array,
    markets: RecordArray,
    params: RecordArray,
    costs: RecordArray,
    accounts: RecordArray,
    risks: RecordArray,
    places: RecordArray,
    ledger: RecordArray,
    fills: RecordArray,
    observations: Float32Array,
) -> None:
    for i in range(actions.shape[0]):
        place = places[i]
        at, tape = place["at"], place["tape"]
        market, limits = read_market(markets, tape), read_params(params, tape)
        book, risk = read_account(accounts, i), read_risk(risks, i)
        before = equity(book)

        action = decode_action(actions[i, 0], actions[i, 1], actions[i, 2], actions[i, 3])
        order_id = place["last_order_id"] + 1
        plan = plan_order(
            book, risk, AccountView(before, 0.0, 0), action, read_bar(bars, at), volatility[at],
            read_levels(levels, at), limits, market, order_id,
        )  # fmt: skip
        place["last_order_id"] = order_id

        at += 1
        bar = read_bar(bars, at)
        result = advance(book, plan.order, bar, read_costs(costs, i), market)
        book = with_trailed_stop(result.account, bar, volatility[at], limits, market)
        after = equity(book)
        risk = observe_equity(risk, after, bar.day, limits)
        write_account(accounts, i, book)
        write_risk(risks, i, risk)
        write_fill(fills[i], 0, result.market_fill)
        write_fill(fills[i], 1, result.bracket_fill)

        peak = max(place["peak_equity"], after)
        worst_before = place["worst_drawdown"]
        worst_after = max(worst_before, 1.0 - after / peak)
        place["at"] = at
        place["peak_equity"] = peak
        place["worst_drawdown"] = worst_after

        row = ledger[i]
        row["equity_before"] = before
        row["equity_after"] = after
        row["worst_drawdown_before"] = worst_before
        row["worst_drawdown_after"] = worst_after
        row["costs_paid"] = _fill_costs(result.market_fill) + _fill_costs(result.bracket_fill)
        row["financing"] = result.financing
        row["exposure"] = abs(book.units) * bar.close / after if after > 0.0 else 0.0
        row["fills"] = (1 if result.market_fill.units > 0.0 else 0) + (1 if result.bracket_fill.units > 0.0 else 0)
        row["halted"] = is_halted(risk)
        row["terminated"] = after <= 0.0
        row["truncated"] = at >= place["end"] and after > 0.0
        write_observation(
            observations[i], market_rows[at], book, risk, AccountView(after, 0.0, 0), bar, volatility[at],
            limits, market,
        )  # fmt: skip


@kernel
def _fill_costs(fill: Fill) -> float:
    """Spread, slippage and commission of a fill, money."""
    return fill.side * (fill.price - fill.mid) * fill.units + fill.commission
