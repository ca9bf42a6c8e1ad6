"""What the shipped truth study measured: how often the verdict saw an edge on markets with and without one."""

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from agv2.backtest.rule_rates import Rate

__all__ = ["StudiedKind", "false_alarms", "power", "studied_kinds"]


class StudiedKind(NamedTuple):
    """One kind of market of the study."""

    meaning: str
    has_edge: bool
    weak: Rate
    """Share with at least weak evidence."""
    strong: Rate


def studied_kinds() -> tuple[StudiedKind, ...]:
    """All kinds, as `agv2 truth` wrote them to `truth.json`."""
    text = files("agv2.backtest").joinpath("truth_study.json").read_text(encoding="utf-8")
    return tuple(
        StudiedKind(
            cell["meaning"],
            cell["has_edge"],
            _rate(cell["weak"], cell["markets"]),
            _rate(cell["strong"], cell["markets"]),
        )
        for cell in json.loads(text)["cells"]
    )


def false_alarms() -> tuple[StudiedKind, ...]:
    """The kinds without an edge."""
    return tuple(kind for kind in studied_kinds() if not kind.has_edge)


def power() -> tuple[StudiedKind, ...]:
    """The kinds with one."""
    return tuple(kind for kind in studied_kinds() if kind.has_edge)


def _rate(found: Sequence[float], n_markets: int) -> Rate:
    share, low, high = found
    return Rate(share, low, high, n_markets)
