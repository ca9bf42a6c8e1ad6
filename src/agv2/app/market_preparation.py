"""From files of bars to markets that can be trained on and traded, before anything is written."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from agv2.app.feature_cache import cached_features
from agv2.app.quality_gate import AdmittedBars, admit_files
from agv2.app.settings import Settings
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import Float32Array, IntArray, RecordArray
from agv2.core.bars import Bars
from agv2.core.errors import ConfigError, DataError
from agv2.core.instruments import Instrument
from agv2.core.timeframes import SessionCalendar
from agv2.decision.market_view import near_levels
from agv2.features.pipeline import FeatureMatrix, compute_features
from agv2.models.config import ASSET_CLASSES
from agv2.risk.config import RiskParams
from agv2.sim.costs import Costs
from agv2.sim.quoted_spread import IMPOSSIBLE_SPREAD, believable_spreads
from agv2.utils.environment import Environment, load_environment

__all__ = ["PreparedMarket", "as_known_after", "market_of", "prepare_markets"]

_WIDEST_SPREAD = 0.01
"""Of the price, median over a file: wider ones are a mistake of unit on any market this is made for."""

FeaturesOf = Callable[[Bars, SessionCalendar], FeatureMatrix]


@dataclass(frozen=True, slots=True)
class PreparedMarket:
    """One symbol with everything that does not depend on a fold."""

    bars: Bars
    content_hash: str
    """Of the bars that were used."""
    sha256: str
    path: Path
    features: FeatureMatrix
    first_decision: int
    """First bar with a whole window of complete features."""
    instrument: Instrument
    records: RecordArray
    """(n_bars,) records of `Bar`."""
    params: RiskParams
    costs: Costs
    bars_per_year: float
    notes: tuple[str, ...]
    accepted_defects: tuple[str, ...] = ()
    """Errors of the file that the user accepted, one sentence each."""
    asides: tuple[str, ...] = ()
    """What went wrong on this machine without moving a number: told, but in no result."""

    @property
    def asset_class(self) -> int:
        """What the encoder is told about the market beside its bars."""
        return ASSET_CLASSES.index(self.instrument.asset_class)

    def tape(self, stop: int, market_rows: Float32Array) -> MarketTape:
        """The market before bar `stop`, as simulations read it.

        Args:
            stop: first bar that is left out.
            market_rows: (stop, market size) what the policy sees of the market; of size 0 where no policy looks.
        """
        return MarketTape(
            symbol=self.bars.symbol,
            bars=self.records[:stop],
            volatility=self.features.sigma[:stop],
            levels=near_levels(self.features, slice(stop)),
            market_rows=market_rows,
            market=self.instrument.market,
            params=self.params,
            costs=self.costs,
        )


def prepare_markets(
    paths: Sequence[Path],
    symbols: Sequence[str],
    settings: Settings,
    most_bars: int | None = None,
    *,
    accept_defects: bool = False,
) -> list[PreparedMarket]:
    """Read and check every file, and compute what is known at each bar; markets are in order of their symbols.

    Args:
        paths: Parquet files, one a symbol.
        symbols: names for them, or none to take them from the file names.
        settings: markets, costs, limits and the encoder's window.
        most_bars: read no more than the first so many bars of each; None for all.
        accept_defects: use bars with errors wherever that is possible.

    Raises:
        ConfigError: settings of a market contradict each other.
        DataError: a file cannot be used or has errors that were not accepted, or files cannot be one account; one
            line with file, row and remedy.
    """
    admitted = admit_files(paths, symbols, settings, accept_defects)
    environment = load_environment()
    markets = [
        _prepare(path, each, settings, most_bars, environment) for path, each in zip(paths, admitted, strict=True)
    ]
    markets.sort(key=lambda market: market.bars.symbol)  # the order of the command line means nothing
    first = markets[0].instrument
    for market in markets:
        if market.instrument.currency != first.currency:
            raise DataError(
                f"{market.path}: {market.bars.symbol} is quoted in {market.instrument.currency}, {first.symbol} in "
                f"{first.currency}, and their money cannot be added; run them apart"
            )
    return markets


def _prepare(
    path: Path, admitted: AdmittedBars, settings: Settings, most_bars: int | None, environment: Environment
) -> PreparedMarket:
    loaded = admitted.loaded
    bars = loaded.bars if most_bars is None else loaded.bars.slice(0, most_bars)
    if settings.costs.entry(bars.symbol)[0].spread_source == "bar":
        _require_price_spread(path, bars)
    problems: list[str] = []

    def kept(bars: Bars, calendar: SessionCalendar) -> FeatureMatrix:
        found = cached_features(bars, calendar, environment.feature_cache, environment.feature_cache_bytes)
        problems.extend(found.problems)
        return found.features

    market = market_of(bars, settings, kept)
    return replace(
        market,
        content_hash=loaded.content_hash if most_bars is None else f"{loaded.content_hash}[:{most_bars}]",
        sha256=loaded.sha256,
        path=path,
        notes=(*(f"{bars.symbol}: {note}" for note in admitted.notes), *market.notes),
        accepted_defects=admitted.accepted,
        asides=tuple(problems),
    )


def market_of(bars: Bars, settings: Settings, features_of: FeaturesOf | None = None) -> PreparedMarket:
    """Everything of a market but the file that its bars come from.

    Args:
        bars: of one symbol, whatever their quality.
        settings: markets, costs, limits and the encoder's window.
        features_of: what gives the bits of `compute_features`; None: that itself.

    Raises:
        ConfigError: a cap on participation where volume does not count base units.
    """
    notes = []
    instrument, is_default_market = settings.markets.instrument(bars.symbol, bars.ts_ns)
    entry, is_default_costs = settings.costs.entry(bars.symbol)
    missing = [name for name, absent in (("markets", is_default_market), ("costs", is_default_costs)) if absent]
    if missing:
        files = " and ".join(f"{name}.yaml" for name in missing)
        notes.append(f"{bars.symbol}: no entry in {files}; the `default` entry was used")
    costs = entry.costs()
    if costs.participation_cap > 0.0 and not instrument.volume_in_base_units:
        raise ConfigError(
            f"{bars.symbol}: costs.yaml sets participation_cap {costs.participation_cap:g}, but markets.yaml does not "
            f"say that volume counts base units; set markets.{bars.symbol}.volume_in_base_units=true if it does, else "
            f"costs.{bars.symbol}.participation_cap=0"
        )
    believed = believable_spreads(bars, costs)
    dropped = int(np.isnan(believed.spread).sum() - np.isnan(bars.spread).sum())
    bars = believed
    if dropped:
        notes.append(
            f"{bars.symbol}: {dropped} spreads of more than {IMPOSSIBLE_SPREAD:.0%} of the price count as unknown"
        )
    features = (features_of or compute_features)(bars, instrument.calendar)
    bars_per_year = _bars_per_year(bars.ts_ns, instrument.calendar)
    return PreparedMarket(
        bars=bars,
        content_hash="",
        sha256="",
        path=Path(),
        features=features,
        first_decision=features.warmup + settings.encoder.window - 1,
        instrument=instrument,
        records=bars.records(instrument.calendar, entry.hourly_spread),
        params=settings.risk.active.params(bars_per_year),
        costs=costs,
        bars_per_year=bars_per_year,
        notes=tuple(notes),
    )


def as_known_after(market: PreparedMarket, settings: Settings, known_bars: int) -> PreparedMarket:
    """The market with whatever is counted from its own bars counted from the first `known_bars` alone.

    Bars a year scale the volatility target; they must not be counted from test bars.
    """
    stamps = market.bars.ts_ns[:known_bars]
    instrument, _ = settings.markets.instrument(market.bars.symbol, stamps)
    entry, _ = settings.costs.entry(market.bars.symbol)
    bars_per_year = _bars_per_year(stamps, instrument.calendar)
    return replace(
        market,
        instrument=instrument,
        records=market.bars.records(instrument.calendar, entry.hourly_spread),
        params=settings.risk.active.params(bars_per_year),
        bars_per_year=bars_per_year,
    )


def _require_price_spread(path: Path, bars: Bars) -> None:
    """Refuse a file of spreads that are no prices.

    Raises:
        DataError: the typical spread is that of another unit, such as points or pips.
    """
    share = bars.spread / bars.close
    known = share > 0.0
    typical = float(np.median(share[known])) if known.any() else 0.0
    if typical > _WIDEST_SPREAD:
        raise DataError(
            f"{path}: the median spread is {typical:.2%} of the price; column `spread` must be in price units, not "
            f"points: convert it, or use the constant one with --set costs.{bars.symbol}.spread_source=constant"
        )


def _bars_per_year(ts_ns: IntArray, calendar: SessionCalendar) -> float:
    """Bars of a typical trading day, the median over days that have any, times trading days a year."""
    per_day = np.unique(calendar.trading_days(ts_ns), return_counts=True)[1]
    return float(np.median(per_day)) * calendar.trading_days_per_year
