"""A synthetic market of one of the six instruments, with the truth behind it."""

import datetime
import math
import zlib
from dataclasses import dataclass

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.data.config import MarketConfig
from agv2.data.synthetic_markets import edges
from agv2.data.synthetic_markets.bar_shapes import bar_shapes, on_grid
from agv2.data.synthetic_markets.bar_slots import BarSlots, bar_slots
from agv2.data.synthetic_markets.hidden_state import draw_shocks, hidden_volatility, latent_states, with_bursts
from agv2.data.synthetic_markets.instruments import InstrumentShape, instrument_shape
from agv2.data.synthetic_markets.levels import Levels, walk_with_levels
from agv2.data.synthetic_markets.strengths import EDGES, amplitude_of

__all__ = ["REGIMES", "START_NS", "InstrumentMarket", "MarketRequest", "instrument_market"]

START_NS = int(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC).timestamp()) * 1_000_000_000
"""Where a market begins unless told otherwise, nanoseconds UTC."""

REGIMES = ("trend", "consolidation", "volatile")

_DISPLACEMENT = 0.8  # of a calm spell, in its own standard deviations, from which it counts as a trend
_GAP_TAIL_DEGREES = 4.0
_LEAST_TICKS = 20.0
_LONGEST_MINUTES = {"session": 60, "levels": 240}
_VOLATILE_STATE = 3


@dataclass(frozen=True, slots=True)
class MarketRequest:
    """Which market to make. The same request gives the same bits.

    `n_bars` and `stop_ns`: one of the two is None.
    """

    symbol: str
    edge: str = "none"
    strength: float = 0.0
    """Net annual Sharpe ratio aimed at for whoever knows the rule but not the hidden state; see `strengths`."""
    amplitude: float | None = None
    """Of the edge's rule, in its own units, in place of a strength; None: what the strength asks for."""
    timeframe: str = "1h"
    start_ns: int = START_NS
    n_bars: int | None = None
    stop_ns: int | None = None
    seed: int = 7


@dataclass(frozen=True, slots=True)
class InstrumentMarket:
    """Bars with what nobody could see while they formed."""

    bars: Bars
    request: MarketRequest
    amplitude: float
    """Of the planted edge, in the units of its rule; 0 for none."""
    regime: IntArray
    """(n_bars,) index into `REGIMES`."""
    direction: IntArray
    """(n_bars,) sign of the hidden drift state where momentum is planted, else of a trend spell's displacement; 0
    outside trends."""
    drift: FloatArray
    """(n_bars,) planted mean of each bar's log return; 0 everywhere without an edge."""
    sigma: FloatArray
    """(n_bars,) standard deviation of each bar's log return given the hidden volatility."""
    levels: Levels
    slots: BarSlots
    day_sigma: float
    """Standard deviation of a mean trading day's log return."""


def instrument_market(request: MarketRequest, config: MarketConfig) -> InstrumentMarket:
    """Make the market that `request` describes.

    Without an edge prices are a martingale: no rule on past bars earns anything before costs, brackets within the
    bar included. With one, the same shocks carry the planted drift on top, so markets of one seed differ by their
    edge alone. A longer market begins with the shorter one, bit for bit; other timeframes, symbols and seeds are
    independent.

    Args:
        request: what to make.
        config: the symbol's entry of `markets.yaml`: its sessions and price grid.

    Raises:
        DataError: the request cannot be met; says why and what could.

    Source: log-normal volatility of several horizons after Corsi (2009), Journal of Financial Econometrics 7(2),
        174-196; Student-t shocks as normal ones of random size.
    """
    shape = instrument_shape(request.symbol)
    timeframe = Timeframe.parse(request.timeframe)
    _require_possible(request, timeframe)
    slots = bar_slots(_calendar(config), shape, timeframe, request.start_ns, request.stop_ns, request.n_bars)
    n_bars = slots.ts_ns.size
    key = [request.seed, zlib.crc32(request.symbol.encode()), timeframe.minutes]
    rng = [np.random.default_rng(each) for each in np.random.SeedSequence(key).spawn(12)]
    shocks = draw_shocks(shape.tail_degrees, n_bars, rng[0], rng[1])
    states, spells = latent_states(slots, rng[2])
    sigma = hidden_volatility(shape, slots, states, shocks, rng[3])
    sizes = with_bursts(shocks.size, slots, rng[11])
    bar_sigma = sigma * sizes
    gaps = _gaps(shape, slots, sigma, rng[4], rng[5])
    # Half the variance off the log return keeps the price itself, not its logarithm, a martingale.
    returns = bar_sigma * shocks.normal - 0.5 * bar_sigma**2
    amplitude = request.amplitude
    if amplitude is None:
        amplitude = amplitude_of(request.symbol, request.edge, request.strength)
    drift = np.zeros(n_bars)
    unseen = rng[6].standard_normal(n_bars)
    if request.edge == "momentum":
        drift = edges.momentum_drift(states, sigma, slots, amplitude)
    elif request.edge == "session":
        drift = edges.session_drift(shape.up_hours, shape.down_hours, sigma, slots, amplitude)
    elif request.edge == "reversion":
        drift = edges.reversion_drift(shocks.normal, unseen, bar_sigma, slots, amplitude)
    day_sigma = shape.annual_volatility / math.sqrt(365.0 if config.calendar == "24/7" else 256.0)
    at_levels = amplitude if request.edge == "levels" else 0.0
    walked = walk_with_levels(
        math.log(shape.start_price), gaps, returns + drift, sigma, slots, day_sigma, at_levels, rng[7]
    )
    log_close, drift = walked.log_close, drift + walked.drift
    before = np.concatenate([[math.log(shape.start_price)], log_close[:-1]]) + gaps
    shapes = bar_shapes(before, log_close, bar_sigma, timeframe.minutes, rng[8], rng[9])
    open_, high, low, close = on_grid(shapes, log_close, config.tick_size)
    if config.tick_size > 0.0 and low.min() < _LEAST_TICKS * config.tick_size:
        raise DataError(
            f"{request.symbol}: the price fell to {low.min():g}, too near its grid of {config.tick_size:g}; "
            "ask for fewer years or another seed"
        )
    activity = sigma / np.sqrt(slots.open_hours) / (shape.annual_volatility / math.sqrt(shape.open_hours_per_year))
    volume, spread = _quotes(shape, slots, activity, sizes, close, config.tick_size, rng[10])
    bars = Bars(request.symbol, timeframe, slots.ts_ns, open_, high, low, close, volume, spread)
    regime, direction = _regimes(request.edge, states, spells, gaps + returns + drift, bar_sigma)
    return InstrumentMarket(bars, request, amplitude, regime, direction, drift, sigma, walked.levels, slots, day_sigma)


