"""Client and fake venue over real HTTP: neither was written from the other, both from the documented wire format."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from agv2.core.errors import RefusedError, RetryableVenueError, UnknownOutcomeError
from agv2.core.orders import Side
from agv2.core.timeframes import Timeframe
from agv2.tradelocker.auth import TokenKeeper
from agv2.tradelocker.client import TradeLockerClient
from agv2.tradelocker.fake.faults import FaultKind, FaultPlan, FaultRule
from agv2.tradelocker.fake.listings import FakeLogin, Listing
from agv2.tradelocker.fake.rules import RateLimit, VenueRules
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.tradelocker.login import TradeLockerLogin
from agv2.tradelocker.messages import VenueInstrument
from agv2.tradelocker.payloads import OrderChange, OrderKind, OrderRequest
from agv2.tradelocker.rate_limiter import RateLimiter
from agv2.tradelocker.session import LoginSession
from agv2.utils.clock import ReplayClock, SystemClock
from tests.factories import START_NS, bars_of

ACCOUNT = "812345"
MINUTE_NS = 60_000_000_000
N_BARS = 600
ORDERS = "/trade/accounts/*/orders"


@contextmanager
def a_fake(*faults: FaultRule, rules: VenueRules | None = None, minutes: int = 300) -> Iterator[FakeTradeLocker]:
    """ETHUSD rising a tick a minute from 100, some hours into it."""
    closes = [100.0 + 0.01 * number for number in range(N_BARS)]
    listing = Listing("ETHUSD", bars_of(closes, symbol="ETHUSD", timeframe="1m"))
    clock = ReplayClock(START_NS + minutes * MINUTE_NS)
    with FakeTradeLocker([listing], clock=clock, rules=rules, faults=FaultPlan(*faults)) as fake:
        yield fake


@asynccontextmanager
async def trading(fake: FakeTradeLocker, **settings: Any) -> AsyncIterator[TradeLockerClient]:
    """A client whose waits move the venue's clock instead of ours."""
    known = FakeLogin()
    login = TradeLockerLogin(fake.url, SecretStr(known.email), SecretStr(known.password), known.server, acc_num=1)

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(0)
        fake.advance(max(seconds, 0.0))

    limiter = RateLimiter(monotonic_ns=fake.clock.now_ns, sleep=sleep)
    async with TradeLockerClient(
        login,
        clock=fake.clock,
        rng=np.random.default_rng(0),
        session=LoginSession(limiter, TokenKeeper(login)),
        monotonic_ns=fake.clock.now_ns,
        sleep=sleep,
        **settings,
    ) as client:
        yield client


async def ether(client: TradeLockerClient) -> VenueInstrument:
    account = await client.account()
    (found,) = [each for each in await client.instruments(account.account_id) if each.name == "ETHUSD"]
    return found


def an_order(instrument: VenueInstrument, **changes: Any) -> OrderRequest:
    parts: dict[str, Any] = {"side": Side.LONG, "lots": Decimal("0.30"), "strategy_id": "agv2-1"}
    return OrderRequest(instrument, **(parts | changes))


RULES = [
    VenueRules(),
    VenueRules(no_content=True, route_ids_as_text=True, extra_columns=True, reversed_columns=True),
]


