"""Secrets and addresses, from the process environment and from `.env`; the environment wins."""

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from agv2.core.errors import ConfigError, InvariantError
from agv2.utils.environment import Environment, load_environment, venue_address

ROOT = Path(__file__).resolve().parents[2]
KEYS = [name.upper() for name in Environment.model_fields]
# At the end of .env.example, for compose.yaml alone; tests/test_ops/test_compose.py holds those two together.
CONTAINER_KEYS = ["BUNDLE_DIR", "ACCOUNT", "POSTGRES_PASSWORD", "REDIS_PASSWORD", "GRAFANA_PASSWORD", "METRICS_TOKEN"]


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for key in list(os.environ):
        if key.upper() in KEYS:
            monkeypatch.delenv(key)
    monkeypatch.chdir(tmp_path)


def write(text: str) -> None:
    Path(".env").write_text(text, encoding="utf-8")


def test_without_a_file_nothing_is_set() -> None:
    environment = load_environment()
    assert {getattr(environment, name) for name in Environment.model_fields} == {None}
    assert environment.home == Path.home() / ".agv2"


def test_the_process_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write("TL_EMAIL=file@example.org\nTL_SERVER=FILE\nOTHER=1\nexport TL_ACC_NUM=2\n")
    monkeypatch.setenv("TL_SERVER", "REAL")
    environment = load_environment()
    assert (environment.tl_email, environment.tl_server, environment.tl_acc_num) == ("file@example.org", "REAL", 2)


def test_the_file_of_another_directory_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/.env").write_text("TL_SERVER=THERE", encoding="utf-8")
    assert load_environment(tmp_path / "there").tl_server == "THERE"
    assert load_environment().tl_server is None


def test_empty_is_not_set_and_a_byte_order_mark_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("TL_EMAIL=me@example.org\nTL_SERVER=\n", encoding="utf-8-sig")
    monkeypatch.setenv("TL_EMAIL", "")
    environment = load_environment()
    assert (environment.tl_email, environment.tl_server) == ("me@example.org", None)


def test_values_with_signs_in_quotes_survive() -> None:
    write("TL_PASSWORD='p#ss w$rd\"=x'\n")
    environment = load_environment()
    assert environment.tl_password is not None
    assert environment.tl_password.get_secret_value() == 'p#ss w$rd"=x'


def test_a_value_that_would_be_expanded_is_refused() -> None:
    write("TL_PASSWORD='abc${HOME}def'\nOTHER=${HOME}\n")
    with pytest.raises(
        ConfigError, match="TL_PASSWORD would be expanded; set TL_PASSWORD in the environment"
    ) as caught:
        load_environment()
    assert "abc" not in str(caught.value)


def test_all_missing_keys_are_named_at_once_with_the_remedy() -> None:
    write("TL_SERVER=ABCD\n")
    with pytest.raises(ConfigError, match=r"^not set: TL_EMAIL, TL_PASSWORD; .*\.env\.example"):
        load_environment().require("TL_EMAIL", "TL_PASSWORD", "tl_server")
    load_environment().require("TL_SERVER")
    with pytest.raises(InvariantError, match="TL_EMIAL is no key"):
        load_environment().require("TL_EMIAL")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("TL_PASWORD=hunter2", "did you mean TL_PASSWORD"),
        ("TL_ENVIROMENT=x", "did you mean TL_ENVIRONMENT"),
        ("AGV2_HOM=/x", "did you mean AGV2_HOME"),
        ("TL_USER=hunter2", "there are TL_ENVIRONMENT, TL_EMAIL, TL_PASSWORD, TL_SERVER, TL_ACC_NUM"),
    ],
)
def test_a_misspelt_key_in_the_file_is_named(line: str, hint: str) -> None:
    write(f"{line}\n")
    with pytest.raises(ConfigError, match=re.escape(hint)) as caught:
        load_environment()
    assert "hunter2" not in str(caught.value)


