"""Three crises as shapes: how far price went by when, in daily volatilities, for any market to live through."""

import datetime
import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["CRISES", "Crisis", "CrisisName"]

CrisisName = Literal["2008", "march 2020", "flash crash"]

# The shapes are those of the S&P 500, whose daily log returns have a standard deviation of about this in the long run.
_USUAL_DAILY = 0.012


@dataclass(frozen=True, slots=True)
class Crisis:
    """One crisis: when it was, and its shape.

    Attributes:
        name: as on the command line.
        title: as a reader says it.
        first_day: of the span that is replayed where bars cover it.
        last_day: of that span, itself included.
        unit: what the knots count: trading days, or minutes.
        knots: (time since the beginning, log price since then in daily volatilities), rising in time, the first at
            (0, 0); straight lines between them.
        after: trading days that follow the last knot.
        loudness: what the market's own bars, which lie around the shape, are magnified by.
        spread_factor: what the spread is multiplied by meanwhile.
        basis: what the shape is taken from.
    """

    name: CrisisName
    title: str
    first_day: datetime.date
    last_day: datetime.date
    unit: Literal["days", "minutes"]
    knots: tuple[tuple[float, float], ...]
    after: float
    loudness: float
    spread_factor: float
    basis: str


def _of_closes(first: float, closes: tuple[tuple[int, float], ...]) -> tuple[tuple[float, float], ...]:
    return ((0.0, 0.0), *((float(day), math.log(close / first) / _USUAL_DAILY) for day, close in closes))


CRISES: tuple[Crisis, ...] = (
    Crisis(
        name="2008",
        title="Autumn 2008",
        first_day=datetime.date(2008, 9, 12),
        last_day=datetime.date(2008, 11, 28),
        unit="days",
        knots=_of_closes(
            1251.70,
            (
                (1, 1192.70), (3, 1156.39), (5, 1255.08), (11, 1106.42), (20, 899.22), (21, 1003.35), (31, 848.92),
                (37, 1005.75), (49, 752.44), (54, 896.24),
            ),
        ),
        after=0.0,
        loudness=2.0,
        spread_factor=3.0,
        basis="turning points of the closes of the S&P 500, 12 September to 28 November 2008",
    ),
    Crisis(
        name="march 2020",
        title="March 2020",
        first_day=datetime.date(2020, 2, 19),
        last_day=datetime.date(2020, 3, 26),
        unit="days",
        knots=_of_closes(
            3386.15,
            (
                (7, 2954.22), (10, 3130.12), (13, 2746.56), (14, 2882.23), (16, 2480.64), (17, 2711.02), (18, 2386.13),
                (19, 2529.19), (23, 2237.40), (26, 2630.07),
            ),
        ),
        after=0.0,
        loudness=2.0,
        spread_factor=4.0,
        basis="turning points of the closes of the S&P 500, 19 February to 26 March 2020",
    ),
    Crisis(
        name="flash crash",
        title="Flash crash",
        first_day=datetime.date(2010, 5, 6),
        last_day=datetime.date(2010, 5, 7),
        unit="minutes",
        knots=((0.0, 0.0), (9.0, -2.5), (13.0, -5.0), (20.0, -3.0), (36.0, -1.2)),
        after=2.0,
        loudness=1.5,
        spread_factor=10.0,
        basis="stylised from 6 May 2010: six per cent within a quarter of an hour, three quarters of it regained "
        "within the half hour after (findings of the CFTC and the SEC, September 2010)",
    ),
)  # fmt: skip
"""The shapes leave out what a close hides: the way within a day is that of the market's own bars, magnified."""
