"""The moment of the daily summary."""

__all__ = ["SummaryTime"]

_NS_PER_MINUTE = 60_000_000_000
_NS_PER_DAY = 1440 * _NS_PER_MINUTE


class SummaryTime:
    """Says once a day that it is time.

    Args:
        at: `HH:MM`, UTC; empty: never.
        since_ns: from when on it counts.
    """

    def __init__(self, at: str, since_ns: int) -> None:
        hour, _, minute = at.partition(":")
        self._after_midnight_ns = (int(hour) * 60 + int(minute)) * _NS_PER_MINUTE if at else None
        self._day = self._day_of(since_ns)

    def is_due(self, now_ns: int) -> bool:
        """Whether the moment has passed since the last question, or since the count began.

        >>> noon = SummaryTime("12:00", 0)
        >>> [noon.is_due(hour * 3_600_000_000_000) for hour in (1, 11, 13, 14, 37)]
        [False, False, True, False, True]
        """
        before, self._day = self._day, self._day_of(now_ns)
        return self._day > before

    def _day_of(self, now_ns: int) -> int:
        """Number of the day that begins at the moment; always the same where there is none."""
        return 0 if self._after_midnight_ns is None else (now_ns - self._after_midnight_ns) // _NS_PER_DAY
