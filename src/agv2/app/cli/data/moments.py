"""Dates as people write and read them on the command line."""

import datetime

from agv2.core.errors import ConfigError

__all__ = ["moment_text", "parse_moment"]


def parse_moment(option: str, text: str) -> int:
    """Nanoseconds UTC of a date or a time, UTC unless it says otherwise.

    Raises:
        ConfigError: it is neither, or lies outside 1970 to 2199.
    """
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise ConfigError(f"{option} {text}: not a date; write 2024-01-01 or 2024-01-01T14:30 (UTC)") from None
    moment = moment.replace(tzinfo=datetime.UTC) if moment.tzinfo is None else moment
    if not 1970 <= moment.year < 2200:
        raise ConfigError(f"{option} {text}: expected a year from 1970 to 2199")
    whole_ms = (moment - datetime.datetime.fromtimestamp(0, datetime.UTC)) // datetime.timedelta(milliseconds=1)
    return whole_ms * 1_000_000


def moment_text(ts_ns: int) -> str:
    """A stamp to the minute.

    >>> moment_text(0)
    '1970-01-01 00:00 UTC'
    """
    moment = datetime.datetime.fromtimestamp(ts_ns // 1_000_000_000, datetime.UTC)
    return moment.strftime("%Y-%m-%d %H:%M UTC")
