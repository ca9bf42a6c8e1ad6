"""Where a run's policy meets a crisis: bars that lived through it, or the run's own with its shape written in."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from agv2.app.market_preparation import PreparedMarket, prepare_markets
from agv2.app.robustness.subject import Subject
from agv2.app.run_plan import RunPlan
from agv2.backtest.stress_paths import MarketPace, crisis_bars, crisis_length
from agv2.backtest.stress_shapes import Crisis
from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.features.pipeline import FeatureMatrix, compute_features
from agv2.sim.costs import SpreadSource
from agv2.utils.seeding import spawn_generators

__all__ = ["CrisisMarket", "StressScene", "history_markets", "replayed_scene", "shock_scenes"]

_STARTS = 5
_MOST_BARS = 60_000  # of all paths of a crisis: of one-minute bars there are fewer paths
_LEAD_BARS = 100, 1500  # least and most before the crisis: time to take the position that it meets
_DAY_NS = 86_400_000_000_000


class CrisisMarket(NamedTuple):
    """One market, and where in it the crisis begins."""

    market: PreparedMarket
    first: int
    """Bar from which it is traded."""
    begins: int
    """First bar of the crisis."""


@dataclass(frozen=True, slots=True)
class StressScene:
    """One way through a crisis.

    Attributes:
        markets: end with the crisis.
        fold: number of the fold whose models trade it.
        is_unseen: whether nothing of it was there in training.
        direction: `down` as it was, or `up`, mirrored.
        begins_ns: open of the first bar of the crisis.
    """

    markets: tuple[CrisisMarket, ...]
    fold: int
    is_unseen: bool
    direction: str
    begins_ns: int


def history_markets(plan: RunPlan, files: Sequence[Path]) -> list[PreparedMarket]:
    """Further bars of the run's symbols, in which a crisis may be found.

    Args:
        plan: the run.
        files: Parquet files; each name begins with a symbol of the run.

    Raises:
        DataError: a file cannot be used, or is of another symbol or timeframe than the run's.
    """
    known = {market.bars.symbol: market for market in plan.markets}
    found = []
    for path in files:
        (market,) = prepare_markets([path], [], plan.settings)
        own = known.get(market.bars.symbol)
        if own is None:
            raise DataError(f"{path}: bars of {market.bars.symbol}; the run trades {', '.join(known)}")
        if own.bars.timeframe != market.bars.timeframe:
            names = market.bars.timeframe.name, own.bars.timeframe.name
            raise DataError(
                f"{path}: bars of {names[0]}, and the run's are of {names[1]}; gather them with agv2 data export"
            )
        found.append(replace(market, params=own.params, bars_per_year=own.bars_per_year, instrument=own.instrument))
    return found


def replayed_scene(subject: Subject, files: Sequence[PreparedMarket], crisis: Crisis) -> StressScene | None:
    """The crisis as bars have it; None where neither the run's nor the given ones cover it.

    The models are those of the fold that was tested then, else of the last that had not seen it, else of the first.

    Args:
        subject: the run.
        files: from `history_markets`.
        crisis: to look for.
    """
    given = [found for market in files if (found := _within(market, crisis)) is not None]
    if given:
        begins = min(int(one.market.bars.ts_ns[one.begins]) for one in given)
        # Nothing says that these bars are not those that trained the models, so their dates have to.
        unseen = _last_unseen(subject, begins)
        return StressScene(tuple(given), unseen or subject.n_folds, unseen is not None, "down", begins)
    own = [found for market in subject.plan.markets if (found := _within(market, crisis)) is not None]
    if not own:
        return None
    begins = min(int(one.market.bars.ts_ns[one.begins]) for one in own)
    unseen = _last_unseen(subject, begins)
    return StressScene(tuple(own), unseen or 1, unseen is not None, "down", begins)


def shock_scenes(subject: Subject, crisis: Crisis) -> list[StressScene]:
    """The crisis written into the run's last test bars, from several bars on, falling and mirrored.

    Args:
        subject: the run.
        crisis: to write.

    Raises:
        DataError: too few bars for it.
    """
    plan = subject.plan
    paces = [_pace(market) for market in plan.markets]
    lengths = [
        crisis_length(crisis, pace, market.bars.timeframe.minutes)
        for market, pace in zip(plan.markets, paces, strict=True)
    ]
    first, n = plan.markets[0], lengths[0]
    latest = len(first.bars) - n
    least = first.first_decision + _lead(first)
    if latest < least:
        raise DataError(
            f"{first.bars.symbol}: {len(first.bars):,} bars; {crisis.title} takes {n:,} after {least:,} to warm up"
        )
    # Prices are replaced, so of the bars before the test only stamps and the way into the crisis are met again.
    earliest = max(least, min(plan.folds[0][-1].test_lo + _lead(first), latest - n))
    n_starts = max(1, min(_STARTS, _MOST_BARS // (2 * sum(lengths))))
    scenes = []
    for number, at in enumerate(np.unique(np.linspace(earliest, latest, n_starts).astype(int)).tolist()):
        stamp = int(first.bars.ts_ns[at])
        places = [int(np.searchsorted(market.bars.ts_ns, stamp)) for market in plan.markets]
        fits = all(
            place >= market.first_decision + _lead(market) and place + length <= len(market.bars)
            for market, place, length in zip(plan.markets, places, lengths, strict=True)
        )
        for direction in ("down", "up") if fits else ():
            written = []
            for market, place, pace in zip(plan.markets, places, paces, strict=True):
                name = f"stress {crisis.name} {number} {direction} {market.bars.symbol}"
                rng = spawn_generators(plan.request.seed, name)[name]
                written.append(_written(plan, market, place, crisis, pace, rng, mirrored=direction == "up"))
            scenes.append(StressScene(tuple(written), subject.n_folds, True, direction, stamp))
    if not scenes:
        raise DataError(f"{crisis.title}: the markets share too few bars for it")
    return scenes


def _within(market: PreparedMarket, crisis: Crisis) -> CrisisMarket | None:
    """The market cut to the crisis and what precedes it, if its bars cover both."""
    stamps = market.bars.ts_ns
    begins_ns = int(np.datetime64(crisis.first_day, "ns").astype(np.int64))
    ends_ns = int(np.datetime64(crisis.last_day, "ns").astype(np.int64)) + _DAY_NS
    begins, stop = (int(place) for place in np.searchsorted(stamps, [begins_ns, ends_ns]))
    first = begins - _lead(market)
    usual = market.bars_per_year * (ends_ns - begins_ns) / (365.25 * _DAY_NS)
    covered = first >= market.first_decision and stop - begins >= max(3.0, 0.6 * usual)
    if not covered or int(stamps[-1]) < ends_ns - 4 * _DAY_NS:
        return None
    return _cut(market, first, begins, stop)


def _last_unseen(subject: Subject, begins_ns: int) -> int | None:
    """The last fold that was trained on earlier bars alone."""
    known = [
        number
        for number in range(1, subject.n_folds + 1)
        if all(
            int(market.bars.ts_ns[folds[number - 1].train_hi - 1]) < begins_ns
            for market, folds in zip(subject.plan.markets, subject.plan.folds, strict=True)
        )
    ]
    return known[-1] if known else None


def _cut(market: PreparedMarket, first: int, begins: int, stop: int) -> CrisisMarket:
    """The market without the bars that decide nothing."""
    low = first - market.first_decision
    features = market.features
    cut = replace(
        market,
        bars=market.bars.slice(low, stop),
        features=FeatureMatrix(features.columns, features.values[low:stop], features.sigma[low:stop]),
        records=market.records[low:stop],
    )
    return CrisisMarket(cut, first - low, begins - low)


def _written(
    plan: RunPlan,
    market: PreparedMarket,
    at: int,
    crisis: Crisis,
    pace: MarketPace,
    rng: np.random.Generator,
    *,
    mirrored: bool,
) -> CrisisMarket:
    """The market with the crisis from bar `at` on; features are made anew, so that everything is of one history."""
    first = at - _lead(market)
    low = first - market.first_decision
    bars = crisis_bars(market.bars.slice(low, len(market.bars)), at - low, crisis, pace, rng, mirrored=mirrored)
    return CrisisMarket(_dearer(_with_bars(plan, market, bars), at - low, crisis), first - low, at - low)


def _with_bars(plan: RunPlan, market: PreparedMarket, bars: Bars) -> PreparedMarket:
    calendar = market.instrument.calendar
    entry, _ = plan.settings.costs.entry(bars.symbol)
    records = bars.records(calendar, entry.hourly_spread)
    return replace(market, bars=bars, features=compute_features(bars, calendar), records=records)


def _dearer(market: PreparedMarket, at: int, crisis: Crisis) -> PreparedMarket:
    """Spreads of the crisis: a bar's own are wider already, all others are widened by the scale of the bar."""
    if market.costs.spread_source == SpreadSource.BAR:
        return market
    records = market.records.copy()
    records["spread_scale"][at:] *= crisis.spread_factor
    return replace(market, records=records, costs=market.costs._replace(spread_source=int(SpreadSource.HOURLY)))


def _pace(market: PreparedMarket) -> MarketPace:
    """Of bars whose volatility is known; days as the market counts them."""
    per_day = market.bars_per_year / market.instrument.calendar.trading_days_per_year
    sigma = market.features.sigma
    return MarketPace(per_day, float(np.nanmedian(sigma)) * float(np.sqrt(per_day)))


def _lead(market: PreparedMarket) -> int:
    per_day = market.bars_per_year / market.instrument.calendar.trading_days_per_year
    return int(min(max(5.0 * per_day, _LEAD_BARS[0]), _LEAD_BARS[1]))
