"""From a file of windows to series with a target at every bar that has one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agv2.core.arrays import Float32Array, FloatArray, IntArray
from agv2.core.errors import DataError
from agv2.data.price_action.window_columns import RowColumns
from agv2.data.price_action.window_header import Scaling
from agv2.data.price_action_dataset import WindowDataset, WindowSeries
from agv2.features.labels.level_reaction import REACTION_BINS, Reaction
from agv2.features.support_resistance import HALF_WIDTH_SIGMAS
from agv2.models.training_rows import TrainingSeries

__all__ = ["require_horizons", "series_of"]


def require_horizons(dataset: WindowDataset, horizons: tuple[int, ...]) -> None:
    """Refuse returns over other horizons than the encoder's.

    Raises:
        DataError: names both.
    """
    lengths = dict(dataset.list_lengths)
    said = () if dataset.header is None else dataset.header.horizons
    if "future_returns" in lengths and ((said or horizons) != horizons or lengths["future_returns"] != len(horizons)):
        found = f"{', '.join(map(str, said))} bars" if said else f"{lengths['future_returns']} horizons"
        raise DataError(
            f"{dataset.path}: future_returns are over {found}, encoder.horizons are {', '.join(map(str, horizons))}; "
            "set encoder.horizons, or export again"
        )


def series_of(
    symbol: str,
    windows: WindowSeries,
    names: tuple[str, ...],
    scaling: Scaling | None,
    *,
    n_horizons: int,
    label_reach: int,
    asset_class: int,
    step_ns: int,
) -> TrainingSeries:
    """One symbol's bars with the labels of the windows that end at them; elsewhere targets are unknown.

    Args:
        symbol: its name.
        windows: bars, and the columns of the windows that end at some of them.
        names: of the features, by which those of the nearest levels are found.
        scaling: of the features; None where they are as they were computed.
        n_horizons: of the returns.
        label_reach: bars that the furthest-looking label looks ahead.
        asset_class: number of the market's class.
        step_ns: between bars, for the stamps of those at which no window ends.

    Returns:
        Features as the file has them. Without a column `sigma` it is 1: returns are then their own unit.
    """
    n_bars, at, columns = len(windows.features), windows.last_bars, windows.columns

    def placed(values: NDArray[Any] | None, unknown: float, width: int, kind: type[Any]) -> NDArray[Any]:
        rows = np.full((n_bars, width), unknown, dtype=kind)
        if values is not None:
            rows[at] = values.reshape(len(values), -1)
        return rows

    return TrainingSeries(
        symbol=symbol,
        ts_ns=_stamps(n_bars, at, columns, step_ns),
        features=windows.features,
        sigma=_volatility(n_bars, at, columns),
        future=placed(columns.future_returns, np.nan, n_horizons, np.float64),
        regime=placed(columns.regime_label, -1, 1, np.int64)[:, 0],
        pattern=placed(columns.pattern_label, -1, 1, np.int64)[:, 0],
        reacted=placed(_turned(columns), -1, REACTION_BINS, np.int8),
        level_distance=_level_distance(windows.features, names, scaling),
        label_reach=label_reach,
        asset_class=asset_class,
    )


def _stamps(n_bars: int, at: IntArray, columns: RowColumns, step_ns: int) -> IntArray:
    """Rising stamps; between windows in even steps, before the first one `step_ns` apart."""
    if columns.ts_ns is None:
        return np.arange(n_bars, dtype=np.int64) * step_ns
    start = int(columns.ts_ns[0])
    # From the first on: nanoseconds since 1970 have more digits than a float.
    inside = np.interp(np.arange(at[0], n_bars), at, (columns.ts_ns - start).astype(np.float64))
    before = np.arange(-int(at[0]), 0, dtype=np.int64) * step_ns
    stamps: IntArray = start + np.concatenate([before, inside.astype(np.int64)])
    return stamps


def _volatility(n_bars: int, at: IntArray, columns: RowColumns) -> FloatArray:
    """Volatility of each bar: that of the last window before it, of the first one for those before all."""
    if columns.sigma is None or not np.isfinite(columns.sigma).any():
        return np.ones(n_bars)
    known = np.flatnonzero(np.isfinite(columns.sigma))
    latest = np.searchsorted(at[known], np.arange(n_bars), side="right") - 1
    return columns.sigma[known[np.maximum(latest, 0)]]


def _turned(columns: RowColumns) -> NDArray[np.int8] | None:
    """(n_rows, 16) whether price turned at each band; None where the numbers have a meaning of their writer's own."""
    heat = columns.sr_heatmap
    if heat is None or heat.dtype.kind != "i" or heat.shape[1] != REACTION_BINS:
        return None
    return np.where(heat < 0, -1, heat == Reaction.REACTED).astype(np.int8)


def _level_distance(features: Float32Array, names: tuple[str, ...], scaling: Scaling | None) -> FloatArray:
    """(n_bars, 2) to the nearest level above and below; NaN where there is none, or no feature says so."""
    columns = ("level_above", "level_below")
    if not set(columns) <= set(names):
        return np.full((len(features), 2), np.nan)
    at = [names.index(name) for name in columns]
    distance = features[:, at].astype(np.float64)
    if scaling is not None:
        distance = distance * np.array(scaling.scale)[at] + np.array(scaling.mean)[at]
    nearest = HALF_WIDTH_SIGMAS - 0.01  # a distance of all the map means none; it is rounded
    return np.where(distance < nearest, np.maximum(distance, 0.0), np.nan)
