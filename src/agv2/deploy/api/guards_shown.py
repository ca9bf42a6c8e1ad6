"""Guards as answers have them."""

from typing import TYPE_CHECKING

from agv2.deploy.messages import DriftOut, GuardsOut, TrippedOut

if TYPE_CHECKING:
    from agv2.deploy.monitoring import DriftMonitor, DriftState
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
    entropy = _drifts(guards.entropy, state.entropy)
    return GuardsOut(
        symbol=symbol,
        on=list(market.guards),
        off=list(market.off),
        tripped=_tripped(symbol, market),
        features=_drifts(guards.drift, state.drift),
        entropy=entropy[0] if entropy else None,
        seen_bars=0 if state.drift is None else state.drift.seen_bars,
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


def _drifts(monitor: "DriftMonitor | None", state: "DriftState | None") -> list[DriftOut]:
    if monitor is None or state is None:
        return []
    return [
        DriftOut(
            column=drift.name,
            stability_index=drift.stability_index,
            relative_entropy=drift.relative_entropy,
            limit_share=drift.limit_share,
        )
        for drift in monitor.drifts(state)
    ]
