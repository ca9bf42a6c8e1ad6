"""Features of the last bars as paths, images and ticks for the page to place."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agv2.app.feature_chart.heat_image import heat_image
from agv2.backtest.report.candles import candle_paths
from agv2.backtest.report.paths import SPAN, line_path
from agv2.backtest.report.scales import Tick, time_ticks, value_ticks
from agv2.core.arrays import FloatArray
from agv2.core.bars import Bars
from agv2.features.pipeline import FEATURES, FeatureMatrix
from agv2.features.support_resistance import HALF_WIDTH_SIGMAS, HEAT_COLUMNS

__all__ = ["FeatureChart", "feature_chart"]

_ROOM = 0.12  # of the price range, above and below the candles
_PRICE_ROWS = 160
_LEAST_APART = 7.0  # per cent of the width, between labels of the time axis
_STRENGTHS = (1.0, 2.0)  # log strengths from which a level is drawn thicker, and thickest
_STYLES = ("base", "near", "far")


@dataclass(frozen=True, slots=True)
class Line:
    """One column of the matrix."""

    column: str
    style: str
    path: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One feature on all its timeframes."""

    name: str
    meaning: str
    unit: str
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]
    zero: float | None
    """How far down zero is, where it is inside."""


@dataclass(frozen=True, slots=True)
class Strip:
    """The heat map of one timeframe, in volatilities from the close."""

    timeframe: str
    image: str
    highest: float
    """Log strength of the fullest colour."""
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class FeatureChart:
    """Everything the page shows; ticks in per cent, paths in a square of 1000."""

    candles: dict[str, str]
    price_heat: str
    levels: tuple[str, str, str]
    """Weak to strong."""
    price_ticks: tuple[Tick, ...]
    time_ticks: tuple[Tick, ...]
    strips: tuple[Strip, ...]
    panels: tuple[Panel, ...]
    hover: dict[str, Any]
    """Read by the page's script."""


