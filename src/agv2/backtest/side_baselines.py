"""Simple ways of choosing a side, traded by the shared decision path: sizes, limits, stops and costs of a policy."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from agv2.backtest.records import read_bar
from agv2.backtest.replay import ReplayResult, replay
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import Float32Array, FloatArray, IntArray, RecordArray
from agv2.core.instruments import Market
from agv2.core.jit import kernel
from agv2.decision.actions import ACTION_NVEC, SIZE_FRACS
from agv2.decision.decider import PolicyOutput
from agv2.sim.costs import Costs, commission, half_spread_frac

__all__ = ["follow_sides", "forecast_sides", "momentum_sides", "shuffled_sides", "turn_costs"]

MOMENTUM_DAYS = 21
"""A month of trading days."""
_DRAWS = 99


class _FollowSides:
    """Wishes for the side and the size in the first column of the market row, with the widest stop and target."""

    def act(self, observations: Float32Array) -> PolicyOutput:
        side = observations[:, 0]
        n = side.size
        position = np.where(side > 0.0, 1, np.where(side < 0.0, 2, 0))
        size = np.abs(np.abs(side)[:, np.newaxis] - np.array(SIZE_FRACS)).argmin(axis=1)
        widest = [np.full(n, count - 1) for count in ACTION_NVEC[2:]]
        return PolicyOutput(np.stack([position, size, *widest], axis=1), np.zeros(n), np.zeros(n))


def follow_sides(
    tapes: Sequence[MarketTape], sides: Sequence[FloatArray], initial_equities: Sequence[float]
) -> ReplayResult:
    """Trade given sides as a policy would be: sized, limited, stopped and charged by the same functions.

    Args:
        tapes: the markets, whatever their market rows.
        sides: of each (n_bars,) wish at each bar's close: its sign is the side, its size the nearest of `SIZE_FRACS`.
        initial_equities: money in each book at its first bar.

    Known at: each order is decided at the close of the bar before its fill.
    """
    followed = [
        dataclasses.replace(tape, market_rows=wish.astype(np.float32)[:, np.newaxis])
        for tape, wish in zip(tapes, sides, strict=True)
    ]
    return replay(followed, _FollowSides(), initial_equities)


def momentum_sides(close: FloatArray, day: IntArray, n_days: int = MOMENTUM_DAYS) -> FloatArray:
    """Side of the return over the last `n_days` whole trading days, looked at once a day.

    Args:
        close: (n_bars,) prices.
        day: (n_bars,) trading day of each bar, never falling.
        n_days: how far back.

    Returns:
        (n_bars,) −1, 0 or 1; 0 until so many days are known.

    Known at: the close of each bar.

    Source: Moskowitz, Ooi and Pedersen (2012), Journal of Financial Economics 104(2), 228-250, with a month.
    """
    starts = np.flatnonzero(np.diff(day, prepend=day[:1] - 1))
    closing = close[np.append(starts[1:], close.size) - 1]
    side = np.zeros(starts.size)
    # On day k the days before it are whole: the last is k - 1.
    side[n_days + 1 :] = np.sign(closing[n_days:-1] - closing[: -n_days - 1])
    found: FloatArray = np.repeat(side, np.diff(np.append(starts, close.size)))
    return found


def forecast_sides(expected_move: FloatArray, hurdle: FloatArray) -> FloatArray:
    """Side of a forecast that promises more than it costs; held until the forecast changes its sign.

    Args:
        expected_move: (n_bars,) log return that is expected; NaN promises nothing.
        hurdle: (n_bars,) cost of buying and selling again, as a fraction of the price.

    Returns:
        (n_bars,) −1, 0 or 1.

    Known at: the close of each bar.
    """
    move = np.nan_to_num(expected_move)
    side = np.zeros(move.size)
    _hold(move, hurdle, side)
    return side


def shuffled_sides(
    sides: FloatArray, gains: FloatArray, costs: FloatArray, rng: np.random.Generator, n_draws: int = _DRAWS
) -> FloatArray:
    """The same holding times at other moments and on random sides: turnover without knowledge.

    Each draw moves the positions along the bars by a random number, round the end, and turns each stretch from flat to
    flat over or not, reversals within it and all: so it trades as often and as much. The median draw by what it would
    have earned is the baseline: one draw would be luck.

    Args:
        sides: (n_bars,) what was held, −1 to 1.
        gains: (n_bars,) return of the bar after each, in volatilities.
        costs: (n_bars,) cost of one unit bought or sold there, in volatilities.
        rng: chance.
        n_draws: odd.

    Returns:
        (n_bars,) −1 to 1.
    """
    draws: list[FloatArray] = []
    earned: list[float] = []
    for _ in range(n_draws):
        moved = np.roll(sides, int(rng.integers(sides.size)))
        starts = np.flatnonzero(np.diff(moved != 0.0, prepend=False))
        stretch = np.searchsorted(starts, np.arange(moved.size), side="right")
        drawn = moved * rng.choice((-1.0, 1.0), size=starts.size + 1)[stretch]
        draws.append(drawn)
        earned.append(float(np.sum(drawn * gains) - np.sum(np.abs(np.diff(drawn, prepend=0.0)) * costs)))
    return draws[int(np.argsort(earned, kind="stable")[n_draws // 2])]


def turn_costs(tape: MarketTape) -> FloatArray:
    """(n_bars,) what one unit costs to buy or sell at each bar, as a fraction of its price."""
    found = np.empty(tape.bars.size)
    _turn_costs(tape.bars, tape.costs, tape.market, found)
    return found


@kernel
def _turn_costs(bars: RecordArray, costs: Costs, market: Market, found: FloatArray) -> None:
    for t in range(bars.size):
        bar = read_bar(bars, t)
        found[t] = half_spread_frac(bar, costs) + costs.slippage_frac
        found[t] += commission(bar.close, 1.0, costs, market) / bar.close


@kernel
def _hold(move: FloatArray, hurdle: FloatArray, side: FloatArray) -> None:
    now = 0.0
    for t in range(move.size):
        if abs(move[t]) > hurdle[t]:
            now = 1.0 if move[t] > 0.0 else -1.0
        elif move[t] * now < 0.0:
            now = 0.0
        side[t] = now
