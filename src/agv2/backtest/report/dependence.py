"""What a result hangs on: parts, settings and seeds, as rows with bars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agv2.backtest.report.numerals import Unit, format_number

__all__ = ["DependenceTable", "SeedTable", "ablation_table", "seed_table", "sensitivity_table"]

_SAME = 1e-9  # of the first equity: a second trading of the same bars agrees to the last bits, or it does not


@dataclass(frozen=True, slots=True)
class DependenceRow:
    """One change; its interval runs from `left` for `wide`, its value lies at `at`, per cent of the column."""

    name: str
    setting: str
    meaning: str
    sharpe: str
    difference: str
    interval: str
    style: str
    left: float
    wide: float
    at: float
    net_return: str
    max_drawdown: str
    trades: str


@dataclass(frozen=True, slots=True)
class HeatCell:
    """A Sharpe ratio with its colour."""

    text: str
    style: str
    shade: float


@dataclass(frozen=True, slots=True)
class DependenceTable:
    """Rows on one scale, on which no difference is at `zero`."""

    rows: tuple[DependenceRow, ...]
    zero: float
    base: str
    caveats: tuple[str, ...]
    strays: str
    """What to be warned of where the account is another one when it is traded again; else empty."""
    trials: str
    heat_columns: tuple[str, ...] = ()
    heat_rows: tuple[tuple[str, tuple[HeatCell, ...]], ...] = ()
    retrained: "DependenceTable | None" = None


@dataclass(frozen=True, slots=True)
class SeedTable:
    """Each seed alone, beside all of them as one."""

    folds: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """Name, net return, Sharpe ratio, drawdown, trades, then the net return of each fold."""
    sentence: str


def ablation_table(document: Mapping[str, Any]) -> DependenceTable:
    """What `robustness/ablation.json` says.

    Args:
        document: as docs/run_directory.md describes it.
    """
    caveats = _caveats(document)
    if not document["reads_embedding"]:
        caveats.append(
            "This policy does not read the embedding (rl_policy.read_embedding), so to be without it changes nothing; "
            "the encoder reaches it through its heads."
        )
    again = document.get("retrained")
    return _table(
        document,
        document["rows"],
        caveats,
        retrained=None if again is None else _table(document, again["rows"], [], again),
    )


def sensitivity_table(document: Mapping[str, Any]) -> DependenceTable:
    """What `robustness/sensitivity.json` says: rows sorted by the parameter that moves most, and the heat map.

    Args:
        document: as docs/run_directory.md describes it.
    """
    again = document.get("retrained")
    grid = document["grid"]
    known = [abs(value) for row in grid["sharpe"] for value in row if value is not None]
    reach = max(known, default=0.0) or 1.0
    heat = tuple(
        (f"costs × {cost:g}", tuple(_heat(value, reach) for value in row))
        for cost, row in zip(grid["cost_multiples"], grid["sharpe"], strict=True)
    )
    columns = tuple(f"volatility × {multiple:g}" for multiple in grid["volatility_multiples"])
    return _table(
        document,
        _by_reach(document["rows"]),
        _caveats(document),
        columns=columns,
        heat=heat,
        retrained=None if again is None else _table(document, _by_reach(again["rows"]), [], again),
    )


def seed_table(document: Mapping[str, Any]) -> SeedTable:
    """What `robustness/seeds.json` says.

    Args:
        document: as docs/run_directory.md describes it.
    """
    base, rows = document["base"], document["rows"]
    shown = [("all as one", base), *((row["name"], row) for row in rows)]
    folds = tuple(f"Fold {number}" for number in range(1, len(base["fold_returns"]) + 1))
    returns = np.array([row["fold_returns"] for row in rows])
    sharpes = [row["sharpe"] for row in rows if row["sharpe"] is not None]
    sentence = "One seed: how far chance in training reaches is not known."
    if len(rows) > 1:
        across = float(returns.std(axis=0, ddof=1).mean())
        along = float(returns.mean(axis=0).std(ddof=1)) if len(folds) > 1 else float("nan")
        low, high = (min(sharpes), max(sharpes)) if sharpes else (float("nan"), float("nan"))
        ends = " to ".join(format_number(end, Unit.RATIO, signed=True) for end in (low, high))
        sentence = (
            f"Sharpe ratios of single seeds: {ends}. In one fold the seeds' returns have a standard deviation of "
            f"{format_number(across, Unit.PERCENT)}, the folds' mean returns one of "
            f"{format_number(along, Unit.PERCENT)}. No seed is ever picked: what traded is all of them as one."
        )
    return SeedTable(folds, tuple(_seed_cells(name, row) for name, row in shown), sentence)


def _seed_cells(name: str, row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        name,
        format_number(row["net_return"], Unit.PERCENT, signed=True),
        format_number(row["sharpe"], Unit.RATIO, signed=True),
        format_number(row["max_drawdown"], Unit.PERCENT),
        format_number(row["trades"], Unit.COUNT),
        *(format_number(value, Unit.PERCENT, signed=True) for value in row["fold_returns"]),
    )


def _table(
    document: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
    caveats: Sequence[str],
    own: Mapping[str, Any] | None = None,
    *,
    columns: tuple[str, ...] = (),
    heat: tuple[tuple[str, tuple[HeatCell, ...]], ...] = (),
    retrained: DependenceTable | None = None,
) -> DependenceTable:
    ends = [value for row in rows for value in (row["low"], row["high"], row["difference"]) if value is not None]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    scale = 100.0 / (high - low if high > low else 1.0)
    base = (own or document)["base"]
    said = (
        f"Sharpe ratio {format_number(base['sharpe'], Unit.RATIO, signed=True)}, net return "
        f"{format_number(base['net_return'], Unit.PERCENT, signed=True)}, "
        f"{format_number(base['trades'], Unit.COUNT)} trades"
    )
    placed = tuple(_row(row, low, scale) for row in rows)
    trials = f"{len(rows) + 19 * bool(heat)} accounts, {document['about_trials']}."
    strays = "" if own is not None else _strays(document)
    return DependenceTable(placed, -scale * low, said, tuple(caveats), strays, trials, columns, heat, retrained)


def _row(row: Mapping[str, Any], low: float, scale: float) -> DependenceRow:
    value, ends = row["difference"], (row["low"], row["high"])
    known = value is not None and None not in ends
    first, last = (float(end) for end in ends) if known else (0.0, 0.0)
    interval = " to ".join(format_number(end, Unit.RATIO, signed=True) for end in ends) if known else ""
    style = "draw" if not known or first <= 0.0 <= last else "gain" if first > 0.0 else "loss"
    return DependenceRow(
        name=row.get("name") or row["parameter"],
        setting=row.get("setting", ""),
        meaning=row.get("meaning", ""),
        sharpe=format_number(row["sharpe"], Unit.RATIO, signed=True),
        difference=format_number(value, Unit.RATIO, signed=True),
        interval=interval,
        style=style,
        left=scale * (first - low),
        wide=scale * (last - first),
        at=scale * ((value or 0.0) - low),
        net_return=format_number(row["net_return"], Unit.PERCENT, signed=True),
        max_drawdown=format_number(row["max_drawdown"], Unit.PERCENT),
        trades=format_number(row["trades"], Unit.COUNT),
    )


def _by_reach(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A tornado: the parameter that can do most first, its settings together."""
    reach: dict[str, float] = {}
    for row in rows:
        reach[row["parameter"]] = max(reach.get(row["parameter"], 0.0), abs(row["difference"] or 0.0))
    return sorted(rows, key=lambda row: (-reach[row["parameter"]], row["parameter"]))


def _heat(value: float | None, reach: float) -> HeatCell:
    text = format_number(value, Unit.RATIO, signed=True)
    return HeatCell(text, "lost" if (value or 0.0) < 0 else "won", round(abs(value or 0.0) / reach, 3))


def _caveats(document: Mapping[str, Any]) -> list[str]:
    return [f"{note[:1].upper()}{note[1:]}." for note in document["notes"]]


def _strays(document: Mapping[str, Any]) -> str:
    apart = document["largest_difference"]
    if apart is None or apart <= _SAME:
        return ""
    return (
        f"Traded again as it was, the account strays from the one of this report by up to {apart:.2%} of its first "
        "equity: another version or machine. Differences below are against the account as it is now."
    )
