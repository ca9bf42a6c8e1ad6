"""What the guards of a service know, for its console."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.deploy.guard_sight import EquityBand, Unknown
from agv2.deploy.monitoring import FeatureDrift
from agv2.deploy.pnl_band import PNL, Fan, PnlState
from agv2.deploy.verdicts import GuardVerdict
from agv2.deploy.watcher import WatchedMarket

__all__ = ["WatchSight"]

_AHEAD_DAYS = 20
_DAY_S, _ROLL_S = 86_400, 79_200
_SUNDAY = 3  # 1970-01-04, as a number of days
_WEEKEND = (6, 0)  # Saturday and Sunday, counted from Sunday


class WatchSight:
    """Satisfies `deploy.guard_sight.GuardSight`; reads values that the deciding thread replaces whole.

    Args:
        markets: by symbol; the first one that has a band watches the account.
        has_weekends: whether the markets' trading days leave out Saturday and Sunday.
    """

    def __init__(self, markets: Mapping[str, WatchedMarket], *, has_weekends: bool) -> None:
        self._markets, self._has_weekends = markets, has_weekends

    def findings(self) -> Sequence[GuardVerdict]:
        """What has tripped and was not re-armed, the strictest first."""
        held = [each for market in self._markets.values() for each in market.keeper.tripped()]
        return sorted(held, key=lambda each: (-each.level, each.since_ns))

    def drift(self, symbol: str) -> Sequence[FeatureDrift] | Unknown:
        """Every feature of a served symbol, the furthest strayed first."""
        market = self._markets[symbol]
        monitor, state = market.keeper.guards.drift, market.keeper.state.drift
        if monitor is None or state is None:
            return Unknown(_why(market, "drift"))
        return monitor.drifts(state)

    def band(self) -> EquityBand | Unknown:
        """Where the account may be by the backtest, from where the guard began to count, and some days ahead."""
        for market in self._markets.values():
            band, state = market.keeper.guards.pnl, market.keeper.state.pnl
            if band is not None and state is not None:
                return _band(band.fan, state, has_weekends=self._has_weekends)
        return Unknown(_why(next(iter(self._markets.values())), PNL))


def _why(market: WatchedMarket, guard: str) -> str:
    found = [line.partition(": ")[2] for line in market.off if line.startswith(f"{guard}:")]
    return found[0] if found else "that guard is off"


def _band(fan: Fan, state: PnlState, *, has_weekends: bool) -> EquityBand | Unknown:
    if state.day < 0:
        return Unknown("no bar was decided on yet")
    n_done = len(state.log_returns)
    begun_at = state.start_equity / math.exp(sum(state.log_returns))
    n_days = min(n_done + _AHEAD_DAYS, fan.low.size)
    days = _trading_days(state.day - 1, n_done, n_days, has_weekends=has_weekends)
    ends_s = days * _DAY_S + (_ROLL_S if has_weekends else _DAY_S)

    def line(shares: FloatArray) -> list[float]:
        return [begun_at, *(begun_at * shares[:n_days]).tolist()]

    return EquityBand(ends_s.tolist(), line(fan.low), line(fan.median), line(fan.high))


def _trading_days(last_done: int, n_done: int, n_days: int, *, has_weekends: bool) -> IntArray:
    """(n_days + 1,) the day before the first that was counted, and the days of the band."""
    reach = 2 * (n_days + 7)
    days = np.arange(last_done - reach, last_done + reach, dtype=np.int64)
    if has_weekends:
        days = days[~np.isin((days - _SUNDAY) % 7, _WEEKEND)]
    at = int(np.searchsorted(days, last_done, side="right")) - 1
    found: IntArray = days[at - n_done : at - n_done + n_days + 1]
    return found
