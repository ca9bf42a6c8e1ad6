"""How the fake venue behaves where the documentation is silent; each open question is a field with its default."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

__all__ = ["RATE_LIMITS", "RateLimit", "VenueRules"]

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `limit` requests of one kind in any `seconds`."""

    name: str
    limit: int
    seconds: int = 1


RATE_LIMITS = (
    RateLimit("GET_ACCOUNTS", 2),
    RateLimit("GET_EXECUTIONS", 2),
    RateLimit("GET_INSTRUMENTS", 2),
    RateLimit("GET_ORDERS", 1),
    RateLimit("GET_ORDERS_HISTORY", 1),
    RateLimit("GET_POSITIONS", 1),
    RateLimit("GET_ACCOUNTS_STATE", 4, 2),
    RateLimit("GET_INSTRUMENT_DETAILS", 2),
    RateLimit("GET_TRADE_SESSIONS", 2),
    RateLimit("GET_SESSION_STATUSES", 2),
    RateLimit("PLACE_ORDER", 5),
    RateLimit("MODIFY_ORDER", 5),
    RateLimit("MODIFY_POSITION", 5),
    RateLimit("DAILY_BAR", 5),
    RateLimit("QUOTES", 10),
    RateLimit("DEPTH", 10),
    RateLimit("TRADES", 5),
    RateLimit("QUOTES_HISTORY", 1),
)
"""One broker's published values."""


@dataclass(frozen=True, slots=True)
class VenueRules:
    """What this venue does. Where two answers are possible, the default is the one that catches a careless client."""

    access_token_s: int = 3600
    refresh_token_s: int = 7 * 86_400
    refresh_kills_old_refresh: bool = True
    refresh_kills_old_access: bool = False
    second_login_ends_first: bool = False

    max_bars: int = 20_000
    bar_limit_counts: Literal["span", "bars"] = "span"
    """`span` counts the intervals from `from` to the earlier of `to` and now; `bars` only those that exist."""
    forming_bar: bool = True
    """Whether the bar in progress is served as the last one."""
    minute_history_ns: int | None = None
    """How far back 1m bars reach; None: to the first."""
    closed_after_ns: int | None = 900 * _NS_PER_S
    """A market is closed once its last bar ended this long ago; None: never."""

    rate_limits: tuple[RateLimit, ...] = RATE_LIMITS
    hidden_rate_limits: tuple[RateLimit, ...] = ()
    """Unpublished ones, of the kinds AUTH, CONFIG, CANCEL_ORDER, CLOSE_POSITION, REPORTS."""
    enforce_rate_limits: bool = False
    """Excess is always recorded; it is answered with 429 only here."""
    rate_scope: Literal["login", "account"] = "login"
    rate_slack_ns: int = 0
    """Requests may come this much too early; for clients that wait by a real clock."""

    unknown_id: Literal["404", "error"] = "404"
    no_content: bool = False
    """Whether cancel, modify and close answer 204 without a body."""
    status_in_modify_answer: bool = True
    """False: the status in the answer to a modification reads `None`."""
    max_strategy_id: int = 32
    max_orders_in_history: int = 10_000
    history_filters_by: Literal["created", "modified"] = "created"
    off_grid: Literal["refuse", "drop_bracket", "round"] = "refuse"
    """What happens to a price with more decimals than the tick; `drop_bracket` does so to brackets, refuses else."""
    partly_filled_status: Literal["Filled", "Cancelled"] = "Cancelled"
    """Status of an IOC order whose remainder was not filled."""
    close_excess: Literal["refuse", "close_all"] = "refuse"
    """What a close of more than the position does."""
    cancel_all_kills_legs: bool = True
    legs_echo_strategy_id: bool = False
    hedged_margin: Literal["sum", "larger_side"] = "sum"
    stop_through_gap: Literal["worse", "level"] = "worse"
    """Fill price of a stop over which the price jumped."""
    commission_per_lot: Decimal = Decimal(0)
    """Account currency, taken from the balance at each fill."""
    slippage_ticks: int = 0
    """By which market and stop fills are worse than the quote."""
    fill_delay_ns: int = 0
    """Venue time from acceptance of a market order to its fill."""
    visible_after_ns: int = 0
    """Venue time from acceptance until an order and its position can be seen, changed or closed."""

    first_info_route_dead: bool = True
    route_ids_as_text: bool = False
    extra_columns: bool = False
    """Adds columns that the documentation does not know, in the middle of every table."""
    reversed_columns: bool = False
    """Serves every table's columns in the opposite order."""
