"""How far the features of a file of bars have strayed from those that a bundle was trained on."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from agv2.app.feature_cache import cached_features
from agv2.core.arrays import Float32Array
from agv2.core.bars import Bars
from agv2.core.errors import BundleError, DataError
from agv2.core.timeframes import SessionCalendar
from agv2.data.bars_file import read_bars
from agv2.data.config import MarketsConfig
from agv2.deploy.guards_config import GuardsConfig
from agv2.deploy.monitoring import DriftMonitor, FeatureDrift
from agv2.features.pipeline import FeatureMatrix
from agv2.models.bundle import ModelBundle
from agv2.models.feature_reference import FeatureReference
from agv2.utils.environment import load_environment

__all__ = ["DriftReport", "drift_report"]


class Trip(NamedTuple):
    """A moment at which the live guard would have tripped, re-armed at once."""

    ts_ns: int
    """Open of the bar."""
    column: str
    """The feature that had strayed furthest."""


@dataclass(frozen=True, slots=True)
class DriftReport:
    """What the live guard would have seen over the last days of a file."""

    symbol: str
    timeframe: str
    first_ts_ns: int
    last_ts_ns: int
    n_days: int
    false_alarm_days: float
    drifts: tuple[FeatureDrift, ...]
    """At the last bar, the furthest strayed first; as if the guard had begun with the first of these bars."""
    trips: tuple[Trip, ...]
    rows: Float32Array
    """(n_bars, n_features) of these bars."""
    reference: FeatureReference

    def as_document(self) -> dict[str, Any]:
        """Plain values, for programs."""
        return {
            "symbol": self.symbol,
            "timeframe": self.timeframe,
            "bars": len(self.rows),
            "days": self.n_days,
            "first": _iso(self.first_ts_ns),
            "last": _iso(self.last_ts_ns),
            "false_alarm_days": self.false_alarm_days,
            "tripped": bool(self.trips),
            "trips": [{"ts": _iso(trip.ts_ns), "feature": trip.column} for trip in self.trips],
            "features": [drift._asdict() for drift in self.drifts],
        }


def drift_report(
    source: Path, bars: Path, symbol: str | None, days: int, markets: MarketsConfig, guards: GuardsConfig
) -> DriftReport:
    """Run the drift guard over the last `days` trading days of a file.

    Args:
        source: a run or its bundle.
        bars: Parquet file.
        symbol: whose reference; None to take it from the file's name, or the only one of the bundle.
        days: trading days to look at, >= 1.
        markets: for the trading day.
        guards: for the rate of false alarms.

    Raises:
        BundleError: there is no bundle, or none with a reference of these features; names what there is.
        DataError: the bars cannot be used, are of another timeframe, or too few.
    """
    bundle = ModelBundle.load(source / "bundle" if (source / "bundle").is_dir() else source)
    live = bundle.reference()
    only = next(iter(live.features)) if len(live.features) == 1 else None
    loaded = read_bars(bars, symbol).bars
    name = symbol or (loaded.symbol if loaded.symbol in live.features else only or loaded.symbol)
    reference = live.of_features(name)
    if loaded.timeframe.name != bundle.manifest.timeframe:
        raise DataError(f"{bars}: bars of {loaded.timeframe.name}; the bundle reads {bundle.manifest.timeframe}")
    instrument, _ = markets.instrument(name, loaded.ts_ns)
    features = _features(loaded, instrument.calendar)
    if tuple(column.name for column in features.columns) != reference.columns:
        raise BundleError(f"{bundle.directory}: made for other features; train again with this version")
    stamps = loaded.ts_ns[features.warmup :]
    trading_days = instrument.calendar.trading_days(stamps)
    if stamps.size == 0:
        raise DataError(f"{bars}: {len(loaded)} bars are fewer than the {features.warmup} that features need before")
    seen = trading_days > np.unique(trading_days)[-min(days, np.unique(trading_days).size)] - 1
    rows = features.values[features.warmup :][seen]
    drifts, trips = _walked(
        DriftMonitor.calibrated(reference, guards.drift.false_alarm_days), rows, stamps[seen].tolist()
    )
    return DriftReport(
        symbol=name,
        timeframe=loaded.timeframe.name,
        first_ts_ns=int(stamps[seen][0]),
        last_ts_ns=int(stamps[-1]),
        n_days=int(np.unique(trading_days[seen]).size),
        false_alarm_days=guards.drift.false_alarm_days,
        drifts=drifts,
        trips=trips,
        rows=rows,
        reference=reference,
    )


def _features(bars: Bars, calendar: SessionCalendar) -> FeatureMatrix:
    environment = load_environment()
    return cached_features(bars, calendar, environment.feature_cache, environment.feature_cache_bytes).features


def _walked(
    monitor: DriftMonitor, rows: Float32Array, stamps: list[int]
) -> tuple[tuple[FeatureDrift, ...], tuple[Trip, ...]]:
    """What stands at the end for a guard that was never re-armed, and the trips of one that always was."""
    whole = armed = monitor.fresh()
    trips = []
    for row, ts_ns in zip(rows, stamps, strict=True):
        whole, armed = monitor.observe(whole, row), monitor.observe(armed, row)
        shares = monitor.limit_shares(armed)
        if shares.max() > 1.0:
            trips.append(Trip(ts_ns, monitor.reference.columns[int(shares.argmax())]))
            armed = monitor.fresh()
    return monitor.drifts(whole), tuple(trips)


def _iso(ts_ns: int) -> str:
    return f"{np.datetime64(ts_ns, 'ns').astype('datetime64[s]')}Z"
