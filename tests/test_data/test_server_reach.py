"""What is said of the optional servers, and what never is."""

import pytest
from pydantic import SecretStr

from agv2.data.server_reach import postgres_reach, redis_reach
from agv2.utils.environment import Environment


def _environment(**named: str) -> Environment:
    return Environment(_env_file=None, **{key: SecretStr(value) for key, value in named.items()})  # type: ignore[call-arg, arg-type]  # pydantic-settings' own argument


def test_a_server_that_is_not_named_is_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("DATABASE_URL", "REDIS_URL"):
        monkeypatch.delenv(key, raising=False)
    for reach in (postgres_reach(_environment()), redis_reach(_environment())):
        assert (reach.configured, reach.address, reach.problem) == (False, None, None)


def test_a_redis_that_is_not_there_is_named_without_its_password() -> None:
    reach = redis_reach(_environment(redis_url="redis://:s3cret@127.0.0.1:1/0"))
    assert reach.address == "127.0.0.1:1/0"
    assert reach.problem is not None
    assert "s3cret" not in reach.problem


@pytest.mark.parametrize("password", ["s3c/ret", "123/456", "12#34", "12?34"])
def test_a_password_that_breaks_the_address_is_not_shown(password: str) -> None:
    reach = redis_reach(_environment(redis_url=f"redis://:{password}@127.0.0.1:1/0"))
    assert reach.problem == "REDIS_URL is not an address; write redis://HOST:PORT/0"
    assert reach.address is None
