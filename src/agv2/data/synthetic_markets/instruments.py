"""What distinguishes one synthetic instrument from another: numbers fitted to the statistics of real bars."""

from typing import NamedTuple

from agv2.core.errors import DataError

__all__ = ["INSTRUMENTS", "InstrumentShape", "instrument_shape"]


class InstrumentShape(NamedTuple):
    """Constants of one instrument; docs/synthetic_markets.md says where they come from."""

    start_price: float
    annual_volatility: float
    """Of log returns, closures included; long-run root mean square."""
    open_hours_per_year: float
    half_hours: tuple[float, ...]
    """(48,) volatility of each half hour of New York's day over the mean one; 0 where the market is closed."""
    weekend_factor: float
    """Volatility of Saturdays and Sundays (New York dates) over that of other days."""
    gap_hours: float
    """Standard deviation of the opening move after a closure of one hour, in hourly standard deviations."""
    gap_growth: float
    """Power of the closure's length in hours by which that grows."""
    clustering: tuple[float, float, float]
    """Standard deviations of the fast, the medium and the slow part of log volatility."""
    leverage: float
    """Correlation of a return with the change of log volatility that follows; <= 0."""
    tail_degrees: float
    """Student-t degrees of freedom of a bar's shock, > 2."""
    spread_frac: float
    """Typical ask minus bid over price."""
    spread_hours: tuple[float, ...]
    """(24,) spread at each hour of New York's day over the typical one."""
    volume_per_hour: float
    """Typical number of quotes an hour."""
    up_hours: tuple[int, ...]
    """Hours of New York's day, counted from midnight, that rise where a session edge is planted."""
    down_hours: tuple[int, ...]
    """Hours that fall there."""


_GOLD_DAY = (
    *(0.67, 0.73, 0.82, 1.02, 0.94, 0.92, 0.97, 0.95, 1.10, 0.86, 0.86, 0.76, 0.83, 0.85, 0.86, 0.93),
    *(1.30, 1.50, 1.30, 1.65, 1.62, 1.36, 1.24, 1.08, 1.04, 0.96, 0.98, 0.90, 0.91, 0.85, 0.84, 0.80),
    *(0.66, 0.60, 0.00, 0.00, 0.95, 0.80, 0.90, 0.88, 1.15, 0.98, 1.12, 1.06, 0.88, 0.80, 0.72, 0.63),
)
_DOW_DAY = (
    *(0.45, 0.46, 0.50, 0.55, 0.62, 0.62, 0.85, 0.72, 0.80, 0.64, 0.62, 0.60, 0.64, 0.68, 0.79, 0.74),
    *(0.80, 1.05, 0.99, 2.55, 2.00, 1.68, 1.62, 1.44, 1.28, 1.26, 1.22, 1.20, 1.22, 1.32, 1.15, 1.45),
    *(0.85, 0.50, 0.00, 0.00, 0.60, 0.54, 0.65, 0.52, 0.70, 0.60, 0.56, 0.54, 0.48, 0.42, 0.46, 0.40),
)
_NASDAQ_DAY = (
    *(0.54, 0.52, 0.55, 0.57, 0.63, 0.64, 0.86, 0.72, 0.80, 0.68, 0.66, 0.62, 0.64, 0.66, 0.78, 0.76),
    *(0.82, 1.12, 0.97, 2.45, 1.97, 1.72, 1.60, 1.42, 1.26, 1.22, 1.20, 1.18, 1.20, 1.24, 1.10, 1.36),
    *(0.95, 0.62, 0.00, 0.00, 0.66, 0.60, 0.70, 0.58, 0.76, 0.65, 0.60, 0.60, 0.55, 0.49, 0.53, 0.45),
)
_RUSSELL_DAY = tuple(0.5 * (dow + nasdaq) for dow, nasdaq in zip(_DOW_DAY, _NASDAQ_DAY, strict=True))
_ETHER_DAY = (
    *(0.81, 0.82, 0.79, 0.83, 0.84, 0.82, 0.84, 0.80, 0.90, 0.84, 0.79, 0.81, 0.83, 0.80, 0.92, 0.85),
    *(0.95, 1.03, 1.10, 1.50, 1.42, 1.33, 1.25, 1.16, 1.18, 1.11, 1.06, 1.06, 1.00, 0.96, 1.03, 1.00),
    *(0.98, 1.00, 1.12, 0.99, 1.13, 0.97, 1.08, 1.02, 1.10, 1.03, 0.97, 0.91, 0.95, 0.87, 0.82, 0.80),
)

