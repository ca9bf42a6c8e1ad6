"""The accounts that a run's result stands beside, over the same test bars."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from agv2.app.fold_training import observation_layout
from agv2.app.market_preparation import PreparedMarket
from agv2.app.run_plan import RunPlan
from agv2.backtest.baselines import BASELINES, run_baseline
from agv2.backtest.replay import EquityRow
from agv2.backtest.run_files import RunRows
from agv2.backtest.side_baselines import follow_sides, forecast_sides, momentum_sides, shuffled_sides, turn_costs
from agv2.backtest.stitching import account_rows, fold_rows
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import FloatArray
from agv2.core.orders import Fill
from agv2.models.config import EncoderConfig
from agv2.utils.seeding import spawn_generators

__all__ = ["baseline_accounts", "baseline_rows", "predicted_moves"]


def baseline_accounts(plan: RunPlan, traded: RunRows, moves: Mapping[str, FloatArray]) -> dict[str, RunRows]:
    """Every baseline by its name in `summary.json`.

    Args:
        plan: the run.
        traded: its stitched account, whose turnover the random baseline has.
        moves: of each symbol (n test bars,) what the quantile heads of the folds expect, see `predicted_moves`.
    """
    found = {name: baseline_rows(name, plan) for name in BASELINES}
    rng = spawn_generators(plan.request.seed, "random baseline")["random baseline"]
    tapes = [_test_tape(plan, number) for number in range(len(plan.markets))]
    sides: dict[str, list[FloatArray]] = {
        "time_series_momentum": [],
        "supervised_quantiles": [],
        "random_equal_turnover": [],
    }
    for number, (market, tape) in enumerate(zip(plan.markets, tapes, strict=True)):
        first, stop = plan.folds[number][0].test_lo, plan.folds[number][-1].test_hi
        trend = momentum_sides(market.bars.close[:stop], market.records["day"][:stop])
        cost = turn_costs(tape)
        sides["time_series_momentum"].append(trend[first:])
        sides["supervised_quantiles"].append(forecast_sides(moves[tape.symbol], 2.0 * cost))
        sides["random_equal_turnover"].append(_random_sides(traded, tape, cost, rng))
    for name, wishes in sides.items():
        done = follow_sides(tapes, wishes, [plan.initial_equity] * len(tapes))
        found[name] = fold_rows(0, done, {tape.symbol: np.zeros((tape.bars.size, 3)) for tape in tapes})
    return found


def baseline_rows(name: str, plan: RunPlan) -> RunRows:
    """A baseline that asks nobody, over all test folds of every market, each book starting with its share."""
    fills: list[tuple[str, Fill]] = []
    equity: list[EquityRow] = []
    for number in range(len(plan.markets)):
        done = run_baseline(name, _test_tape(plan, number), plan.initial_equity)
        fills += done.fills
        equity += done.equity
    return account_rows(fills, equity)


def predicted_moves(tapes: Sequence[MarketTape], encoder: EncoderConfig) -> dict[str, FloatArray]:
    """Of each symbol (n_bars,) the median log return that the quantile head expects over its longest horizon.

    Args:
        tapes: markets with the fold's head predictions.
        encoder: horizons and quantile levels.

    Known at: the close of each bar.
    """
    first, _ = observation_layout(encoder).slices()["quantiles"]
    levels = encoder.quantile_levels
    column = first + (len(encoder.horizons) - 1) * len(levels) + levels.index(0.5)
    reach = math.sqrt(encoder.horizons[-1])
    return {tape.symbol: tape.market_rows[:, column] * tape.volatility * reach for tape in tapes}


def _test_tape(plan: RunPlan, number: int) -> MarketTape:
    """A market from its first test bar to its last, with nothing for a policy to read."""
    market: PreparedMarket = plan.markets[number]
    folds = plan.folds[number]
    stop = folds[-1].test_hi
    return market.tape(stop, np.empty((stop, 0), dtype=np.float32)).slice(folds[0].test_lo, stop)


def _random_sides(traded: RunRows, tape: MarketTape, cost: FloatArray, rng: np.random.Generator) -> FloatArray:
    """What was held after each bar, shuffled, at the size that was chosen; the last bar decides nothing."""
    own = traded.decisions.filter(pl.col("symbol") == tape.symbol)
    size = np.zeros(tape.bars.size)
    size[np.searchsorted(tape.bars["ts_ns"], own["ts"].dt.epoch("ns").to_numpy())] = own["size"].to_numpy()
    units = traded.equity.filter(pl.col("symbol") == tape.symbol).sort("ts")["units"].to_numpy()
    close = tape.bars["close"]
    held, gains, costs = np.zeros(units.size), np.zeros(units.size), np.zeros(units.size)
    held[:-1] = np.sign(units[1:]) * np.where(size[:-1] > 0.0, size[:-1], 1.0)
    gains[:-1] = (close[1:] / close[:-1] - 1.0) / tape.volatility[:-1]
    costs[:-1] = cost[1:] / tape.volatility[:-1]
    return shuffled_sides(held, gains, costs, rng)
