"""What the venue says about instruments and prices, and that it never says it too early."""

import dataclasses
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agv2.core.bars import Bars
from agv2.core.timeframes import Timeframe
from agv2.tradelocker.fake.history import RESOLUTIONS, PriceArchive
from agv2.tradelocker.fake.listings import Listing, TickBand
from agv2.tradelocker.fake.market import PriceTape
from agv2.tradelocker.fake.rules import VenueRules
from tests.factories import some_bars
from tests.test_tradelocker.fake_trader import MINUTE_NS, START_NS, Trader, a_listing, minute_bars, trading

START_MS = START_NS // 10**6
MINUTE_MS = 60_000
RISING = (100.0, 104.0, 98.0, 103.0)
FALLING = (103.0, 105.0, 97.0, 99.0)
LONG_LOGIN = VenueRules(access_token_s=10**6)


def history(trader: Trader, first: int, last: int, resolution: str = "1m") -> dict[str, Any]:
    """Envelope of bars `first` to `last`, counted in minutes from the start."""
    window = {"from": START_MS + first * MINUTE_MS, "to": START_MS + last * MINUTE_MS}
    envelope: dict[str, Any] = trader.priced("/history", resolution=resolution, **window)
    return envelope


def test_the_config_names_the_documented_columns_and_limits() -> None:
    with trading() as trader:
        config = trader.get("/config")["d"]
        counts = {name: len(config[name]["columns"]) for name in config if name.endswith("Config")}
        assert counts == {
            "positionsConfig": 11,
            "ordersConfig": 22,
            "ordersHistoryConfig": 22,
            "filledOrdersConfig": 8,
            "accountDetailsConfig": 26,
        }
        assert set(config) == {*counts, "customerAccess", "rateLimits", "limits"}
        assert {"limitType": "QUOTES_HISTORY_BARS", "limit": 20_000} in config["limits"]
        one_a_second = {"rateLimitType": "QUOTES_HISTORY", "measure": "SECONDS", "intervalNum": 1, "limit": 1}
        assert one_a_second in config["rateLimits"]


def test_columns_can_be_turned_round_and_joined_by_unknown_ones() -> None:
    with trading(rules=VenueRules(reversed_columns=True, extra_columns=True)) as trader:
        position = trader.bought(stopLoss=90, stopLossType="absolute")
        row = trader.positions()[0]
        assert next(iter(row)) == "strategyId"
        assert "venueNote" in row
        assert (row["id"], row["qty"]) == (position, "1")
        assert trader.state()["balance"] == 50_000.0


def test_an_instrument_has_a_dead_info_route_before_the_living_one() -> None:
    with trading() as trader:
        instrument = trader.get("/accounts/812345/instruments")["d"]["instruments"][0]
        assert instrument["tradableInstrumentId"] != instrument["id"]
        routes = {route["type"]: route["id"] for route in instrument["routes"]}
        dead = next(route["id"] for route in instrument["routes"] if route["type"] == "INFO")
        for route, status in ((dead, 404), (routes["TRADE"], 404), (routes["INFO"], 200)):
            answer = trader.send("GET", "/quotes", tradableInstrumentId=278, routeId=route)
            assert answer.status_code == status
        assert trader.send("GET", "/quotes", tradableInstrumentId=315, routeId=routes["INFO"]).status_code == 404


def test_route_ids_may_be_text_and_the_only_info_route_alive() -> None:
    rules = VenueRules(route_ids_as_text=True, first_info_route_dead=False)
    with trading(rules=rules) as trader:
        routes = trader.get("/accounts/812345/instruments")["d"]["instruments"][0]["routes"]
        assert routes == [{"id": "452", "type": "TRADE"}, {"id": "1152263", "type": "INFO"}]


def test_details_state_sizes_and_tick_bands() -> None:
    bands = (TickBand(Decimal(0), Decimal("0.01")), TickBand(Decimal(200), Decimal("0.5")))
    with trading(a_listing(tick_bands=bands)) as trader:
        details = trader.get("/instruments/278", routeId=1152263, locale="en")["d"]
        assert details["tickSize"] == [
            {"leftRangeLimit": 0.0, "tickSize": 0.01},
            {"leftRangeLimit": 200.0, "tickSize": 0.5},
        ]
        assert (details["minLot"], details["lotStep"], details["maxLot"]) == (0.01, 0.01, 100.0)
        assert trader.send("GET", "/instruments/278", routeId=452).status_code == 404
        session = trader.get(f"/sessions/{details['tradeSessionId']}")["d"]
        status = trader.get(f"/sessionStatuses/{details['tradeSessionStatusId']}")["d"]
        assert session["id"] == details["tradeSessionId"]
        assert [len(status[name]) for name in ("allowedOperations", "allowedOrderTypes")] == [3, 6]
        assert trader.send("GET", "/sessions/1").status_code == 404