# Wide where New York closes and a new trading day opens, somewhat wide in Asian hours.
_GOLD_SPREADS = (
    *(1.14, 1.14, 1.06, 1.00, 1.00, 1.00, 1.00, 1.00, 1.02, 1.02, 1.00, 1.00),
    *(1.02, 1.02, 1.04, 1.05, 1.25, 2.00, 1.40, 1.22, 1.18, 1.15, 1.14, 1.14),
)
_INDEX_SPREADS = (
    *(1.12, 1.12, 1.02, 1.04, 1.02, 1.00, 1.00, 1.02, 1.06, 0.96, 0.86, 0.84),
    *(0.83, 0.83, 0.83, 0.84, 1.20, 1.80, 1.28, 1.18, 1.16, 1.14, 1.12, 1.12),
)
_ETHER_SPREADS = (
    *(1.03, 1.03, 1.02, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00, 1.00),
    *(1.00, 1.00, 1.00, 1.00, 1.00, 1.10, 1.05, 1.03, 1.04, 1.04, 1.03, 1.03),
)

_METAL_HOURS, _INDEX_HOURS = 5900.0, 5850.0

INSTRUMENTS: dict[str, InstrumentShape] = {
    "ETHUSD": InstrumentShape(
        *(3000.0, 0.75, 8766.0, _ETHER_DAY, 0.80, 0.30, 0.30, (0.30, 0.34, 0.30), -0.10, 6.0),
        *(2.0e-4, _ETHER_SPREADS, 9000.0, (20, 21, 22), (9, 10, 11)),
    ),
    "XAUUSD": InstrumentShape(
        *(2000.0, 0.17, _METAL_HOURS, _GOLD_DAY, 1.0, 0.42, 0.25, (0.30, 0.32, 0.28), -0.06, 7.0),
        *(0.6e-4, _GOLD_SPREADS, 7000.0, (19, 20, 21), (9, 10, 11)),
    ),
    "XAGUSD": InstrumentShape(
        *(25.0, 0.32, _METAL_HOURS, _GOLD_DAY, 1.0, 0.50, 0.20, (0.31, 0.33, 0.32), -0.06, 7.0),
        *(8.0e-4, _GOLD_SPREADS, 5000.0, (19, 20, 21), (9, 10, 11)),
    ),
    "US30": InstrumentShape(
        *(35000.0, 0.16, _INDEX_HOURS, _DOW_DAY, 1.0, 0.56, 0.29, (0.28, 0.36, 0.34), -0.20, 9.0),
        *(0.45e-4, _INDEX_SPREADS, 5000.0, (13, 14, 15), (2, 3, 4)),
    ),
    "NAS100": InstrumentShape(
        *(15000.0, 0.21, _INDEX_HOURS, _NASDAQ_DAY, 1.0, 0.56, 0.33, (0.27, 0.36, 0.32), -0.20, 9.0),
        *(0.6e-4, _INDEX_SPREADS, 6000.0, (13, 14, 15), (2, 3, 4)),
    ),
    "US2000": InstrumentShape(
        *(2000.0, 0.23, _INDEX_HOURS, _RUSSELL_DAY, 1.0, 0.56, 0.33, (0.27, 0.36, 0.32), -0.20, 9.0),
        *(2.0e-4, _INDEX_SPREADS, 4000.0, (13, 14, 15), (2, 3, 4)),
    ),
}
"""By symbol. US2000 has no real series to fit: it takes the mean day of US30 and NAS100 and a higher volatility."""


def instrument_shape(symbol: str) -> InstrumentShape:
    """The shape of `symbol`.

    Raises:
        DataError: no synthetic instrument has that name.
    """
    if symbol not in INSTRUMENTS:
        raise DataError(f"there is no synthetic market {symbol!r}; choose one of {', '.join(INSTRUMENTS)}")
    return INSTRUMENTS[symbol]
