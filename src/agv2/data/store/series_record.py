"""What is known of a stored series beside its bars: whose prices they are, and what was fetched when."""

from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from agv2.core.errors import DataError

__all__ = ["SeriesRecord", "Span", "merged", "without"]

Span = tuple[int, int]
"""Nanoseconds UTC from the first up to but not including the second."""


class SeriesRecord(BaseModel):
    """Facts of one stored series; immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    price_side: str | None = None
    """bid, ask, mid or trade; None where nobody said."""
    source: str | None = None
    """Where the bars came from, such as `TradeLocker ABCD`; None where nobody said."""
    fetched: tuple[Span, ...] = ()
    """Where a download has asked for bars and stored the answer; sorted, disjoint."""
    archived: dict[str, tuple[Span, ...]] = {}
    """By database: where it has what was fetched."""
    years: tuple[int, ...] = ()
    """Of which a download has left bars: a year without its file was taken away since."""
    downloaded_ns: int | None = None
    """When a download last stored something."""

    def owed(self, archive: str) -> tuple[Span, ...]:
        """What was fetched but has not reached the database `archive`."""
        return without(self.fetched, self.archived.get(archive, ()))

    @classmethod
    def load(cls, path: Path) -> "SeriesRecord":
        """The record in `path`; an empty one where there is no such file.

        Raises:
            DataError: the file cannot be used.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return cls()
        except (OSError, ValidationError) as error:
            problem = str(getattr(error, "strerror", None) or "its content is not what AGV2 writes")
            raise DataError(
                f"{path}: cannot be used ({problem}), and without it nobody knows whose the bars beside it are; move "
                f"{path.parent} away, then download, sync or import it again"
            ) from error


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The same moments as sorted spans that neither touch nor overlap; empty ones vanish.

    >>> merged([(5, 7), (1, 3), (3, 4), (9, 9)])
    ((1, 4), (5, 7))
    """
    result: list[Span] = []
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], stop))
        else:
            result.append((start, stop))
    return tuple(result)


def without(spans: Iterable[Span], covered: Iterable[Span]) -> tuple[Span, ...]:
    """The moments of `spans` that are not in `covered`.

    >>> without([(0, 10)], [(2, 4), (8, 20)])
    ((0, 2), (4, 8))
    """
    gaps: list[Span] = []
    cuts = merged(covered)
    for start, stop in merged(spans):
        for low, high in cuts:
            if high <= start or low >= stop:
                continue
            gaps.append((start, low))
            start = max(start, high)
        gaps.append((start, stop))
    return merged(gaps)
