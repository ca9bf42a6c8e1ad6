"""Rows of one vendor's file, as far as the file alone can tell."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.data.importers.clocks import Clock
from agv2.data.importers.stamp_text import StampLayout
from agv2.data.importers.text_table import RowReader, TextTable

__all__ = ["PriceSide", "ReadOptions", "VendorFormat", "VendorRows", "priced_rows", "quoted_rows", "spread_between"]

PriceSide = Literal["bid", "ask", "mid", "trade"]


class ReadOptions(NamedTuple):
    """What a user says that a file does not."""

    columns: tuple[tuple[str, str], ...] = ()
    """Role and column of `--map`, such as ("open", "Eröffnung") or ("open", "3"); empty: none was given."""
    stamp_layout: StampLayout | None = None
    point: float | None = None
    """Price of one point, for spreads that are written in points."""
    allowed_bad: int = 0
    """Rows of each file that may be left out."""


@dataclass(frozen=True, slots=True)
class VendorRows:
    """Bars (or ticks) of one file in its own order, oldest first unless its rows say otherwise."""

    path: Path
    lines: IntArray
    """(n_rows,) line of the file on which each row stands, from 1; of Parquet, the row from 0."""
    stamp_ns: IntArray
    """(n_rows,) what the vendor's clock showed, nanoseconds since 1970."""
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    """(n_rows,) NaN where unknown."""
    spread: FloatArray
    """(n_rows,) price units, NaN where unknown, negative where the vendor has it so."""
    clock: Clock | None = None
    """None: the format does not say."""
    absolute: bool = False
    """Whether each stamp states its own offset from UTC, so that no other clock can be meant."""
    stamps: Literal["open", "close"] | None = "open"
    """None: the format does not say."""
    price_side: PriceSide | None = None
    """None: the file does not say."""
    symbol: str | None = None
    """From the vendor's way of naming files."""
    minutes: int | None = None
    """Length of a bar, where the rows state it."""
    counted: Literal["line", "row"] = "line"
    """What `lines` counts."""
    ticks: bool = False
    """Whether a row is a quote (all four prices its bid, spread its ask less bid) rather than a bar."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VendorFormat:
    """One format: how it is recognised, and how it is read."""

    name: str
    """As `--format` takes it."""
    title: str
    fits: Callable[[TextTable], bool]
    """Whether the content is laid out so."""
    read: Callable[[TextTable, ReadOptions], VendorRows]
    one_sided: bool = False
    """Whether a file holds bid or ask prices and only its name says which."""
    doubt: Callable[[TextTable], str | None] = lambda _: None
    """Why content that fits might still be something else, and how to say which; None: it is not."""


def priced_rows(
    reader: RowReader, stamp_ns: IntArray, ohlc: tuple[int, int, int, int], volume: int | None
) -> VendorRows:
    """Rows of bars whose prices stand in four columns, without spread.

    Args:
        reader: the file.
        stamp_ns: (n_rows,) stamps, rejected ones included.
        ohlc: columns of open, high, low and close, from 0.
        volume: column of volume; None: unknown.

    Raises:
        DataError: more rows than allowed are unusable: unreadable, not above zero, or with a close outside the range.
    """
    names = ("open", "high", "low", "close")
    opened, high, low, closed = prices = [
        reader.numbers(column, name) for column, name in zip(ohlc, names, strict=True)
    ]
    for values, name in zip(prices, names, strict=True):
        reader.reject(values <= 0.0, f"{name} is not above zero")
    reader.reject(high < low, "high is below low")
    for values, name in ((opened, "open"), (closed, "close")):
        reader.reject((values > high) | (values < low), f"{name} lies outside low to high")
    unknown = np.full(stamp_ns.size, np.nan)
    volumes = unknown if volume is None else reader.numbers(volume, "volume", optional=True)
    negative = volumes < 0.0
    notes: tuple[str, ...] = ()
    if negative.any():
        notes = (f"volume is negative in {int(negative.sum())} rows: taken as unknown there",)
        volumes = np.where(negative, np.nan, volumes)
    keep, left_out = reader.kept()
    return VendorRows(
        path=reader.path,
        lines=reader.lines[keep],
        stamp_ns=stamp_ns[keep],
        open=opened[keep],
        high=high[keep],
        low=low[keep],
        close=closed[keep],
        volume=volumes[keep],
        spread=unknown[keep],
        notes=(*left_out, *notes),
    )


def quoted_rows(reader: RowReader, stamp_ns: IntArray, bid: int, ask: int) -> VendorRows:
    """Rows of ticks: a bid and an ask at a moment.

    Args:
        reader: the file.
        stamp_ns: (n_rows,) stamps, rejected ones included.
        bid: column of the bid, from 0.
        ask: column of the ask.

    Raises:
        DataError: more rows than allowed have no bid or ask above zero.
    """
    prices = [reader.numbers(column, name) for column, name in ((bid, "bid"), (ask, "ask"))]
    for values, name in zip(prices, ("bid", "ask"), strict=True):
        reader.reject(values <= 0.0, f"{name} is not above zero")
    keep, notes = reader.kept()
    bids = prices[0][keep]
    return VendorRows(
        path=reader.path,
        lines=reader.lines[keep],
        stamp_ns=stamp_ns[keep],
        open=bids,
        high=bids,
        low=bids,
        close=bids,
        volume=np.ones(bids.size),
        spread=spread_between(bids, prices[1][keep]),
        price_side="bid",
        ticks=True,
        notes=notes,
    )


def spread_between(bid: FloatArray, ask: FloatArray) -> FloatArray:
    """Ask less bid, without the binary dust of the subtraction: quotes have few decimals.

    >>> spread_between(np.array([1.57597]), np.array([1.57608])).tolist()
    [0.00011]
    """
    spread: FloatArray = np.round(ask - bid, 11)
    return spread
