"""The facts of each market: the model of `config/markets.yaml`."""

from typing import Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from agv2.core.arrays import IntArray
from agv2.core.instruments import Instrument, Market
from agv2.core.timeframes import SessionCalendar
from agv2.utils.config import Config, SymbolConfig

__all__ = ["MarketConfig", "MarketsConfig", "weekdays_per_year"]

Positive = Annotated[float, Field(gt=0.0)]

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NS_PER_DAY = 86_400_000_000_000
_THURSDAY = 3  # 1970-01-01


class _CalendarKind(NamedTuple):
    """What a `calendar:` word stands for."""

    roll_hour: int
    roll_zone: str
    trading_days_per_year: float | None
    """None: counted from the weekdays on which the market's own bars lie."""
    weekend_nights: bool


_CALENDARS = {
    "24/7": _CalendarKind(0, "UTC", None, True),
    "fx": _CalendarKind(17, "America/New_York", 260.0, False),
    "metals": _CalendarKind(17, "America/New_York", 260.0, False),
    "index": _CalendarKind(17, "America/New_York", 252.0, False),
    "inferred": _CalendarKind(0, "UTC", None, True),
}


class MarketConfig(Config):
    """What trading one symbol means, costs apart; the meaning of each field is told in `config/markets.yaml`."""

    asset_class: Literal["crypto", "metal", "index", "forex", "other"]
    calendar: Literal["24/7", "fx", "metals", "index", "inferred"]
    trading_days_per_year: Annotated[float, Field(gt=0.0, le=366.0)] | None
    triple_weekday: Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] | None
    tick_size: Annotated[float, Field(ge=0.0)]
    contract_size: Positive
    lot_step: Positive
    min_lot: Positive
    max_lot: Positive
    leverage: Annotated[float, Field(gt=0.0, le=1000.0)]
    stop_out_frac: Annotated[float, Field(ge=0.0, le=1.0)]
    price_side: Literal["bid", "mid", "ask", "trade"]
    currency: Annotated[str, Field(pattern="^[A-Z]{3,5}$")]
    volume_in_base_units: bool
    venue_names: dict[str, Annotated[str, Field(min_length=1)]]

    @model_validator(mode="after")
    def _lots_in_order(self) -> "MarketConfig":
        if self.max_lot < self.min_lot:
            raise ValueError(f"max_lot {self.max_lot:g} is below min_lot {self.min_lot:g}")
        return self

    def market(self) -> Market:
        """The numbers that kernels read."""
        return Market(
            contract_size=self.contract_size,
            lot_step=self.lot_step,
            min_lot=self.min_lot,
            max_lot=self.max_lot,
            tick_size=self.tick_size,
            leverage=self.leverage,
            stop_out_frac=self.stop_out_frac,
        )

    def session_calendar(self, ts_ns: IntArray) -> SessionCalendar:
        """Trading days of this market.

        Args:
            ts_ns: (n_bars,) opens of the market's bars, read only where the calendar does not say how many trading
                days a year has: one feed of a crypto market is open on Saturdays, another is not.
        """
        kind = _CALENDARS[self.calendar]
        return SessionCalendar(
            roll_hour=kind.roll_hour,
            roll_zone=kind.roll_zone,
            trading_days_per_year=(
                self.trading_days_per_year or kind.trading_days_per_year or weekdays_per_year(ts_ns)
            ),
            triple_weekday=None if self.triple_weekday is None else _WEEKDAYS.index(self.triple_weekday),
            weekend_nights=kind.weekend_nights,
        )


class MarketsConfig(SymbolConfig[MarketConfig]):
    """The model of `config/markets.yaml`: one entry a symbol, each laid over `default`."""

    @model_validator(mode="after")
    def _names_are_a_symbols_own(self) -> "MarketsConfig":
        if self.root["default"].venue_names:
            raise ValueError("default: venue_names would give every symbol one name; set it for each symbol")
        return self

    def instrument(self, symbol: str, ts_ns: IntArray) -> tuple[Instrument, bool]:
        """The instrument that `symbol` names, and whether only the default entry describes it.

        Args:
            symbol: name of the market.
            ts_ns: (n_bars,) opens of its bars, for calendars that are inferred.
        """
        entry, is_default = self.entry(symbol)
        instrument = Instrument(
            symbol=symbol,
            asset_class=entry.asset_class,
            price_side=entry.price_side,
            currency=entry.currency,
            market=entry.market(),
            calendar=entry.session_calendar(ts_ns),
            volume_in_base_units=entry.volume_in_base_units,
        )
        return instrument, is_default

    def venue_name(self, symbol: str, server: str | None) -> str:
        """What the venue calls `symbol`.

        Args:
            symbol: our name of the market.
            server: name of the venue's server, spelled as at login; None: not known.

        Returns:
            The market's name for that server, else its name for `default`, else `symbol` itself.
        """
        names = self.entry(symbol)[0].venue_names
        usual = names.get("default", symbol)
        return usual if server is None else names.get(server, usual)


def weekdays_per_year(ts_ns: IntArray) -> float:
    """Days a year on which a market trades, from the weekdays on which its bars lie.

    A weekday counts when it has bars on at least half as many dates as the busiest weekday, so that holes of any
    length in the history do not matter.

    Args:
        ts_ns: (n_bars,) bar opens, nanoseconds UTC.

    Returns:
        365 for all seven weekdays, 261 for five, in proportion in between.

    Example:
        >>> weekdays_per_year(np.arange(14) * 86_400_000_000_000)
        365.0
    """
    if ts_ns.size == 0:
        return 365.0
    dates = np.unique(ts_ns // _NS_PER_DAY)
    dates_per_weekday = np.bincount((dates + _THURSDAY) % 7, minlength=7)
    n_weekdays = int((2 * dates_per_weekday >= dates_per_weekday.max()).sum())
    return float(round(365.25 * n_weekdays / 7))