def _require_possible(request: MarketRequest, timeframe: Timeframe) -> None:
    if request.edge not in EDGES:
        raise DataError(f"there is no edge {request.edge!r}; choose one of {', '.join(EDGES)}")
    longest = _LONGEST_MINUTES.get(request.edge)
    if longest is not None and (timeframe.minutes > longest or longest % timeframe.minutes):
        raise DataError(
            f"a {request.edge} edge cannot be seen on bars of {timeframe.name}; choose a timeframe that divides "
            f"{Timeframe(longest).name}"
        )
    if (request.n_bars is None) == (request.stop_ns is None):
        raise DataError("say how many bars to make, or until when: one of --bars and --to")
    if request.n_bars is not None and request.n_bars < 1:
        raise DataError(f"a synthetic market needs at least one bar, found {request.n_bars}")
    if request.stop_ns is not None and request.stop_ns <= request.start_ns:
        raise DataError("--to must lie after --from")


def _calendar(config: MarketConfig) -> str:
    """Metals have their daily break even where the settings name plain FX weeks."""
    return "metals" if config.asset_class == "metal" else config.calendar


def _gaps(
    shape: InstrumentShape,
    slots: BarSlots,
    sigma: FloatArray,
    normal_rng: np.random.Generator,
    size_rng: np.random.Generator,
) -> FloatArray:
    """(n_bars,) opening moves after closures, log; they grow with the closure and with the volatility of the day."""
    n_bars = sigma.size
    hourly = sigma / np.sqrt(slots.variance_hours)
    draws = draw_shocks(_GAP_TAIL_DEGREES, n_bars, normal_rng, size_rng)
    scale = np.where(
        slots.closed_hours > 0.0,
        shape.gap_hours * hourly * np.maximum(slots.closed_hours, 1e-9) ** shape.gap_growth * draws.size,
        0.0,
    )
    gaps: FloatArray = scale * draws.normal - 0.5 * scale**2
    return gaps


def _quotes(
    shape: InstrumentShape,
    slots: BarSlots,
    activity: FloatArray,
    size: FloatArray,
    close: FloatArray,
    tick_size: float,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Number of quotes, which goes with volatility, and spread, which goes with the hour and a little with it."""
    noise = rng.standard_normal((close.size, 2))
    quotes = shape.volume_per_hour * slots.open_hours * (activity * np.sqrt(size)) ** 0.8
    volume = np.maximum(np.round(quotes * np.exp(0.25 * noise[:, 0])), 1.0)
    by_hour = np.asarray(shape.spread_hours)[slots.local_hour]
    spread = shape.spread_frac * close * by_hour * activity**0.15 * np.exp(0.08 * noise[:, 1])
    if tick_size > 0.0:
        spread = np.round(np.maximum(np.round(spread / tick_size), 1.0) * tick_size, 12)
    return volume, spread


def _regimes(
    edge: str, states: IntArray, spells: IntArray, moves: FloatArray, bar_sigma: FloatArray
) -> tuple[IntArray, IntArray]:
    """Regime and direction of each bar.

    Volatile spells are volatile. Where momentum is planted the drift makes a trend of the others; elsewhere a
    trend is a calm spell that ended far from where it began, for its volatility: nobody could know it beforehand.
    """
    if edge == "momentum":
        direction = np.where(states == 0, 1, np.where(states == 1, -1, 0))
    else:
        net = np.add.reduceat(moves, spells)
        root = np.sqrt(np.add.reduceat(bar_sigma**2, spells))
        side = np.where(np.abs(net) >= _DISPLACEMENT * root, np.sign(net), 0.0).astype(np.int64)
        direction = np.repeat(side, np.diff(np.append(spells, states.size)))
        direction[states == _VOLATILE_STATE] = 0
    regime = np.where(states == _VOLATILE_STATE, 2, np.where(direction != 0, 0, 1))
    return regime, direction
