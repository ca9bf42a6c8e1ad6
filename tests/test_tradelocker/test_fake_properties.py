"""Whatever is asked of the fake venue, in whatever order, its books stay sound; and unsound books are found out."""

import dataclasses
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.core.bars import Bars
from agv2.core.orders import Side
from agv2.core.timeframes import Timeframe
from agv2.tradelocker.fake.books import Books
from agv2.tradelocker.fake.checks import check_books
from agv2.tradelocker.fake.exchange import Request
from agv2.tradelocker.fake.faults import FaultKind, FaultPlan
from agv2.tradelocker.fake.listings import FakeAccount, Listing
from agv2.tradelocker.fake.records import OrderRecord, OrderRole, OrderStatus
from agv2.tradelocker.fake.rules import VenueRules
from agv2.tradelocker.fake.server import FakeTradeLocker
from agv2.utils.clock import ReplayClock
from tests.test_tradelocker.fake_trader import ACCOUNT, MINUTE_NS, START_NS, a_listing

BALANCE = Decimal(50_000)
FEE = Decimal("0.30")
PATIENT = VenueRules(access_token_s=10**6, closed_after_ns=None)
ON_ORDERS = (FaultKind.PARTIAL_FILL, FaultKind.LATE_REJECT, FaultKind.DROPPED_BRACKET, FaultKind.DELAYED_VISIBILITY)

lots = st.sampled_from(["0.01", "0.10", "0.37", "1", "1", "5", "0", "0.005"])
distances = st.integers(1, 400).map(lambda cents: Decimal(cents) / 100)
maybe = st.none() | distances
picks = st.integers(0, 30)


class Plan(NamedTuple):
    """A new order by its distances from the price; a negative one is on the wrong side."""

    kind: str
    buys: bool
    qty: str
    distance: Decimal
    stop: Decimal | None
    target: Decimal | None
    manner: str


plans = st.builds(
    Plan,
    st.sampled_from(["market", "market", "limit", "stop"]),
    st.booleans(),
    lots,
    distances | distances.map(lambda distance: -distance),
    maybe,
    maybe,
    st.sampled_from(["absolute", "absolute", "offset", "trailingOffset"]),
)
steps = st.one_of(
    st.tuples(st.just("place"), plans, picks),
    st.tuples(st.just("place"), plans, picks),
    st.tuples(st.just("wait"), st.none(), st.integers(1, 900)),
    st.tuples(st.just("protect"), st.tuples(maybe, maybe), picks),
    st.tuples(st.just("change"), distances, picks),
    st.tuples(st.just("resize"), lots, picks),
    st.tuples(st.just("trail"), st.integers(1, 30), picks),
    st.tuples(st.just("close"), lots, picks),
    st.tuples(st.sampled_from(["cancel", "cancel all"]), st.none(), picks),
)
sequences = st.lists(steps, min_size=15, max_size=40)


