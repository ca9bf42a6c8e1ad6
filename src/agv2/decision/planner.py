"""From a desired position to at most one order, the risk layer in between."""

from enum import IntEnum
from typing import NamedTuple

from agv2.core.account import Account, equity
from agv2.core.bars import Bar
from agv2.core.instruments import Market, round_lots
from agv2.core.jit import kernel
from agv2.core.orders import NO_ORDER, FillReason, Order
from agv2.decision.actions import Action
from agv2.risk.config import RiskParams
from agv2.risk.level_stop import NearLevels, stop_units_beyond_level
from agv2.risk.limits import RiskState
from agv2.risk.position_sizer import AccountView, evidenced_units, permitted_units, target_units
from agv2.risk.stop_logic import initial_stop, initial_target

__all__ = ["Plan", "PlanReason", "permitted_position", "plan_order"]


class PlanReason(IntEnum):
    """What became of the policy's wish; lower-case names are what `decisions.parquet` holds."""

    AS_WISHED = 0
    HOLD = 1
    DAILY_LOSS = 2
    DRAWDOWN = 3
    MIN_HOLD = 4
    COOLDOWN = 5
    MAX_POSITIONS = 6
    SIZE_CAPPED = 7
    TOO_SMALL = 8
    RUINED = 9
    KELLY_CAPPED = 10
    NO_EDGE = 11
    STOPPED_OUT = 12
    RAMPED = 13


class Plan(NamedTuple):
    """One decision carried through the risk layer."""

    order: Order
    """`NO_ORDER` when the pending order, or nothing, is right."""
    side: int
    """Side of the position that the plan leads to."""
    stop_loss: float
    """Protective price of that position; 0 when flat."""
    take_profit: float
    before_units: float
    """Signed order units that the policy's wish came to before the risk layer."""
    after_units: float
    """Signed order units that were ordered."""
    reason: int
    """`PlanReason`."""


class PermittedPosition(NamedTuple):
    """What the risk layer leaves of a wish for a position."""

    side: int
    units: float
    """Signed, on the lot grid; 0 where no new size is chosen: flat, or a position that stays as it is."""
    reason: int
    """`PlanReason`."""


@kernel
def permitted_position(
    book: Account,
    risk: RiskState,
    account: AccountView,
    wished: int,
    size_frac: float,
    close: float,
    volatility: float,
    params: RiskParams,
    market: Market,
) -> PermittedPosition:
    """The position that the limits leave of a wish for side `wished` at `size_frac` of the permitted maximum.

    Apart from the order that it takes, because the action mask asks for all three sides at every bar.

    Args:
        book: the account after the bar, its stop trailed.
        risk: the account's limits after the bar.
        account: what the book must know of the rest of its account.
        wished: side of the policy's wish.
        size_frac: share of the permitted maximum, in (0, 1].
        close: of the bar that has just closed.
        volatility: causal per-bar volatility at the bar, log return, > 0.
        params: limits.
        market: grids and leverage.

    Known at: the close of the bar.
    """
    holding = _sign(book.units + book.pending.units)
    side, reason = _permitted_side(book, risk, account, wished, holding, params, market)
    if side == 0 or side == holding or side == _sign(book.units):
        return PermittedPosition(side, 0.0, reason)
    full = side * target_units(equity(book), close, volatility, params)
    warranted = evidenced_units(full, equity(book), close, volatility, params)
    permitted = permitted_units(warranted, equity(book), close, account, params, market)
    units = round_lots(size_frac * params.size_share * permitted, market)
    reason = _size_reason(units, permitted, warranted, full, params)
    return PermittedPosition(side if units != 0.0 else 0, units, reason)


@kernel
def plan_order(
    book: Account,
    risk: RiskState,
    account: AccountView,
    action: Action,
    bar: Bar,
    volatility: float,
    levels: NearLevels,
    params: RiskParams,
    market: Market,
    order_id: int,
) -> Plan:
    """The order that moves a book towards `action` as far as the limits permit.

    Position plus pending units count as the position: a wish for the side it already has keeps everything as it
    is, another replaces what is pending.

    Args:
        book: the account after `bar`, its stop trailed.
        risk: the account's limits after `bar`.
        account: what the book must know of the rest of its account.
        action: the policy's wish.
        bar: the bar that has just closed.
        volatility: causal per-bar volatility at `bar`, log return, > 0.
        levels: nearest support and resistance at `bar`.
        params: limits.
        market: grids and leverage.
        order_id: identity of a new order, > every earlier one of the book.

    Returns:
        The plan; its order fills at the next open at the earliest.

    Known at: the close of `bar`.
    """
    holding = _sign(book.units + book.pending.units)
    before_units = 0.0
    if action.side != holding:
        full = action.side * target_units(equity(book), bar.close, volatility, params)
        before_units = action.size_frac * full - book.units

    side, units, reason = permitted_position(
        book, risk, account, action.side, action.size_frac, bar.close, volatility, params, market
    )
    if side == holding:
        return _keep(book, holding, before_units, reason)
    if side != 0 and side == _sign(book.units):
        return _stay(book, side, reason, order_id, bar.ts_ns)

    stop_loss, take_profit = 0.0, 0.0
    if side != 0:
        stop_units = stop_units_beyond_level(side, action.stop_units, levels, params)
        # The target is a multiple of the stop's distance; where the stop is the chosen one, the factor is exactly 1.
        profit_units = action.target_units * (stop_units / action.stop_units)
        stop_loss = initial_stop(side, bar.close, volatility, stop_units, market.tick_size)
        take_profit = initial_target(side, bar.close, volatility, profit_units, market.tick_size)
    change = units - book.units
    order = Order(order_id, change, stop_loss, take_profit, _fill_reason(book.units, units, reason), bar.ts_ns)
    return Plan(order, side, stop_loss, take_profit, before_units, change, reason)


