"""Markets, costs and limits drawn at random, wilder than any real ones, for the two simulators to agree on."""

import numpy as np

from agv2.backtest.tape import MarketTape
from agv2.core.bars import Bars
from agv2.core.instruments import Market
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.decision.actions import ACTION_NVEC
from agv2.risk.config import RiskParams
from agv2.sim.costs import Costs
from tests.brute_force import BookSetup
from tests.factories import START_NS
from tests.tapes import near_levels

__all__ = ["random_setup", "random_wishes", "tape_of"]

HOUR_NS = 3_600_000_000_000
CALENDARS = (
    SessionCalendar(17, "America/New_York", 260.0, 2, weekend_nights=False),
    SessionCalendar(17, "America/New_York", 252.0, 4, weekend_nights=False),
    SessionCalendar(0, "UTC", 365.0, None, weekend_nights=True),
)


def random_setup(
    rng: np.random.Generator, n_bars: int, symbol: str = "ANY", limits: RiskParams | None = None
) -> BookSetup:
    """A book on hourly bars with closed nights, holes, gaps of up to a third of the price and unknown columns."""
    calendar = CALENDARS[rng.integers(3)]
    sigma = float(rng.choice([0.002, 0.006, 0.02]))
    return BookSetup(
        bars=random_bars(rng, n_bars, symbol, sigma, calendar.weekend_nights),
        calendar=calendar,
        hourly_spread=[float(x) for x in rng.uniform(0.5, 5.0, 24)],
        volatility=[float(x) for x in sigma * rng.uniform(0.5, 2.0, n_bars)],
        levels=[(float(a), float(b)) for a, b in rng.choice([np.nan, 0.4, 1.1, 2.3, 6.0], (n_bars, 2))],
        market=random_market(rng),
        limits=limits or random_limits(rng),
        costs=random_costs(rng),
        initial_equity=float(rng.choice([20_000.0, 100_000.0])),
    )


def random_bars(rng: np.random.Generator, n_bars: int, symbol: str, sigma: float, weekends: bool) -> Bars:
    hours = START_NS + HOUR_NS * np.arange(rng.integers(200), 4 * n_bars + 200, dtype=np.int64)
    of_day, weekday = hours // HOUR_NS % 24, (hours // (24 * HOUR_NS) + 3) % 7
    is_open = (of_day != 22) & (rng.random(hours.size) > 0.03)
    stamps = hours[is_open if weekends else is_open & (weekday < 5)][:n_bars]
    gap = np.where(rng.random(n_bars) < 0.02, rng.uniform(-0.35, 0.3, n_bars), rng.normal(0.0, 0.3 * sigma, n_bars))
    step = sigma * rng.standard_t(3, n_bars)
    # Pulled back to its start, so that thousands of wild steps do not end at nothing.
    close, level, at = np.empty(n_bars), np.empty(n_bars), 0.0
    for i in range(n_bars):
        level[i] = 0.99 * at + gap[i]
        at = close[i] = level[i] + step[i]
    scale = float(rng.choice([1.3, 100.0, 2_000.0]))
    open_, close = scale * np.exp(level), scale * np.exp(close)
    wick = np.exp(np.abs(rng.normal(0.0, sigma, (2, n_bars))))
    volume = np.where(rng.random(n_bars) < 0.05, 0.0, rng.lognormal(8.0, 1.5, n_bars) / scale * 50.0)
    volume[rng.random(n_bars) < 0.05] = np.nan
    spread = open_ * rng.uniform(1e-5, 2e-3, n_bars)
    spread[rng.random(n_bars) < 0.2] = rng.choice([np.nan, 0.0])
    high, low = np.maximum(open_, close) * wick[0], np.minimum(open_, close) / wick[1]
    return Bars(symbol, Timeframe(60), stamps, open_, high, low, close, volume, spread)


def random_costs(rng: np.random.Generator) -> Costs:
    return Costs(
        half_spread_frac=float(rng.choice([0.0, 2e-4, 2e-3])),
        slippage_frac=float(rng.choice([0.0, 1e-4, 1e-3])),
        commission_frac=float(rng.choice([0.0, 1e-4])),
        commission_per_lot=float(rng.choice([0.0, 0.7])),
        financing_long_frac_per_night=float(rng.choice([0.0, 3e-4, -1e-4])),
        financing_short_frac_per_night=float(rng.choice([0.0, 3e-4, -1e-4])),
        spread_source=int(rng.integers(3)),
        latency_bars=int(rng.choice([0, 0, 1, 3])),
        participation_cap=float(rng.choice([0.0, 0.01, 0.2])),
        fill_frac=float(rng.choice([1.0, 1.0, 0.3, 0.7])),
        carry_partial=bool(rng.random() < 0.7),
    )


def random_market(rng: np.random.Generator) -> Market:
    lot_step = float(rng.choice([0.01, 0.1, 1.0]))
    return Market(
        contract_size=float(rng.choice([1.0, 5.0])),
        lot_step=lot_step,
        min_lot=lot_step * int(rng.choice([1, 3])),
        max_lot=lot_step * int(rng.choice([200, 10**9])),
        tick_size=float(rng.choice([0.0, 0.01, 0.25])),
        leverage=float(rng.choice([1.5, 1.5, 5.0, 30.0])),
        stop_out_frac=float(rng.choice([0.0, 0.5, 1.0, 1.0])),
    )


def random_limits(rng: np.random.Generator) -> RiskParams:
    return RiskParams(
        target_volatility=float(rng.choice([0.002, 0.02, 0.2])),
        max_exposure=float(rng.choice([0.5, 4.0, 30.0])),
        max_positions=int(rng.integers(1, 4)),
        daily_loss_frac=float(rng.choice([0.01, 0.05, 1.0, 1.0])),
        drawdown_frac=float(rng.choice([0.05, 0.2, 1.0, 1.0])),
        breaker_cooldown_days=int(rng.integers(1, 6)),
        min_hold_bars=int(rng.choice([0, 5])),
        cooldown_bars=int(rng.choice([0, 0, 2])),
        level_stop_margin_units=0.5,
        level_stop_max_units=float(rng.choice([0.0, 3.5])),
        trailing_units=float(rng.choice([0.0, 0.0, 1.5, 4.0])),
        kelly_volatility=float(rng.choice([np.inf, np.inf, np.inf, 0.01])),
        evidence_scale=float(rng.choice([1.0] * 8 + [0.25, 0.0])),
        size_share=float(rng.choice([1.0] * 8 + [0.5, 0.1])),
    )


def random_wishes(rng: np.random.Generator, n: int) -> list[tuple[int, int, int, int]]:
    """`n` actions in stretches of one to eight of the same, so that stops, targets and holds have their say."""
    lengths = rng.integers(1, 9, n)
    drawn = rng.integers(0, ACTION_NVEC, size=(n, 4))
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in np.repeat(drawn, lengths, axis=0)[:n]]


def tape_of(setup: BookSetup) -> MarketTape:
    """The same book as the fast simulators read it; the policy is shown nothing of the market."""
    return MarketTape(
        symbol=setup.bars.symbol,
        bars=setup.bars.records(setup.calendar, setup.hourly_spread),
        volatility=np.array(setup.volatility),
        levels=near_levels(np.array(setup.levels)),
        market_rows=np.zeros((len(setup.bars), 1), dtype=np.float32),
        market=setup.market,
        params=setup.limits,
        costs=setup.costs,
    )
