"""The fake venue as a server: it starts, serves many at once, and leaves nothing behind."""

import http.client
import json
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx
import pytest

from agv2.core.errors import ConfigError, InvariantError
from agv2.tradelocker.fake.exchange import Request
from agv2.tradelocker.fake.listings import FakeAccount, FakeLogin, Listing, TickBand
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.utils.clock import ReplayClock, SystemClock
from tests.test_tradelocker.fake_trader import MINUTE_NS, START_NS, Trader, a_listing, minute_bars, trading


def threads_of_venue() -> list[threading.Thread]:
    return [
        thread for thread in threading.enumerate() if "fake venue" in thread.name or "process_request" in thread.name
    ]


def test_every_thread_is_joined_although_connections_are_still_open() -> None:
    with FakeTradeLocker([a_listing()], clock=ReplayClock(START_NS)) as fake:
        clients = [Trader(fake) for _ in range(3)]
        assert all(client.send("GET", "/config").status_code == 200 for client in clients)
        assert len(threads_of_venue()) == 4
    assert threads_of_venue() == []
    for client in clients:
        client.http.close()


def test_an_address_exists_only_while_it_runs_and_can_be_chosen() -> None:
    fake = FakeTradeLocker([a_listing()], clock=ReplayClock(START_NS))
    with pytest.raises(InvariantError, match="while it runs"):
        assert fake.url
    with fake:
        port = int(fake.url.rpartition(":")[2])
    with FakeTradeLocker([a_listing()], clock=ReplayClock(START_NS), port=port) as again:
        assert again.url.endswith(f":{port}")


def test_plain_urllib_understands_it() -> None:
    with FakeTradeLocker([a_listing()], clock=ReplayClock(START_NS)) as fake:
        login = {"email": "trader@example.com", "password": "a fake password", "server": "FAKE"}
        request = urllib.request.Request(
            f"{fake.url}/backend-api/auth/jwt/token",
            data=json.dumps(login).encode(),
            headers={"Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=5) as answer:
            assert answer.status == 201
            assert json.load(answer)["accessToken"]


def test_one_connection_serves_many_requests() -> None:
    with FakeTradeLocker([a_listing()], clock=ReplayClock(START_NS)) as fake:
        connection = http.client.HTTPConnection("127.0.0.1", int(fake.url.rpartition(":")[2]), timeout=5)
        sockets = set()
        for _ in range(3):
            connection.request("GET", "/backend-api/trade/config")
            answer = connection.getresponse()
            assert (answer.status, answer.version) == (401, 11)
            answer.read()
            sockets.add(id(connection.sock))
        connection.close()
        assert len(sockets) == 1


def test_many_clients_at_once_lose_no_order() -> None:
    def buys(number: int) -> list[str]:
        with Trader(fake) as trader:
            return [str(trader.place(qty="0.01", strategyId=f"{number}-{each}")["d"]["orderId"]) for each in range(10)]

    with FakeTradeLocker([a_listing()], clock=ReplayClock(START_NS)) as fake:
        with ThreadPoolExecutor(8) as pool:
            ids = [order_id for found in pool.map(buys, range(8)) for order_id in found]
        assert len(set(ids)) == len(fake.open_positions()) == 80
        assert sum(position.qty for position in fake.open_positions()) == Decimal("0.8")
        assert fake.check() == []
        assert [record.number for record in fake.requests] == list(range(1, 89))


def test_the_truth_is_behind_one_lock() -> None:
    fake = FakeTradeLocker([a_listing()], clock=ReplayClock(START_NS))
    request = Request.of("GET", "/backend-api/trade/config", {}, b"")
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: fake.handle(request), range(2_000)))
    finally:
        sys.setswitchinterval(before)
    assert [record.number for record in fake.requests] == list(range(1, 2_001))