@pytest.mark.parametrize("rules", RULES)
async def test_a_day_of_trading_leaves_the_books_as_the_client_sees_them(rules: VenueRules) -> None:
    with a_fake(rules=rules) as fake:
        async with trading(fake) as client:
            instrument = await ether(client)
            details = await client.instrument_details(instrument)
            assert details.tick_size_at(Decimal(100)) == Decimal("0.01")
            quote, true_quote = await client.quote(instrument), fake.quote("ETHUSD")
            assert true_quote is not None
            assert (quote.bid, quote.ask) == (true_quote.bid, true_quote.ask)

            level = Decimal("90.01"), Decimal("190.02")
            order_id = await client.place_order(an_order(instrument, stop_loss=level[0], take_profit=level[1]))
            (position,) = await client.positions(ACCOUNT)
            assert (position.lots, position.side, position.strategy_id) == (Decimal("0.30"), Side.LONG, "agv2-1")
            legs = {order.order_id: order for order in await client.orders(ACCOUNT)}
            assert position.stop_loss_id is not None
            assert position.take_profit_id is not None
            assert legs[position.stop_loss_id].stop_price == level[0]
            assert legs[position.take_profit_id].price == level[1]

            await client.modify_position(ACCOUNT, position.position_id, stop_loss=Decimal("91.50"), take_profit=None)
            (position,) = await client.positions(ACCOUNT)
            assert position.take_profit_id is None
            (leg,) = await client.orders(ACCOUNT)
            assert leg.stop_price == Decimal("91.50")

            await client.close_position(ACCOUNT, position.position_id, Decimal("0.10"))
            (position,) = await client.positions(ACCOUNT)
            assert position.lots == Decimal("0.20")
            await client.close_position(ACCOUNT, position.position_id)
            assert await client.positions(ACCOUNT) == []

            now_ns = fake.now_ns
            final = await client.orders_history(ACCOUNT, START_NS, now_ns + MINUTE_NS)
            (entry,) = [order for order in final if order.order_id == order_id]
            assert (entry.filled_lots, entry.is_open, entry.position_id) == (
                Decimal("0.30"),
                False,
                position.position_id,
            )
            fills = await client.executions(ACCOUNT)
            assert sum(fill.lots * fill.side for fill in fills) == 0
            state = await client.account_state(ACCOUNT)
            assert state.balance == fake.account_figures(ACCOUNT)["balance"]
        assert fake.check() == []
        assert fake.open_positions() == []
        assert fake.rate_violations == []


async def test_a_waiting_order_is_changed_and_withdrawn() -> None:
    with a_fake() as fake:
        async with trading(fake) as client:
            instrument = await ether(client)
            order_id = await client.place_order(an_order(instrument, kind=OrderKind.LIMIT, price=Decimal("95.10")))
            await client.modify_order(ACCOUNT, order_id, OrderChange(OrderKind.LIMIT, price=Decimal("95.20")))
            (order,) = await client.orders(ACCOUNT)
            assert (order.order_id, order.price, order.is_open) == (order_id, Decimal("95.20"), True)
            await client.cancel_order(ACCOUNT, order_id)
            assert await client.orders(ACCOUNT) == []
            with pytest.raises(RefusedError):
                await client.cancel_order(ACCOUNT, "123")


async def test_history_reaches_from_end_to_end_and_tells_of_earlier_bars() -> None:
    with a_fake() as fake:
        async with trading(fake) as client:
            instrument = await ether(client)
            history = await client.price_history(
                instrument, Timeframe(1), START_NS + 10 * MINUTE_NS, START_NS + 19 * MINUTE_NS
            )
            assert history.ts_ns.tolist() == [START_NS + number * MINUTE_NS for number in range(10, 20)]
            assert history.close == pytest.approx(100.0 + 0.01 * np.arange(10, 20))
            empty = await client.price_history(instrument, Timeframe(1), START_NS - 9 * MINUTE_NS, START_NS - MINUTE_NS)
            assert (len(empty), empty.earlier_ns) == (0, None)


DOUBTS = [
    (FaultRule(FaultKind.LOST_ANSWER, "POST", ORDERS), 1),
    (FaultRule(FaultKind.SERVER_ERROR, "POST", ORDERS, processed=True), 1),
    (FaultRule(FaultKind.SERVER_ERROR, "POST", ORDERS), 0),
    (FaultRule(FaultKind.MALFORMED_JSON, "POST", ORDERS), 1),
    (FaultRule(FaultKind.TRUNCATED, "POST", ORDERS), 1),
    (FaultRule(FaultKind.HTML_PAGE, "POST", ORDERS), 1),
    (FaultRule(FaultKind.EMPTY_BODY, "POST", ORDERS), 1),
    (FaultRule(FaultKind.NO_ORDER_ID, "POST", ORDERS), 1),
    (FaultRule(FaultKind.RESET, "POST", ORDERS), 0),
    (FaultRule(FaultKind.FORBIDDEN, "POST", ORDERS), 0),
    (FaultRule(FaultKind.TIMEOUT, "POST", ORDERS, processed=True, seconds=0.1), 1),
]


@pytest.mark.parametrize(("fault", "carried_out"), DOUBTS, ids=lambda each: str(getattr(each, "kind", each)))
async def test_a_doubtful_order_is_sent_once_and_found_by_its_strategy_id(fault: FaultRule, carried_out: int) -> None:
    with a_fake(fault) as fake:
        async with trading(fake) as client:
            instrument = await ether(client)
            with pytest.raises(UnknownOutcomeError):
                await client.place_order(an_order(instrument))
            assert len(fake.orders_of("agv2-1")) == carried_out
            assert len([r for r in fake.requests if r.method == "POST" and r.path.endswith("/orders")]) == 1
            seen = [each.strategy_id for each in await client.positions(ACCOUNT)]
            assert seen == ["agv2-1"] * carried_out


