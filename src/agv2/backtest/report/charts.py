"""The equity figure: equity against baselines, drawdown and position below it, on one time axis."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from agv2.backtest.report.numerals import Unit, format_number, format_stamp
from agv2.backtest.report.paths import SPAN, keep_extremes, line_path
from agv2.backtest.report.reading import RunRecord
from agv2.backtest.report.scales import Tick, time_ticks, value_ticks
from agv2.backtest.report.words import in_words
from agv2.core.arrays import FloatArray, IntArray

__all__ = ["EquityFigure", "equity_figure", "sparkline"]

_POINTS = 1500
_LOG_FROM = 3.0  # highest over lowest equity from which equal steps should mean equal percentages


@dataclass(frozen=True, slots=True)
class Line:
    """One drawn series; `style` names its colour and dash in the style sheet."""

    name: str
    style: str
    path: str
    last: str
    area: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart of the figure; ticks are per cent of its height from the top."""

    key: str
    title: str
    summary: str
    lines: tuple[Line, ...]
    ticks: tuple[Tick, ...]
    zero: float | None
    shade: str = ""


@dataclass(frozen=True, slots=True)
class EquityFigure:
    """Panels on one time axis; ticks and folds are per cent of its width, `hover` is read by the page's script."""

    panels: tuple[Panel, ...]
    ticks: tuple[Tick, ...]
    folds: tuple[Tick, ...]
    hover: dict[str, Any]
    log_scale: bool
    halted_frac: float


@dataclass(frozen=True, slots=True)
class _Series:
    name: str
    style: str
    ts_ns: IntArray
    values: FloatArray  # as shown: fractions
    area: bool = False
    steps: bool = False


