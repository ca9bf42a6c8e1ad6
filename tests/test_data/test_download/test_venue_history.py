from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agv2.core.errors import ConfigError
from agv2.core.timeframes import Timeframe
from agv2.data.download.venue_history import VenueHistory, require_venue_timeframe, venue_history
from agv2.tradelocker.fake.listings import FakeLogin, Listing
from agv2.tradelocker.fake.rules import VenueRules
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.utils.clock import Clock, ReplayClock, SystemClock
from agv2.utils.environment import Environment, load_environment
from tests.factories import START_NS, some_bars

HOUR_NS = 3_600_000_000_000


@pytest.fixture
def venue() -> Iterator[FakeTradeLocker]:
    listings = [
        Listing(name, some_bars(50, symbol=name), bar_source=side)
        for name, side in (("ETHUSD", "ASK"), ("XAUUSD.r", "BID"), ("XAGUSD.r", "BID"), ("US100", "TRADE"))
    ]
    clock = ReplayClock(START_NS + 49 * HOUR_NS + 1)
    with FakeTradeLocker(listings, clock=clock, rules=VenueRules(max_bars=33)) as fake:
        yield fake


@pytest.fixture
def environment(venue: FakeTradeLocker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    login = FakeLogin()
    values = {"ENVIRONMENT": venue.url, "EMAIL": login.email, "PASSWORD": login.password, "SERVER": login.server}
    for name, value in (values | {"ACC_NUM": "1"}).items():
        monkeypatch.setenv(f"TL_{name}", value)
    return load_environment(tmp_path)


class Opened:
    def __init__(self, environment: Environment, clock: Clock, symbol: str) -> None:
        rng = np.random.default_rng(3)
        self._context = venue_history(environment, symbol, symbol, clock=clock, rng=rng, stated_side="mid")

    async def __aenter__(self) -> VenueHistory:
        return await self._context.__aenter__()

    async def __aexit__(self, *trouble: object) -> None:
        await self._context.__aexit__(None, None, None)


@pytest.mark.parametrize("ahead_ns", [-HOUR_NS, HOUR_NS])
async def test_the_venue_tells_its_own_time_whatever_this_machine_thinks(
    environment: Environment, ahead_ns: int
) -> None:
    true_ns = SystemClock().now_ns()
    async with Opened(environment, ReplayClock(true_ns + ahead_ns), "ETHUSD") as source:
        assert true_ns - 2 * 10**9 <= source.now_ns() <= SystemClock().now_ns()


@pytest.mark.parametrize(("symbol", "side"), [("ETHUSD", "ask"), ("XAUUSD.r", "bid"), ("US100", "trade")])
async def test_the_price_side_is_the_venues_word_not_ours(environment: Environment, symbol: str, side: str) -> None:
    async with Opened(environment, SystemClock(), symbol) as source:
        assert (source.price_side, source.name, source.max_bars) == (side, "TradeLocker FAKE", 33)


async def test_bars_and_the_word_on_earlier_ones_come_through(environment: Environment) -> None:
    async with Opened(environment, SystemClock(), "ETHUSD") as source:
        hour = Timeframe.parse("1h")
        reply = await source.price_history(hour, START_NS, START_NS + 9 * HOUR_NS)
        assert np.array_equal(reply.ts_ns, START_NS + np.arange(10) * HOUR_NS)
        after = await source.price_history(hour, START_NS + 80 * HOUR_NS, START_NS + 90 * HOUR_NS)
        assert (after.ts_ns.size, after.earlier_ns) == (0, START_NS + 49 * HOUR_NS)


async def test_an_unknown_name_lists_the_nearest_and_how_to_map_it(environment: Environment) -> None:
    with pytest.raises(ConfigError, match=r"lists no XAUUSD; .*4 names: XAUUSD\.r, XAGUSD\.r.*venue_names\.FAKE=NAME"):
        async with Opened(environment, SystemClock(), "XAUUSD"):
            pass


@pytest.mark.parametrize(("name", "finer"), [("2h", "1h"), ("1w", "1d"), ("3m", "1m"), ("12h", "4h"), ("2d", "1d")])
def test_a_timeframe_that_the_venue_lacks_names_the_one_to_aggregate(name: str, finer: str) -> None:
    with pytest.raises(ConfigError, match=f"download {finer} and aggregate to {name}"):
        require_venue_timeframe(Timeframe.parse(name))
