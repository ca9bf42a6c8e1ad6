"""What a person asks of paper or live trading."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from agv2.core.errors import ConfigError
from agv2.utils.config import Override

__all__ = ["LivePermit", "TradingRequest", "chosen_symbol"]


@dataclass(frozen=True, slots=True)
class LivePermit:
    """What allows real money to be traded."""

    record: str
    """Number and digest of the record of it in the chain of verdicts."""
    words: str
    """For a person."""
    is_override: bool = False
    """Whether the gate was passed over."""


@dataclass(frozen=True, slots=True)
class TradingRequest:
    """One start of a trader.

    Attributes:
        mode: whether money is at stake.
        bundle: directory of the model.
        symbol: what is traded; None: the bundle's only one.
        timeframe: of the bars, such as `1h`; None: the bundle's.
        broker: who fills: the simulated venue, or the one that the environment names.
        feed: a Parquet file whose bars stand in for the venue's; None: the venue's.
        speed: how many times faster than it happened a file is played; None: as fast as it goes.
        first: open of the first bar of a file that is traded, nanoseconds UTC; None: the first that can be.
        most_bars: of a file that are traded; None: all.
        journal: a file or the address of a PostgreSQL database; None: the usual place.
        clock: whose time says how old a bar is; None: the machine's, or for a file that of its bars.
        account: id that the venue's account must have; None: whichever the environment names.
        once: stop after one decision.
        once_wait_s: seconds to wait for a bar to decide on; None: as long as one takes to come.
        flatten_on_stop: close what is held when stopped.
        capital: money in the simulated account.
        config_dir: settings; None: those beside the bundle if it is of a run, else the shipped ones.
        overrides: single settings.
        permit: what allows live trading; None: nothing, or none is needed.
        guards: whether a guard that trips halts the trader, or only says so.
    """

    mode: Literal["paper", "live"]
    bundle: Path
    symbol: str | None = None
    timeframe: str | None = None
    broker: Literal["sim", "venue"] = "sim"
    feed: Path | None = None
    speed: float | None = None
    first: int | None = None
    most_bars: int | None = None
    journal: str | None = None
    clock: Literal["system", "venue"] | None = None
    account: str | None = None
    once: bool = False
    once_wait_s: float | None = None
    flatten_on_stop: bool = False
    capital: float = 100_000.0
    config_dir: Path | None = None
    overrides: tuple[Override, ...] = ()
    permit: LivePermit | None = None
    guards: Literal["halt", "tell"] = "halt"


def chosen_symbol(given: str | None, symbols: tuple[str, ...]) -> str:
    """The symbol that is traded: as given, else the only one of a bundle.

    Raises:
        ConfigError: the bundle has several.
    """
    if given is not None or len(symbols) == 1:
        return given or symbols[0]
    raise ConfigError(f"the bundle was trained on {', '.join(symbols)}: say which with --symbol")