def test_prices_walk_along_a_bar_and_never_ahead_of_time() -> None:
    with trading(a_listing(RISING, FALLING)) as trader:
        seen = []
        for _ in range(8):
            quote = trader.priced("/quotes")["d"]
            seen.append(quote["bp"])
            assert quote["ap"] == pytest.approx(quote["bp"] + 0.1)
            trader.fake.advance(15)
        assert seen == [100.0, 98.0, 104.0, 103.0, 103.0, 105.0, 97.0, 99.0]
        depth = trader.priced("/depth")["d"]
        assert (depth["bids"][0][0], depth["asks"][0][0]) == (99.0, 99.1)


def test_the_last_bar_is_the_forming_one_with_its_values_so_far() -> None:
    with trading(a_listing(RISING, FALLING, RISING)) as trader:
        trader.fake.advance(75)
        bars = history(trader, 0, 500)["d"]["barDetails"]
        assert bars == [
            {"t": START_MS, "o": 100.0, "h": 104.0, "l": 98.0, "c": 103.0, "v": 8.0},
            {"t": START_MS + MINUTE_MS, "o": 103.0, "h": 105.0, "l": 103.0, "c": 105.0, "v": 4.0},
        ]
        trader.fake.advance(45)
        assert [bar["l"] for bar in history(trader, 1, 1)["d"]["barDetails"]] == [97.0]


def test_a_venue_may_keep_the_forming_bar_to_itself() -> None:
    with trading(a_listing(RISING, FALLING), rules=VenueRules(forming_bar=False)) as trader:
        trader.fake.advance(119)
        assert len(history(trader, 0, 9)["d"]["barDetails"]) == 1
        trader.fake.advance(1)
        assert len(history(trader, 0, 9)["d"]["barDetails"]) == 2


def test_from_and_to_are_both_inclusive() -> None:
    with trading() as trader:
        trader.fake.advance(60 * 30)
        times = [bar["t"] for bar in history(trader, 3, 5)["d"]["barDetails"]]
        assert times == [START_MS + minute * MINUTE_MS for minute in (3, 4, 5)]


def test_no_data_names_the_bar_before_where_there_is_one() -> None:
    with trading(rules=LONG_LOGIN) as trader:
        trader.fake.advance(60 * 700)
        assert history(trader, 610, 620) == {"s": "no_data", "nb": START_MS + 599 * MINUTE_MS}
        assert history(trader, -20, -10) == {"s": "no_data"}
        assert history(trader, 5_000, 6_000) == {"s": "no_data", "nb": START_MS + 599 * MINUTE_MS}


def test_minute_bars_may_reach_back_only_so_far() -> None:
    with trading(rules=VenueRules(minute_history_ns=10 * MINUTE_NS)) as trader:
        trader.fake.advance(60 * 30)
        assert len(history(trader, 0, 30)["d"]["barDetails"]) == 11
        assert history(trader, 0, 10) == {"s": "no_data"}
        assert len(history(trader, 0, 30, "5m")["d"]["barDetails"]) == 7


@pytest.mark.parametrize(("rule", "refused"), [("span", True), ("bars", False)])
def test_more_than_the_limit_is_refused_by_span_or_by_bars(rule: Any, refused: bool) -> None:
    with trading(rules=VenueRules(access_token_s=10**6, max_bars=700, bar_limit_counts=rule)) as trader:
        trader.fake.advance(60 * 1000)
        envelope = history(trader, 0, 900)
        assert (envelope["s"] == "error") is refused
        assert "d" not in envelope or len(envelope["d"]["barDetails"]) == 600
        assert history(trader, 0, 10**9)["s"] == envelope["s"], "a `to` in the future means now"
        assert history(trader, 400, 1000)["s"] == "ok"


def test_more_bars_than_the_limit_are_refused_however_it_is_counted() -> None:
    with trading(rules=VenueRules(access_token_s=10**6, max_bars=100, bar_limit_counts="bars")) as trader:
        trader.fake.advance(60 * 200)
        assert history(trader, 0, 99)["s"] == "ok"
        assert history(trader, 0, 100)["s"] == "error"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"resolution": "1h", "from": 0, "to": 1}, 400),
        ({"resolution": "1m", "from": "yesterday", "to": 1}, 400),
        ({"resolution": "1m", "to": 1}, 400),
        ({"resolution": "1m", "from": 2, "to": 1}, 200),
        ({"resolution": "1m", "from": -(10**30), "to": 10**30}, 200),
    ],
)
def test_a_history_request_that_makes_no_sense_is_refused(query: dict[str, Any], status: int) -> None:
    with trading() as trader:
        answer = trader.send("GET", "/history", tradableInstrumentId=278, routeId=1152263, **query)
        assert answer.status_code == status
        assert answer.json()["s"] == "error"


