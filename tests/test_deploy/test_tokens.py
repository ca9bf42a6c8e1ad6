import json
import stat
import time
from pathlib import Path

import pytest

from agv2.core.errors import ConfigError, StateError
from agv2.deploy.failure_limiter import FailureLimiter
from agv2.deploy.tokens import Role, TokenStore
from agv2.utils.clock import ReplayClock

DAY_NS = 86_400 * 10**9


@pytest.fixture
def clock() -> ReplayClock:
    return ReplayClock(1_800_000_000 * 10**9)


@pytest.fixture
def store(tmp_path: Path, clock: ReplayClock) -> TokenStore:
    return TokenStore(tmp_path / "deploy" / "tokens.json", clock)


def test_a_token_opens_what_its_role_covers(store: TokenStore) -> None:
    kept, text = store.issue(Role.VIEWER, "console")
    assert store.authenticate(text) == kept
    assert kept.role.covers(Role.VIEWER)
    assert not kept.role.covers(Role.OPERATOR)
    assert Role.OPERATOR.covers(Role.VIEWER)


def test_the_file_holds_no_part_of_the_secret_and_is_its_owners_alone(store: TokenStore, tmp_path: Path) -> None:
    _, text = store.issue(Role.OPERATOR)
    path = tmp_path / "deploy" / "tokens.json"
    assert text.split("_", 2)[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "change", [lambda text: text[:-1] + ("A" if text[-1] != "A" else "B"), str.upper, lambda _: ""]
)
def test_a_text_that_differs_in_one_character_opens_nothing(store: TokenStore, change) -> None:  # type: ignore[no-untyped-def]
    _, text = store.issue(Role.OPERATOR)
    assert store.authenticate(change(text)) is None


def test_the_secret_of_one_token_does_not_open_another(store: TokenStore) -> None:
    (one, first), (_, second) = store.issue(Role.OPERATOR), store.issue(Role.VIEWER)
    assert store.authenticate(f"agv2_{one.token_id}_{second[14:]}") is None
    assert store.authenticate(first) == one


def test_a_revoked_token_opens_nothing_also_in_a_service_that_had_read_it(
    store: TokenStore, tmp_path: Path, clock: ReplayClock
) -> None:
    kept, text = store.issue(Role.OPERATOR)
    service = TokenStore(tmp_path / "deploy" / "tokens.json", clock)
    assert service.authenticate(text) is not None
    store.revoke(kept.token_id)
    assert service.authenticate(text) is None
    assert [token.revoked_ns for token in store.tokens()] == [clock.now_ns()]


def test_a_token_expires_on_its_day(store: TokenStore, clock: ReplayClock) -> None:
    _, text = store.issue(Role.VIEWER, days=2)
    clock.advance_to(clock.now_ns() + 2 * DAY_NS - 1)
    assert store.authenticate(text) is not None
    clock.advance_to(clock.now_ns() + 1)
    assert store.authenticate(text) is None


def test_a_token_that_is_not_there_cannot_be_revoked(store: TokenStore) -> None:
    with pytest.raises(ConfigError, match="there is no token deadbeef; `agv2 token list`"):
        store.revoke("deadbeef")


def test_a_damaged_file_lets_nobody_in(store: TokenStore, tmp_path: Path) -> None:
    _, text = store.issue(Role.OPERATOR)
    path = tmp_path / "deploy" / "tokens.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(StateError, match="no file of tokens"):
        store.authenticate(text)


def test_a_file_that_others_may_write_is_refused(store: TokenStore, tmp_path: Path) -> None:
    _, text = store.issue(Role.OPERATOR)
    path = tmp_path / "deploy" / "tokens.json"
    path.chmod(0o666)
    fresh = TokenStore(path, ReplayClock(0))
    with pytest.raises(StateError, match="chmod 600"):
        fresh.authenticate(text)


def test_a_wrong_secret_takes_as_long_whatever_it_begins_with(store: TokenStore) -> None:
    kept, text = store.issue(Role.OPERATOR)
    secret = text[14:]
    wrong = [f"agv2_{kept.token_id}_{each}" for each in ("A" * 43, secret[:-1] + ("A" if secret[-1] != "A" else "B"))]

    def fastest_s(guess: str) -> float:
        times = []
        for _ in range(300):
            began = time.perf_counter()
            store.authenticate(guess)
            times.append(time.perf_counter() - began)
        return min(times)

    one, other = (fastest_s(each) for each in wrong)
    assert 0.5 < one / other < 2.0


def test_nothing_that_is_kept_can_be_turned_into_a_token(store: TokenStore, tmp_path: Path) -> None:
    store.issue(Role.OPERATOR)
    (entry,) = json.loads((tmp_path / "deploy" / "tokens.json").read_text())
    assert store.authenticate(f"agv2_{entry['token_id']}_{entry['secret_sha256'][:43]}") is None


def test_a_caller_is_refused_after_so_many_failures_until_the_oldest_has_aged(clock: ReplayClock) -> None:
    limiter = FailureLimiter(3, 60.0, clock)
    start_ns = clock.now_ns()
    for second in range(3):
        clock.advance_to(start_ns + second * 10**9)
        assert limiter.wait_s("10.0.0.1") == 0.0
        limiter.failed("10.0.0.1")
    assert limiter.wait_s("10.0.0.1") == pytest.approx(58.0)
    assert limiter.wait_s("10.0.0.2") == 0.0
    clock.advance_to(start_ns + 60 * 10**9)
    assert limiter.wait_s("10.0.0.1") == 0.0


def test_a_flood_of_callers_does_not_fill_the_memory(clock: ReplayClock) -> None:
    limiter = FailureLimiter(1, 60.0, clock)
    for number in range(12_000):
        limiter.failed(str(number))
    assert len(limiter._failures) == 10_000
    assert limiter.wait_s("11999") > 0.0
