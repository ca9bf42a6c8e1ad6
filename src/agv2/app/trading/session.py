"""One start of a trader: the parts put together, run, and summed up."""

import asyncio
import contextlib
import dataclasses
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from pydantic import BaseModel

from agv2.app.traces import Traces
from agv2.app.trading.account import open_desk
from agv2.app.trading.account_share import AccountShare
from agv2.app.trading.places import journal_location, kill_switch, open_journal
from agv2.app.trading.ramp import size_ramp
from agv2.app.trading.recorded_feed import recorded_bars
from agv2.app.trading.request import TradingRequest, chosen_symbol
from agv2.app.trading.settings import TraderSettings, trading_settings
from agv2.app.trading.venue_feed import VenueBars, WantedBars, venue_bars, venue_timed_bars
from agv2.app.trading.watching import Watch, Watched, watching
from agv2.core.bars import Bars
from agv2.core.errors import BundleError, ConfigError, DataError
from agv2.core.timeframes import Timeframe
from agv2.data.bars_file import read_bars
from agv2.data.download.venue_history import venue_history
from agv2.data.feeds import HistoricalFeed
from agv2.deploy.model_loader import ServedMarket, load_decider
from agv2.deploy.venue_account import require_play_money
from agv2.execution.broker_desk import BrokerDesk
from agv2.execution.feed_watch import FeedWatch
from agv2.execution.journal import Journal
from agv2.execution.journal_records import Noted, Started
from agv2.execution.ports import BarFeed
from agv2.execution.trader import Trader
from agv2.execution.trader_memory import remember
from agv2.execution.trader_parts import TraderParts, TraderRules
from agv2.execution.trader_status import Tell, TraderStatus
from agv2.models.bundle import ModelBundle
from agv2.utils.clock import Clock, ReplayClock, SystemClock
from agv2.utils.config import config_digest
from agv2.utils.environment import Environment, load_environment
from agv2.utils.logging_config import hide_secrets

__all__ = ["TradingOutcome", "trade"]

_SILENCE_S = 3600.0
_LATEST_S = 120.0
_SMOKE_BARS = 12


@dataclass(frozen=True, slots=True)
class TradingOutcome:
    """How a start ended."""

    status: TraderStatus
    reason: str
    journal: str


async def trade(request: TradingRequest, tell: Tell, on_begin: Callable[[TraderStatus], None]) -> TradingOutcome:
    """Trade until stopped, the feed ends, or nothing more can be done.

    Args:
        request: what to trade and how.
        tell: told of every change.
        on_begin: told once everything is there.

    Raises:
        ConfigError: a setting, an address or a file is wrong; nothing was sent.
        BundleError: the model cannot be used, and nothing is held that would need protection.
        DataError: bars or the journal cannot be used.
        VenueError: the venue refused at the start.
    """
    environment = load_environment()
    if request.mode == "paper" and request.broker == "venue":
        require_play_money(environment)
    settings = trading_settings(request.bundle, request.config_dir, request.overrides)
    async with AsyncExitStack() as stack:
        stack.enter_context(Traces(environment, "agv2-trader", mode=request.mode, broker=request.broker))
        setup = await _set_up(request, settings, environment, stack)
        seen = Watched(
            setup.symbol, setup.timeframe, setup.model, setup.journal, setup.journal_location, setup.venue_now
        )  # fmt: skip
        watch = stack.enter_context(watching(request, settings, environment, seen, tell))
        trader = _trader(request, settings, environment, setup, watch)
        on_begin(trader.status)
        with _stopped_by_signals(trader):
            reason = await trader.run()
        return TradingOutcome(trader.status, reason, hide_secrets(setup.journal_location))


# ------------------------------------------------------------------------------------------------- the parts


@dataclass(slots=True)
class _Setup:
    """Everything that has to be opened and closed again."""

    symbol: str
    timeframe: Timeframe
    model: ServedMarket | None
    why_no_model: str
    journal: Journal
    journal_location: str
    clock: Clock
    desk: BrokerDesk
    feed: BarFeed
    history: Bars
    venue_now: Callable[[], int] | None
    watch_clock: Clock
    share: AccountShare | None
    """Of an account at a venue; a simulated one has but one trader."""


