"""Kill switch, approvals and the lease keeper over the embedded store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from agv2.core.errors import ConfigError, StateError
from agv2.deploy.account_switch import AccountSwitch
from agv2.deploy.approval_desk import ApprovalDesk
from agv2.deploy.lease_keeper import LeaseKeeper
from agv2.deploy.state.sqlite_state import SqliteState
from agv2.deploy.state_store import Lease, LeaseHeldError
from agv2.utils.clock import ReplayClock

NOON_NS = 1_800_000_000 * 10**9
SECOND_NS = 10**9


@pytest.fixture
def clock() -> ReplayClock:
    return ReplayClock(NOON_NS)


@pytest.fixture
def store(tmp_path: Path, clock: ReplayClock) -> Iterator[SqliteState]:
    store = SqliteState(tmp_path / "state.db", clock)
    yield store
    store.close()


def test_the_switch_survives_a_restart_and_keeps_its_first_reason(
    store: SqliteState, tmp_path: Path, clock: ReplayClock
) -> None:
    assert not AccountSwitch(store, "DEMO", clock).state().engaged
    AccountSwitch(store, "DEMO", clock).kill("anna", "news")
    store.close()
    again = SqliteState(tmp_path / "state.db", clock)
    switch = AccountSwitch(again, "DEMO", clock)
    assert switch.kill("ben", "later").reason == "news"
    assert switch.state().actor == "anna"
    assert not AccountSwitch(again, "OTHER", clock).state().engaged
    assert not switch.rearm("anna", "checked").engaged
    assert switch.state().reason == "checked"
    again.close()


@pytest.mark.parametrize("text", ["", "{}", "nonsense", '{"engaged": false}', "[]", "null"])
def test_a_switch_that_cannot_be_read_is_thrown(store: SqliteState, clock: ReplayClock, text: str) -> None:
    store.put(AccountSwitch.key_of("DEMO"), text)
    switch = AccountSwitch(store, "DEMO", clock)
    assert switch.state().engaged
    assert not switch.rearm("anna", "written anew").engaged


def test_after_a_loss_every_account_is_killed_until_it_is_re_armed_itself(
    store: SqliteState, clock: ReplayClock
) -> None:
    one, other = AccountSwitch(store, "DEMO", clock), AccountSwitch(store, "OTHER", clock)
    one.rearm("anna", "before")
    clock.advance_to(NOON_NS + SECOND_NS)
    for key, text in AccountSwitch.after_loss(clock).items():
        store.put(key, text)
    assert one.state().engaged
    assert "the state was lost" in other.state().reason
    clock.advance_to(NOON_NS + 2 * SECOND_NS)
    one.rearm("anna", "looked")
    assert not one.state().engaged
    assert other.state().engaged


def test_silence_means_no(store: SqliteState, clock: ReplayClock) -> None:
    desk = ApprovalDesk(store, "DEMO", clock)
    asked = desk.ask("XAUUSD", {"side": "long"}, 120.0)
    clock.advance_to(NOON_NS + 120 * SECOND_NS)
    found = desk.get(asked.approval.id)
    assert found is not None
    assert found.status(clock.now_ns()) == "expired"
    with pytest.raises(ConfigError, match="has timed out, which means no"):
        desk.answer(asked.approval.id, approve=True, actor="anna", remark="")


def test_the_first_answer_stands(store: SqliteState, clock: ReplayClock) -> None:
    desk = ApprovalDesk(store, "DEMO", clock)
    asked = desk.ask("XAUUSD", {"side": "long"}, 120.0)
    denied = desk.answer(asked.approval.id, approve=False, actor="anna", remark="no")
    assert denied.status(clock.now_ns()) == "denied"
    with pytest.raises(ConfigError, match="was answered already: no, by anna"):
        desk.answer(asked.approval.id, approve=True, actor="ben", remark="")
    with pytest.raises(ConfigError, match="there is no approval"):
        desk.answer("nobody", approve=True, actor="ben", remark="")


def test_a_newer_question_voids_the_older_of_its_symbol(store: SqliteState, clock: ReplayClock) -> None:
    desk = ApprovalDesk(store, "DEMO", clock)
    old, other = desk.ask("XAUUSD", {}, 120.0), desk.ask("ETHUSD", {}, 120.0)
    clock.advance_to(NOON_NS + SECOND_NS)
    new = desk.ask("XAUUSD", {}, 120.0)
    status = {each.approval.id: each.status(clock.now_ns()) for each in desk.all()}
    assert status == {old.approval.id: "denied", other.approval.id: "pending", new.approval.id: "pending"}


def holds(keeper: LeaseKeeper) -> bool:
    return keeper.lease is not None


def a_keeper(store: SqliteState, clock: ReplayClock, told: list[tuple[bool, str]]) -> LeaseKeeper:
    return LeaseKeeper(store, "service:DEMO", 15.0, clock, lambda ours, why: told.append((ours, why)))


def test_a_holder_that_died_is_waited_for_and_one_that_lives_is_not(store: SqliteState, clock: ReplayClock) -> None:
    dead, living = a_keeper(store, clock, []), a_keeper(store, clock, [])
    dead.take()
    living.take()
    assert clock.now_ns() == pytest.approx(NOON_NS + 15 * SECOND_NS, abs=0.1 * SECOND_NS)

    class Busy(ReplayClock):
        """The holder renews whenever the newcomer waits."""

        def sleep_until(self, ts_ns: int) -> None:
            clock.advance_to(ts_ns)
            self.advance_to(ts_ns)
            living.renew()

    newcomer = LeaseKeeper(store, "service:DEMO", 15.0, Busy(clock.now_ns()), lambda _ours, _why: None)
    with pytest.raises(LeaseHeldError, match="service:DEMO is held by"):
        newcomer.take()


def test_a_lease_is_not_relied_on_shortly_before_its_end(store: SqliteState, clock: ReplayClock) -> None:
    keeper = a_keeper(store, clock, [])
    keeper.take()
    assert holds(keeper)
    clock.advance_to(NOON_NS + 10 * SECOND_NS)
    assert not holds(keeper)
    keeper.renew()
    assert holds(keeper)


def test_who_slept_through_its_lease_is_told_and_gets_it_back_only_when_it_is_free(
    store: SqliteState, clock: ReplayClock
) -> None:
    told: list[tuple[bool, str]] = []
    sleeper, other = a_keeper(store, clock, told), a_keeper(store, clock, [])
    sleeper.take()
    clock.advance_to(NOON_NS + 16 * SECOND_NS)
    other.take()
    sleeper.renew()
    assert not holds(sleeper)
    assert [ours for ours, _ in told] == [True, False]
    sleeper.renew()
    assert not holds(sleeper)
    other.stop()
    sleeper.renew()
    assert holds(sleeper)
    assert [ours for ours, _ in told] == [True, False, True]


def test_a_store_that_is_away_for_a_moment_costs_no_lease(
    store: SqliteState, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[bool, str]] = []
    keeper = a_keeper(store, clock, told)
    keeper.take()

    def away(*_: object) -> Lease:
        raise StateError("cannot be reached")

    monkeypatch.setattr(store, "renew", away)
    clock.advance_to(NOON_NS + 5 * SECOND_NS)
    keeper.renew()
    assert holds(keeper)
    clock.advance_to(NOON_NS + 10 * SECOND_NS)
    keeper.renew()
    assert not holds(keeper)
    monkeypatch.undo()
    keeper.renew()
    assert holds(keeper)
    assert [ours for ours, _ in told] == [True, False]
