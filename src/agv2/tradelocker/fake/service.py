"""The fake venue as one function from request to answer: faults, logins and limits around the endpoints."""

import dataclasses
import math
from collections.abc import Callable, Iterable

from agv2.tradelocker.fake.exchange import Answer, Delivery, Request, RequestRecord, html_page, redacted
from agv2.tradelocker.fake.faults import FaultKind, FaultPlan, FaultRule
from agv2.tradelocker.fake.listings import FakeAccount, FakeLogin
from agv2.tradelocker.fake.logins import Logins, TokenPair
from agv2.tradelocker.fake.rate_watch import RateWatch
from agv2.tradelocker.fake.refusals import HttpError, RefusalError
from agv2.tradelocker.fake.routes import Call, TradeRoutes
from agv2.tradelocker.fake.venue import Venue
from agv2.tradelocker.fake.wire import iso_time

__all__ = ["VenueService"]


class VenueService:
    """Answers requests at the venue's present time; not thread-safe, its owner holds a lock.

    Args:
        venue: the truth.
        logins: who may come in.
        faults: what goes wrong.
    """

    def __init__(self, venue: Venue, logins: Iterable[FakeLogin], faults: FaultPlan) -> None:
        self._venue, self._faults = venue, faults
        self.logins = Logins(logins, venue.rules)
        self.rates = RateWatch(venue.rules)
        self.requests: list[RequestRecord] = []
        self._routes = TradeRoutes(venue)
        self._auth: dict[tuple[str, str], Callable[[Request], Answer]] = {
            ("POST", "/auth/jwt/token"): self._login,
            ("POST", "/auth/jwt/refresh"): self._refresh,
            ("GET", "/auth/jwt/all-accounts"): self._all_accounts,
            ("POST", "/auth/jwt/accounts/tokens"): self._stream_tokens,
        }

    def answer(self, request: Request) -> Answer:
        """Process one request, unless a fault prevents it, and keep a record of it."""
        hit = self._faults.draw(request.method, request.path)
        answer = self._with_faults(request, hit)
        headers, body = redacted(request)
        self.requests.append(
            RequestRecord(
                number=len(self.requests) + 1,
                ts_ns=self._venue.now_ns,
                method=request.method,
                path=request.path,
                query=request.query,
                headers=headers,
                body=body,
                status=answer.status,
                faults=tuple(rule.kind.name for rule in hit),
            )
        )
        return answer

    def _with_faults(self, request: Request, hit: list[FaultRule]) -> Answer:
        rule = FaultPlan.on_answer(hit)
        if rule is None:
            return self._processed(request, hit)
        authorization = request.headers.get("authorization", "")
        match rule.kind:
            case FaultKind.TOO_MANY_REQUESTS:
                after = {} if rule.retry_after_s is None else {"Retry-After": str(rule.retry_after_s)}
                return dataclasses.replace(Answer.of_json({"message": "Too many requests"}, 429), headers=after)
            case FaultKind.CDN_BLOCK:
                return html_page(429, "error code: 1015")
            case FaultKind.FORBIDDEN:
                return html_page(403, "403 Forbidden")
            case FaultKind.RESET:
                return Answer(0, delivery=Delivery.RESET)
            case FaultKind.TOKEN_EXPIRED:
                self.logins.revoke_access(authorization)
                return self._processed(request, hit)
            case FaultKind.LOGIN_REVOKED:
                self.logins.revoke_pair(authorization)
                return self._processed(request, hit)
            case FaultKind.SERVER_ERROR if not rule.processed:
                return html_page(rule.status, f"{rule.status} Bad Gateway")
            case FaultKind.TIMEOUT if not rule.processed:
                return Answer(0, delivery=Delivery.DROPPED, wait_s=rule.seconds)
            case _:
                return self._spoiled(self._processed(request, hit), rule)

    @staticmethod
    def _spoiled(answer: Answer, rule: FaultRule) -> Answer:
        """What becomes of the answer to a request that took effect."""
        match rule.kind:
            case FaultKind.SERVER_ERROR:
                return html_page(rule.status, f"{rule.status} Bad Gateway")
            case FaultKind.TIMEOUT:
                return Answer(0, delivery=Delivery.DROPPED, wait_s=rule.seconds)
            case FaultKind.LATE_ANSWER:
                return dataclasses.replace(answer, wait_s=rule.seconds)
            case FaultKind.LOST_ANSWER:
                return dataclasses.replace(answer, delivery=Delivery.DROPPED)
            case FaultKind.MALFORMED_JSON:
                return dataclasses.replace(answer, body=answer.body[: math.ceil(len(answer.body) / 2)])
            case FaultKind.TRUNCATED:
                return dataclasses.replace(answer, delivery=Delivery.TRUNCATED)
            case FaultKind.HTML_PAGE:
                return html_page(200, "Just a moment...")
            case FaultKind.EMPTY_BODY:
                return dataclasses.replace(answer, body=b"")
            case FaultKind.NO_ORDER_ID:
                return Answer.of_json({"s": "ok", "d": {}})
            case _:
                raise AssertionError(f"{rule.kind} does not concern the answer")

    def _processed(self, request: Request, hit: list[FaultRule]) -> Answer:
        if self._venue.matching.maintenance_end(self._venue.now_ns) is not None:
            return html_page(503, "503 Service Temporarily Unavailable")
        try:
            handler = self._auth.get((request.method, request.path))
            return handler(request) if handler is not None else self._traded(request, hit)
        except RefusalError as refusal:
            return Answer.of_json({"s": "error", "errmsg": str(refusal)})
        except HttpError as problem:
            return Answer.of_json({"s": "error", "errmsg": str(problem)}, problem.status)

    def _traded(self, request: Request, hit: list[FaultRule]) -> Answer:
        login = self._sender(request)
        route, parts = self._routes.find(request.method, request.path)
        acc_num = request.headers.get("accnum")
        if acc_num is None:
            raise HttpError(400, "accNum header is required")
        account = next((each for each in login.accounts if each.acc_num == acc_num), None)
        if account is None or parts.get("account", account.account_id) != account.account_id:
            raise HttpError(404, "Account not found")
        self._count(route.rate, login, account)
        call = Call(request, account.account_id, parts.get("item", ""), FaultPlan.treatment(hit))
        return route.handler(call)

    def _sender(self, request: Request) -> FakeLogin:
        return self.logins.of_header(request.headers.get("authorization", ""), self._venue.now_ns)

    def _count(self, rate: str, login: FakeLogin | None, account: FakeAccount | None = None) -> None:
        scope = "" if login is None else f"{login.server}/{login.accounts[0].account_id}"
        if account is not None and self._venue.rules.rate_scope == "account":
            scope = account.account_id
        if not self.rates.count(rate, scope, self._venue.now_ns) and self._venue.rules.enforce_rate_limits:
            raise HttpError(429, "Too many requests")

    # ------------------------------------------------------------------------------------------- auth

    def _login(self, request: Request) -> Answer:
        self._count("AUTH", None)
        return self._issued(self.logins.with_password(request.json(), self._venue.now_ns))

    def _refresh(self, request: Request) -> Answer:
        self._count("AUTH", None)
        return self._issued(self.logins.with_refresh(request.json(), self._venue.now_ns))

    def _all_accounts(self, request: Request) -> Answer:
        return self._routes.all_accounts([account.account_id for account in self._sender(request).accounts])

    def _stream_tokens(self, request: Request) -> Answer:
        self._count("AUTH", None)
        if "developer-api-key" in request.headers:
            raise HttpError(400, "This call takes no developer key")
        pair = self.logins.with_password(request.json(), self._venue.now_ns)
        tokens = [
            {
                "accessToken": pair.access,
                "accountId": account.account_id,
                "brandId": pair.login.server,
                "expireDate": iso_time(pair.access_until_ns),
            }
            for account in pair.login.accounts
        ]
        return Answer.of_json({"data": tokens}, 201)

    @staticmethod
    def _issued(pair: TokenPair) -> Answer:
        tokens = {
            "accessToken": pair.access,
            "refreshToken": pair.refresh,
            "expireDate": iso_time(pair.access_until_ns),
        }
        return Answer.of_json(tokens, 201)
