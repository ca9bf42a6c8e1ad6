"""The kinds of market that the verdict is tried on, and one trial of simple rules on one of them."""

import dataclasses
import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from agv2.app.settings import Settings
from agv2.backtest.baselines import run_baseline
from agv2.backtest.bootstrap import bootstrap_intervals
from agv2.backtest.evaluation import MeasuredAccount, evaluate
from agv2.backtest.metrics import sharpe_ratio
from agv2.backtest.rule_search import searched_sides
from agv2.backtest.side_baselines import follow_sides
from agv2.backtest.stitching import account_rows
from agv2.backtest.tape import MarketTape
from agv2.backtest.verdict import level_of, weigh_evidence
from agv2.core.arrays import record_dtype
from agv2.core.bars import Bars
from agv2.core.timeframes import SessionCalendar
from agv2.data.synthetic_markets.market import MarketRequest, instrument_market
from agv2.data.synthetic_markets.strengths import STRONG, WEAK
from agv2.features.bar_volatility import LOOKBACK, bar_volatility
from agv2.risk.level_stop import NearLevels
from agv2.utils.seeding import spawn_generators, spawn_seed

__all__ = ["CELLS", "NO_COSTS", "SYMBOLS", "WHOLE_CELLS", "TruthCell", "TruthTrial", "truth_bars", "truth_trial"]

SYMBOLS = ("XAUUSD", "ETHUSD", "NAS100", "XAGUSD", "US30", "US2000")
_STEEP_SHARPE = 8.0
"""So that no account that holds the market fails against a flat one."""
_INITIAL_EQUITY = 100_000.0
_RESAMPLES = 500


class TruthCell(NamedTuple):
    """A kind of market."""

    name: str
    meaning: str
    edge: str
    strength: float
    drift_sharpe: float
    """It rises at this annual Sharpe ratio for whoever holds it."""
    costs: bool
    """Whether trading costs what `costs.yaml` says; else nothing."""
    beside_hold: bool = False
    """Whether what is judged is volatility-targeted buy and hold with the rule's account beside it, the rule trading
    the market as it was before it rose: of the accounts without skill the one that the verdict tells least well from
    skill, since one of its two questions is always answered well (an intersection-union test has its size there;
    Berger 1982, Technometrics 24, 295)."""
    whole: bool = False
    """Whether all of `agv2 run` trades it, encoder and policy included, instead of the best of some simple rules."""

    @property
    def has_edge(self) -> bool:
        """Whether there is anything to be found."""
        return self.edge != "none"


CELLS: tuple[TruthCell, ...] = (
    TruthCell("noise", "noise, trading is free", "none", 0.0, 0.0, False),
    TruthCell("drift", "noise that rises, trading is free", "none", 0.0, 1.0, False),
    TruthCell("noise, costs", "noise, trading costs", "none", 0.0, 0.0, True),
    TruthCell("held", "a steep rise held, with a rule without skill beside", "none", 0.0, _STEEP_SHARPE, False, True),
    *(
        TruthCell(
            f"{edge}, {how}{', costs' if costs else ''}",
            f"{edge}, {how}, trading {'costs' if costs else 'is free'}",
            edge,
            strength,
            0.0,
            costs,
        )
        for edge in ("momentum", "reversion", "session")
        for how, strength in (("weak", WEAK), ("strong", STRONG))
        for costs in (False, True)
    ),
)
WHOLE_CELLS: tuple[TruthCell, ...] = tuple(
    cell._replace(name=f"{cell.name}, whole", meaning=f"{cell.meaning}, all of agv2 run", whole=True)
    for cell in CELLS[:3]
)
"""Minutes a market instead of a second."""
NO_COSTS: Mapping[str, float | str] = {
    "half_spread_frac": 0.0, "slippage_frac": 0.0, "commission_frac": 0.0, "commission_per_lot": 0.0,
    "financing_long_frac_per_night": 0.0, "financing_short_frac_per_night": 0.0, "spread_source": "constant",
}  # fmt: skip
"""In `costs.yaml`."""


class TruthTrial(NamedTuple):
    """What the verdict said of one market."""

    cell: str
    symbol: str
    seed: int
    level: str
    sharpe: float | None
    dsr_flat: float | None
    dsr_hold: float | None
    n_days: int
    n_trades: int