def test_a_defect_of_the_fake_itself_is_not_taken_for_a_fault() -> None:
    class Broken(ReplayClock):
        def now_ns(self) -> int:
            if threading.current_thread() is not threading.main_thread():
                raise ZeroDivisionError("a defect")
            return super().now_ns()

    with (
        pytest.raises(InvariantError, match="a defect"),
        FakeTradeLocker([a_listing()], clock=Broken(START_NS)) as fake,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        httpx.get(f"{fake.url}/backend-api/trade/config", trust_env=False)


def test_a_client_that_leaves_in_the_middle_or_talks_nonsense_does_no_harm() -> None:
    with trading() as trader:
        port = int(trader.fake.url.rpartition(":")[2])
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.connect()
        connection.sock.sendall(b"POST /backend-api/auth/jwt/token HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
        connection.close()
        connection.request("POST", "/backend-api/auth/jwt/token", headers={"Content-Length": "many"})
        assert connection.getresponse().status == 400
        connection.close()
        assert trader.send("GET", "/config").status_code == 200


def test_the_clock_can_be_stepped_only_forward_and_only_if_it_is_a_replay() -> None:
    with trading() as trader:
        trader.fake.advance_to(START_NS + MINUTE_NS)
        assert trader.fake.now_ns == START_NS + MINUTE_NS
        with pytest.raises(InvariantError, match="go back"):
            trader.fake.advance_to(START_NS)
    with pytest.raises(ConfigError, match="SystemClock"):
        FakeTradeLocker([a_listing()], clock=SystemClock()).advance(1)


def test_time_that_the_owner_of_the_clock_lets_pass_counts_too() -> None:
    clock = ReplayClock(START_NS)
    listing = a_listing((100.0, 100.0, 100.0, 100.0), (90.0, 90.0, 90.0, 90.0))
    with FakeTradeLocker([listing], clock=clock) as fake, Trader(fake) as trader:
        trader.place(stopLoss=95, stopLossType="absolute")
        clock.sleep_until(START_NS + MINUTE_NS)
        assert trader.positions() == []


def test_two_symbols_are_filled_in_the_order_of_time() -> None:
    quiet, early, late = (100.0,) * 4, (90.0,) * 4, (91.0,) * 4
    listings = [
        Listing("ETHUSD", minute_bars(quiet, quiet, late)),
        Listing("BTCUSD", minute_bars(quiet, early, early, symbol="BTCUSD")),
    ]
    with trading(*listings) as trader:
        trader.place(stopLoss=95, stopLossType="absolute")
        trader.place(tradableInstrumentId=289, routeId=453, stopLoss=95, stopLossType="absolute")
        trader.fake.advance(150)
        stopped = [fill.symbol for fill in trader.fake.executions if not fill.opens]
        assert stopped == ["BTCUSD", "ETHUSD"]


@pytest.mark.parametrize(
    ("build", "word"),
    [
        (lambda: FakeTradeLocker([a_listing(), a_listing()], clock=ReplayClock(0)), "listing"),
        (lambda: FakeTradeLocker([a_listing()], clock=ReplayClock(0), logins=[FakeLogin(), FakeLogin()]), "account"),
        (lambda: a_listing(tick_bands=(TickBand(Decimal(5), Decimal(1)),)), "tick bands"),
        (lambda: Listing("ETHUSD", minute_bars((1.0, 1.0, 1.0, 1.0)).slice(0, 0)), "at least one bar"),
    ],
)
def test_a_venue_that_makes_no_sense_is_refused(build: Any, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        build()


def test_two_logins_see_their_own_accounts_only() -> None:
    other = FakeLogin(email="other@example.com", accounts=(FakeAccount("900001"),))
    fake = FakeTradeLocker([a_listing()], clock=ReplayClock(START_NS), logins=[FakeLogin(), other])
    with fake, Trader(fake) as trader:
        token = trader.login(email="other@example.com").json()["accessToken"]
        position = trader.bought()
        trader.headers["Authorization"] = f"Bearer {token}"
        assert trader.send("GET", "/accounts/812345/positions").status_code == 404
        assert trader.send("DELETE", f"/positions/{position}", {"qty": "0"}).status_code == 404
        assert trader.get("/accounts/900001/positions")["d"]["positions"] == []


def test_the_ledger_tells_the_life_of_a_position_with_the_balance_after_each_step() -> None:
    with trading() as trader:
        position = trader.bought(strategyId="life", stopLoss=90, stopLossType="absolute")
        trader.send("DELETE", f"/positions/{position}", {"qty": "0"})
        entries = trader.fake.ledger
        assert [entry.event for entry in entries] == [
            "accepted", "opened", "filled", "accepted", "accepted", "filled", "closed", "cancelled",
        ]  # fmt: skip
        assert {entry.position_id for entry in entries[1:]} == {position}
        assert (entries[4].balance, entries[-1].balance) == (Decimal(50_000), Decimal("49999.9"))


def test_records_handed_out_stay_as_they_were() -> None:
    with trading() as trader:
        trader.place(type="limit", price=95)
        before = trader.fake.orders()[0]
        trader.send("DELETE", f"/orders/{before.order_id}")
        assert before.is_open
        assert not trader.fake.orders()[0].is_open