@kernel
def _permitted_side(
    book: Account,
    risk: RiskState,
    account: AccountView,
    wished: int,
    holding: int,
    params: RiskParams,
    market: Market,
) -> tuple[int, int]:
    """Side that the limits leave of the wish, and why."""
    if risk.daily_loss_hit:
        return 0, PlanReason.DAILY_LOSS.value
    if risk.breaker_until_day > 0:
        return 0, PlanReason.DRAWDOWN.value
    if equity(book) <= 0.0:
        return 0, PlanReason.RUINED.value
    margin = abs(book.units) * book.close_price / market.leverage
    if book.units != 0.0 and equity(book) <= market.stop_out_frac * margin:
        return 0, PlanReason.STOPPED_OUT.value
    if wished == holding:
        return holding, PlanReason.HOLD.value
    if book.units != 0.0 and book.bars_held < params.min_hold_bars:
        return holding, PlanReason.MIN_HOLD.value
    if wished != 0:
        turning = book.units != 0.0
        if params.cooldown_bars > 0 and (turning or book.bars_flat <= params.cooldown_bars):
            return 0, PlanReason.COOLDOWN.value
        if not turning and account.other_positions >= params.max_positions:
            return 0, PlanReason.MAX_POSITIONS.value
    return wished, PlanReason.AS_WISHED.value


@kernel
def _size_reason(units: float, permitted: float, warranted: float, full: float, params: RiskParams) -> int:
    """What became of the size; the last of the limits that bound."""
    if units == 0.0 and warranted != 0.0:
        return PlanReason.TOO_SMALL.value
    if params.size_share < 1.0 and permitted != 0.0:
        return PlanReason.RAMPED.value
    if abs(permitted) < abs(warranted):
        return PlanReason.SIZE_CAPPED.value
    if abs(warranted) < abs(full):
        return PlanReason.KELLY_CAPPED.value if params.evidence_scale == 1.0 else PlanReason.NO_EDGE.value
    return PlanReason.AS_WISHED.value


@kernel
def _keep(book: Account, holding: int, before_units: float, reason: int) -> Plan:
    """No new order: the pending one, or none, already leads to the side that is held or expected."""
    stop_loss, take_profit = 0.0, 0.0
    if holding != 0:
        stop_loss, take_profit = book.stop_loss, book.take_profit
        if _sign(book.units) != holding:
            stop_loss, take_profit = book.pending.stop_loss, book.pending.take_profit
    return Plan(NO_ORDER, holding, stop_loss, take_profit, before_units, 0.0, reason)


@kernel
def _stay(book: Account, side: int, reason: int, order_id: int, decided_ns: int) -> Plan:
    """Withdraw the pending order that would end or turn the position: it stays as it is, bracket and all."""
    withdrawal = Order(order_id, 0.0, 0.0, 0.0, FillReason.NONE.value, decided_ns)
    return Plan(withdrawal, side, book.stop_loss, book.take_profit, 0.0, 0.0, reason)


@kernel
def _fill_reason(before: float, after: float, reason: int) -> int:
    """What a fill that takes the position from `before` to `after` is called."""
    if after == 0.0:
        halted = reason == PlanReason.DAILY_LOSS.value or reason == PlanReason.DRAWDOWN.value
        broke = reason == PlanReason.RUINED.value or reason == PlanReason.STOPPED_OUT.value
        return FillReason.RISK.value if halted or broke else FillReason.EXIT.value
    if before != 0.0 and (before > 0.0) != (after > 0.0):
        return FillReason.REVERSE.value
    return FillReason.ENTRY.value


@kernel
def _sign(units: float) -> int:
    if units > 0.0:
        return 1
    return -1 if units < 0.0 else 0
