"""A running service with its guards, over HTTP: a cause is told bar by bar, and it stops by itself."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.deploy.audit_chain import read_records
from agv2.deploy.guard_sight import Unknown
from agv2.deploy.safeguards import Heartbeat
from agv2.models.bundle import ModelBundle
from agv2.models.live_reference import LiveReference
from agv2.utils.clock import ReplayClock
from agv2.utils.config import parse_override
from agv2.utils.environment import Environment
from tests.clock_tellers import Teller
from tests.receivers import Receiver
from tests.test_deploy.conftest import NOON_NS, Serve, Served
from tests.untrained_bundles import ToldBars

HOUR_NS = 3_600_000_000_000
FIRST = 2_600


@pytest.fixture(scope="session")
def usual(told_bars: ToldBars) -> LiveReference:
    """What was usual for these bars, and an entropy that this policy never has."""
    from agv2.data.config import MarketsConfig
    from agv2.deploy.drift_reference import feature_reference
    from agv2.features.pipeline import compute_features
    from agv2.utils.config import load_config

    instrument, _ = load_config(MarketsConfig, "markets").instrument("TREND", told_bars.bars.ts_ns)
    features = compute_features(told_bars.bars, instrument.calendar)
    days = instrument.calendar.trading_days(told_bars.bars.ts_ns)[features.warmup :]
    rows = features.values[features.warmup :]
    names = tuple(column.name for column in features.columns)
    entropies = np.random.default_rng(0).uniform(90.0, 91.0, (days.size, 1))
    return LiveReference(
        features={"TREND": feature_reference(rows, days, names, 10.0)},
        entropy={"TREND": feature_reference(entropies, days, ("policy_entropy",), 5.0)},
    )


Guarded = Callable[..., Served]


@pytest.fixture
def guarded(serve: Serve, usual: LiveReference, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Guarded:
    """Starts a service whose bundle knows what was usual."""
    from agv2.app.service_watching import open_watch

    known = [usual]
    monkeypatch.setattr(ModelBundle, "reference", lambda _: known[0])

    def start(*settings: str, only: str = "", deploy: tuple[str, ...] = (), **keys: Any) -> Served:
        known[0] = LiveReference(
            features=usual.features if only == "features" else {}, entropy=usual.entropy if only == "entropy" else {}
        )
        overrides = [parse_override(each) for each in ("guards.heartbeat.beat_s=0.05", *settings)]
        environment = Environment(agv2_home=tmp_path, **keys)
        return serve(
            "lease_s=1",
            *deploy,
            watch=lambda service, engine: open_watch(service, engine, environment, None, overrides),
        )

    return start


def decide(served: Served, told_bars: ToldBars, stop: int, n_bars: int = 2_000, **book: float) -> dict[str, Any]:
    """At the close of the bar before `stop`; with 2 bars, the one before it has been told already."""
    answer = served.ask("POST", "/v1/decide", json=told_bars.question(stop, n_bars) | {"book": {"cash": 1e5} | book})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def guard_records(served: Served) -> list[tuple[str, str, str]]:
    return [
        (str(each.body["event"]), str(each.body["guard"]), str(each.body["by"]))
        for each in read_records(served.service.parts.audit)
        if each.kind == "guard"
    ]


def tripped(served: Served) -> list[str]:
    return [each["guard"] for each in served.ask("GET", "/v1/state", "viewer").json()["tripped"]]


def measured(served: Served, guard: str) -> str:
    lines = served.ask("GET", "/metrics", "viewer").text.splitlines()
    (line,) = [line for line in lines if line.startswith(f'agv2_guard_tripped{{guard="{guard}"')]
    return str(line).rpartition(" ")[2]


def wait_for(found: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20.0
    while not found():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_bars_unlike_those_of_training_stop_it_until_a_person_rearms(
    guarded: Guarded, serve: Serve, told_bars: ToldBars, opening: int
) -> None:
    """The bar at which it trips is one at which the policy opens a position: that order is not given out."""
    served = guarded("guards.drift.false_alarm_days=1", only="features")
    watch = served.service.watch
    assert watch is not None
    assert measured(served, "drift") == "0.0"
    free = decide(served, told_bars, opening)
    assert free["status"] == "order"
    # Its own past is made the cause: with the limit of a market that never moved, any bar has left it.
    keeper = watch.markets["TREND"].keeper
    assert keeper.guards.drift is not None
    object.__setattr__(keeper.guards.drift, "limit", 1e-6)
    halted = [decide(served, told_bars, stop, 2) for stop in range(opening + 1, opening + 10)]
    at = next(place for place, each in enumerate(halted) if each["killed"])
    assert all(not each["killed"] for each in halted[:at])
    assert all(each["order"] is None for each in halted[at:])
    state = served.ask("GET", "/v1/state").json()
    assert (state["kill"]["engaged"], state["kill"]["actor"], state["kill"]["flattens"]) == (True, "guard drift", False)
    assert (tripped(served), measured(served, "drift")) == (["drift"], "1.0")
    shown = served.ask("GET", "/v1/guards", "viewer").json()["markets"][0]
    assert shown["drift_limit_share"] > 1.0
    sight = served.service.sight
    assert [each.guard for each in sight.findings()] == ["drift"]  # type: ignore[union-attr]
    assert sight.drift("TREND")[0].limit_share == shown["drift_limit_share"]  # type: ignore[union-attr]
    assert sight.band() == Unknown("the bundle knows 0 days out of sample, 60 are needed")
    assert shown["seen_bars"] == 1 + len(halted)
    assert [line.partition(":")[0] for line in shown["off"]] == ["entropy", "pnl", "clock_skew", "stale_feed"]
    kinds = [each.kind for each in read_records(served.service.parts.audit)]
    assert kinds.count("kill") == 1

    serve.stop(served)  # type: ignore[attr-defined]
    served = guarded(only="features")
    assert tripped(served) == ["drift"]
    assert decide(served, told_bars, opening)["order"] is None
    assert served.ask("POST", "/v1/rearm", json={"reason": "looked at it"}).status_code == 200
    assert (tripped(served), measured(served, "drift")) == ([], "0.0")
    assert decide(served, told_bars, opening)["status"] == "order"
    (trip, rearm) = guard_records(served)
    assert trip == ("tripped", "drift", "")
    assert (rearm[:2], bool(rearm[2])) == (("rearmed", "drift"), True)


def test_a_policy_that_is_not_as_sure_as_it_was_stops(guarded: Guarded, told_bars: ToldBars) -> None:
    served = guarded("guards.entropy.false_alarm_days=1", only="entropy")
    decide(served, told_bars, FIRST)
    at = next(stop for stop in range(FIRST + 1, FIRST + 60) if decide(served, told_bars, stop, 2)["killed"])
    assert at > FIRST + 1
    assert guard_records(served) == [("tripped", "entropy", "")]
    assert served.ask("GET", "/v1/state").json()["kill"]["actor"] == "guard entropy"


def test_a_daily_loss_closes_everything(guarded: Guarded, told_bars: ToldBars) -> None:
    served = guarded()
    decide(served, told_bars, FIRST)
    lost = decide(served, told_bars, FIRST + 1, cash=8e4)
    assert lost["killed"]
    kill = served.ask("GET", "/v1/state").json()["kill"]
    assert (kill["engaged"], kill["flattens"]) == (True, True)
    assert {guard for _, guard, _ in guard_records(served)} == {"daily_loss", "drawdown"}
    assert served.ask("POST", "/v1/rearm", json={"reason": "paid out", "fresh_limits": True}).status_code == 200
    assert not decide(served, told_bars, FIRST + 2, cash=8e4)["killed"]


def test_a_caller_that_falls_silent_stops_it_in_open_hours(
    guarded: Guarded, told_bars: ToldBars, clock: ReplayClock
) -> None:
    served = guarded("markets.TREND.calendar=24/7")
    clock.advance_to(clock.now_ns() + 2 * HOUR_NS)
    wait_for(lambda: served.ask("GET", "/ready", "").status_code == 200)
    assert tripped(served) == [], "before the first bar nobody is late"
    decide(served, told_bars, FIRST)
    wait_for(lambda: tripped(served) == ["stale_feed"])
    assert served.ask("GET", "/v1/state").json()["kill"]["actor"] == "guard stale_feed"


def test_a_clock_unlike_the_one_it_is_told_to_ask_stops_it(
    guarded: Guarded, told_bars: ToldBars, teller: Teller
) -> None:
    teller.tell(NOON_NS // 10**9 - 30)
    served = guarded("guards.clock.samples=1", deploy=(f"clock_address={teller.address}",))
    wait_for(lambda: tripped(served) == ["clock_skew"])
    shown = served.ask("GET", "/v1/guards", "viewer").json()["markets"][0]
    assert "clock_skew" in shown["on"]
    assert shown["tripped"][0]["reason"] == "this machine's clock is 29.0 s ahead of the venue's, more than 5 s"
    assert decide(served, told_bars, FIRST)["killed"]
    assert measured(served, "clock_skew") == "1.0"


def test_it_beats_while_it_is_ready_and_says_goodbye(guarded: Guarded, serve: Serve, tmp_path: Path) -> None:
    served = guarded()
    heart = Heartbeat(tmp_path / "guards" / "service-DEMO.heartbeat.json")
    first = heart.last()
    assert first is not None
    wait_for(lambda: (heart.last() or first).number > first.number + 1)
    serve.stop(served)  # type: ignore[attr-defined]
    last = heart.last()
    assert last is not None
    assert last.stopped


def test_a_hanging_service_gives_no_sign_of_life(guarded: Guarded, tmp_path: Path) -> None:
    served, gate = guarded(), threading.Event()
    heart = Heartbeat(tmp_path / "guards" / "service-DEMO.heartbeat.json")

    def hang() -> None:
        gate.wait(20.0)

    served.service.when_idle(hang)
    time.sleep(0.2)
    silent = heart.last()
    time.sleep(0.3)
    assert heart.last() == silent
    gate.set()


def test_people_are_told(guarded: Guarded, serve: Serve, receiver: Receiver, clock: ReplayClock) -> None:
    served = guarded(agv2_webhook_url=f"{receiver.url}/hook")
    served.ask("POST", "/v1/kill", json={"reason": "news at 14:30"})
    day_ns = 24 * HOUR_NS
    clock.advance_to(clock.now_ns() + day_ns)
    wait_for(lambda: any("daily summary" in heard.json["text"] for heard in receiver.heard))
    serve.stop(served)  # type: ignore[attr-defined]
    told = [alert for heard in receiver.heard for alert in heard.json["alerts"]]
    assert [each["event"] for each in told] == ["started", "kill", "daily_summary", "stopped"]
    assert "news at 14:30" in told[1]["text"]
    assert told[2]["text"].startswith("daily summary: HALTED by ")
    assert {each["source"] for each in told} == {"service DEMO"}
