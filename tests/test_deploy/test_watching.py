"""What the service tells those who watch it: events, bars, equity, limits used, and what the guards know."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from agv2.deploy.guard_sight import EquityBand, Unknown
from agv2.deploy.messages import DecideIn
from agv2.deploy.monitoring import FeatureDrift
from agv2.deploy.told_books import ToldBooks
from agv2.deploy.verdicts import GuardLevel, GuardVerdict
from tests.test_deploy.conftest import Served
from tests.untrained_bundles import ToldBars

HELD = {"cash": 9.2e4, "units": 10.0, "entry_price": 795.0, "stop_loss": 700.0}


class Sight:
    """Guards that know something."""

    def findings(self) -> list[GuardVerdict]:
        return [GuardVerdict("drift", GuardLevel.HALT, 10**18, "features have left the training bars", {"bars": 5.0})]

    def drift(self, symbol: str) -> list[FeatureDrift] | Unknown:
        return [FeatureDrift("rsi", 0.4, 0.2, 1.5), FeatureDrift("range", 0.1, 0.05, 0.5)]

    def band(self) -> EquityBand:
        return EquityBand((1, 2), (0.9, 0.8), (1.0, 1.0), (1.1, 1.2))


@contextmanager
def events(served: Served, role: str = "viewer") -> Iterator[Iterator[dict[str, Any]]]:
    headers = {"Authorization": f"Bearer {served.tokens[role]}"}
    with served.client.stream("GET", "/v1/events", headers=headers) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield (json.loads(line[5:]) for line in answer.iter_lines() if line.startswith("data:"))


def first(stream: Iterator[dict[str, Any]], wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    return next(each["overview"] for each in stream if each["overview"] and wanted(each["overview"]))


def until_nobody_watches(served: Served) -> None:
    given_up = time.monotonic() + 30.0
    while served.app.state.streams._open:
        assert time.monotonic() < given_up
        time.sleep(0.02)


def test_before_the_first_decision_nothing_is_known_and_says_so(watched: Served) -> None:
    with events(watched) as stream:
        seen = next(stream)["overview"]
    assert seen["positions"] is None
    assert {limit["name"]: limit["used"] for limit in seen["limits"]} == dict.fromkeys(
        ("daily_loss", "drawdown", "exposure", "positions")
    )
    assert (seen["findings"], seen["findings_unknown"]) == (None, "this service does not ask the guards")
    assert watched.ask("GET", "/v1/bars?symbol=TREND", "viewer").json()["ts"] == []
    assert watched.ask("GET", "/v1/equity", "viewer").json() == {
        "ts": [],
        "equity": [],
        "band": None,
        "band_unknown": "this service does not ask the guards",
    }
    assert watched.ask("GET", "/v1/bars?symbol=OTHER", "viewer").status_code == 422
    assert watched.ask("GET", "/v1/drift?symbol=OTHER", "viewer").status_code == 422


def test_who_asks_is_told_who_it_is(watched: Served) -> None:
    me = watched.ask("GET", "/v1/me", "viewer").json()
    assert (me["role"], me["expires_ns"]) == ("viewer", 0)
    assert me["token_id"] in watched.tokens["viewer"]


def test_what_is_decided_is_told_at_once_and_then_asked_for(watched: Served, told_bars: ToldBars) -> None:
    with events(watched) as stream:
        next(stream)
        watched.ask("POST", "/v1/decide", json=told_bars.question(2_990))
        watched.ask("POST", "/v1/decide", json=told_bars.question(2_991, 5) | {"book": HELD})
        newest = first(stream, lambda seen: bool(seen["positions"]) and seen["positions"][0]["units"] == 10.0)
    bars = watched.ask("GET", "/v1/bars?symbol=TREND&limit=7", "viewer").json()
    told = told_bars.told(2_984, 2_991)
    assert bars == {"symbol": "TREND", "bar_s": 3_600} | told
    worth = 9.2e4 + 10.0 * told["close"][-1]
    assert watched.ask("GET", "/v1/equity", "viewer").json()["equity"] == [1e5, worth]
    (position,) = newest["positions"]
    assert (position["units"], position["stop_loss"]) == (10.0, 700.0)
    assert position["open_pnl"] == pytest.approx(10.0 * (told["close"][-1] - 795.0))
    used = {limit["name"]: limit["used"] for limit in newest["limits"]}
    assert used["exposure"] == pytest.approx(10.0 * told["close"][-1] / worth)
    assert used["positions"] == 1.0
    assert used["drawdown"] == pytest.approx(max(0.0, 1.0 - worth / max(1e5, worth)))


def test_a_question_about_the_past_changes_no_position(told_bars: ToldBars) -> None:
    books = ToldBooks()
    for stop, book in ((2_990, HELD), (2_980, {"cash": 1.0})):
        books.remember(DecideIn.model_validate(told_bars.question(stop, 5) | {"book": book}))
    (holding,) = books.holdings() or ()
    assert (holding.units, books.used and books.used.positions) == (10.0, 1)
    ruined = ToldBooks()
    ruined.remember(DecideIn.model_validate(told_bars.question(2_990, 5) | {"book": {"cash": -5.0}}))
    assert ruined.used is None


def test_the_rest_of_the_account_counts_as_used(told_bars: ToldBars) -> None:
    books = ToldBooks()
    account = {"equity": 2e5, "other_notional": 1e5, "other_positions": 3}
    asked = DecideIn.model_validate(told_bars.question(2_990, 5) | {"book": HELD, "account": account})
    books.remember(asked)
    assert books.used == ((1e5 + 10.0 * asked.bars.close[-1]) / 2e5, 4)


def test_what_the_guards_know_is_told(watched: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched.service, "sight", Sight())
    with events(watched) as stream:
        (found,) = first(stream, lambda seen: seen["findings"] is not None)["findings"]
    assert (found["guard"], found["level"]) == ("drift", "halt")
    drift = watched.ask("GET", "/v1/drift?symbol=TREND", "viewer").json()
    assert [each["limit_share"] for each in drift["features"]] == [1.5, 0.5]
    assert watched.ask("GET", "/v1/equity", "viewer").json()["band"]["high"] == [1.1, 1.2]


def test_where_the_state_cannot_be_read_the_overview_says_so(watched: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from agv2.core.errors import StateError

    def unreadable(*_: object) -> None:
        raise StateError("the disk is gone")

    with events(watched) as stream:
        next(stream)
        monkeypatch.setattr(watched.service.store, "get", unreadable)
        seen = next(stream)["overview"]
    assert (seen["state"], seen["problem"]) == (None, "the disk is gone")


def test_watchers_are_limited_and_leave_their_place(watched: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    until_nobody_watches(watched)  # whose stream of the test before may be ending still
    monkeypatch.setattr(watched.app.state.streams, "_most", 1)
    with events(watched) as stream:
        next(stream)
        refused = watched.ask("GET", "/v1/events", "viewer")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
    until_nobody_watches(watched)
    with events(watched) as stream:
        assert next(stream)["now_ns"] == watched.service.clock.now_ns()


def test_a_stream_ends_with_its_token(watched: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with events(watched) as stream:
        next(stream)
        monkeypatch.setattr(watched.app.state.streams._tokens, "authenticate", lambda _: None)
        assert list(stream) == []


def test_nothing_is_approved_while_the_kill_switch_is_thrown(watched: Served, told_bars: ToldBars) -> None:
    for stop in range(2_992, 3_001):
        asked = watched.ask("POST", "/v1/decide", json=told_bars.question(stop)).json()["approval"]
        if asked:
            break
    path = f"/v1/approvals/{asked['approval_id']}"
    watched.ask("POST", "/v1/kill", json={"reason": "just so"})
    refused = watched.ask("POST", path, json={"approve": True})
    assert (refused.status_code, "kill switch" in refused.json()["problem"]) == (409, True)
    assert watched.ask("POST", path, json={"approve": False}).json()["status"] == "denied"
    watched.ask("POST", "/v1/rearm", json={"reason": "looked at it"})