def truth_trial(cell: TruthCell, symbol: str, seed: int, n_bars: int, settings: Settings) -> TruthTrial:
    """Make a market, choose a rule on its first half, trade the second by the shared decision path, and judge.

    Args:
        cell: kind of market.
        symbol: of the synthetic instruments.
        seed: of the market and of the bootstrap.
        n_bars: of 1h.
        settings: markets, costs and limits.
    """
    tape, calendar = _tape(truth_bars(cell, symbol, seed, n_bars, settings), settings, cell.costs)
    traded = tape
    if cell.beside_hold:
        level = truth_bars(cell._replace(drift_sharpe=0.0), symbol, seed, n_bars, settings)
        traded = _tape(level, settings, cell.costs)[0]
    split = n_bars // 2
    sides = searched_sides(traded, split)
    done = follow_sides([traded.slice(split, n_bars)], [sides[split:]], [_INITIAL_EQUITY])
    held = run_baseline("volatility_targeted_buy_and_hold", tape.slice(split, n_bars), _INITIAL_EQUITY)
    oos, hold = (evaluate(account_rows(each.fills, each.equity), {symbol: calendar}).oos for each in (done, held))
    if cell.beside_hold:
        oos = dataclasses.replace(oos, returns=oos.returns + hold.returns)
    return _judged(cell, symbol, seed, oos, hold)


def truth_bars(cell: TruthCell, symbol: str, seed: int, n_bars: int, settings: Settings) -> Bars:
    """The market of a trial."""
    drawn = spawn_seed(seed, f"{cell.name} {symbol}")
    entry = settings.markets.entry(symbol)[0]
    request = MarketRequest(symbol, cell.edge, strength=cell.strength, n_bars=n_bars, seed=drawn)
    bars = instrument_market(request, entry).bars
    if cell.drift_sharpe:
        return _rising(bars, entry.session_calendar(bars.ts_ns), cell.drift_sharpe)
    return bars


def _judged(cell: TruthCell, symbol: str, seed: int, oos: MeasuredAccount, hold: MeasuredAccount) -> TruthTrial:
    rng = spawn_generators(seed, "truth")["truth"]
    low = bootstrap_intervals(oos.returns, oos.trading_days_per_year, rng, _RESAMPLES).sharpe.low
    evidence = weigh_evidence(oos.returns, hold.returns, oos.report.trades, 1, ((), ()), low)
    values = (sharpe_ratio(oos.returns, oos.trading_days_per_year), evidence.dsr_flat, evidence.dsr_hold)
    sharpe, flat, over_hold = (float(value) if math.isfinite(value) else None for value in values)
    return TruthTrial(
        cell.name, symbol, seed, level_of(evidence), sharpe, flat, over_hold, oos.returns.size, oos.report.trades
    )


def _rising(bars: Bars, calendar: SessionCalendar, sharpe: float) -> Bars:
    """The same bars with a constant drift, worth that annual Sharpe ratio to whoever holds them."""
    per_year = bars.close.size / np.unique(calendar.trading_days(bars.ts_ns)).size * calendar.trading_days_per_year
    step = sharpe * float(np.diff(np.log(bars.close)).std()) / math.sqrt(per_year)
    factor = np.exp(step * np.arange(bars.close.size))
    raised = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
    return dataclasses.replace(bars, **raised)


def _tape(bars: Bars, settings: Settings, costs: bool) -> tuple[MarketTape, SessionCalendar]:
    instrument, _ = settings.markets.instrument(bars.symbol, bars.ts_ns)
    entry, _ = settings.costs.entry(bars.symbol)
    calendar = instrument.calendar
    per_day = np.unique(calendar.trading_days(bars.ts_ns), return_counts=True)[1]
    charged = entry if costs else entry.model_copy(update=dict(NO_COSTS))
    volatility = bar_volatility(bars.close)
    volatility[: LOOKBACK - 1] = volatility[LOOKBACK - 1]  # before anything is traded; of the training half
    tape = MarketTape(
        symbol=bars.symbol,
        bars=bars.records(calendar, entry.hourly_spread),
        volatility=volatility,
        levels=np.full(len(bars), np.array((math.nan, math.nan), dtype=record_dtype(NearLevels))),
        market_rows=np.empty((len(bars), 0), dtype=np.float32),
        market=instrument.market,
        params=settings.risk.active.params(float(np.median(per_day)) * calendar.trading_days_per_year),
        costs=charged.costs(),
    )
    return tape, calendar
