"""What can be earned on a planted edge by someone who knows its rule and sees only past bars.

Levels are the exception: chance says which extremes become one, and the oracle is told.
"""

import math

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import DataError
from agv2.core.jit import kernel
from agv2.data.synthetic_markets.edges import REVERSION_HOURS
from agv2.data.synthetic_markets.hidden_state import LATENT_WEIGHTS, REGIME_HOURS, VOLATILE_HOURS
from agv2.data.synthetic_markets.instruments import instrument_shape
from agv2.data.synthetic_markets.levels import ZONE_DAYS
from agv2.data.synthetic_markets.market import InstrumentMarket

__all__ = ["INNER_ZONE", "SIDE_COST_FRAC", "TAIL_DEGREES", "expected_volatility", "oracle_positions", "oracle_sharpe"]

SIDE_COST_FRAC = 2.5e-4
"""Cost of one unit bought or sold, of its price."""

_VOLATILITY_HOURS = 24.0
TAIL_DEGREES = 6.0
_ENTRY_COSTS = 2.0  # expected gain over the cost of a round trip at which a position opens or turns
_ENTRY_BELIEF = 0.25  # probability of rising less that of falling from which a trend is followed
INNER_ZONE = 0.6
_YEAR_NS = 365.25 * 86_400e9


def oracle_sharpe(market: InstrumentMarket, side_cost_frac: float = SIDE_COST_FRAC) -> float:
    """Annual Sharpe ratio of `oracle_positions` after costs, from the returns of bars; 0 where nothing is planted.

    The oracle is good, not best: it bounds from below what the edge is worth.

    Args:
        market: the market, whose amplitude and rule are known; its truth is not looked at.
        side_cost_frac: cost of one unit bought or sold, of its price.

    Raises:
        DataError: fewer than two bars.
    """
    if len(market.bars) < 2:
        raise DataError(f"{market.bars.symbol}: a Sharpe ratio needs at least two bars, found {len(market.bars)}")
    side = oracle_positions(market, side_cost_frac)
    close = market.bars.close
    net = side[1:] * (close[1:] / close[:-1] - 1.0) - side_cost_frac * np.abs(np.diff(side))
    spread = float(net.std())
    if spread == 0.0:
        return 0.0
    bars_per_year = net.size * _YEAR_NS / float(market.bars.ts_ns[-1] - market.bars.ts_ns[0])
    return float(net.mean()) / spread * math.sqrt(bars_per_year)


def oracle_positions(market: InstrumentMarket, side_cost_frac: float = SIDE_COST_FRAC) -> FloatArray:
    """(n_bars,) position in units held through each bar: −1, 0 or 1.

    momentum: forward filter of the hidden Markov chain. reversion: Kalman filter of the deviation from the anchor.
    session: the hours. levels: the levels that have arisen, inside their inner zone, until price leaves the zone.
    Volatility is an exponential mean of past squared returns over the market's known day. A position opens or
    turns when the gain still expected exceeds twice the cost of a round trip (a trend must also be likelier than its
    opposite by a quarter), and closes when it turns against it.

    Known at: the close of bar t − 1.

    Source: Hamilton (1989), Econometrica 57(2), 357-384; Kalman (1960), Journal of Basic Engineering 82(1), 35-45.
    """
    edge = market.request.edge
    bars, slots = market.bars, market.slots
    hurdle = 2.0 * _ENTRY_COSTS * side_cost_frac
    if edge == "none" or market.amplitude == 0.0:
        return np.zeros(len(bars))
    returns = np.log(bars.close / bars.open)
    shape = instrument_shape(bars.symbol)
    start = shape.annual_volatility**2 / shape.open_hours_per_year
    sigma = expected_volatility(returns, slots.variance_hours, slots.open_hours, start)
    if edge == "momentum":
        belief = _chain_belief(returns, sigma, slots.open_hours, market.amplitude, np.asarray(LATENT_WEIGHTS))
        worth = market.amplitude * REGIME_HOURS * sigma / np.sqrt(slots.variance_hours)  # of a trend that is certain
        return _hysteresis(belief, np.maximum(_ENTRY_BELIEF, hurdle / worth))
    if edge == "reversion":
        decay = np.exp(-slots.open_hours / REVERSION_HOURS)
        gain = _deviation_gain(returns, sigma, decay, market.amplitude)
        return _hysteresis(gain, np.full(gain.size, hurdle))
    if edge == "session":
        up = np.isin(slots.local_hour, shape.up_hours)
        down = np.isin(slots.local_hour, shape.down_hours)
        block = market.amplitude * len(shape.up_hours) * sigma / np.sqrt(slots.variance_hours)
        return np.where(block > 2.0 * side_cost_frac, up.astype(np.float64) - down, 0.0)
    levels, zone = market.levels, ZONE_DAYS * market.day_sigma
    return _level_positions(
        np.log(bars.close), np.log(levels.price), levels.first_bar, levels.end_bar, levels.is_support, zone
    )


