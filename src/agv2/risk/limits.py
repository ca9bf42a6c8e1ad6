"""Limits on the account: daily loss and drawdown, as state handed in and out."""

from typing import NamedTuple

from agv2.core.jit import kernel
from agv2.risk.config import RiskParams

__all__ = ["RiskState", "fresh_risk_state", "is_halted", "observe_equity"]


class RiskState(NamedTuple):
    """What the limits remember about one account, known at a bar's close."""

    peak_equity: float
    """Highest equity since the start, or since the breaker last let trading resume."""
    day: int
    """Trading day of the last bar seen."""
    day_start_equity: float
    """Equity at the last bar of the trading day before."""
    last_equity: float
    """Equity at the last bar seen."""
    daily_loss_hit: bool
    """Halted until the next trading day."""
    breaker_until_day: int
    """First trading day on which the drawdown breaker lets trading resume; 0 when it has not tripped."""


@kernel
def fresh_risk_state(equity: float, day: int) -> RiskState:
    """State of an account that starts with `equity` on trading day `day`."""
    return RiskState(equity, day, equity, equity, False, 0)


@kernel
def is_halted(state: RiskState) -> bool:
    """Whether only closing is allowed."""
    return state.daily_loss_hit or state.breaker_until_day > 0


@kernel
def observe_equity(state: RiskState, equity: float, day: int, params: RiskParams) -> RiskState:
    """The limits after a bar of trading day `day` closed with the account at `equity`.

    A new trading day lifts the daily loss halt. The breaker resumes on its day from a new peak, so that one deep
    loss does not stop the account for ever.

    Known at: the close of the bar.
    """
    peak, start = state.peak_equity, state.day_start_equity
    daily_loss_hit, breaker_until_day = state.daily_loss_hit, state.breaker_until_day
    if day > state.day:
        start = state.last_equity
        daily_loss_hit = False
        if 0 < breaker_until_day <= day:
            breaker_until_day = 0
            peak = equity
    peak = max(peak, equity)
    if equity <= start * (1.0 - params.daily_loss_frac):
        daily_loss_hit = True
    if breaker_until_day == 0 and equity <= peak * (1.0 - params.drawdown_frac):
        breaker_until_day = day + params.breaker_cooldown_days
    return RiskState(peak, max(day, state.day), start, equity, daily_loss_hit, breaker_until_day)
