"""What the fake venue lists, and who may log in to trade it."""

from dataclasses import dataclass, field
from decimal import Decimal

from agv2.core.bars import Bars
from agv2.core.errors import ConfigError

__all__ = ["FakeAccount", "FakeLogin", "Listing", "TickBand"]


@dataclass(frozen=True, slots=True)
class TickBand:
    """Tick size of all prices from `from_price` up to the next band."""

    from_price: Decimal
    tick_size: Decimal


@dataclass(frozen=True, slots=True)
class Listing:
    """One instrument with the prices it will have.

    Args:
        name: the broker's name of it, such as `ETHUSD` or `GOLD.r`.
        bars: its prices over time; a missing spread is `spread`.
        tick_bands: rising from 0.
        spread: ask minus bid where the bars know none.
        pip_size: unit of `offset` and `trailingOffset` distances.
        quote_rate: account currency paid for one unit of the quoting currency; constant.

    Raises:
        ConfigError: the tick bands do not start at 0 or do not rise, or there is no bar.
    """

    name: str
    bars: Bars
    kind: str = "CRYPTO"
    base_currency: str = "ETH"
    quoting_currency: str = "USD"
    tick_bands: tuple[TickBand, ...] = (TickBand(Decimal(0), Decimal("0.01")),)
    spread: Decimal = Decimal("0.10")
    pip_size: Decimal = Decimal("0.10")
    lot_size: Decimal = Decimal(1)
    min_lot: Decimal = Decimal("0.01")
    lot_step: Decimal = Decimal("0.01")
    max_lot: Decimal = Decimal(100)
    leverage: Decimal = Decimal(20)
    quote_rate: Decimal = Decimal(1)
    bar_source: str = "BID"

    def __post_init__(self) -> None:
        starts = [band.from_price for band in self.tick_bands]
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            raise ConfigError(f"{self.name}: tick bands start at 0 and rise, found {[str(each) for each in starts]}")
        if not len(self.bars):
            raise ConfigError(f"{self.name}: a listing needs at least one bar, found none")

    def tick_size(self, price: Decimal) -> Decimal:
        """Tick size of the band that holds `price`."""
        bands = (band for band in reversed(self.tick_bands) if price >= band.from_price)
        return next(bands, self.tick_bands[0]).tick_size

    def on_grid(self, price: Decimal) -> bool:
        """Whether `price` is a whole number of ticks."""
        return price % self.tick_size(price) == 0

    def rounded(self, price: Decimal) -> Decimal:
        """Nearest price on the grid."""
        tick = self.tick_size(price)
        return (price / tick).to_integral_value() * tick


@dataclass(frozen=True, slots=True)
class FakeAccount:
    """One trading account: `account_id` goes into paths, `acc_num` into the header."""

    account_id: str = "812345"
    acc_num: str = "1"
    balance: Decimal = Decimal(50_000)
    currency: str = "USD"
    status: str = "ACTIVE"


@dataclass(frozen=True, slots=True)
class FakeLogin:
    """Credentials and the accounts behind them; the default login has two active accounts."""

    email: str = "trader@example.com"
    password: str = field(default="a fake password", repr=False)
    server: str = "FAKE"
    accounts: tuple[FakeAccount, ...] = (
        FakeAccount(),
        FakeAccount(account_id="812399", acc_num="2", balance=Decimal(10_000)),
    )
