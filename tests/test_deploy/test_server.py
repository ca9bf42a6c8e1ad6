"""The service over HTTP: who may ask what, what is refused, what is recorded."""

import io
import itertools
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from agv2.app.settings import load_settings
from agv2.core.account import open_account
from agv2.core.errors import StateError
from agv2.decision.decider import Decision
from agv2.deploy.api.access import OPEN_PATHS
from agv2.deploy.audit_chain import read_records, verify_chain
from agv2.deploy.audit_table import export_audit
from agv2.deploy.model_loader import load_decider
from agv2.deploy.state_store import LeaseHeldError
from agv2.risk.limits import fresh_risk_state
from agv2.risk.position_sizer import AccountView
from agv2.utils.clock import ReplayClock, SystemClock
from tests.test_deploy.conftest import Serve, Served, lines_of
from tests.untrained_bundles import ToldBars

PATHS = (
    "/v1/decisions",
    "/v1/state",
    "/v1/approvals",
    "/v1/me",
    "/v1/equity",
    "/v1/bars?symbol=TREND",
    "/v1/drift?symbol=TREND",
    "/metrics",
    "/v1/openapi.json",
)
ACTS = ("/v1/decide", "/v1/kill", "/v1/rearm", "/v1/approvals/0a")
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


def audited(served: Served) -> list[dict[str, Any]]:
    return [{"kind": each.kind, **each.body} for each in read_records(served.service.parts.audit)]


# ------------------------------------------------------------------------------------------------ access


def test_nothing_but_health_ready_and_the_empty_page_is_open(serve: Serve) -> None:
    served = serve()
    routes = served.app.openapi()["paths"]
    assert len(routes) >= 10
    assert {path for path in OPEN_PATHS if path != "/" and not path.startswith("/console/")} == {"/health", "/ready"}
    paths = OPEN_PATHS | {route.replace("{approval_id}", "0a") for route in routes} | {"/", "/docs", "/nowhere", *PATHS}
    for path, method in itertools.product(sorted(paths), ("GET", "POST", "HEAD", "OPTIONS", "DELETE")):
        status = served.ask(method, path, role="").status_code
        if path in OPEN_PATHS:
            assert status in (200, 405), (method, path)
        else:
            assert status == 401, (method, path)


def test_a_viewer_looks_and_does_not_act(serve: Serve, told_bars: ToldBars) -> None:
    served = serve()
    for path in PATHS:
        assert served.ask("GET", path, "viewer").status_code == 200, path
    bodies = (told_bars.question(3_000), {"reason": "just so"}, {"reason": "just so"}, {"approve": True})
    for path, body in zip(ACTS, bodies, strict=True):
        answer = served.ask("POST", path, "viewer", json=body)
        assert (answer.status_code, answer.json()["problem"]) == (403, "this needs a token of the role operator")
    assert not served.service.switch.state().engaged
    assert [each["kind"] for each in audited(served)] == ["opened", "started"]


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer x", "Basic YTpi", "Bearer agv2_00000000_" + "A" * 43, "Bearer " + "é" * 40]
)
def test_what_is_no_token_opens_nothing(serve: Serve, header: str) -> None:
    served = serve(ready=False)
    answer = served.client.get("/v1/state", headers={b"Authorization": header.encode()})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="agv2"'


def test_guessing_is_ended_and_others_from_the_same_address_still_get_in(serve: Serve, clock: ReplayClock) -> None:
    served = serve("auth_failures=5")
    guesses = [
        served.client.get("/v1/state", headers={"Authorization": f"Bearer agv2_{number:08x}_{'A' * 43}"})
        for number in range(8)
    ]
    assert [answer.status_code for answer in guesses] == [401] * 5 + [429] * 3
    assert int(guesses[-1].headers["Retry-After"]) == 61
    assert served.ask("GET", "/v1/state", "viewer").status_code == 200
    clock.advance_to(clock.now_ns() + 61 * 10**9)
    assert served.client.get("/v1/state", headers={"Authorization": "Bearer nonsense"}).status_code == 401


