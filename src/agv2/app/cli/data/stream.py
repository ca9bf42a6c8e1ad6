"""`agv2 data stream`: live bars as they close, on the terminal and for other processes."""

import json
import sys
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Annotated

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

if TYPE_CHECKING:
    from agv2.core.bars import Bars
    from agv2.core.timeframes import Timeframe
    from agv2.data.config import MarketsConfig
    from agv2.utils.environment import Environment

__all__ = ["stream"]

_LAST_BARS_S = 10.0  # at most, for the last bars to reach the other processes


def stream(
    symbol: Annotated[str, typer.Option("--symbol", metavar="S", help="Name of the market, as in markets.yaml.")],
    timeframe: Annotated[str, typer.Option("--timeframe", metavar="TF", help="Any multiple of --fine.")],
    fine: Annotated[str, typer.Option("--fine", metavar="TF", help="Timeframe that the venue is polled for.")] = "1m",
    bars: Annotated[int | None, typer.Option("--bars", metavar="N", min=1, help="Stop after so many bars.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a bar.")] = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Poll TradeLocker and show each bar once it has closed, the first one whole, until interrupted.

    Where REDIS_URL names a server, each bar also goes on the stream `agv2:bars`, once, however often this is started.

    Example: agv2 data stream --symbol ETHUSD --timeframe 5m
    """
    layers = parse_overrides(config, overrides)
    import asyncio

    from agv2.core.timeframes import Timeframe
    from agv2.data.config import MarketsConfig
    from agv2.data.download.venue_history import require_venue_timeframe
    from agv2.utils.config import load_config
    from agv2.utils.environment import load_environment
    from agv2.utils.logging_config import configure_logging

    configure_logging(level="INFO")
    coarse, polled = Timeframe.parse(timeframe), Timeframe.parse(fine)
    require_venue_timeframe(polled)
    environment = load_environment()
    environment.require("TL_ENVIRONMENT", "TL_EMAIL", "TL_PASSWORD", "TL_SERVER")
    markets = load_config(MarketsConfig, "markets", config, layers)
    try:
        asyncio.run(_stream(symbol, polled, coarse, bars, environment, markets, as_json=as_json))
    except BaseExceptionGroup as group:  # of tasks that end together: what ended them is the first
        raise group.exceptions[0] from None


async def _stream(
    symbol: str,
    fine: "Timeframe",
    coarse: "Timeframe",
    n_bars: int | None,
    environment: "Environment",
    markets: "MarketsConfig",
    *,
    as_json: bool,
) -> None:
    import asyncio

    import numpy as np
    import structlog

    from agv2.core.bin_grid import bin_grid
    from agv2.data.download.venue_history import venue_history
    from agv2.data.feeds import LiveFeed
    from agv2.data.streaming.event_bus import EventBus
    from agv2.data.streaming.events import Topic
    from agv2.data.streaming.redis_streams import RedisStreams
    from agv2.data.streaming.relay import RELAY_GROUP, relay_events
    from agv2.utils.clock import SystemClock

    clock, bus = SystemClock(), EventBus()
    entry, _ = markets.entry(symbol)
    venue_symbol = markets.venue_name(symbol, environment.tl_server)
    async with AsyncExitStack() as stack:
        # In one group of tasks, so that a fault of the relay ends the stream instead of leaving it mute.
        tasks = await stack.enter_async_context(asyncio.TaskGroup())
        relaying = None
        if environment.redis_url is not None:
            redis = await stack.enter_async_context(RedisStreams(environment.redis_url.get_secret_value()))
            relaying = tasks.create_task(relay_events(bus, redis, [Topic.BARS]))
        source = await stack.enter_async_context(
            venue_history(
                environment,
                symbol,
                venue_symbol,
                clock=clock,
                rng=np.random.default_rng(),  # spreads retries; no result depends on it
                stated_side=entry.price_side,
            )
        )
        now_ns = min(source.now_ns(), clock.now_ns())
        calendar = entry.session_calendar(np.array([now_ns], dtype=np.int64))
        begun = bin_grid(coarse, calendar, now_ns, now_ns).bins(np.array([now_ns], dtype=np.int64))
        feed = LiveFeed(source, symbol, fine, coarse, calendar, start_ns=int(begun.start_ns[0]), clock=clock, bus=bus)
        structlog.get_logger().info(
            "following", symbol=symbol, venue=source.name, timeframe=coarse.name, redis=relaying is not None
        )
        shown = 0
        async for bars in feed.bars():
            for row in range(len(bars)):
                typer.echo(_line(bars, row, as_json=as_json))
                sys.stdout.flush()
                shown += 1
            if n_bars is not None and shown >= n_bars:
                break
        if relaying is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_BARS_S):
                    while bus.outstanding(Topic.BARS, RELAY_GROUP):
                        await asyncio.sleep(0.02)
            relaying.cancel()


def _line(bars: "Bars", row: int, *, as_json: bool) -> str:
    from agv2.app.cli.data.moments import moment_text
    from agv2.data.streaming.events import bar_event

    content = dict(bar_event(bars, row).content)
    if as_json:
        return json.dumps({"ts": moment_text(int(bars.ts_ns[row])), **content})
    prices = "  ".join(f"{name} {content[name]:g}" for name in ("open", "high", "low", "close"))
    return f"{moment_text(int(bars.ts_ns[row]))}  {bars.symbol} {bars.timeframe.name}  {prices}"