async def _set_up(
    request: TradingRequest, settings: TraderSettings, environment: Environment, stack: AsyncExitStack
) -> _Setup:
    symbol, timeframe, model, trouble = _model(request, settings)
    location = journal_location(environment, request.mode, symbol, timeframe.name, request.journal)
    clock: Clock = SystemClock()
    if request.feed is not None:
        loaded = _bars_of_file(request.feed, symbol, timeframe)
        clock = ReplayClock(int(loaded.ts_ns[0]))
    journal = stack.enter_context(open_journal(location, _run_name(SystemClock()), clock))
    memory = remember(journal, symbol)
    done_ns = memory.done_ns
    venue_now: Callable[[], int] | None = None
    if request.feed is not None:
        assert model is not None  # checked in `_model`
        most_bars = request.most_bars
        if os.environ.get("AGV2_SMOKE") == "1":
            most_bars = min(most_bars or _SMOKE_BARS, _SMOKE_BARS)
        cut = recorded_bars(loaded, model.bars_needed, done_ns, request.first, most_bars)
        history = cut.history
        assert isinstance(clock, ReplayClock)
        clock.sleep_until(int(history.close_ns[-1]) if len(history) else 0)
        feed: BarFeed = HistoricalFeed(cut.traded, clock=clock, speed=request.speed)
        watch_clock: Clock = clock
    else:
        venue = await _venue_bars(request, settings, environment, symbol, timeframe, model, done_ns, stack)
        history, feed = venue.bars.history, venue.bars.feed
        watch_clock = clock
        if request.clock == "venue":
            watch_clock = bar_time = ReplayClock(0)
            feed = _ClockedFeed(feed, bar_time)
        else:
            venue_now = venue.now_ns
    desk = await open_desk(request, settings, environment, symbol, model, journal, clock, history, memory.book, stack)
    share = None
    if request.broker == "venue":
        share = stack.enter_context(AccountShare(environment.home / "accounts", desk.name, symbol))
    return _Setup(
        symbol, timeframe, model, trouble, journal, location, clock, desk, feed, history, venue_now, watch_clock, share
    )  # fmt: skip


def _model(request: TradingRequest, settings: TraderSettings) -> tuple[str, Timeframe, ServedMarket | None, str]:
    """Symbol, timeframe and model; no model where it cannot be used but a real account may hold something."""
    live = request.mode == "live"
    try:
        manifest = ModelBundle.load(request.bundle).manifest
        symbol = chosen_symbol(request.symbol, manifest.symbols)
        timeframe = Timeframe.parse(manifest.timeframe)
        if request.timeframe is not None and Timeframe.parse(request.timeframe) != timeframe:
            raise ConfigError(f"--timeframe {request.timeframe}: the bundle was trained on {timeframe.name} bars")
        model = load_decider(request.bundle, symbol, settings.markets, settings.costs, settings.risk, live=live)
    except BundleError as error:
        if request.broker == "sim" or request.symbol is None or request.timeframe is None:
            raise
        return request.symbol, Timeframe.parse(request.timeframe), None, str(error)
    return symbol, timeframe, model, ""


def _bars_of_file(path: Any, symbol: str, timeframe: Timeframe) -> Bars:
    bars = read_bars(path, symbol).bars
    if bars.timeframe != timeframe:
        raise DataError(f"{path}: bars of {bars.timeframe.name}, but the bundle was trained on {timeframe.name}")
    return bars


def _run_name(clock: Clock) -> str:
    """Names a start by its moment, to the second."""
    return str(np.datetime64(clock.now_ns(), "ns").astype("datetime64[s]"))


@dataclass(frozen=True, slots=True)
class _Venue:
    bars: VenueBars
    now_ns: Callable[[], int] | None


async def _venue_bars(
    request: TradingRequest,
    settings: TraderSettings,
    environment: Environment,
    symbol: str,
    timeframe: Timeframe,
    model: ServedMarket | None,
    done_ns: int,
    stack: AsyncExitStack,
) -> _Venue:
    environment.require("TL_ENVIRONMENT", "TL_EMAIL", "TL_PASSWORD", "TL_SERVER")
    if model is None:
        return _Venue(VenueBars(Bars.none(symbol, timeframe), _SilentFeed()), None)
    entry, _ = settings.markets.entry(symbol)
    clock = SystemClock()
    source = await stack.enter_async_context(
        venue_history(
            environment,
            symbol,
            settings.markets.venue_name(symbol, environment.tl_server),
            clock=clock,
            rng=np.random.default_rng(),  # spreads retries; no result depends on it
            stated_side=entry.price_side,
        )
    )
    read = venue_timed_bars if request.clock == "venue" else venue_bars
    wanted = WantedBars(source, symbol, timeframe, model.instrument.calendar, model.bars_needed, done_ns)
    bars = await read(wanted, clock)
    return _Venue(bars, source.now_ns)