def feature_chart(bars: Bars, features: FeatureMatrix, shown: int) -> FeatureChart:
    """The last `shown` bars.

    Args:
        bars: of one symbol.
        features: of these bars; complete for the last `shown` of them.
        shown: bars to draw, >= 2.
    """
    last = bars.slice(len(bars) - shown, len(bars))
    prices = np.column_stack([last.open, last.high, last.low, last.close])
    low, high = float(last.low.min()), float(last.high.max())
    room = _ROOM * (high - low) if high > low else 0.01 * high
    low, high = low - room, high + room
    values = features.values[-shown:].astype(np.float64)
    columns = {name: values[:, i] for i, name in enumerate(features.names)}
    heats = _heats(features, values)
    base_heat = heats[bars.timeframe.name]
    sigma = features.sigma[-shown:]
    digits = 2 if high >= 100 else 4 if high >= 1 else 6
    marks = value_ticks(low, high, 7)
    return FeatureChart(
        candles=candle_paths(prices, SPAN * (high - prices) / (high - low))._asdict(),
        price_heat=heat_image(_at_prices(base_heat, last.close, sigma, low, high), _highest(base_heat)),
        levels=_levels(columns, last.close, sigma, low, high),
        price_ticks=tuple(Tick(100.0 * (high - mark) / (high - low), f"{mark:,.{digits}f}") for mark in marks),
        time_ticks=_time_ticks(last),
        strips=tuple(
            Strip(name, heat_image(heat[::-1], _highest(heat)), _highest(heat), _strip_ticks())
            for name, heat in heats.items()
        ),
        panels=_panels(features, columns),
        hover={
            "t": (last.ts_ns // 1_000_000_000).tolist(),
            "digits": digits,
            "ohlc": np.round(prices, digits).tolist(),
            "values": {
                column.name: np.round(columns[column.name], 3).tolist()
                for column in features.columns
                if not column.spec.is_heat
            },
        },
    )


def _heats(features: FeatureMatrix, values: FloatArray) -> dict[str, FloatArray]:
    """(32, shown) of each timeframe, from below the close up."""
    found: dict[str, list[int]] = {}
    for i, column in enumerate(features.columns):
        if column.spec.is_heat:
            found.setdefault(column.timeframe, []).append(i)
    return {timeframe: values[:, places].T for timeframe, places in found.items()}


def _at_prices(heat: FloatArray, close: FloatArray, sigma: FloatArray, low: float, high: float) -> FloatArray:
    """The heat map at evenly spaced prices, the highest first; NaN beyond its edge."""
    step = (high - low) / _PRICE_ROWS
    prices = high - (np.arange(_PRICE_ROWS) + 0.5) * step
    distance = np.log(prices[:, None] / close) / sigma
    column = np.floor(distance + HEAT_COLUMNS // 2).astype(np.int64)
    inside = (column >= 0) & (column < HEAT_COLUMNS)
    picked: FloatArray = heat[np.clip(column, 0, HEAT_COLUMNS - 1), np.arange(close.size)]
    return np.where(inside, picked, np.nan)


def _levels(
    columns: dict[str, FloatArray], close: FloatArray, sigma: FloatArray, low: float, high: float
) -> tuple[str, str, str]:
    """A dash at the nearest level above and below each close, by strength."""
    width = SPAN / close.size
    paths: list[list[str]] = [[], [], []]
    for name, sign in (("level_above", 1.0), ("level_below", -1.0)):
        distance, strength = columns[name], columns[f"{name}_strength"]
        at = close * np.exp(sign * distance * sigma)
        for t in np.flatnonzero((distance < HALF_WIDTH_SIGMAS) & (at > low) & (at < high)):
            weight = int(np.searchsorted(_STRENGTHS, strength[t], "right"))
            paths[weight].append(f"M{t * width:.5g} {SPAN * (high - at[t]) / (high - low):.4g}h{width:.3g}")
    weak, middle, strong = ("".join(parts) for parts in paths)
    return weak, middle, strong


def _highest(heat: FloatArray) -> float:
    return max(float(heat.max()), 1e-9)


def _strip_ticks() -> tuple[Tick, ...]:
    half = HEAT_COLUMNS // 2
    return tuple(Tick(100.0 * (half - mark) / HEAT_COLUMNS, f"{mark:+d}" if mark else "0") for mark in (8, 0, -8))


def _time_ticks(bars: Bars) -> tuple[Tick, ...]:
    """Ticks in per cent; the one after a weekend gives way where it would touch the one before."""
    ticks: list[Tick] = []
    for tick in time_ticks(bars.ts_ns, at_most=9):
        across = 100.0 * (tick.value + 0.5) / len(bars)
        if not ticks or across - ticks[-1].value > _LEAST_APART:
            ticks.append(Tick(across, tick.text))
    return tuple(ticks)


def _panels(features: FeatureMatrix, columns: dict[str, FloatArray]) -> tuple[Panel, ...]:
    by_feature: dict[str, list[str]] = {}
    for column in features.columns:
        by_feature.setdefault(column.spec.name, []).append(column.name)
    return tuple(
        _panel(spec.name, spec.meaning, spec.unit, {name: columns[name] for name in by_feature[spec.name]})
        for spec in FEATURES
        if not spec.is_heat
    )


def _panel(name: str, meaning: str, unit: str, columns: dict[str, FloatArray]) -> Panel:
    low = min(float(values.min()) for values in columns.values())
    high = max(float(values.max()) for values in columns.values())
    room = 0.08 * (high - low) if high > low else 1.0
    low, high = low - room, high + room
    lines = []
    for style, (column, values) in zip(_STYLES, columns.items(), strict=False):
        x = (np.arange(values.size) + 0.5) * SPAN / values.size
        y = SPAN * (high - values) / (high - low)
        lines.append(Line(column, style, line_path(x, y, steps=style != "base" or unit == "flag")))
    ticks = tuple(Tick(100.0 * (high - mark) / (high - low), f"{mark:g}") for mark in value_ticks(low, high, 4))
    return Panel(name, meaning, unit, tuple(lines), ticks, SPAN * high / (high - low) if low < 0.0 < high else None)