@kernel
def expected_volatility(
    returns: FloatArray, variance_hours: FloatArray, open_hours: FloatArray, start: float
) -> FloatArray:
    """Volatility expected of each bar from the bars before."""
    sigma = np.empty(returns.size)
    now = start
    for t in range(returns.size):
        sigma[t] = math.sqrt(now * variance_hours[t])
        keep = math.exp(-open_hours[t] / _VOLATILITY_HOURS)
        # A burst must not blind the filter for a day.
        fresh = min(returns[t] ** 2 / variance_hours[t], 25.0 * now)
        now = max(keep * now + (1.0 - keep) * fresh, 0.01 * start)
    return sigma


@kernel
def _chain_belief(
    returns: FloatArray, sigma: FloatArray, open_hours: FloatArray, amplitude: float, weights: FloatArray
) -> FloatArray:
    """Probability of a rising state less that of a falling one, before each bar."""
    n_states = weights.size
    belief = weights / weights.sum()
    moved = np.empty(n_states)
    gain = np.empty(returns.size)
    for t in range(returns.size):
        for k in range(n_states):
            moved[k] = 0.0
        for j in range(n_states):
            length = VOLATILE_HOURS if j == n_states - 1 else REGIME_HOURS
            stays = math.exp(-open_hours[t] / length)
            moved[j] += belief[j] * stays
            for k in range(n_states):
                if k != j:
                    moved[k] += belief[j] * (1.0 - stays) * weights[k] / (weights.sum() - weights[j])
        gain[t] = moved[0] - moved[1]
        total = 0.0
        for k in range(n_states):
            side = 1.0 if k == 0 else (-1.0 if k == 1 else 0.0)
            surprise = returns[t] / sigma[t] - amplitude * math.sqrt(open_hours[t]) * side
            moved[k] *= (1.0 + surprise * surprise / (TAIL_DEGREES - 2.0)) ** (-0.5 * (TAIL_DEGREES + 1.0))
            total += moved[k]
        for k in range(n_states):
            belief[k] = moved[k] / total
    return gain


@kernel
def _deviation_gain(returns: FloatArray, sigma: FloatArray, decay: FloatArray, amplitude: float) -> FloatArray:
    """Log return still to come from the deviation's decay, before each bar."""
    gain = np.empty(returns.size)
    deviation, doubt = 0.0, 0.0
    share = amplitude * amplitude
    for t in range(returns.size):
        gain[t] = -deviation
        pull = 1.0 - decay[t]
        noise = sigma[t] ** 2
        surprise = returns[t] + pull * deviation
        spread = pull * pull * doubt + noise
        shared = share * noise - decay[t] * pull * doubt
        deviation = decay[t] * deviation + shared / spread * surprise
        doubt = decay[t] ** 2 * doubt + share * noise - shared * shared / spread
    return gain


@kernel
def _hysteresis(gain: FloatArray, hurdle: FloatArray) -> FloatArray:
    """Positions that open or turn beyond the hurdle and close when the gain changes sign."""
    side = np.empty(gain.size)
    now = 0.0
    for t in range(gain.size):
        if gain[t] > hurdle[t]:
            now = 1.0
        elif gain[t] < -hurdle[t]:
            now = -1.0
        elif gain[t] * now < 0.0:
            now = 0.0
        side[t] = now
    return side


@kernel
def _level_positions(
    log_close: FloatArray,
    price: FloatArray,
    first_bar: IntArray,
    end_bar: IntArray,
    is_support: IntArray,
    zone: float,
) -> FloatArray:
    """Positions away from the nearest level that stands, from within its inner zone until price leaves the zone.

    First and end bar of a level follow from the closes before them.
    """
    side = np.zeros(log_close.size)
    oldest, known, held = 0, 0, -1
    for t in range(1, log_close.size):
        before = log_close[t - 1]
        while known < price.size and first_bar[known] <= t:
            known += 1
        while oldest < known and end_bar[oldest] <= t:
            oldest += 1
        if held >= 0 and (end_bar[held] <= t or abs(before - price[held]) > zone):
            held = -1
        if held < 0:
            nearest = INNER_ZONE * zone
            for k in range(oldest, known):
                if end_bar[k] > t and abs(before - price[k]) < nearest:
                    nearest, held = abs(before - price[k]), k
        if held >= 0:
            side[t] = 1.0 if is_support[held] == 1 else -1.0
    return side
