"""Bars written in each vendor's layout and read back, on several clocks and over weeks in which clocks change."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.core.bars import Bars
from agv2.core.errors import AGV2Error
from agv2.data.importers.clocks import CANDIDATES, UTC, Clock, parse_clock
from agv2.data.importers.formats import FORMATS, format_named
from agv2.data.importers.import_bars import import_bars
from agv2.data.importers.import_request import ImportedSeries, ImportRequest
from agv2.data.importers.mapped_csv import parse_map
from agv2.data.importers.own_parquet import write_own_parquet
from agv2.data.importers.stamp_text import stated_layout
from agv2.data.importers.vendor_rows import ReadOptions, VendorFormat
from tests.factories import some_bars
from tests.test_data.test_importers.layouts import LAYOUTS, a_market, on_clock, write

FIXED = {
    "dukascopy": UTC, "histdata": parse_clock("EST"), "binance": UTC, "binance-us": UTC, "bitfinex": UTC, "fxcm": UTC
}  # fmt: skip
MAP = parse_map("ts=When,open=O,high=H,low=L,close=C,volume=V")
WEEKS = ["2025-03-07", "2025-03-28", "2025-10-24", "2025-10-31", "2025-06-20"]
COLUMNS = ("open", "high", "low", "close", "volume")


def read_back(path: Path, layout: str, bars: Bars, clock: Clock, stamps: str) -> ImportedSeries:
    return import_bars(
        ImportRequest(
            (write(path, layout, bars, on_clock(bars, clock, stamps)),),
            symbol="TEST",
            clock=None if layout in FIXED else clock,
            stamps=stamps,  # type: ignore[arg-type]
            price_side="bid",
            options=ReadOptions(
                columns=MAP if layout == "csv" else (),
                stamp_layout=stated_layout("%m/%d/%Y %H:%M") if layout == "us-equity" else None,
            ),
        )
    )


def assert_same(found: Bars, bars: Bars, *, spread: bool, volume: bool = True) -> None:
    np.testing.assert_array_equal(found.ts_ns, bars.ts_ns)
    for name in COLUMNS if volume else COLUMNS[:4]:
        np.testing.assert_array_equal(getattr(found, name), getattr(bars, name))
    if spread:
        np.testing.assert_array_equal(found.spread, bars.spread)
    else:
        assert np.isnan(found.spread).all()
    assert (found.timeframe, found.symbol) == (bars.timeframe, bars.symbol)


@given(
    layout=st.sampled_from(sorted(LAYOUTS)),
    clock=st.sampled_from(CANDIDATES),
    week=st.sampled_from(WEEKS),
    hours=st.sampled_from(["fx", "futures", "cash", "always"]),
    timeframe=st.sampled_from(["1m", "15m", "1h"]),
    stamps=st.sampled_from(["open", "close"]),
    seed=st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_what_a_vendor_writes_is_read_back(
    layout: str, clock: Clock, week: str, hours: str, timeframe: str, stamps: str, seed: int
) -> None:
    vendor_stamps = stamps if layout in ("us-equity", "csv") else "open"
    bars = a_market(week, 5, timeframe, hours, seed=seed)
    with tempfile.TemporaryDirectory() as directory:
        found = read_back(Path(directory) / "x.csv", layout, bars, FIXED.get(layout, clock), vendor_stamps)
    assert_same(found.bars, bars, spread=layout == "mt5", volume=layout != "fxcm")
    assert found.format.name == layout.removesuffix("-us")


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_exactly_one_format_fits_each_layout(tmp_path: Path, layout: str) -> None:
    bars = a_market("2025-06-20", 5, "15m")
    path = write(tmp_path / "x.csv", layout, bars, on_clock(bars, UTC))
    outcomes = {vendor.name: outcome(path, vendor) for vendor in FORMATS}
    taking = [name for name, problem in outcomes.items() if problem is None]
    assert taking == ([] if layout == "csv" else [layout.removesuffix("-us")])
    assert all(f"is not in the format {name}" in problem for name, problem in outcomes.items() if problem is not None)


def outcome(path: Path, vendor: VendorFormat) -> str | None:
    """What is said against reading `path` as `vendor`; None where it is read."""
    try:
        import_bars(ImportRequest((path,), symbol="T", format=vendor, clock=UTC, stamps="open", price_side="bid"))
    except AGV2Error as error:
        return str(error)
    return None


def test_a_year_on_a_server_comes_back_without_being_told_the_clock(tmp_path: Path) -> None:
    bars = a_market("2024-11-15", 330, "30m", "futures")
    clock = parse_clock("Europe/Athens")
    path = write(tmp_path / "XAUUSD_M30.csv", "mt5", bars, on_clock(bars, clock))
    found = import_bars(ImportRequest((path,), symbol="TEST"))
    assert_same(found.bars, bars, spread=True)
    assert found.clock.zone == "Europe/Athens"
    assert found.clock_basis == "found in the bars, certainty high"


# -------------------------------------------------------------------------------------------------- any bytes

WRITTEN = {layout: LAYOUTS[layout](bars, bars.ts_ns).encode() for bars in [a_market("2025-06-20", 1, "1h", "always")]
           for layout in LAYOUTS}  # fmt: skip


def parquet_bytes() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "X_1h.parquet"
        write_own_parquet(some_bars(20), path, price_side="bid", source="test")
        return path.read_bytes()


WRITTEN["parquet"] = parquet_bytes()


@st.composite
def spoilt(draw: st.DrawFn) -> tuple[str, bytes]:
    """A vendor's file with a few bytes cut out, put in or exchanged."""
    layout = draw(st.sampled_from(sorted(WRITTEN)))
    content = bytearray(WRITTEN[layout])
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(content)))
        stop = min(len(content), place + draw(st.integers(0, 20)))
        content[place:stop] = draw(
            st.one_of(
                st.binary(max_size=8),
                st.sampled_from([b"\n", b",", b";", b"\t", b'"', b"nan", b"inf", b"-1", b"1e999", b"9" * 30, b"\r"]),
            )
        )
    return layout, bytes(content)


