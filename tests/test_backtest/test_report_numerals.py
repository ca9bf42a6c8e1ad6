import math

import pytest

from agv2.backtest.report.numerals import Unit, format_number, format_stamp

THIN = "\u202f"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (-0.0684, Unit.PERCENT, f"−6.8{THIN}%"),
        (0.0012, Unit.PERCENT, f"0.12{THIN}%"),
        (0.0, Unit.PERCENT, f"0.0{THIN}%"),
        (31.4159, Unit.PERCENT, f"3,142{THIN}%"),
        (0.00025, Unit.BASIS_POINTS, f"2.5{THIN}bp"),
        (-1234.5, Unit.RATIO, "−1,234"),
        (0.02, Unit.R, f"0.02{THIN}R"),
        (1203, Unit.BARS, f"1,203{THIN}bars"),
        (2.4, Unit.COUNT, "2.4"),
        (1712.345, Unit.PRICE, "1,712.35"),
        (1.08765, Unit.PRICE, "1.0877"),
        (99.5, Unit.MONEY, "99.50"),
        (150.0, Unit.SECONDS, f"2.5{THIN}min"),
    ],
)
def test_numbers_read_as_a_person_writes_them(value: float, unit: Unit, text: str) -> None:
    assert format_number(value, unit) == text


def test_a_gain_wears_its_sign_and_a_zero_wears_none() -> None:
    assert format_number(0.1, Unit.PERCENT, signed=True).startswith("+")
    assert format_number(-0.00001, Unit.RATIO, signed=True) == "0.00"


@pytest.mark.parametrize("undefined", [None, math.nan, math.inf])
@pytest.mark.parametrize("unit", list(Unit))
def test_the_undefined_is_a_dash_whatever_its_unit(undefined: float | None, unit: Unit) -> None:
    assert format_number(undefined, unit) == "–"


def test_stamps_are_utc_words() -> None:
    ts_ns = 1_614_837_600_000_000_000
    assert format_stamp(ts_ns) == "4 Mar 2021 06:00"
    assert format_stamp(ts_ns, time=False) == "4 Mar 2021"