def test_the_daily_bar_is_todays_so_far_on_the_side_asked_for() -> None:
    with trading(a_listing(RISING, FALLING)) as trader:
        trader.fake.advance(60)
        today = {"o": 100.0, "h": 104.0, "l": 98.0, "c": 103.0, "v": 10.0}
        assert trader.priced("/dailyBar", barType="BID")["d"] == today
        assert trader.priced("/dailyBar", barType="ASK")["d"]["c"] == pytest.approx(103.1)
        assert trader.send("GET", "/dailyBar", tradableInstrumentId=278, routeId=1152263).status_code == 400


def test_weeks_begin_on_monday_and_a_month_on_its_first_trading_day() -> None:
    sunday = START_NS - 34 * 60 * MINUTE_NS  # 2026-03-01 00:00
    feed = some_bars(24 * 70, timeframe="1h")
    bars = dataclasses.replace(feed, ts_ns=feed.ts_ns - feed.ts_ns[0] + sunday)
    archive = PriceArchive(PriceTape(Listing("ETHUSD", bars)))
    now_ns = sunday + 70 * 1440 * MINUTE_NS
    weeks, months = (archive.served(name, 0, now_ns, now_ns, forming=True).ts_ns for name in ("1W", "1M"))
    assert [str(each)[:10] for each in weeks.astype("datetime64[ns]")[:2]] == ["2026-02-23", "2026-03-02"]
    assert [str(each)[:10] for each in months.astype("datetime64[ns]")] == [
        "2026-03-01",
        "2026-04-01",
        "2026-05-01",
    ]
    assert archive.served("30m", 0, now_ns, now_ns, forming=True).ts_ns.size == 0, "finer than the feed"


@given(
    resolution=st.sampled_from([name for name in RESOLUTIONS if name not in ("1W", "1M")]),
    gaps=st.lists(st.integers(0, 400), min_size=1, max_size=40, unique=True),
    now=st.integers(0, 500 * 60),
    window=st.tuples(st.integers(-50, 450), st.integers(0, 500)),
    forming=st.booleans(),
)
def test_served_bars_are_what_the_ticks_up_to_now_say(
    resolution: str, gaps: list[int], now: int, window: tuple[int, int], forming: bool
) -> None:
    feed = some_bars(400, timeframe="1m", seed=3)
    keep = np.setdiff1d(np.arange(400), gaps)
    stamps = START_NS + keep * MINUTE_NS
    opens, high, low, close, unknown = (
        each[keep] for each in (feed.open, feed.high, feed.low, feed.close, feed.spread)
    )
    bars = Bars("ETHUSD", Timeframe(1), stamps, opens, high, low, close, unknown, unknown)
    tape = PriceTape(Listing("ETHUSD", bars))
    now_ns, width = START_NS + now * 10**9, RESOLUTIONS[resolution] * MINUTE_NS
    from_ns = START_NS + window[0] * MINUTE_NS
    to_ns = from_ns + window[1] * MINUTE_NS
    served = PriceArchive(tape).served(resolution, from_ns, to_ns, now_ns, forming=forming)

    known: dict[int, list[float]] = {}
    for ts_ns, price in zip(tape.ts_ns.tolist(), tape.price.tolist(), strict=True):
        if ts_ns <= now_ns and (forming or ts_ns // width * width + width <= now_ns):
            known.setdefault(ts_ns // width * width, []).append(price)
    inside = [ts_ns for ts_ns in known if from_ns <= ts_ns <= to_ns]
    assert served.ts_ns.tolist() == inside
    assert served.high.tolist() == [max(known[ts_ns]) for ts_ns in inside]
    assert served.low.tolist() == [min(known[ts_ns]) for ts_ns in inside]
    assert served.close.tolist() == [known[ts_ns][-1] for ts_ns in inside]
    assert served.open.tolist() == [known[ts_ns][0] for ts_ns in inside]
    assert served.earlier_ns == max((ts_ns for ts_ns in known if ts_ns < from_ns), default=None)


def test_bars_of_the_ask_put_the_bid_below_them() -> None:
    tape = PriceTape(Listing("ETHUSD", minute_bars((100.0, 100.0, 100.0, 100.0)), bar_source="ASK"))
    assert tape.quote(0) == (Decimal("99.9"), Decimal("100.0"))
    tape = PriceTape(Listing("ETHUSD", minute_bars((100.0, 100.0, 100.0, 100.0)), bar_source="TRADE"))
    assert tape.quote(0) == (Decimal("99.95"), Decimal("100.05"))