def must_end_well(content: bytes, layout: str | None, *, allowed_bad: int = 0) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "x_bid.csv"
        path.write_bytes(content)
        request = ImportRequest(
            (path,),
            symbol="TEST",
            clock=UTC,
            stamps="open",
            format=None if layout in (None, "csv", "parquet") else format_named(str(layout).removesuffix("-us")),
            options=ReadOptions(columns=MAP if layout == "csv" else (), allowed_bad=allowed_bad),
        )
        problem, bars = None, None
        try:
            bars = import_bars(request).bars
        except AGV2Error as error:
            problem = str(error)
    if bars is None:
        assert problem
        assert "\n" not in problem
        return
    prices = np.column_stack([bars.open, bars.high, bars.low, bars.close])
    assert len(bars)
    assert np.isfinite(prices).all()
    assert (prices > 0.0).all()
    assert (bars.low <= prices.min(axis=1)).all()
    assert (bars.high >= prices.max(axis=1)).all()
    assert (np.diff(bars.ts_ns) > 0).all()
    assert not (bars.volume < 0.0).any()
    assert not np.isinf(bars.volume).any()
    assert not np.isinf(bars.spread).any()


@given(file=spoilt(), allowed_bad=st.sampled_from([0, 3]))
@settings(max_examples=250, deadline=None)
def test_a_spoilt_file_gives_one_line_or_valid_bars(file: tuple[str, bytes], allowed_bad: int) -> None:
    must_end_well(file[1], file[0], allowed_bad=allowed_bad)


@given(
    content=st.binary(max_size=300),
    start=st.sampled_from([b"", b"PAR1", b"[", b"\x1f\x8b", b"PK\x03\x04", b"\xff\xfe"]),
)
@settings(max_examples=150, deadline=None)
def test_any_bytes_give_one_line(content: bytes, start: bytes) -> None:
    must_end_well(start + content, None)
