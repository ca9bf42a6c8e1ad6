"""Counts requests against the published limits."""

from collections import defaultdict, deque
from dataclasses import dataclass

from agv2.tradelocker.fake.rules import VenueRules

__all__ = ["RateViolation", "RateWatch"]

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RateViolation:
    """One request too many: `found` within `seconds`, where `limit` are allowed."""

    ts_ns: int
    name: str
    scope: str
    limit: int
    seconds: int
    found: int


class RateWatch:
    """A sliding window for each kind of request and scope."""

    def __init__(self, rules: VenueRules) -> None:
        self._slack_ns = rules.rate_slack_ns
        self._limits = {each.name: each for each in (*rules.rate_limits, *rules.hidden_rate_limits)}
        self._seen: dict[tuple[str, str], deque[int]] = defaultdict(deque)
        self.violations: list[RateViolation] = []

    def count(self, name: str, scope: str, now_ns: int) -> bool:
        """Take note of a request; whether it was within the limit. A kind without a limit always is."""
        limit = self._limits.get(name)
        if limit is None:
            return True
        seen = self._seen[name, scope]
        while seen and seen[0] + limit.seconds * _NS_PER_S - self._slack_ns <= now_ns:
            seen.popleft()
        seen.append(now_ns)
        if len(seen) <= limit.limit:
            return True
        self.violations.append(RateViolation(now_ns, name, scope, limit.limit, limit.seconds, len(seen)))
        return False
