"""Market tapes and kernel arguments for tests: valid by default, a test names only what it is about."""

import math
from typing import Any

import numpy as np

from agv2.backtest.tape import MarketTape
from agv2.core.arrays import Float32Array, FloatArray, RecordArray, record_dtype
from agv2.core.bars import Bars
from agv2.core.instruments import Market
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.risk.config import RiskParams
from agv2.risk.level_stop import NearLevels
from agv2.sim.costs import Costs
from tests.factories import START_NS

__all__ = ["ANY_LOT", "FREE", "a_tape", "costs", "limits", "near_levels", "walk"]

FREE = Costs(
    half_spread_frac=0.0,
    slippage_frac=0.0,
    commission_frac=0.0,
    commission_per_lot=0.0,
    financing_long_frac_per_night=0.0,
    financing_short_frac_per_night=0.0,
    spread_source=0,
    latency_bars=0,
    participation_cap=0.0,
    fill_frac=1.0,
    carry_partial=True,
)
ANY_LOT = Market(
    contract_size=1.0, lot_step=1e-4, min_lot=1e-4, max_lot=1e9, tick_size=0.0, leverage=20.0, stop_out_frac=0.5
)  # fmt: skip
NEW_YORK = SessionCalendar(17, "America/New_York", 252.0, 2, False)


def costs(**changes: Any) -> Costs:
    """Nothing costs anything but what is named."""
    return FREE._replace(**changes)


def limits(**changes: Any) -> RiskParams:
    """Generous limits, no minimum hold, no cool-down, nothing that moves a stop or cuts a size."""
    usual = RiskParams(
        target_volatility=0.003,
        max_exposure=4.0,
        max_positions=10,
        daily_loss_frac=0.04,
        drawdown_frac=0.2,
        breaker_cooldown_days=10,
        min_hold_bars=0,
        cooldown_bars=0,
        level_stop_margin_units=0.5,
        level_stop_max_units=0.0,
        trailing_units=0.0,
        kelly_volatility=math.inf,
        evidence_scale=1.0,
        size_share=1.0,
    )
    return usual._replace(**changes)


def walk(n_bars: int, seed: int = 0, sigma: float = 0.004, gap: float = 0.0) -> Bars:
    """Hourly bars of a random walk with wicks; `gap` is the volatility between a close and the next open."""
    rng = np.random.default_rng(seed)
    gaps = np.concatenate([[0.0], rng.normal(0.0, 1.0, n_bars - 1) * gap])
    steps = rng.normal(0.0, sigma, n_bars)
    close = 100.0 * np.exp(np.cumsum(steps + gaps))
    open_ = close * np.exp(-steps)
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0.0, 0.5 * sigma, n_bars)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0.0, 0.5 * sigma, n_bars)))
    step = Timeframe(60)
    stamps = START_NS + np.arange(n_bars, dtype=np.int64) * step.nanoseconds
    volume = rng.uniform(0.0, 3000.0, n_bars)
    return Bars("WALK", step, stamps, open_, high, low, close, volume, np.full(n_bars, np.nan))


def a_tape(
    bars: Bars | None = None,
    rows: Float32Array | None = None,
    *,
    width: int = 6,
    sigma: float = 0.004,
    market: Market = ANY_LOT,
    params: RiskParams | None = None,
    costs: Costs = FREE,
    levels: RecordArray | None = None,
) -> MarketTape:
    """A tape of `bars` (a short walk) whose market rows are noise unless given, without levels unless given."""
    bars = walk(400, sigma=sigma) if bars is None else bars
    if rows is None:
        rows = np.random.default_rng(1).normal(size=(len(bars), width)).astype(np.float32)
    volatility: FloatArray = np.full(len(bars), sigma)
    if levels is None:
        levels = near_levels(np.full((len(bars), 2), np.nan))
    records = bars.records(NEW_YORK)
    return MarketTape(bars.symbol, records, volatility, levels, rows, market, params or limits(), costs)


def near_levels(distances: FloatArray) -> RecordArray:
    """Records of `NearLevels` from (n_bars, 2) distances down and up, volatility units."""
    rows = np.empty(len(distances), dtype=record_dtype(NearLevels))
    rows["below"], rows["above"] = distances.T
    return rows