class _SilentFeed:
    """No bars: without a model nobody would read them."""

    async def bars(self) -> AsyncIterator[Bars]:
        while True:
            await asyncio.sleep(_SILENCE_S)
            yield Bars.none("", Timeframe(1))


class _ClockedFeed:
    """A feed that moves a clock to the close of each bar before the bar is given."""

    def __init__(self, feed: BarFeed, clock: ReplayClock) -> None:
        self._feed, self._clock = feed, clock

    async def bars(self) -> AsyncIterator[Bars]:
        async for bars in self._feed.bars():
            self._clock.sleep_until(int(bars.close_ns[-1]))
            yield bars


# --------------------------------------------------------------------------------------------------- the loop


def _trader(
    request: TradingRequest, settings: TraderSettings, environment: Environment, setup: _Setup, watch: Watch
) -> Trader:
    journal, model = setup.journal, setup.model
    if setup.why_no_model:
        journal.append(Noted("alarm", f"no model: {setup.why_no_model}; what is held is protected", setup.symbol))
    if request.permit is not None:
        level = "alarm" if request.permit.is_override else "info"
        journal.append(Noted(level, request.permit.words, setup.symbol))
    parts = TraderParts(
        model=model,
        desk=setup.desk,
        feed=setup.feed,
        history=setup.history,
        journal=journal,
        switch=kill_switch(environment, setup.journal_location, SystemClock()),
        clock=setup.watch_clock,
        watch=FeedWatch(setup.timeframe),
        started=_started(request, settings, setup),
        ramp=size_ramp(request, journal, setup.symbol, None if model is None else model.bundle),
        tell=watch.tell,
        venue_now=setup.venue_now,
        safeguards=watch.safeguards,
    )
    if setup.share is not None:
        parts = dataclasses.replace(parts, turn=setup.share.turn)
    rules = TraderRules(
        mode=request.mode,
        symbol=setup.symbol,
        timeframe=setup.timeframe,
        flatten_on_stop=request.flatten_on_stop,
        poll_s=1.0 if request.broker == "sim" else 3.0,
        once=request.once,
        once_wait_s=_once_wait_s(request, setup.timeframe),
    )
    return Trader(parts, rules)


def _once_wait_s(request: TradingRequest, timeframe: Timeframe) -> float:
    """A bar is there after its own length, the time that a venue may be late with it, and some to read it."""
    return timeframe.minutes * 60.0 + _LATEST_S if request.once_wait_s is None else request.once_wait_s


def _started(request: TradingRequest, settings: TraderSettings, setup: _Setup) -> Started:
    read: dict[str, BaseModel] = {"markets": settings.markets, "costs": settings.costs, "risk": settings.risk}
    return Started(
        mode=request.mode,
        broker=setup.desk.name,
        symbols=(setup.symbol,),
        code_version=version("agv2"),
        config_digest=config_digest(read),
        bundle_digest="" if setup.model is None else setup.model.bundle.digest,
        settings={
            "bundle": str(request.bundle.resolve()),
            "broker": request.broker,
            "feed": None if request.feed is None else str(request.feed),
            "permit": None if request.permit is None else request.permit.record,
            "config": {name: model.model_dump(mode="json") for name, model in read.items()},
        },
    )


@contextlib.contextmanager
def _stopped_by_signals(trader: Trader) -> Any:
    """The first Ctrl-C or SIGTERM ends the trader in good order; the next one at once."""
    loop = asyncio.get_running_loop()
    handled = []

    def stop(name: str) -> None:
        if name == "SIGINT":
            loop.remove_signal_handler(signal.SIGINT)
        trader.stop(f"asked to stop ({name})")

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):  # Windows, or not the main thread
            loop.add_signal_handler(number, stop, number.name)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
