"""Between records of a structured array and the named tuples that kernels pass along.

Written out field by field, because compiled code builds a named tuple only from arguments it can see.
"""

from agv2.core.account import Account
from agv2.core.arrays import RecordArray
from agv2.core.bars import Bar
from agv2.core.instruments import Market
from agv2.core.jit import kernel
from agv2.core.orders import Fill, Order
from agv2.risk.config import RiskParams
from agv2.risk.level_stop import NearLevels
from agv2.risk.limits import RiskState
from agv2.sim.costs import Costs

__all__ = [
    "read_account", "read_bar", "read_costs", "read_levels", "read_market", "read_params", "read_risk",
    "write_account", "write_fill", "write_risk",
]  # fmt: skip


@kernel
def read_bar(rows: RecordArray, i: int) -> Bar:
    """`Bar` at row `i`."""
    r = rows[i]
    return Bar(
        r["ts_ns"], r["open"], r["high"], r["low"], r["close"], r["volume"], r["spread"], r["day"], r["nights"],
        r["spread_scale"],
    )  # fmt: skip


@kernel
def read_market(rows: RecordArray, i: int) -> Market:
    """`Market` at row `i`."""
    r = rows[i]
    return Market(
        r["contract_size"], r["lot_step"], r["min_lot"], r["max_lot"], r["tick_size"], r["leverage"],
        r["stop_out_frac"],
    )  # fmt: skip


@kernel
def read_params(rows: RecordArray, i: int) -> RiskParams:
    """`RiskParams` at row `i`."""
    r = rows[i]
    return RiskParams(
        r["target_volatility"], r["max_exposure"], r["max_positions"], r["daily_loss_frac"], r["drawdown_frac"],
        r["breaker_cooldown_days"], r["min_hold_bars"], r["cooldown_bars"], r["level_stop_margin_units"],
        r["level_stop_max_units"], r["trailing_units"], r["kelly_volatility"], r["evidence_scale"],
        r["size_share"],
    )  # fmt: skip


@kernel
def read_levels(rows: RecordArray, i: int) -> NearLevels:
    """`NearLevels` at row `i`."""
    r = rows[i]
    return NearLevels(r["below"], r["above"])


@kernel
def read_costs(rows: RecordArray, i: int) -> Costs:
    """`Costs` at row `i`."""
    r = rows[i]
    return Costs(
        r["half_spread_frac"], r["slippage_frac"], r["commission_frac"], r["commission_per_lot"],
        r["financing_long_frac_per_night"], r["financing_short_frac_per_night"], r["spread_source"],
        r["latency_bars"], r["participation_cap"], r["fill_frac"], r["carry_partial"],
    )  # fmt: skip


@kernel
def read_risk(rows: RecordArray, i: int) -> RiskState:
    """`RiskState` at row `i`."""
    r = rows[i]
    return RiskState(
        r["peak_equity"], r["day"], r["day_start_equity"], r["last_equity"], r["daily_loss_hit"],
        r["breaker_until_day"],
    )  # fmt: skip


@kernel
def write_risk(rows: RecordArray, i: int, state: RiskState) -> None:
    """Store `state` at row `i`."""
    r = rows[i]
    r["peak_equity"] = state.peak_equity
    r["day"] = state.day
    r["day_start_equity"] = state.day_start_equity
    r["last_equity"] = state.last_equity
    r["daily_loss_hit"] = state.daily_loss_hit
    r["breaker_until_day"] = state.breaker_until_day


@kernel
def read_account(rows: RecordArray, i: int) -> Account:
    """`Account` at row `i`."""
    r = rows[i]
    p = r["pending"]
    pending = Order(p["order_id"], p["units"], p["stop_loss"], p["take_profit"], p["reason"], p["decided_ns"])
    return Account(
        r["cash"], r["units"], r["close_price"], r["entry_price"], r["initial_risk"], r["stop_loss"],
        r["take_profit"], r["bracket_order_id"], r["bracket_decided_ns"], r["target_decided_ns"], r["trailed"],
        r["bars_held"], r["bars_flat"], pending, r["wait_bars"],
    )  # fmt: skip


@kernel
def write_account(rows: RecordArray, i: int, account: Account) -> None:
    """Store `account` at row `i`."""
    r = rows[i]
    r["cash"] = account.cash
    r["units"] = account.units
    r["close_price"] = account.close_price
    r["entry_price"] = account.entry_price
    r["initial_risk"] = account.initial_risk
    r["stop_loss"] = account.stop_loss
    r["take_profit"] = account.take_profit
    r["bracket_order_id"] = account.bracket_order_id
    r["bracket_decided_ns"] = account.bracket_decided_ns
    r["target_decided_ns"] = account.target_decided_ns
    r["trailed"] = account.trailed
    r["bars_held"] = account.bars_held
    r["bars_flat"] = account.bars_flat
    p = r["pending"]
    p["order_id"] = account.pending.order_id
    p["units"] = account.pending.units
    p["stop_loss"] = account.pending.stop_loss
    p["take_profit"] = account.pending.take_profit
    p["reason"] = account.pending.reason
    p["decided_ns"] = account.pending.decided_ns
    r["wait_bars"] = account.wait_bars


@kernel
def write_fill(rows: RecordArray, i: int, fill: Fill) -> None:
    """Store `fill` at row `i`."""
    r = rows[i]
    r["order_id"] = fill.order_id
    r["ts_ns"] = fill.ts_ns
    r["side"] = fill.side
    r["units"] = fill.units
    r["price"] = fill.price
    r["mid"] = fill.mid
    r["commission"] = fill.commission
    r["reason"] = fill.reason
    r["decided_ns"] = fill.decided_ns
