"""Guards as answers have them."""

from typing import TYPE_CHECKING

from agv2.deploy.messages import GuardsOut, TrippedOut

if TYPE_CHECKING:
    from agv2.deploy.watcher import WatchedMarket, Watcher

__all__ = ["shown_guards", "shown_tripped"]


def shown_tripped(watch: "Watcher") -> list[TrippedOut]:
    """Everything that has tripped and was not re-armed, market by market."""
    return [each for symbol, market in watch.markets.items() for each in _tripped(symbol, market)]


def shown_guards(watch: "Watcher") -> list[GuardsOut]:
    """The guards of every market; may be asked from any thread, since their state is a value."""
    return [_shown(symbol, market) for symbol, market in watch.markets.items()]


def _shown(symbol: str, market: "WatchedMarket") -> GuardsOut:
    guards, state = market.keeper.guards, market.keeper.state
    monitor, drift = guards.drift, state.drift
    return GuardsOut(
        symbol=symbol,
        on=list(market.guards),
        off=list(market.off),
        tripped=_tripped(symbol, market),
        seen_bars=0 if drift is None else drift.seen_bars,
        drift_limit_share=float(monitor.limit_shares(drift).max()) if monitor and drift else None,
    )


def _tripped(symbol: str, market: "WatchedMarket") -> list[TrippedOut]:
    return [
        TrippedOut(
            symbol=symbol,
            guard=held.guard,
            level="flatten" if held.flatten else "halt",
            since_ns=held.since_ns,
            reason=held.reason,
        )
        for held in market.keeper.tripped()
    ]