READ_FAULTS = [
    FaultRule(FaultKind.SERVER_ERROR, "GET", times=3),
    FaultRule(FaultKind.RESET, "GET", times=3),
    FaultRule(FaultKind.LOST_ANSWER, "GET", times=3),
    FaultRule(FaultKind.MALFORMED_JSON, "GET", times=3),
    FaultRule(FaultKind.HTML_PAGE, "GET", times=3),
    FaultRule(FaultKind.TRUNCATED, "GET", times=3),
    FaultRule(FaultKind.TOO_MANY_REQUESTS, "GET", times=2, retry_after_s=7),
    FaultRule(FaultKind.CDN_BLOCK, "GET", times=1),
    FaultRule(FaultKind.TOKEN_EXPIRED, "GET", first=2),
    FaultRule(FaultKind.LOGIN_REVOKED, "GET", first=2),
]


@pytest.mark.parametrize("fault", READ_FAULTS, ids=lambda each: str(each.kind))
async def test_reads_come_through_every_kind_of_weather(fault: FaultRule) -> None:
    with a_fake(fault) as fake:
        async with trading(fake) as client:
            assert (await client.quote(await ether(client))).bid > 0
        assert fake.rate_violations == []


async def test_a_write_with_a_dead_token_is_not_carried_out_and_the_next_one_is() -> None:
    with a_fake(FaultRule(FaultKind.TOKEN_EXPIRED, "POST", ORDERS)) as fake:
        async with trading(fake) as client:
            instrument = await ether(client)
            with pytest.raises(RetryableVenueError, match="not carried out"):
                await client.place_order(an_order(instrument))
            assert fake.orders_of("agv2-1") == []
            await client.place_order(an_order(instrument))
            assert len(fake.orders_of("agv2-1")) == 1


async def test_tokens_are_renewed_through_a_long_day() -> None:
    with a_fake(rules=VenueRules(access_token_s=900)) as fake:
        async with trading(fake) as client:
            instrument = await ether(client)
            for _ in range(20):
                fake.advance(600.0)
                await client.quote(instrument)
        asked = [request.path for request in fake.requests]
        assert 8 <= asked.count("/auth/jwt/refresh") <= 16
        assert asked.count("/auth/jwt/token") == 1


@pytest.mark.slow
async def test_no_limit_is_broken_by_the_real_clock() -> None:
    """A few seconds of real waiting: the venue measures arrivals, the limiter departures."""
    closes = [100.0] * 3
    clock = SystemClock()
    start_ns = clock.now_ns() // MINUTE_NS * MINUTE_NS - 2 * MINUTE_NS
    feed = bars_of(closes, symbol="ETHUSD", timeframe="1m")
    shifted = type(feed)(
        feed.symbol, feed.timeframe, feed.ts_ns - feed.ts_ns[0] + start_ns, feed.open, feed.high, feed.low, feed.close,
        feed.volume, feed.spread,
    )  # fmt: skip
    rules = VenueRules(
        enforce_rate_limits=True,
        hidden_rate_limits=(RateLimit("AUTH", 1), RateLimit("CONFIG", 1)),
    )
    with FakeTradeLocker([Listing("ETHUSD", shifted)], clock=clock, rules=rules) as fake:
        known = FakeLogin()
        login = TradeLockerLogin(fake.url, SecretStr(known.email), SecretStr(known.password), known.server, acc_num=1)
        clients = [TradeLockerClient(login, clock=clock, rng=np.random.default_rng(seed)) for seed in range(3)]
        begin = time.perf_counter()
        async with clients[0] as one, clients[1] as two, clients[2] as three:
            instrument = await ether(one)
            await asyncio.gather(*(client.positions(ACCOUNT) for client in (one, two, three) for _ in range(2)))
            await asyncio.gather(*(client.quote(instrument) for client in (one, two, three) for _ in range(10)))
        assert time.perf_counter() - begin < 60
        assert fake.rate_violations == []
        assert [request.path for request in fake.requests].count("/auth/jwt/token") == 1