class Desk:
    """Sends steps to a venue without a socket; picks orders and positions by number."""

    def __init__(self, rules: VenueRules, faults: FaultPlan, seed: int) -> None:
        rng = np.random.default_rng(seed)
        closes = np.round(100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, 300))), 2)
        opens = np.round(np.concatenate([[100.0], closes[:-1]]) * np.exp(rng.normal(0.0, 0.003, 300)), 2)
        stamps = START_NS + np.arange(300, dtype=np.int64) * MINUTE_NS
        high, low = np.maximum(opens, closes) + 0.5, np.minimum(opens, closes) - 0.5
        unknown = np.full(300, np.nan)
        bars = Bars("ETHUSD", Timeframe(1), stamps, opens, high, low, closes, unknown, unknown)
        self.fake = FakeTradeLocker([Listing("ETHUSD", bars)], clock=ReplayClock(START_NS), rules=rules, faults=faults)
        login = {"email": "trader@example.com", "password": "a fake password", "server": "FAKE"}
        tokens = self.send("POST", "/auth/jwt/token", login)
        self._token = str(tokens["accessToken"])

    _token = ""

    def send(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        headers = {"accNum": "1", "Authorization": f"Bearer {self._token}"}
        raw = b"" if body is None else json.dumps(body).encode()
        answer = self.fake.handle(Request.of(method, f"/backend-api{path}", headers, raw))
        assert answer.status in (200, 201, 404), answer
        found: dict[str, Any] = json.loads(answer.body)
        assert answer.status != 200 or found["s"] in ("ok", "error")
        return found

    def do(self, what: str, given: Any, number: int) -> None:
        working = [order for order in self.fake.orders() if order.is_open]
        held = self.fake.open_positions()
        order = f"/trade/orders/{working[number % len(working)].order_id if working else 1}"
        position = f"/trade/positions/{held[number % len(held)].position_id if held else 1}"
        match what:
            case "place":
                body = self._body(given) | {"strategyId": f"step-{number}"}
                self.send("POST", f"/trade/accounts/{ACCOUNT}/orders", body)
            case "change":
                level = str(self._price() + (given if number % 2 else -given))
                self.send("PATCH", order, {"price": level, "stopPrice": level})
            case "resize":
                self.send("PATCH", order, {"qty": given})
            case "cancel":
                self.send("DELETE", order)
            case "cancel all":
                self.send("DELETE", f"/trade/accounts/{ACCOUNT}/orders")
            case "protect":
                sign = int(held[number % len(held)].side) if held else 1
                stop, target = given
                legs = {"stopLoss": stop and str(self._price() - sign * stop)}
                self.send("PATCH", position, legs | {"takeProfit": target and str(self._price() + sign * target)})
            case "trail":
                self.send("PATCH", position, {"trailingOffset": given})
            case "close":
                self.send("DELETE", position, {"qty": given})
            case "wait":
                self.fake.advance(number)

    def _price(self) -> Decimal:
        quote = self.fake.quote("ETHUSD")
        assert quote is not None
        return quote.bid

    def _body(self, plan: Plan) -> dict[str, Any]:
        sign = 1 if plan.buys else -1
        ahead = sign if plan.kind == "stop" else -sign
        level = self._price() if plan.kind == "market" else self._price() + ahead * plan.distance
        body: dict[str, Any] = {"tradableInstrumentId": 278, "routeId": 452, "type": plan.kind, "qty": plan.qty}
        body |= {"side": "buy" if plan.buys else "sell", "validity": "IOC" if plan.kind == "market" else "GTC"}
        body |= {"price": str(level), "stopPrice": str(level)}
        if plan.manner == "trailingOffset":
            return body | {"stopLossType": "trailingOffset", "trStopOffset": 12}
        for key, distance, direction in (("stopLoss", plan.stop, -sign), ("takeProfit", plan.target, sign)):
            if distance is not None:
                value = distance * 10 if plan.manner == "offset" else level + direction * distance
                body |= {key: str(value), f"{key}Type": plan.manner}
        return body


@settings(max_examples=40, deadline=None)
@given(
    steps=sequences,
    rules=st.builds(
        VenueRules,
        access_token_s=st.just(10**6),
        closed_after_ns=st.none(),
        commission_per_lot=st.sampled_from([Decimal(0), FEE]),
        slippage_ticks=st.integers(0, 2),
        fill_delay_ns=st.sampled_from([0, 20 * 10**9]),
        visible_after_ns=st.sampled_from([0, 2 * 10**9]),
        close_excess=st.sampled_from(["refuse", "close_all"]),
        partly_filled_status=st.sampled_from(["Filled", "Cancelled"]),
    ),
    fault_rate=st.sampled_from([0.0, 0.2]),
    seed=st.integers(0, 50),
)
def test_any_sequence_keeps_the_books_sound_and_money_conserved(
    steps: list[tuple[str, Any, int]], rules: VenueRules, fault_rate: float, seed: int
) -> None:
    faults = FaultPlan(rates=dict.fromkeys(ON_ORDERS, fault_rate), rng=np.random.default_rng(seed))
    desk = Desk(rules, faults, seed)
    for step in steps:
        desk.do(*step)
        assert desk.fake.check() == []
    # Flat at the end: then the balance is what was paid and received, and no order of a position is left.
    faults.clear()
    desk.send("DELETE", f"/trade/accounts/{ACCOUNT}/orders")
    desk.fake.advance(25)
    desk.send("DELETE", f"/trade/accounts/{ACCOUNT}/positions")
    desk.fake.advance(25)
    assert desk.fake.open_positions() == []
    fills = desk.fake.executions
    paid = sum((int(fill.side) * fill.qty * fill.price for fill in fills), Decimal(0))
    fees = sum((rules.commission_per_lot * fill.qty for fill in fills), Decimal(0))
    assert abs(desk.fake.account_figures(ACCOUNT)["balance"] - (BALANCE - paid - fees)) < Decimal("1e-9")
    assert [order for order in desk.fake.orders() if order.is_open and order.is_leg] == []
    assert [entry.ts_ns for entry in desk.fake.ledger] == sorted(entry.ts_ns for entry in desk.fake.ledger)


@settings(max_examples=25, deadline=None)
@given(steps=sequences, seed=st.integers(0, 50), cuts=st.integers(2, 40))
def test_how_often_one_looks_changes_nothing(steps: list[tuple[str, Any, int]], seed: int, cuts: int) -> None:
    once, often = (Desk(PATIENT, FaultPlan(), seed) for _ in range(2))
    for what, given_, number in steps:
        once.do(what, given_, number)
        if what != "wait":
            often.do(what, given_, number)
            continue
        end_ns = often.fake.clock.now_ns() + number * 10**9
        for moment in np.linspace(often.fake.clock.now_ns(), end_ns, cuts).astype(np.int64)[1:-1]:
            often.fake.advance_to(int(moment))
        often.fake.advance_to(end_ns)
    assert once.fake.executions == often.fake.executions
    assert once.fake.positions() == often.fake.positions()


def sound_books() -> Books:
    """One long position of 2 lots with a stop, of which 1 was closed."""
    books = Books({"ETHUSD": a_listing()}, [FakeAccount()], VenueRules())
    common: dict[str, Any] = {"account_id": ACCOUNT, "symbol": "ETHUSD", "kind": "market"}
    common |= {"created_ns": 1, "modified_ns": 1, "visible_ns": 1}
    entry = OrderRecord("11", role=OrderRole.ENTRY, side=Side.LONG, qty=Decimal(2), **common)
    books.accept(entry)
    held = books.fill("11", Decimal(2), Decimal(100), 1).position_id
    books.set_leg(held, OrderRole.STOP_LOSS, Decimal(90), 1)
    leave = OrderRecord("12", role=OrderRole.CLOSE, side=Side.SHORT, qty=Decimal(1), position_id=held, **common)
    books.accept(leave)
    books.fill("12", Decimal(1), Decimal(103), 2)
    return books


def _alter(records: dict[str, Any], key: str, **changes: Any) -> None:
    records[key] = dataclasses.replace(records[key], **changes)


def _held(books: Books) -> str:
    return next(iter(books.positions))


def _leg(books: Books) -> str:
    leg = books.positions[_held(books)].stop_loss_id
    assert leg is not None
    return leg


@pytest.mark.parametrize(
    ("spoil", "found"),
    [
        (lambda books: books.balances.update({ACCOUNT: Decimal(1)}), "account"),
        (lambda books: books.executions.pop(), "fills say"),
        (lambda books: books.executions.append(books.executions[0]), "used twice"),
        (lambda books: _alter(books.orders, "11", filled_qty=Decimal(1)), "order 11"),
        (lambda books: _alter(books.positions, _held(books), qty=Decimal(2)), "holds 2"),
        (lambda books: _alter(books.positions, _held(books), average_price=Decimal(99)), "average 99"),
        (lambda books: _alter(books.positions, _held(books), stop_loss_id=None), "does not name it"),
        (lambda books: _alter(books.orders, _leg(books), position_id="13"), "orphan"),
        (lambda books: _alter(books.orders, _leg(books), qty=Decimal(5)), "against"),
        (lambda books: _alter(books.orders, _leg(books), status=OrderStatus.CANCELLED), "its leg"),
        (lambda books: _alter(books.orders, "12", status=OrderStatus.NEW), "still working"),
    ],
)
def test_unsound_books_are_found_out(spoil: Callable[[Books], Any], found: str) -> None:
    books = sound_books()
    assert check_books(books) == []
    spoil(books)
    assert any(found in line for line in check_books(books)), check_books(books)
