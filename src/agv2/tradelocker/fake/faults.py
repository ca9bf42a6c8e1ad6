"""What goes wrong, when, and how badly: explicit rules and a seeded background rate."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from fnmatch import fnmatchcase

import numpy as np

from agv2.core.errors import ConfigError

__all__ = ["FaultKind", "FaultPlan", "FaultRule", "Treatment"]


class FaultKind(Enum):
    """One way in which a request can end badly."""

    TOO_MANY_REQUESTS = "429 as JSON, with Retry-After where `retry_after_s` is set; not processed"
    CDN_BLOCK = "429 with the edge's page `error code: 1015`; not processed"
    FORBIDDEN = "403 with an HTML page; not processed"
    SERVER_ERROR = "`status` with an HTML page; processed first where `processed`"
    TIMEOUT = "silence for `seconds` (inf: until the client leaves), then the connection closes"
    LATE_ANSWER = "processed at once, answered after `seconds` of real time"
    LOST_ANSWER = "processed, then the connection closes without a byte"
    RESET = "the connection is reset before anything is processed"
    MALFORMED_JSON = "processed; the body is cut in the middle"
    TRUNCATED = "processed; Content-Length promises more than is sent, then the connection closes"
    HTML_PAGE = "processed; 200 with an HTML page"
    EMPTY_BODY = "processed; 200 without a body"
    NO_ORDER_ID = "processed; `s = ok` with an empty `d`"
    TOKEN_EXPIRED = "the access token dies before this request: 401, a refresh helps"
    LOGIN_REVOKED = "access and refresh token die before this request: only a password helps"
    REFUSED_ORDER = "an order is refused: 200 with `s = error`"
    LATE_REJECT = "an order is accepted with an id, then Rejected"
    PARTIAL_FILL = "the first fill takes only `fraction` of the quantity, also of a close"
    DROPPED_BRACKET = "an order is accepted, its stop loss and take profit are forgotten"
    DELAYED_VISIBILITY = "an order and its position cannot be seen for `seconds` of venue time"


_ON_ORDERS = {
    FaultKind.NO_ORDER_ID,
    FaultKind.REFUSED_ORDER,
    FaultKind.LATE_REJECT,
    FaultKind.DROPPED_BRACKET,
    FaultKind.DELAYED_VISIBILITY,
}
_ORDER_PATH = "/trade/accounts/*/orders"
_CLOSE_PATH = "/trade/positions/*"


@dataclass(frozen=True, slots=True)
class FaultRule:
    """One fault for the requests it fits.

    Args:
        kind: what happens.
        method: `GET`, `POST`, `PATCH`, `DELETE`; None fits all.
        path: shell pattern of the path below `/backend-api`, such as `/trade/accounts/*/orders`.
        first: which fitting request is the first to be hit, from 1.
        times: how many in a row; None: all that follow.
        status: of `SERVER_ERROR`.
        processed: of `SERVER_ERROR` and `TIMEOUT`: whether the request takes effect all the same.
        retry_after_s: header of `TOO_MANY_REQUESTS`; None: absent.
        seconds: of `TIMEOUT`, `LATE_ANSWER` (real time) and `DELAYED_VISIBILITY` (venue time).
        fraction: of `PARTIAL_FILL`, rounded down to the lot step.
        text: `errmsg` of `REFUSED_ORDER`.
    """

    kind: FaultKind
    method: str | None = None
    path: str = "*"
    first: int = 1
    times: int | None = 1
    status: int = 502
    processed: bool = False
    retry_after_s: int | None = None
    seconds: float = 1.0
    fraction: Decimal = Decimal("0.5")
    text: str = "Order refused by the liquidity provider"

    def fits(self, method: str, path: str) -> bool:
        """Whether a request is of the sort that this rule may hit."""
        if self.kind in _ON_ORDERS and not (method == "POST" and fnmatchcase(path, _ORDER_PATH)):
            return False
        if self.kind is FaultKind.PARTIAL_FILL and not _fills(method, path):
            return False
        return self.method in (None, method) and fnmatchcase(path, self.path)


def _fills(method: str, path: str) -> bool:
    return (method == "POST" and fnmatchcase(path, _ORDER_PATH)) or (
        method == "DELETE" and fnmatchcase(path, _CLOSE_PATH)
    )


@dataclass(frozen=True, slots=True)
class Treatment:
    """What the faults of one request do to its order."""

    refusal: str | None = None
    reject_late: bool = False
    fill_fraction: Decimal = Decimal(1)
    drop_bracket: bool = False
    visible_after_ns: int | None = None


class FaultPlan:
    """Decides for each request which faults hit it.

    Several rules may hit one request: all that concern its order, and the first that concerns its answer.

    Args:
        rules: explicit ones; more can be added at any time.
        rates: probability per fitting request of a fault with its default particulars.
        rng: of `rates`.

    Raises:
        ConfigError: rates without a generator, or not probabilities.
    """

    def __init__(
        self,
        *rules: FaultRule,
        rates: Mapping[FaultKind, float] | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        self._rules = list(rules)
        self._fitting = [0] * len(rules)
        self._rates = dict(rates or {})
        if self._rates and rng is None:
            raise ConfigError("fault rates need a generator: pass rng")
        if not all(0.0 <= rate <= 1.0 for rate in self._rates.values()):
            raise ConfigError(f"fault rates lie between 0 and 1, found {sorted(self._rates.values())}")
        self._rng = rng

    def add(self, *rules: FaultRule) -> None:
        """Rules that count from the next request on."""
        self._rules += rules
        self._fitting += [0] * len(rules)

    def clear(self) -> None:
        """From the next request on, all is well."""
        self._rules.clear()
        self._fitting.clear()
        self._rates.clear()

    def draw(self, method: str, path: str) -> list[FaultRule]:
        """Faults of this request, in the order of the rules; each rule's count moves on."""
        hit = []
        for index, rule in enumerate(self._rules):
            if not rule.fits(method, path):
                continue
            self._fitting[index] += 1
            number = self._fitting[index] - rule.first
            if number >= 0 and (rule.times is None or number < rule.times):
                hit.append(rule)
        for kind, rate in self._rates.items():
            rule = FaultRule(kind)
            if self._rng is not None and rule.fits(method, path) and self._rng.random() < rate:
                hit.append(rule)
        return hit

    @staticmethod
    def treatment(hit: list[FaultRule]) -> Treatment:
        """What `hit` does to the order of its request."""
        by_kind = {rule.kind: rule for rule in reversed(hit)}
        refused, partial = by_kind.get(FaultKind.REFUSED_ORDER), by_kind.get(FaultKind.PARTIAL_FILL)
        hidden = by_kind.get(FaultKind.DELAYED_VISIBILITY)
        return Treatment(
            refusal=refused.text if refused else None,
            reject_late=FaultKind.LATE_REJECT in by_kind,
            fill_fraction=partial.fraction if partial else Decimal(1),
            drop_bracket=FaultKind.DROPPED_BRACKET in by_kind,
            visible_after_ns=int(hidden.seconds * 1e9) if hidden else None,
        )

    @staticmethod
    def on_answer(hit: list[FaultRule]) -> FaultRule | None:
        """The fault of `hit` that concerns the answer itself."""
        on_order = (_ON_ORDERS | {FaultKind.PARTIAL_FILL}) - {FaultKind.NO_ORDER_ID}
        return next((rule for rule in hit if rule.kind not in on_order), None)
