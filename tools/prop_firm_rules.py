"""Measure how often accounts of the `prop-firm` profile break the rules that it is meant for: 5 % a day, 10 % in all.

    python -m tools.prop_firm_rules

Random policies trade hourly random walks under the shipped profile, for a year each. Overnight prices gap by a
multiple of one bar's volatility, with heavy tails; and the market may be wilder than the risk layer thinks. A day's
loss counts from the close before it, the total from the highest equity since the start or since the breaker last let
trading resume: with a new peak begins a new account. Losses are looked at when bars close.
"""

from typing import NamedTuple

import numpy as np

from agv2.app.settings import load_settings
from agv2.backtest.simulator import BatchSimulator
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import BoolArray, FloatArray, record_dtype
from agv2.core.bars import Bars
from agv2.core.instruments import Market
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.decision.actions import ACTION_NVEC
from agv2.risk.level_stop import NearLevels
from agv2.sim.costs import Costs
from agv2.utils.config import parse_override

__all__ = ["Breaches", "measure"]

DAILY_RULE, TOTAL_RULE = 0.05, 0.10
SIGMA = 0.002
BARS_PER_DAY = 24
START_NS = 1_704_232_800_000_000_000  # 2024-01-02 22:00 UTC: 17:00 in New York
MARKET = Market(
    contract_size=1.0, lot_step=1e-4, min_lot=1e-4, max_lot=1e9, tick_size=0.0, leverage=20.0, stop_out_frac=0.5
)  # fmt: skip
CALENDAR = SessionCalendar(22, "UTC", 252.0, None, weekend_nights=False)


class Breaches(NamedTuple):
    """What went wrong in how many tries."""

    days: int
    halted_days: int
    """On which a limit flattened and halted the account."""
    daily: int
    """Days that lost more than 5 %."""
    accounts: int
    """From a peak to the breaker, or to the end."""
    total: int
    """Of them, lost more than 10 %."""
    worst_day: float
    worst_total: float


def measure(gap: float, wildness: float, n_books: int, n_days: int, seed: int) -> Breaches:
    """Trade random policies.

    Args:
        gap: typical size of an overnight gap, in volatilities of one bar; Student's t with four degrees of freedom.
        wildness: true volatility over the one that the risk layer is told.
        n_books: policies, each on a stretch of its own.
        n_days: that each trades.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)
    profile = load_settings(None, [parse_override("risk.profile=prop-firm")]).risk.active
    params = profile.params(BARS_PER_DAY * CALENDAR.trading_days_per_year)
    costs = Costs(1e-4, 5e-5, 0.0, 0.0, 0.0, 0.0, 0, 0, 0.0, 1.0, True)
    n_bars = n_days * BARS_PER_DAY + 1
    tapes = []
    for _ in range(8):
        bars = _walk(n_bars, gap, wildness, rng)
        levels = np.full(n_bars, np.nan, dtype=record_dtype(NearLevels))
        rows = np.zeros((n_bars, 1), dtype=np.float32)
        tapes.append(
            MarketTape("WALK", bars.records(CALENDAR), np.full(n_bars, SIGMA), levels, rows, MARKET, params, costs)
        )
    simulator = BatchSimulator(tapes, n_books, 100_000.0)
    books = np.arange(n_books)
    simulator.reset(books, books % len(tapes), np.zeros(n_books, dtype=np.int64), np.full(n_books, n_bars - 1))
    day_loss, halted = np.zeros(n_books), np.zeros(n_books, dtype=np.bool_)
    fall, tripped = np.zeros(n_books), np.zeros(n_books, dtype=np.bool_)
    day_losses: list[FloatArray] = []
    falls: list[FloatArray] = []
    halts: list[BoolArray] = []
    held = rng.integers(0, ACTION_NVEC, size=(n_books, 4))
    for bar in range(1, n_bars):
        # Wishes last some hours: who changes his mind at every bar holds too little to lose much.
        changed = rng.random(n_books) < 0.1
        held = np.where(changed[:, np.newaxis], rng.integers(0, ACTION_NVEC, size=(n_books, 4)), held)
        halted |= simulator.step(held)["halted"]
        risks, equity = simulator.risks, simulator.equities
        resumed = tripped & (risks["breaker_until_day"] == 0)
        falls.append(fall[resumed])
        fall[resumed] = 0.0
        tripped = risks["breaker_until_day"] > 0
        day_loss = np.maximum(day_loss, 1.0 - equity / risks["day_start_equity"])
        fall = np.maximum(fall, 1.0 - equity / risks["peak_equity"])
        if bar % BARS_PER_DAY == BARS_PER_DAY - 1:  # the next bar begins a trading day
            day_losses.append(day_loss)
            halts.append(halted)
            day_loss, halted = np.zeros(n_books), np.zeros(n_books, dtype=np.bool_)
    days, totals = np.concatenate(day_losses), np.concatenate([*falls, fall])
    return Breaches(
        days=days.size,
        halted_days=int(np.concatenate(halts).sum()),
        daily=int((days > DAILY_RULE).sum()),
        accounts=totals.size,
        total=int((totals > TOTAL_RULE).sum()),
        worst_day=float(days.max()),
        worst_total=float(totals.max()),
    )


def _walk(n_bars: int, gap: float, wildness: float, rng: np.random.Generator) -> Bars:
    """Hourly bars around the clock, with a gap at the first of each trading day."""
    steps = rng.normal(0.0, wildness * SIGMA, n_bars)
    gaps = np.zeros(n_bars)
    first = np.arange(BARS_PER_DAY, n_bars, BARS_PER_DAY)
    gaps[first] = gap * SIGMA * rng.standard_t(4.0, first.size)
    close = 100.0 * np.exp(np.cumsum(steps + gaps))
    open_ = close * np.exp(-steps)
    wicks = np.abs(rng.normal(0.0, 0.5 * wildness * SIGMA, (2, n_bars)))
    step = Timeframe(60)
    return Bars(
        "WALK", step, START_NS + np.arange(n_bars, dtype=np.int64) * step.nanoseconds, open_,
        np.maximum(open_, close) * np.exp(wicks[0]), np.minimum(open_, close) * np.exp(-wicks[1]), close,
        np.full(n_bars, np.nan), np.full(n_bars, np.nan),
    )  # fmt: skip


def main() -> None:
    """Print the table."""
    print("| gap | market | days halted | days beyond 5 % | worst day | accounts beyond 10 % | worst fall |")
    print("|---|---|---|---|---|---|---|")
    for gap in (0.0, 3.0, 10.0, 30.0):
        for wildness in (1.0, 3.0):
            found = measure(gap, wildness, n_books=400, n_days=252, seed=7)
            print(
                f"| {gap:g} | {wildness:g} × | {found.halted_days / found.days:.2%} "
                f"| {found.daily / found.days:.3%} | {found.worst_day:.1%} "
                f"| {found.total / found.accounts:.2%} | {found.worst_total:.1%} |"
            )


if __name__ == "__main__":
    main()