def test_a_misspelt_key_in_the_environment_is_named_and_others_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGV2_DEBUG", "1")
    monkeypatch.setenv("AGV2_SMOKE", "1")
    monkeypatch.setenv("TL_SOMETHING_ELSE", "1")
    load_environment()
    monkeypatch.setenv("TL_EMIAL", "me@example.org")
    with pytest.raises(ConfigError, match="the environment: TL_EMIAL is no key of AGV2; did you mean TL_EMAIL"):
        load_environment()


def test_bad_values_are_named_together_and_never_shown() -> None:
    write(
        "TL_ACC_NUM=hunter2\nTL_ENVIRONMENT=https://me:hunter3@demo.tradelocker.com\nDATABASE_URL=postgres://hunter4\n"
    )
    with pytest.raises(ConfigError, match=r"TL_ENVIRONMENT: an address holds neither.*TL_ACC_NUM: Input") as caught:
        load_environment()
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter" not in f"{error!r}"
        error = error.__cause__ or error.__context__
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_refused() -> None:
    Path(".env").write_bytes(b"TL_EMAIL=\xff\xfe")
    with pytest.raises(ConfigError, match=r"\.env: cannot be read \(not UTF-8\)"):
        load_environment()


def test_a_directory_in_its_place_is_refused() -> None:
    Path(".env").mkdir()
    with pytest.raises(ConfigError, match=r"\.env: cannot be read"):
        load_environment()


def test_secrets_and_logins_are_not_printed() -> None:
    environment = Environment(
        tl_email="me@example.org",
        tl_password=SecretStr("hunter2"),
        database_url=SecretStr("postgresql://me:hunter3@host"),
        mlflow_tracking_uri="https://me:hunter4@host",
    )
    assert "hunter" not in repr(environment) + str(environment)
    assert "me@" not in repr(environment) + str(environment)


def test_it_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_environment().tl_email = "x"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("demo.tradelocker.com", "https://demo.tradelocker.com/backend-api"),
        ("https://Demo.TradeLocker.com/", "https://demo.tradelocker.com/backend-api"),
        ("https://live.tradelocker.com/backend-api", "https://live.tradelocker.com/backend-api"),
        ("https://live.tradelocker.com/backend-api/", "https://live.tradelocker.com/backend-api"),
        ("https://live.tradelocker.com//", "https://live.tradelocker.com/backend-api"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/backend-api"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/backend-api"),
        ("http://localhost:1/", "http://localhost:1/backend-api"),
        ("http://[::1]:80", "http://[::1]:80/backend-api"),
        (" demo.tradelocker.com ", "https://demo.tradelocker.com/backend-api"),
    ],
)
def test_an_address_is_completed(text: str, address: str) -> None:
    assert venue_address(text) == address
    assert venue_address(address) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "demo",
        "http://demo.tradelocker.com",
        "http://127.0.0.1.example.com",
        "ftp://demo.tradelocker.com",
        "https://me:hunter2@demo.tradelocker.com",
        "https://demo.tradelocker.com?x=hunter2",
        "https://demo.tradelocker.com:port",
        "https://",
        "not a host",
    ],
)
def test_an_address_that_would_be_unsafe_or_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        venue_address(text)
    assert "hunter2" not in str(caught.value)


@given(st.text(max_size=40) | st.from_regex(r"\A(https?://)?[a-z0-9.:@/\[\]?#-]{0,30}\Z"))
def test_any_text_is_a_safe_address_or_a_config_error(text: str) -> None:
    try:
        address = venue_address(text)
    except ConfigError:
        return
    assert address.endswith("/backend-api")
    assert address.startswith("https://") or re.match(r"http://(127\.|localhost|\[::1\])", address)
    assert venue_address(address) == address


def test_the_example_names_every_key_and_holds_no_value(tmp_path: Path) -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert re.findall(r"^(\w+)=(.*)$", text, flags=re.MULTILINE) == [(key, "") for key in [*KEYS, *CONTAINER_KEYS]]
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    assert load_environment(tmp_path) == Environment()