def test_a_token_under_attack_is_closed_even_to_the_right_secret_for_a_while(serve: Serve, clock: ReplayClock) -> None:
    served = serve("auth_failures=3")
    right = served.tokens["operator"]
    for _ in range(3):
        served.client.get("/v1/state", headers={"Authorization": f"Bearer {right[:14]}{'A' * 43}"})
    assert served.ask("GET", "/v1/state").status_code == 429, "else a guess could be told from a miss at any rate"
    assert served.ask("GET", "/v1/state", "viewer").status_code == 200
    clock.advance_to(clock.now_ns() + 61 * 10**9)
    assert served.ask("GET", "/v1/state").status_code == 200


def test_a_name_that_is_not_ours_is_refused(serve: Serve) -> None:
    served = serve("allowed_hosts=[agv2.example]")
    for name, status in (("evil.example", 421), ("agv2.example:8321", 200), ("localhost", 200), ("[::1]:8321", 200)):
        assert served.client.get("/health", headers={"Host": name}).status_code == status, name


def test_every_answer_has_its_headers_and_an_id(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve()
    monkeypatch.setattr(served.service.log, "latest", lambda *_: 1 / 0)
    seen = {
        served.ask("GET", "/health", ""),
        served.ask("GET", "/nowhere"),
        served.ask("GET", "/v1/state", ""),
        served.ask("POST", "/v1/kill", json={}),
        served.ask("GET", "/v1/decisions"),
    }
    assert {answer.status_code for answer in seen} == {200, 404, 401, 422, 500}
    for answer in seen:
        assert SAFE_HEADERS.items() <= dict(answer.headers).items() or all(
            answer.headers[name] == value for name, value in SAFE_HEADERS.items()
        )
        assert len(answer.headers["X-Request-ID"]) == 16
        assert "server" not in answer.headers


def test_a_fault_of_ours_is_told_by_its_id_alone(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    served = serve()
    monkeypatch.setattr(served.service.log, "latest", lambda *_: 1 / 0)
    answer = served.ask("GET", "/v1/decisions", headers={"X-Request-ID": "my-id.1"})
    assert answer.json() == {
        "problem": "a fault of AGV2; its log has the details under this request_id",
        "request_id": "my-id.1",
        "details": [],
    }
    (line,) = [line for line in lines_of(log) if line["event"] == "request failed"]
    assert line["request_id"] == "my-id.1"
    assert "ZeroDivisionError" in line["exception"]


# ---------------------------------------------------------------------------------------------- decisions


def test_a_decision_is_that_of_the_decision_path_and_is_in_the_audit_log(
    serve: Serve, told_bars: ToldBars, untrained_bundle: Path, opening: int, log: io.StringIO
) -> None:
    served = serve()
    answer = served.ask("POST", "/v1/decide", json=told_bars.question(opening), headers={"X-Request-ID": "abc"})
    assert answer.status_code == 200, answer.text
    said = answer.json()

    settings = load_settings(None, ())
    direct = load_decider(untrained_bundle, "TREND", settings.markets, settings.costs, settings.risk)
    decision = decided(direct, told_bars, opening)
    order = decision.plan.order
    assert said["order"] == {
        "order_id": order.order_id,
        "units": order.units,
        "stop_loss": order.stop_loss,
        "take_profit": order.take_profit,
        "reason": "entry",
    }
    assert said["side"] == {1: "long", -1: "short"}[decision.plan.side]
    assert (said["entropy"], said["value"]) == (decision.entropy, decision.value)
    assert int(np.argmax(said["probabilities"]["position"])) in (1, 2)
    assert sum(said["probabilities"]["position"]) == pytest.approx(1.0)

    report = verify_chain(served.service.parts.audit)
    assert report.problem == ""
    (record,) = [each for each in read_records(served.service.parts.audit) if each.kind == "decision"]
    assert said["record"] == {"number": record.number, "sha256": record.digest}
    assert record.body["request_id"] == "abc"
    assert record.body["model"] == said["model"] == direct.bundle.digest
    assert record.body["risk_before"] is None
    assert len(record.body["input_sha256"]) == 64
    assert {line["request_id"] for line in lines_of(log) if line.get("route") == "/v1/decide"} == {"abc"}


def decided(direct: Any, told_bars: ToldBars, stop: int) -> Decision:
    from agv2.core.bars import Bars
    from agv2.core.timeframes import Timeframe

    told = told_bars.told(stop - 2_000, stop)
    columns = {name: np.array(told[name]) for name in ("open", "high", "low", "close")}
    unknown = np.full(2_000, np.nan)
    stamps = np.array(told["ts"]) * 10**9
    bars = Bars("TREND", Timeframe.parse("1h"), ts_ns=stamps, volume=unknown, spread=unknown, **columns)
    view = direct.view(bars)
    decision: Decision = direct.decider.decide(
        open_account(1e5, view.bar.close),
        fresh_risk_state(1e5, view.bar.day),
        AccountView(1e5, 0.0, 0),
        view.bar,
        view.volatility,
        view.levels,
        view.market_row,
        view.bar.ts_ns // 10**9,
    )
    return decision


def test_the_newest_bars_alone_give_the_same_decision_as_all_of_them(serve: Serve, told_bars: ToldBars) -> None:
    told_all, told_few = serve(account="ALL"), serve(account="FEW")
    assert told_few.ask("POST", "/v1/decide", json=told_bars.question(2_900)).status_code == 200
    for stop in (2_901, 2_905, 2_905):
        few = told_few.ask("POST", "/v1/decide", json=told_bars.question(stop, n_bars=6)).json()
        whole = told_all.ask("POST", "/v1/decide", json=told_bars.question(stop)).json()
        same = ("order", "probabilities", "value", "volatility", "bar_ts")
        assert [few[name] for name in same] == [whole[name] for name in same]


def test_one_input_has_one_hash_and_another_input_another(serve: Serve, told_bars: ToldBars) -> None:
    served = serve()
    held = {"cash": 5e4, "units": 400.0, "entry_price": 100.0}
    first = told_bars.question(2_900)
    for question in (first, first, first | {"book": held}, told_bars.question(2_901)):
        assert served.ask("POST", "/v1/decide", json=question).status_code == 200
    hashes = [each["input_sha256"] for each in audited(served) if each["kind"] == "decision"]
    assert len(set(hashes)) == 4, "the first question had no limits' memory before it, the second had"


@pytest.mark.parametrize(
    ("change", "status", "problem"),
    [
        ({"symbol": "XAUUSD"}, 422, "symbol is not served; there are TREND"),
        ({"n_bars": 5}, 409, "do not begin with one told before; tell "),
        ({"book": {}}, 422, "the request cannot be understood"),
        ({"book": {"cash": "NaN"}}, 422, "the request cannot be understood"),
        ({"surprise": 1}, 422, "the request cannot be understood"),
        ({"close_together": True}, 422, "closer together than 1h"),
        ({"future": True}, 422, "has not closed yet"),
        ({"crossed": True}, 422, "the request cannot be understood"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line_and_changes_nothing(
    serve: Serve, told_bars: ToldBars, change: dict[str, Any], status: int, problem: str
) -> None:
    served = serve()
    question = told_bars.question(2_900, n_bars=change.pop("n_bars", 2_000))
    bars = question["bars"]
    if change.pop("close_together", False):
        bars["ts"] = list(range(10**9, 10**9 + 2_000 * 60, 60))
    if change.pop("future", False):
        bars["ts"] = [ts + 1_900_000_000 - bars["ts"][-1] - 3_599 for ts in bars["ts"]]
    if change.pop("crossed", False):
        bars["high"], bars["low"] = bars["low"], bars["high"]
    answer = served.ask("POST", "/v1/decide", json=question | change)
    assert answer.status_code == status, answer.text
    assert problem in answer.json()["problem"]
    assert served.service.engine is not None
    assert served.service.engine.known_until_ns("TREND") is None
    assert served.service.engine.risk is None
    assert [each["kind"] for each in audited(served)] == ["opened", "started"]


@pytest.mark.parametrize("prices", [(100.0, 100.0), (1e-8, 1e11), (1e-8, 1e-8), (1e11, 1e11)])
@pytest.mark.parametrize("cash", [0.0, -1e14, 1e14])
def test_whatever_prices_and_money_are_told_is_answered_or_refused_never_a_fault(
    serve: Serve, told_bars: ToldBars, prices: tuple[float, float], cash: float
) -> None:
    served = serve()
    question = told_bars.question(2_900) | {"book": {"cash": cash, "units": 1e3, "stop_loss": 1.0}}
    question["bars"] |= dict.fromkeys(("open", "high", "low", "close"), list(prices) * 1_000)
    answer = served.ask("POST", "/v1/decide", json=question)
    assert answer.status_code in (200, 422), answer.text


def test_a_bar_that_contradicts_what_was_told_is_refused(serve: Serve, told_bars: ToldBars) -> None:
    served = serve()
    served.ask("POST", "/v1/decide", json=told_bars.question(2_900))
    question = told_bars.question(2_901, n_bars=3)
    question["bars"]["close"][0] += 0.001
    question["bars"]["high"][0] += 0.001
    answer = served.ask("POST", "/v1/decide", json=question)
    assert (answer.status_code, "differs in high from what was told before" in answer.json()["problem"]) == (409, True)


def test_a_question_about_the_past_changes_no_limit(serve: Serve, told_bars: ToldBars) -> None:
    served = serve()
    served.ask("POST", "/v1/decide", json=told_bars.question(2_900))
    before = served.ask("GET", "/v1/state").json()["risk"]
    assert served.ask("POST", "/v1/decide", json=told_bars.question(2_800) | {"book": {"cash": 9e9}}).status_code == 200
    assert served.ask("GET", "/v1/state").json()["risk"] == before


def test_too_large_a_body_is_refused_whatever_its_length_claims(serve: Serve) -> None:
    served = serve("max_body_mb=0.1")
    chunks = (b" " * 10_000 for _ in range(11))
    assert served.ask("POST", "/v1/kill", content=b" " * 110_000).status_code == 413
    assert served.ask("POST", "/v1/kill", content=chunks).status_code == 413
    assert served.ask("POST", "/v1/kill", content=b" " * 90_000).status_code == 422


# --------------------------------------------------------------------------------- kill switch, approvals


class Trader:
    """The switch of a trader beside the service."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def throw(self, reason: str, by: str, *, flatten: bool = False) -> None:
        self.heard.append(f"throw {reason} {flatten}")

    def rearm(self, reason: str, by: str) -> None:
        self.heard.append(f"rearm {reason}")


def test_killed_it_opens_nothing_also_after_a_restart_until_a_person_re_arms(
    serve: Serve, told_bars: ToldBars, opening: int
) -> None:
    trader = Trader()
    first = serve(other_switches=lambda: [trader])
    answer = first.ask("POST", "/v1/kill", json={"reason": "news at noon"})
    assert (answer.status_code, answer.json()["engaged"]) == (200, True)
    killed = first.ask("POST", "/v1/decide", json=told_bars.question(opening)).json()
    assert (killed["order"], killed["side"], killed["reason"], killed["killed"]) == (None, "flat", "kill_switch", True)
    serve.stop(first)  # type: ignore[attr-defined]

    second = serve(other_switches=lambda: [trader])
    assert second.ask("GET", "/v1/state", "viewer").json()["kill"]["reason"] == "news at noon"
    assert second.ask("POST", "/v1/decide", json=told_bars.question(opening)).json()["order"] is None
    assert second.ask("POST", "/v1/rearm", json={"reason": "it is over"}).json()["engaged"] is False
    assert second.ask("POST", "/v1/decide", json=told_bars.question(opening)).json()["order"] is not None
    assert trader.heard == ["throw news at noon False", "rearm it is over"]
    kinds = [each["kind"] for each in audited(second) if each["kind"] != "attribution"]
    assert kinds == [
        "opened", "started", "kill", "decision", "stopped", "started", "decision", "rearm", "decision",
    ]  # fmt: skip


def test_killed_a_position_may_be_kept_and_with_flatten_it_is_closed(
    serve: Serve, told_bars: ToldBars, opening: int
) -> None:
    served = serve()
    side = served.ask("POST", "/v1/decide", json=told_bars.question(opening)).json()["side"]
    units = 100.0 if side == "long" else -100.0
    held = told_bars.question(opening) | {"book": {"cash": 1e5 - units * 100.0, "units": units, "entry_price": 100.0}}
    served.ask("POST", "/v1/kill", json={"reason": "just so"})
    kept = served.ask("POST", "/v1/decide", json=held).json()
    assert (kept["side"], kept["order"]) == (side, None)
    assert served.ask("POST", "/v1/kill", json={"reason": "out", "flatten": True}).json()["flattens"] is True
    closed = served.ask("POST", "/v1/decide", json=held).json()
    assert (closed["side"], closed["order"]["units"], closed["reason"]) == ("flat", -units, "kill_switch")


def test_the_limits_survive_a_restart_and_begin_anew_when_a_person_says_so(serve: Serve, told_bars: ToldBars) -> None:
    first = serve()
    first.ask("POST", "/v1/decide", json=told_bars.question(2_900))
    poorer = first.ask("POST", "/v1/decide", json=told_bars.question(2_901) | {"book": {"cash": 9e4}}).json()
    assert poorer["halted"] is True, "a tenth was lost within the day"
    serve.stop(first)  # type: ignore[attr-defined]
    second = serve()
    assert second.ask("GET", "/v1/state").json()["risk"]["peak_equity"] == 1e5
    assert second.ask("POST", "/v1/decide", json=told_bars.question(2_902) | {"book": {"cash": 9e4}}).json()["halted"]
    second.ask("POST", "/v1/rearm", json={"reason": "withdrew a tenth", "fresh_limits": True})
    fresh = second.ask("POST", "/v1/decide", json=told_bars.question(2_903) | {"book": {"cash": 9e4}}).json()
    assert (fresh["halted"], fresh["risk"]["peak_equity"]) == (False, 9e4)


def test_a_new_position_waits_for_a_person_and_silence_means_no(
    serve: Serve, told_bars: ToldBars, opening: int, clock: ReplayClock
) -> None:
    served = serve("approval.required=true")
    waiting = served.ask("POST", "/v1/decide", json=told_bars.question(opening)).json()
    assert (waiting["status"], waiting["order"]) == ("awaiting_approval", None)
    approval_id = waiting["approval"]["approval_id"]
    assert waiting["approval"]["proposal"]["order"]["units"] != 0.0
    assert served.ask("GET", "/v1/state").json()["approvals_pending"] == 1
    yes = served.ask("POST", f"/v1/approvals/{approval_id}", json={"approve": True, "reason": "looks right"}).json()
    assert (yes["status"], yes["reason"]) == ("approved", "looks right")
    again = served.ask("POST", f"/v1/approvals/{approval_id}", json={"approve": False})
    assert again.status_code == 409

    late = served.ask("POST", "/v1/decide", json=told_bars.question(opening)).json()["approval"]["approval_id"]
    clock.advance_to(clock.now_ns() + 121 * 10**9)
    assert served.ask("POST", f"/v1/approvals/{late}", json={"approve": True}).status_code == 409
    assert served.ask("GET", f"/v1/approvals/{late}", "viewer").json()["status"] == "expired"
    assert served.ask("GET", "/v1/approvals/0a").status_code == 404
    assert [each["status"] for each in audited(served) if each["kind"] == "approval"] == ["approved"]


# ------------------------------------------------------------------------------------- life, state, audit


def test_every_decision_is_followed_by_its_attribution(serve: Serve, told_bars: ToldBars, opening: int) -> None:
    served = serve()
    said = served.ask("POST", "/v1/decide", json=told_bars.question(opening)).json()
    worker = served.service._explaining
    assert worker is not None
    worker.stop(60.0)
    (attribution,) = [each for each in audited(served) if each["kind"] == "attribution"]
    assert attribution["of"] == said["record"]["number"]
    assert attribution["position"] == said["side"]
    odds = said["probabilities"]["position"]
    place = ("flat", "long", "short").index(said["side"])
    assert attribution["log_odds"] == pytest.approx(np.log(odds[place] / odds[0]), abs=1e-3)
    assert set(attribution["by_family"]) >= {"returns", "volatility"}
    shown = served.ask("GET", "/v1/decisions").json()
    assert shown["decisions"][0]["attribution"]["of"] == said["record"]["number"]
    assert shown["head"]["number"] == said["record"]["number"] + 1


def test_attributions_are_shown_after_a_restart_and_are_in_the_table(
    serve: Serve, told_bars: ToldBars, tmp_path: Path
) -> None:
    first = serve()
    for stop in (2_900, 2_901):
        first.ask("POST", "/v1/decide", json=told_bars.question(stop))
    serve.stop(first)  # type: ignore[attr-defined]  # it finishes what waits to be explained
    attributions = [each for each in audited(first) if each["kind"] == "attribution"]
    assert len(attributions) == 2

    second = serve("attribution.enabled=false")
    shown = second.ask("GET", "/v1/decisions").json()["decisions"]
    assert [each["attribution"]["of"] for each in shown] == [each["number"] for each in shown]
    for one, other in zip(reversed(shown), attributions, strict=True):
        assert one["attribution"]["by_family"] == other["by_family"]
        assert one["attribution"]["log_odds"] == other["log_odds"]

    serve.stop(second)  # type: ignore[attr-defined]
    export_audit(second.service.parts.audit, tmp_path / "audit.parquet")
    table = pl.read_parquet(tmp_path / "audit.parquet").filter(pl.col("kind") == "attribution")
    assert table["of"].to_list() == [each["number"] for each in reversed(shown)]
    bodies = [json.loads(body) for body in table["body"]]
    assert [each["by_family"] for each in bodies] == [each["by_family"] for each in attributions]


def test_decisions_are_shown_after_a_restart_the_newest_first(serve: Serve, told_bars: ToldBars) -> None:
    first = serve("attribution.enabled=false")
    for stop in (2_900, 2_901, 2_902):
        first.ask("POST", "/v1/decide", json=told_bars.question(stop))
    serve.stop(first)  # type: ignore[attr-defined]
    second = serve("attribution.enabled=false")
    shown = second.ask("GET", "/v1/decisions?limit=2").json()["decisions"]
    assert [each["bar_ts"] for each in shown] == [told_bars.told(stop - 1, stop)["ts"][0] for stop in (2_902, 2_901)]
    assert second.ask("GET", "/v1/decisions?symbol=OTHER").json()["decisions"] == []
    assert second.ask("GET", "/v1/decisions?limit=0").status_code == 422


def test_two_services_never_serve_one_account(serve: Serve, clock: ReplayClock) -> None:
    serve(account="OTHER")
    first = serve()

    class Waiting(ReplayClock):
        """While the second one waits, time goes on and the first one renews."""

        def sleep_until(self, ts_ns: int) -> None:
            clock.advance_to(max(ts_ns, clock.now_ns()))
            self.advance_to(clock.now_ns())
            assert first.service._keeper is not None
            first.service._keeper.renew()

    other = serve(ready=False, clock=Waiting(clock.now_ns()))
    other.service._thread.join(60.0)
    (failure,) = other.failures
    assert isinstance(failure, LeaseHeldError)
    assert "service:DEMO is held by" in str(failure)
    assert other.ask("GET", "/ready", "").status_code == 503


def test_a_model_that_loads_longer_than_a_lease_lives_costs_no_lease(serve: Serve, told_bars: ToldBars) -> None:
    def slow() -> Any:
        time.sleep(1.5)
        return engine()

    engine = serve(account="OTHER").service.parts.load_engine
    served = serve("lease_s=1", clock=SystemClock(), engine=slow)
    assert served.ask("GET", "/ready", "").json()["checks"]["lease"] is True
    assert served.ask("POST", "/v1/decide", json=told_bars.question(2_900)).status_code == 200


def test_without_its_lease_it_decides_nothing(serve: Serve, told_bars: ToldBars, clock: ReplayClock) -> None:
    served = serve()
    clock.advance_to(clock.now_ns() + 16 * 10**9)
    answer = served.ask("POST", "/v1/decide", json=told_bars.question(2_900))
    assert (answer.status_code, answer.json()["problem"]) == (503, "not ready: lease; /ready says when it is")
    assert served.ask("GET", "/ready", "").json()["checks"]["lease"] is False
    assert served.service._keeper is not None
    served.service._keeper.renew()
    assert served.ask("POST", "/v1/decide", json=told_bars.question(2_900)).status_code == 200


@pytest.mark.parametrize("path", ["/v1/state", "/v1/decisions", "/v1/approvals"])
def test_before_it_is_ready_it_says_so(serve: Serve, path: str) -> None:
    def never() -> Any:
        raise StateError("the model is away")

    served = serve(ready=False, engine=never)
    served.service._thread.join(10.0)
    assert served.ask("GET", "/health", "").json() == {"status": "ok"}
    assert served.ask("GET", "/ready", "").json()["ready"] is False
    assert served.ask("GET", path).status_code in (200, 503)
    assert served.ask("POST", "/v1/decide", json={}).status_code == 422
    assert str(served.failures[0]) == "the model is away"


def test_where_the_audit_log_cannot_be_written_nothing_is_ordered(
    serve: Serve, told_bars: ToldBars, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve("attribution.enabled=false")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    answer = served.ask("POST", "/v1/decide", json=told_bars.question(2_900))
    assert answer.status_code == 503
    assert "did not reach the disk" in answer.json()["problem"]
    monkeypatch.undo()


def test_a_planted_secret_is_in_no_log_and_no_answer(
    serve: Serve, told_bars: ToldBars, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve()
    planted, password = served.tokens["operator"], "hunter2-planted"
    address = f"redis://:{password}@host:6379/0"

    def fails(*_: object) -> None:
        raise StateError(f"cannot reach {address} with Bearer {planted} or {planted}")

    answers = [
        served.ask("GET", f"/v1/{planted}"),
        served.ask("GET", f"/v1/decisions?symbol={planted}"),
        served.ask("GET", f"/v1/approvals/{planted}"),
        served.ask("POST", "/v1/kill", json={"reason": 5, planted: address}),
        served.ask("POST", "/v1/kill", content=f'{{"reason": "{planted}'.encode()),
        served.ask("POST", "/v1/decide", json=told_bars.question(2_900) | {"symbol": planted[:60]}),
        served.ask("POST", f"/v1/approvals/{planted}", json={"approve": planted}),
        served.client.get("/v1/state", headers={"Authorization": f"Token {planted}"}),
        served.ask("GET", "/v1/state", headers={"X-Request-ID": f"{planted}!"}),
    ]
    monkeypatch.setattr(served.service.log, "latest", fails)
    answers.append(served.ask("GET", "/v1/decisions"))
    monkeypatch.setattr(served.service, "ask", lambda _: 1 / 0 if planted else None)
    answers.append(served.ask("GET", "/v1/approvals"))
    told = "".join(answer.text + str(answer.headers) for answer in answers) + log.getvalue()
    secret = planted.split("_", 2)[2]  # it may hold more of them
    assert "request failed" in log.getvalue()
    assert secret not in told
    assert password not in told


def test_every_metric_is_in_the_documentation(serve: Serve, told_bars: ToldBars) -> None:
    served = serve()
    served.ask("POST", "/v1/decide", json=told_bars.question(2_900))
    text = served.ask("GET", "/metrics", "viewer").text
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert 'agv2_decisions_total{reason="' in text
    page = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
    ours = {name for name in names if not name.endswith("_created")}
    assert {name for name in ours if f"`{name}`" not in page} == set()


def test_a_scrape_reads_switch_and_lease_anew(serve: Serve, told_bars: ToldBars) -> None:
    served = serve()
    switch = served.service.switch
    assert "agv2_kill_switch 0.0" in served.ask("GET", "/metrics", "viewer").text
    switch.kill("another process", "of the same account")
    text = served.ask("GET", "/metrics", "viewer").text
    assert "agv2_kill_switch 1.0" in text
    assert "agv2_state_readable 1.0" in text
    assert "agv2_lease_held 1.0" in text


def test_a_scrape_without_readable_state_says_so_and_answers(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve()

    def unreadable(*_: object) -> None:
        raise StateError("the disk is gone")

    monkeypatch.setattr(served.service.store, "get", unreadable)
    answer = served.ask("GET", "/metrics", "viewer")
    assert answer.status_code == 200
    assert "agv2_state_readable 0.0" in answer.text


def test_the_openapi_page_is_complete(serve: Serve) -> None:
    served = serve(ready=False)
    page = served.ask("GET", "/v1/openapi.json", "viewer").json()
    for path, operations in page["paths"].items():
        for operation in operations.values():
            assert operation.get("description"), path
            if path not in ("/health", "/ready"):
                assert operation["security"] == [{"HTTPBearer": []}]
                assert {"401", "403", "429", "503"} <= set(operation["responses"])
    schemas = page["components"]["schemas"]
    assert "HTTPValidationError" not in json.dumps(page), "a refusal has the form of Problem"
    assert {"DecideIn", "DecideOut", "Problem", "StateOut"} <= set(schemas)


def test_the_account_switch_shows_what_it_holds(serve: Serve) -> None:
    served = serve()
    state = served.service.switch.kill("anna", "just so")
    assert served.ask("GET", "/v1/state").json()["kill"] == asdict(state)
    assert replace(state, engaged=False).leaves.value == "no"
