"""Cells as the venue writes them: whole ids, exact numbers, null that stays null."""

import contextlib
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agv2.core.errors import FinalVenueError, RetryableVenueError, VenueError
from agv2.tradelocker.json_values import Record, listed, parse_json, records_of

READERS = ["text", "id", "decimal", "whole", "flag", "time_ns"]
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.decimals() | st.floats(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def cell(value: Any) -> Record:
    return Record({"x": value}, "row")


@pytest.mark.parametrize("text", ["7277816997907785466", '"7277816997907785466"'])
def test_a_19_digit_id_survives_as_number_and_as_text(text: str) -> None:
    assert cell(parse_json(text.encode())).id("x") == "7277816997907785466"


def test_a_price_never_passes_through_a_float() -> None:
    assert cell(parse_json(b"0.1000000000000000055511151231257827")).decimal("x") == Decimal(
        "0.1000000000000000055511151231257827"
    )
    assert cell(parse_json(b"0.30000000000000004")).decimal("x") == Decimal("0.30000000000000004")


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_is_none_and_never_zero(nothing: str | None) -> None:
    record = cell(nothing)
    assert record.decimal_or_none("x") is None
    assert record.id_or_none("x") is None
    assert record.time_ns_or_none("x") is None
    assert record.text_or_none("x") is None
    with pytest.raises(FinalVenueError, match="row: x is null"):
        record.decimal("x")


@pytest.mark.parametrize("none", ["0", 0])
def test_an_id_of_zero_is_none(none: object) -> None:
    assert cell(none).id_or_none("x") is None


@pytest.mark.parametrize(("value", "meaning"), [("false", False), ("true", True), (False, False), ("True", True)])
def test_the_text_false_is_false(value: object, meaning: bool) -> None:
    assert cell(value).flag("x") is meaning


def test_times_are_milliseconds() -> None:
    assert cell("1772445600123").time_ns("x") == 1_772_445_600_123_000_000


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("id", Decimal("7.27e18")),
        ("id", "../orders"),
        ("id", True),
        ("decimal", "NaN"),
        ("decimal", "Infinity"),
        ("decimal", "1,5"),
        ("decimal", "1e999"),
        ("decimal", True),
        ("decimal", "٣"),
        ("whole", "1.5"),
        ("whole", "9" * 40),
        ("flag", "yes"),
        ("flag", 1),
        ("flag", None),
        ("time_ns", "-1"),
        ("time_ns", "99999999999999"),
        ("text", ["a"]),
    ],
)
def test_a_cell_of_another_kind_is_an_error_that_quotes_it(reader: str, value: object) -> None:
    with pytest.raises(FinalVenueError, match="row: x: expected"):
        getattr(cell(value), reader)("x")


def test_a_missing_cell_is_told_from_a_null_one() -> None:
    with pytest.raises(FinalVenueError, match="row: y is missing"):
        cell(1).text("y")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"<html>", b"NaN", b"[Infinity]", b"\xff", b"1e99999999999999999999", b"9" * 5000, b"[" * 100_000],
)
def test_what_is_no_json_is_not_quoted(content: bytes) -> None:
    with pytest.raises(RetryableVenueError, match=rf"^the answer \({len(content)} bytes\) is not JSON$"):
        parse_json(content)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_json_or_a_venue_error(content: bytes) -> None:
    with contextlib.suppress(VenueError):
        parse_json(content)


@pytest.mark.parametrize("reader", READERS)
@given(value=ANY)
def test_any_cell_is_a_value_or_a_venue_error(reader: str, value: Any) -> None:
    record = cell(value)
    with contextlib.suppress(VenueError):
        assert getattr(record, reader)("x") is not None
    with contextlib.suppress(VenueError):
        getattr(record, reader if reader == "flag" else f"{reader}_or_none")("x")


def test_lists_of_objects() -> None:
    assert [record.whole("a") for record in records_of([{"a": 1}, {"a": "2"}], "x")] == [1, 2]
    assert records_of(None, "x") == []
    assert listed({"a": [1]}, "a") == [1]
    bad: Any
    for bad in (None, [], "a", {"a": {}}, {}):
        with pytest.raises(FinalVenueError, match="expected"):
            listed(bad, "a")
