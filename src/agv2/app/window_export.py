"""From files of bars to a file of windows that another tool can learn from."""

import datetime
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from agv2.app.quality_gate import AdmittedBars, admit_files
from agv2.app.settings import Settings
from agv2.core.arrays import Float32Array, FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.core.errors import ConfigError, DataError
from agv2.data.price_action.window_columns import RowColumns, WindowBatch
from agv2.data.price_action.window_header import Scaling, SourceBars, WindowHeader
from agv2.data.price_action.window_writer import FileSizes, file_sizes, write_windows
from agv2.features.labels.bar_labels import bar_labels
from agv2.features.labels.breakout import Pattern
from agv2.features.labels.level_reaction import Reaction
from agv2.features.labels.regime import Regime
from agv2.features.pipeline import FeatureMatrix, compute_features
from agv2.features.support_resistance import level_density, nearest_levels
from agv2.features.windowing import gather_windows
from agv2.models.normalizer import Normalizer

__all__ = ["ExportPlan", "ExportRequest", "plan_export"]

_USUAL_UNPACKED_BYTES = 1_000_000_000
_CLASSES = {"regime_label": Regime, "sr_heatmap": Reaction, "pattern_label": Pattern}


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is to be written."""

    paths: tuple[Path, ...]
    symbols: tuple[str, ...]
    """One a file, or none to take them from the file names."""
    out: Path
    window: int | None = None
    """Bars in each window; None: the encoder's."""
    stride: int | None = None
    """Bars between windows; None: so many that all windows together take at most 1 GB of memory."""
    labels: bool = True
    until_ns: int | None = None
    """Labels and the scaling come from bars closed by then; None: from all bars."""
    normalised: bool = False
    force: bool = False
    accept_defects: bool = False


@dataclass(frozen=True, slots=True)
class _Market:
    """One symbol's windows, before they are cut."""

    admitted: AdmittedBars
    features: FeatureMatrix
    n_known: int
    """Bars that labels and scaling may come from, the first ones."""

    @property
    def bars(self) -> Bars:
        return self.admitted.loaded.bars


@dataclass(frozen=True, slots=True)
class ExportPlan:
    """A file of windows, ready to be written."""

    out: Path
    header: WindowHeader
    n_windows: int
    sizes: FileSizes
    notes: tuple[str, ...]
    """What a user of the file must know, one sentence each."""
    force: bool
    series: tuple[tuple[Float32Array, IntArray, RowColumns], ...]
    """Per symbol: (n_bars, n_features) as they are written, (n,) last bars of its windows, (n,) their columns."""

    def write(self, report: Callable[[int], None] | None = None) -> None:
        """Write the file; it appears under its name only when it is complete.

        Args:
            report: told the windows handed over so far.

        Raises:
            DataError: as `write_windows`.
        """
        write_windows(self.out, self.header, self._batches(), self.n_windows, force=self.force, report=report)

    def _batches(self) -> Iterator[WindowBatch]:
        done = 0
        for values, last_rows, columns in self.series:
            for start in range(0, last_rows.size, self.sizes.group_rows):
                part = np.arange(start, min(start + self.sizes.group_rows, last_rows.size))
                windows = gather_windows(values, last_rows[part], self.header.window)
                yield WindowBatch(windows, columns.rows(part), done)
                done += part.size