def equity_figure(record: RunRecord) -> EquityFigure:
    """The account's equity beside its baselines' (as gain since the first bar), its drawdown and its net position."""
    curve = record.curve(record.account)
    ts_ns = curve["ts"].dt.epoch("ns").to_numpy()
    equity = curve["equity"].to_numpy()
    gains = [_Series("This run", "s0", ts_ns, equity / equity[0] - 1.0), *_baseline_gains(record)]
    drawdown = _Series("This run", "s0", ts_ns, -curve["drawdown"].to_numpy(), area=True)
    falls = [drawdown, *(_fall(gain) for gain in gains[1:] if gain.name == in_words("buy_and_hold"))]
    with np.errstate(divide="ignore", invalid="ignore"):
        net = np.nan_to_num((equity - curve["cash"].to_numpy()) / equity, posinf=0.0, neginf=0.0)
    exposure = _Series("Net position", "s0", ts_ns, net, area=True, steps=True)
    low = 1.0 + min(float(gain.values.min()) for gain in gains)
    high = 1.0 + max(float(gain.values.max()) for gain in gains)
    log_scale = bool(low > 0 and high / low > _LOG_FROM)
    halted = curve["halted"].to_numpy()
    groups = (
        _panel("equity", "Equity, gain since the start", gains, ts_ns, log_scale=log_scale),
        _panel("drawdown", "Drawdown", falls, ts_ns, top=0.0, shade=_spans(ts_ns, halted)),
        _panel("position", "Net position, share of equity", [exposure], ts_ns),
    )
    return EquityFigure(
        panels=tuple(panel for panel, _ in groups),
        ticks=tuple(Tick(float(_across(ts_ns[[int(t.value)]], ts_ns)[0]) / 10, t.text) for t in time_ticks(ts_ns)),
        folds=_fold_marks(curve["fold"].to_numpy(), ts_ns),
        hover={
            "from": int(ts_ns[0] // 1_000_000),
            "to": int(ts_ns[-1] // 1_000_000),
            "panels": [series for _, series in groups],
        },
        log_scale=log_scale,
        halted_frac=float(halted.mean()),
    )


def sparkline(values: FloatArray, points: int = 160) -> str:
    """Path of a line without axes, from its lowest value at the bottom to its highest at the top."""
    kept = keep_extremes(values, points)
    low, high = float(values.min()), float(values.max())
    down = 40 + (SPAN - 80) * (high - values[kept]) / (high - low if high > low else 1.0)
    return line_path(SPAN * kept / max(len(values) - 1, 1), down)


def _baseline_gains(record: RunRecord) -> list[_Series]:
    if record.baselines is None:
        return []
    frame = record.baselines.filter(symbol=record.account)
    order = list(record.summary["baselines"])
    names = sorted(frame["name"].unique().to_list(), key=lambda n: (order.index(n) if n in order else len(order), n))
    gains = []
    for index, name in enumerate(names, start=1):
        rows = frame.filter(name=name).sort("ts")
        value = rows["equity"].to_numpy()
        stamps = rows["ts"].dt.epoch("ns").to_numpy()
        gains.append(_Series(in_words(name), f"s{min(index, 7)}", stamps, value / value[0] - 1.0))
    return gains


def _fall(gain: _Series) -> _Series:
    value = 1.0 + gain.values
    return _Series(gain.name, gain.style, gain.ts_ns, value / np.maximum.accumulate(value) - 1.0)


def _across(stamps: IntArray, axis: IntArray) -> FloatArray:
    return np.asarray(SPAN * (stamps - axis[0]) / max(int(axis[-1] - axis[0]), 1), dtype=np.float64)


def _panel(
    key: str,
    title: str,
    series: list[_Series],
    axis: IntArray,
    *,
    log_scale: bool = False,
    top: float | None = None,
    shade: str = "",
) -> tuple[Panel, list[dict[str, Any]]]:
    low = min(0.0, *(float(s.values.min()) for s in series))
    high = max(0.0, *(float(s.values.max()) for s in series))
    room = 0.04 * (high - low) if high > low else 0.01
    low, high = low - room, (top if top is not None else high + room)
    if log_scale:
        low, high = min(float(s.values.min()) for s in series), max(float(s.values.max()) for s in series)

    def down(values: FloatArray) -> FloatArray:
        if log_scale:
            values, ends = np.log1p(values), (np.log1p(low), np.log1p(high))
        else:
            ends = (low, high)
        return np.asarray(SPAN * (ends[1] - values) / (ends[1] - ends[0]), dtype=np.float64)

    zero = float(down(np.zeros(1))[0])
    lines, hover = [], []
    for one in series:
        kept = keep_extremes(one.values, _POINTS)
        x, y = _across(one.ts_ns[kept], axis), down(one.values[kept])
        close_at = zero if one.area else None
        last = format_number(float(one.values[-1]), Unit.PERCENT, signed=key != "drawdown")
        lines.append(Line(one.name, one.style, line_path(x, y, close_at=close_at, steps=one.steps), last, one.area))
        seconds = (one.ts_ns[kept] - axis[0]) // 1_000_000_000
        hover.append({"t": np.diff(seconds, prepend=0).tolist(), "v": np.round(one.values[kept], 5).tolist()})
    marks = _log_marks(low, high) if log_scale else value_ticks(low, high, 6 if key == "equity" else 3)
    heights = down(np.array(marks)) / 10
    ticks = tuple(Tick(float(h), text) for h, text in zip(heights, _short_percents(marks), strict=True))
    ends = " to ".join(format_stamp(int(axis[i]), time=False) for i in (0, -1))
    last_words = "; ".join(f"{line.name} ends at {line.last}" for line in lines)
    extremes = f"lowest {format_number(float(series[0].values.min()), Unit.PERCENT)}"
    summary = f"{title}, {ends}. {last_words}; {extremes}."
    return Panel(key, title, summary, tuple(lines), ticks, zero if 0 <= zero <= SPAN else None, shade), hover


def _short_percents(marks: list[float]) -> list[str]:
    """Labels of an axis, without decimals where none of its marks needs one."""
    texts = [format_number(mark, Unit.PERCENT) for mark in marks]
    if any(abs(100 * mark - round(100 * mark)) > 1e-6 for mark in marks):
        return texts
    return [text.replace(".0\u202f", "\u202f").replace(".00\u202f", "\u202f") for text in texts]


def _log_marks(low: float, high: float) -> list[float]:
    """Gains at 1, 1.5, 2, 3, 5 and 7 (or 1, 2, 5) times a power of ten, inside the range."""
    decades = range(int(np.floor(np.log10(1 + low))), int(np.ceil(np.log10(1 + high))) + 1)
    for factors in ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1,)):
        marks = [f * 10.0**d - 1 for d in decades for f in factors]
        marks = [m for m in marks if low <= m <= high]
        if len(marks) <= 8:
            break
    return marks


def _fold_marks(fold: IntArray, ts_ns: IntArray) -> tuple[Tick, ...]:
    starts = [0, *(np.flatnonzero(np.diff(fold)) + 1).tolist()]
    return tuple(Tick(float(_across(ts_ns[[i]], ts_ns)[0]) / 10, f"Fold {fold[i]}") for i in starts)


def _spans(ts_ns: IntArray, on: FloatArray) -> str:
    """Full-height bars over the stretches where `on` is true, each wide enough to be seen."""
    edge = np.diff(np.concatenate(([0], on.astype(np.int64), [0])))
    starts, ends = np.flatnonzero(edge == 1), np.flatnonzero(edge == -1) - 1
    x, to = _across(ts_ns[starts], ts_ns), _across(ts_ns[ends], ts_ns)
    return "".join(f"M{a:.4g} 0H{max(b, a + 1):.4g}V{SPAN:g}H{a:.4g}Z" for a, b in zip(x, to, strict=True))
