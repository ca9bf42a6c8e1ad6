"""Logging in, being sent away, and which account a request belongs to."""

import base64
import json

import pytest

from agv2.tradelocker.fake.rules import VenueRules
from tests.test_tradelocker.fake_trader import START_NS, trading

REFRESH = "/auth/jwt/refresh"


def claims(token: str) -> dict[str, object]:
    payload = token.split(".")[1]
    found: dict[str, object] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def test_a_login_answers_201_with_two_tokens_that_say_when_they_end() -> None:
    with trading() as trader:
        answer = trader.login()
        assert answer.status_code == 201
        assert set(answer.json()) == {"accessToken", "refreshToken", "expireDate"}
        assert claims(answer.json()["accessToken"])["exp"] == START_NS // 10**9 + 3600
        assert answer.json()["expireDate"] == "2026-03-02T11:00:00.000Z"


@pytest.mark.parametrize("wrong", [{"password": "guess"}, {"email": "other@example.com"}, {"server": "fake"}])
def test_wrong_credentials_are_a_400(wrong: dict[str, str]) -> None:
    with trading() as trader:
        assert trader.login(**wrong).status_code == 400


def test_an_access_token_dies_on_time_and_a_refresh_brings_a_new_pair() -> None:
    with trading() as trader:
        trader.fake.advance(3599)
        assert trader.send("GET", "/config").status_code == 200
        trader.fake.advance(1)
        assert trader.send("GET", "/config").status_code == 401
        old = trader.tokens["refreshToken"]
        fresh = trader.http.post(REFRESH, json={"refreshToken": old})
        assert fresh.status_code == 201
        assert not set(fresh.json().values()) & set(trader.tokens.values())
        trader.headers["Authorization"] = f"Bearer {fresh.json()['accessToken']}"
        assert trader.send("GET", "/config").status_code == 200
        assert trader.http.post(REFRESH, json={"refreshToken": old}).status_code == 401


def test_an_old_refresh_token_lives_on_where_the_rules_say_so() -> None:
    with trading(rules=VenueRules(refresh_kills_old_refresh=False, refresh_kills_old_access=True)) as trader:
        body = {"refreshToken": trader.tokens["refreshToken"]}
        assert [trader.http.post(REFRESH, json=body).status_code for _ in range(2)] == [201, 201]
        assert trader.send("GET", "/config").status_code == 401


def test_a_refresh_token_dies_too() -> None:
    with trading(rules=VenueRules(refresh_token_s=60)) as trader:
        trader.fake.advance(60)
        assert trader.http.post(REFRESH, json={"refreshToken": trader.tokens["refreshToken"]}).status_code == 401


def test_a_second_login_ends_the_first_where_the_rules_say_so() -> None:
    with trading(rules=VenueRules(second_login_ends_first=True)) as trader:
        assert trader.send("GET", "/config").status_code == 200
        assert trader.login().status_code == 201
        assert trader.send("GET", "/config").status_code == 401


def test_revoked_tokens_are_refused() -> None:
    with trading() as trader:
        trader.fake.revoke_tokens()
        assert trader.send("GET", "/config").status_code == 401
        assert trader.http.post(REFRESH, json={"refreshToken": trader.tokens["refreshToken"]}).status_code == 401


def test_accounts_are_listed_with_numbers_as_text() -> None:
    with trading() as trader:
        answer = trader.http.get("/auth/jwt/all-accounts", headers=trader.headers)
        assert answer.json()["accounts"][0] == {
            "id": "812345",
            "name": "FAKE#812345#1",
            "currency": "USD",
            "accNum": "1",
            "accountBalance": "50000.00",
            "status": "ACTIVE",
        }
        assert trader.http.get("/auth/jwt/all-accounts").status_code == 401


def test_stream_tokens_come_one_an_account_and_only_without_a_developer_key() -> None:
    with trading() as trader:
        login = {"email": "trader@example.com", "password": "a fake password", "server": "FAKE"}
        path = "/auth/jwt/accounts/tokens"
        data = trader.http.post(path, json=login).json()["data"]
        assert [row["accountId"] for row in data] == ["812345", "812399"]
        assert trader.http.post(path, json=login, headers={"developer-api-key": "tl-x"}).status_code == 400


def test_the_header_alone_decides_the_account() -> None:
    with trading() as trader:
        position = trader.bought()
        trader.headers["accNum"] = "2"
        assert trader.send("DELETE", f"/positions/{position}", {"qty": "0"}).status_code == 404
        assert trader.send("GET", "/accounts/812345/positions").status_code == 404
        assert trader.send("GET", "/accounts/2/positions").status_code == 404
        assert trader.get("/accounts")["d"][0]["id"] == "812399"
        trader.headers["accNum"] = "3"
        assert trader.send("GET", "/config").status_code == 404
        del trader.headers["accNum"]
        assert trader.send("GET", "/config").status_code == 400


def test_unknown_paths_are_404_and_broken_json_is_400() -> None:
    with trading() as trader:
        assert trader.send("GET", "/nothing").status_code == 404
        assert trader.http.post("/auth/jwt/token", content=b'{"email": ').status_code == 400
        assert trader.http.post("/auth/jwt/token", content=b"[1]").status_code == 400
        outside = trader.http.get(f"{trader.fake.url}/trade/config", headers=trader.headers)
        assert outside.status_code == 404


def test_no_secret_is_remembered() -> None:
    with trading() as trader:
        trader.http.post(REFRESH, json={"refreshToken": trader.tokens["refreshToken"]})
        trader.http.get("/auth/jwt/all-accounts", headers=trader.headers | {"developer-api-key": "tl-secret"})
        seen = str(trader.fake.requests)
        secrets = ("a fake password", "trader@example.com", "tl-secret", *trader.tokens.values())
        assert [secret for secret in secrets if secret in seen and "T11:00" not in secret] == []
        assert "/auth/jwt/refresh" in seen
