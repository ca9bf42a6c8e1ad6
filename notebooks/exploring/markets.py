"""The bars that the notebooks look at: synthetic markets whose truth is known, or a file of the reader's."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import SessionCalendar
from agv2.data.bars_file import read_bars
from agv2.data.config import MarketConfig, MarketsConfig
from agv2.data.synthetic_markets.market import InstrumentMarket, MarketRequest, instrument_market
from agv2.utils.config import load_config

__all__ = ["Subject", "date_of", "load_subjects"]


LEAST_BARS = 4_000
"""What a file needs for the warm-up of the features, something to fit on and something after it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One history to look at, with what is known of its market."""

    bars: Bars
    market: MarketConfig
    calendar: SessionCalendar
    truth: InstrumentMarket | None
    """Nobody knows the truth behind a file of the reader's."""


def load_subjects(path: str | None, requests: Sequence[MarketRequest]) -> dict[str, Subject]:
    """Symbol → history: the markets of `requests`, or the last bars of the file at `path` in their place.

    Args:
        path: Parquet as `agv2 data export` writes it; None: synthetic markets.
        requests: at least one; its `n_bars` is also the most that is taken from a file.

    Raises:
        DataError: the file has too few bars, or is none.
    """
    config = load_config(MarketsConfig, "markets")
    if path is not None:
        bars = read_bars(Path(path)).bars
        if len(bars) < LEAST_BARS:
            raise DataError(f"{path} has {len(bars)} bars; the notebooks need {LEAST_BARS:,}")
        bars = bars.slice(max(0, len(bars) - (requests[0].n_bars or len(bars))), len(bars))
        entry, _ = config.entry(bars.symbol)
        return {bars.symbol: Subject(bars, entry, entry.session_calendar(bars.ts_ns), None)}
    subjects = {}
    for request in requests:
        entry, _ = config.entry(request.symbol)
        made = instrument_market(request, entry)
        calendar = entry.session_calendar(made.bars.ts_ns)
        subjects[request.symbol] = Subject(made.bars, entry, calendar, made)
    return subjects


def date_of(ts_ns: int) -> str:
    """UTC date of a moment, nanoseconds UTC."""
    return str(np.datetime64(int(ts_ns), "ns").astype("datetime64[D]"))
