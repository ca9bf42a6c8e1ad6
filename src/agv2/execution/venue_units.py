"""From base units and float prices to a venue's lots and exact digits, and back: the one place where lots exist."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from agv2.core.errors import InvariantError
from agv2.core.instruments import Market
from agv2.tradelocker.messages import InstrumentDetails

__all__ = ["VenueSizes"]

_GRID_TOLERANCE = Decimal("1e-6")  # of one step: what floats lose on their way through lots and contracts
_SIGNIFICANT = 15  # digits of a float that are its own


@dataclass(frozen=True, slots=True)
class VenueSizes:
    """Grids of one symbol at one venue, the market's own where the venue is silent."""

    details: InstrumentDetails
    market: Market
    """As configured."""

    @property
    def contract_size(self) -> Decimal:
        """Units per lot, exact."""
        return self.details.lot_size or _exact(self.market.contract_size)

    @property
    def lot_step(self) -> Decimal:
        """Smallest change in lots."""
        return self.details.lot_step or _exact(self.market.lot_step)

    def market_at(self, price: float) -> Market:
        """Grids as kernels read them, the tick that of `price`."""
        return self.market._replace(
            contract_size=float(self.contract_size),
            lot_step=float(self.lot_step),
            min_lot=float(self.details.min_lot or _exact(self.market.min_lot)),
            max_lot=float(self.details.max_lot or _exact(self.market.max_lot)),
            tick_size=float(self._tick_at(_exact(price)) or 0),
        )

    def lots(self, units: float) -> Decimal:
        """Lots of `units` (> 0), on the step.

        Raises:
            InvariantError: they lie off the step, or outside of the smallest and largest lot.
        """
        steps = _exact(units) / (self.contract_size * self.lot_step)
        whole = steps.to_integral_value(ROUND_HALF_EVEN)
        lots = whole * self.lot_step
        smallest = self.details.min_lot or _exact(self.market.min_lot)
        largest = self.details.max_lot or _exact(self.market.max_lot)
        if abs(steps - whole) > _GRID_TOLERANCE or not smallest <= lots <= largest:
            raise InvariantError(
                f"{units!r} units are {steps * self.lot_step:f} lots, expected a multiple of {self.lot_step:f} from "
                f"{smallest:f} to {largest:f}"
            )
        return lots

    def closing_lots(self, units: float) -> Decimal | None:
        """Lots of a close of `units`; None for 0, which stands for all.

        Raises:
            InvariantError: `units` lie off the step.
        """
        if units == 0.0:
            return None
        steps = _exact(units) / (self.contract_size * self.lot_step)
        whole = steps.to_integral_value(ROUND_HALF_EVEN)
        if abs(steps - whole) > _GRID_TOLERANCE or whole <= 0:
            raise InvariantError(f"{units!r} units to close are no multiple of {self.lot_step:f} lots")
        return whole * self.lot_step

    def units(self, lots: Decimal) -> float:
        """Base units of `lots`."""
        return float(lots * self.contract_size)

    def price(self, price: float) -> Decimal | None:
        """`price` on the tick of its band; None for 0, which stands for no price."""
        if price == 0.0:
            return None
        exact = _exact(price)
        tick = self._tick_at(exact)
        if not tick:
            return exact
        return (exact / tick).to_integral_value(ROUND_HALF_EVEN) * tick

    def _tick_at(self, price: Decimal) -> Decimal | None:
        tick = self.details.tick_size_at(price)
        return tick if tick else (_exact(self.market.tick_size) or None)


def _exact(number: float) -> Decimal:
    """The decimal that a person means by `number`: its 15 digits, not the binary fraction behind them."""
    return Decimal(f"{number:.{_SIGNIFICANT}g}")
