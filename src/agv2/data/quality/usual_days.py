"""How lively each hour of a market's day usually is."""

from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray

__all__ = ["UsualDay", "usual_day"]


class UsualDay(NamedTuple):
    """A day by the clock that the market lives by."""

    zone: str
    """IANA zone of that clock."""
    liveliness: FloatArray
    """(24,) logarithm of each local hour's share of the day's ranges, the mean hour at 0."""


_NEW_YORK = "America/New_York"
# Medians over quotes of several brokers and years. What marks each day: the cash open at 9:30 and the pause at 17:00
# (US indices), figures at 8:30 and the pause (metals), the opens of London and New York (currencies), the opens of
# Frankfurt and New York (German index), the American day (crypto).
_US_INDEX = (
    -0.6, -0.4, -0.3, 0.0, -0.1, -0.3, -0.2, -0.1, 0.1, 0.9, 0.9, 0.6,
    0.5, 0.4, 0.3, 0.4, -0.4, -1.9, -0.6, -0.6, -0.5, -0.7, -0.9, -1.0,
)  # fmt: skip
_EU_INDEX = (
    -1.0, -1.0, -0.8, -0.9, -1.1, -1.3, -1.3, -0.9, 0.3, 0.9, 0.6, 0.4,
    0.3, 0.3, 0.4, 0.6, 0.7, 0.5, 0.0, -0.1, -0.1, 0.0, -1.2, -1.9,
)  # fmt: skip
_METAL = (
    -0.2, 0.0, 0.1, 0.2, 0.1, 0.0, 0.0, 0.1, 0.6, 0.6, 0.6, 0.3,
    0.1, 0.0, -0.1, -0.1, -0.5, -1.9, -0.5, -0.5, -0.2, -0.1, -0.4, -0.5,
)  # fmt: skip
_FOREX = (
    -0.4, -0.2, 0.2, 0.3, 0.3, 0.1, 0.1, 0.2, 0.5, 0.5, 0.6, 0.4,
    0.1, 0.0, -0.1, -0.2, -0.4, -0.8, -0.7, -0.6, -0.4, -0.5, -0.6, -0.7,
)  # fmt: skip
_CRYPTO = (
    -0.2, -0.2, -0.1, -0.1, -0.1, -0.1, -0.1, 0.0, 0.1, 0.4, 0.4, 0.3,
    0.2, 0.1, 0.1, 0.1, 0.0, -0.1, -0.2, -0.1, -0.1, -0.2, -0.3, -0.3,
)  # fmt: skip

_DAYS = {
    ("index", "USD"): (_NEW_YORK, _US_INDEX),
    ("index", "EUR"): ("Europe/Berlin", _EU_INDEX),
    ("metal", "USD"): (_NEW_YORK, _METAL),
    ("forex", "USD"): (_NEW_YORK, _FOREX),
    ("crypto", "USD"): (_NEW_YORK, _CRYPTO),
}


def usual_day(asset_class: str, currency: str) -> UsualDay | None:
    """The day of such a market; None for one that nobody has measured."""
    found = _DAYS.get((asset_class, currency))
    return None if found is None else UsualDay(found[0], np.array(found[1]))
