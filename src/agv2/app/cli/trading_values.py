"""Values of options that need more than a type."""

import numpy as np

from agv2.core.errors import ConfigError

__all__ = ["first_moment", "speed_of"]


def speed_of(text: str) -> float | None:
    """Times faster than it happened; None for as fast as it goes.

    >>> speed_of("max"), speed_of("60")
    (None, 60.0)

    Raises:
        ConfigError: it is neither `max` nor a number above zero.
    """
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0.0 < speed < float("inf"):
        raise ConfigError(f"--speed {text}: write max, or how many times faster than it happened, such as 60")
    return speed


def first_moment(text: str | None) -> int | None:
    """Nanoseconds since 1970 of a day or a moment, UTC; None for none.

    >>> first_moment("1970-01-02"), first_moment("1970-01-01T01:00")
    (86400000000000, 3600000000000)

    Raises:
        ConfigError: it is no date.
    """
    if text is None:
        return None
    try:
        return int(np.datetime64(text, "ns").astype("int64"))
    except ValueError:
        raise ConfigError(f"--from {text}: write a date as 2026-03-31, or a moment as 2026-03-31T17:00") from None
