"""Trading hours of the markets that the `calendar:` words of `config/markets.yaml` name."""

import datetime
import functools
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import numpy as np

from agv2.core.arrays import IntArray
from agv2.core.errors import ConfigError

__all__ = ["exchange_hours"]

_NS_PER_SECOND = 1_000_000_000
_NEW_YORK = ZoneInfo("America/New_York")
_DAY = datetime.timedelta(days=1)
_ROLL = datetime.time(17)
_WEEKEND = (5, 6)
_FX_HOLIDAYS = ((1, 1), (12, 25))
_LIBRARY_NAMES = {"metals": "CMEGlobex_Metals", "index": "CME Globex Equity"}


def exchange_hours(calendar: str, start_ns: int, stop_ns: int) -> tuple[IntArray, IntArray]:
    """Opens and closes of the sessions that overlap start_ns up to stop_ns, nanoseconds UTC.

    `24/7` is one session, that span itself. `fx` opens on Sunday 17:00 New York and closes on Friday 17:00, without
    the trading days of Christmas and New Year. `metals` and `index` are the trading hours of CME Globex: 18:00 to
    17:00 New York with its holidays and half days, as pandas_market_calendars has them. The library knows today's
    daily break: until September 2015 the exchange closed at 17:15, though many brokers at 17:00 even then.

    Args:
        calendar: `24/7`, `fx`, `metals` or `index`.
        start_ns: any year that a stamp of bars may have.
        stop_ns: after start_ns.

    Raises:
        ConfigError: another word.
    """
    if calendar == "24/7":
        return np.array([start_ns], dtype=np.int64), np.array([stop_ns], dtype=np.int64)
    # Whole years, so that files of one span ask once.
    years = _year(start_ns), _year(stop_ns)
    if calendar == "fx":
        opens, closes = _fx_hours(*years)
    elif calendar in _LIBRARY_NAMES:
        opens, closes = _library_hours(_LIBRARY_NAMES[calendar], *years)
    else:
        raise ConfigError(f"calendar {calendar!r} has no hours of its own; expected 24/7, fx, metals or index")
    overlap = (closes > start_ns) & (opens < stop_ns)
    return opens[overlap], closes[overlap]


def _year(moment_ns: int) -> int:
    return datetime.datetime.fromtimestamp(moment_ns // _NS_PER_SECOND, datetime.UTC).year


def _dates(first_year: int, last_year: int) -> tuple[datetime.date, datetime.date]:
    """A fortnight more at either end: a session may begin in the year before."""
    return datetime.date(first_year - 1, 12, 18), datetime.date(last_year + 1, 1, 14)


@functools.cache
def _library_hours(name: str, first_year: int, last_year: int) -> tuple[IntArray, IntArray]:
    import pandas_market_calendars  # takes most of a second: only where sessions are asked for

    schedule = pandas_market_calendars.get_calendar(name).schedule(*_dates(first_year, last_year))
    opens, closes = (
        schedule[column].dt.tz_convert(None).to_numpy("datetime64[ns]").astype(np.int64)
        for column in ("market_open", "market_close")
    )
    return opens, closes


@functools.cache
def _fx_hours(first_year: int, last_year: int) -> tuple[IntArray, IntArray]:
    days = [date for date in _every_date(*_dates(first_year, last_year)) if _is_fx_day(date)]
    opens = [_at_roll(date - _DAY) for date in days if not _is_fx_day(date - _DAY)]
    closes = [_at_roll(date) for date in days if not _is_fx_day(date + _DAY)]
    # The span may begin or end inside a week: its first days are not needed.
    closes = [close for close in closes if close > opens[0]]
    return np.array(opens[: len(closes)], dtype=np.int64), np.array(closes, dtype=np.int64)


def _every_date(first: datetime.date, last: datetime.date) -> Iterator[datetime.date]:
    while first <= last:
        yield first
        first += _DAY


def _is_fx_day(date: datetime.date) -> bool:
    return date.weekday() not in _WEEKEND and (date.month, date.day) not in _FX_HOLIDAYS


def _at_roll(date: datetime.date) -> int:
    return int(datetime.datetime.combine(date, _ROLL, _NEW_YORK).timestamp()) * _NS_PER_SECOND
