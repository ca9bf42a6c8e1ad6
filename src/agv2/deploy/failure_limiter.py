"""How many wrong tokens one caller may show before nobody listens to it for a while."""

from collections import OrderedDict, deque

from agv2.utils.clock import Clock

__all__ = ["FailureLimiter"]

_MOST_CALLERS = 10_000
_NS = 1_000_000_000


class FailureLimiter:
    """Counts failures by key in a sliding window; a key with too many waits until the oldest has aged.

    Args:
        most: failures within the window after which a key is refused.
        window_s: seconds for which a failure counts.
        clock: says when.
    """

    def __init__(self, most: int, window_s: float, clock: Clock) -> None:
        self._most, self._window_ns, self._clock = most, int(window_s * _NS), clock
        self._failures: OrderedDict[str, deque[int]] = OrderedDict()

    def wait_s(self, key: str) -> float:
        """Seconds that `key` has to wait before it is heard again; 0: it is heard now."""
        failures = self._failures.get(key)
        if failures is None:
            return 0.0
        now_ns = self._clock.now_ns()
        while failures and failures[0] <= now_ns - self._window_ns:
            failures.popleft()
        if not failures:
            del self._failures[key]
        if len(failures) < self._most:
            return 0.0
        return (failures[0] + self._window_ns - now_ns) / _NS

    def failed(self, key: str) -> None:
        """Count a failure of `key`; of very many keys the one that failed longest ago is forgotten."""
        self._failures.setdefault(key, deque(maxlen=self._most)).append(self._clock.now_ns())
        self._failures.move_to_end(key)
        if len(self._failures) > _MOST_CALLERS:
            self._failures.popitem(last=False)