def plan_export(request: ExportRequest, settings: Settings) -> ExportPlan:
    """Read and check bars, compute features and labels, and say how large the file will be.

    Args:
        request: what is to be written.
        settings: markets, thresholds of quality, and the encoder's window and horizons.

    Raises:
        DataError: bars cannot be used, or there are too few of them.
        ConfigError: an option changes nothing.
    """
    if request.until_ns is not None and not (request.labels or request.normalised):
        raise ConfigError("--until changes nothing where there are neither labels nor normalised features")
    admitted = admit_files(request.paths, request.symbols, settings, request.accept_defects)
    markets = [_market(each, request, settings) for each in admitted]
    first = markets[0].features
    window = request.window or settings.encoder.window
    ends = [_last_rows(market, window) for market in markets]
    stride = request.stride or _usual_stride(sum(end.size for end in ends), window, len(first.columns))
    ends = [end[::stride] for end in ends]
    n_windows = sum(end.size for end in ends)
    if request.until_ns is not None and not any(e[0] < m.n_known for e, m in zip(ends, markets, strict=True)):
        raise DataError(f"--until {_moment(request.until_ns)}: no window ends before it, so nothing could be learned")
    scaling = _fitted(markets) if request.normalised else None
    horizons = settings.encoder.horizons
    header = WindowHeader(
        window=window,
        features=first.names,
        timeframe=markets[0].bars.timeframe.name,
        stride=stride,
        horizons=horizons if request.labels else (),
        classes=_class_names() if request.labels else {},
        bars=tuple(
            SourceBars(symbol=m.bars.symbol, content_hash=m.admitted.loaded.content_hash, n_bars=len(m.bars))
            for m in markets
        ),
        known_until=None if request.until_ns is None else _moment(request.until_ns),
        scaling=None
        if scaling is None
        else Scaling(mean=tuple(scaling.mean.tolist()), scale=tuple(scaling.scale.tolist()), clip=scaling.clip),
    )
    return ExportPlan(
        out=request.out,
        header=header,
        n_windows=n_windows,
        sizes=file_sizes(n_windows, window, len(first.columns), stride),
        notes=tuple(f"{m.bars.symbol}: {note}" for m in markets for note in m.admitted.notes),
        force=request.force,
        series=tuple(
            (
                market.features.values if scaling is None else scaling.transform(market.features.values),
                end,
                _columns(market, horizons if request.labels else None).rows(end),
            )
            for market, end in zip(markets, ends, strict=True)
        ),
    )


def _market(admitted: AdmittedBars, request: ExportRequest, settings: Settings) -> _Market:
    bars = admitted.loaded.bars
    until_ns = request.until_ns
    n_known = len(bars) if until_ns is None else int(np.searchsorted(bars.close_ns, until_ns, side="right"))
    instrument, _ = settings.markets.instrument(bars.symbol, bars.ts_ns[:n_known])
    return _Market(admitted, compute_features(bars, instrument.calendar), n_known)


def _last_rows(market: _Market, window: int) -> IntArray:
    """Last bars of all windows whose bars have every feature."""
    first = market.features.warmup + window - 1
    n_bars = len(market.bars)
    if n_bars <= first:
        raise DataError(
            f"{market.bars.symbol}: {n_bars:,} bars are too few; {first + 1:,} are needed for one window of {window:,} "
            f"bars after a warm-up of {market.features.warmup:,}"
        )
    return np.arange(first, n_bars, dtype=np.int64)


def _usual_stride(n_windows: int, window: int, n_features: int) -> int:
    return -(-file_sizes(n_windows, window, n_features, 1).unpacked // _USUAL_UNPACKED_BYTES)


def _fitted(markets: Sequence[_Market]) -> Normalizer:
    """By the bars of the windows that may be learned from."""
    return Normalizer.fit(np.concatenate([market.features.values[: market.n_known] for market in markets]))


def _columns(market: _Market, horizons: tuple[int, ...] | None) -> RowColumns:
    """(n_bars,) everything beside the features; labels only with `horizons`, and unknown after the known bars."""
    bars, sigma = market.bars, market.features.sigma
    about = RowColumns(ts_ns=bars.ts_ns, symbol=np.full(len(bars), bars.symbol), sigma=sigma)
    if horizons is None:
        return about
    known = _labels(bars.slice(0, market.n_known), sigma[: market.n_known], horizons)
    n_later = len(bars) - market.n_known
    padded: dict[str, Any] = {
        name: np.pad(
            values,
            ((0, n_later), *((0, 0) for _ in values.shape[1:])),
            constant_values=-1 if values.dtype.kind == "i" else np.nan,
        )
        for name, values in known.present().items()
    }
    return replace(about, **padded)


def _labels(bars: Bars, sigma: FloatArray, horizons: tuple[int, ...]) -> RowColumns:
    """The labels of a stretch of bars, from these bars alone."""
    levels = nearest_levels(level_density(bars.high, bars.low, bars.close, sigma))
    made = bar_labels(bars, sigma, levels, horizons)
    return RowColumns(
        regime_label=made.regime,
        sr_heatmap=made.reaction,
        future_returns=made.future.astype(np.float32),
        pattern_label=made.pattern,
    )


def _class_names() -> dict[str, tuple[str, ...]]:
    return {column: tuple(each.name.lower() for each in kind if each >= 0) for column, kind in _CLASSES.items()}


def _moment(ts_ns: int) -> str:
    return datetime.datetime.fromtimestamp(ts_ns // 1_000_000_000, datetime.UTC).isoformat().replace("+00:00", "Z")
