"""One comparison with a yardstick, and the file in which comparisons are kept."""

import csv
import datetime
import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["HISTORY", "Line", "record_lines"]

HISTORY = Path(__file__).with_name("history.csv")


class Line(NamedTuple):
    """One comparison: work per second of ours and of the yardstick."""

    work: str
    ours_per_s: float
    yardstick: str
    yardstick_per_s: float

    @property
    def ratio(self) -> float:
        """Ours over the yardstick."""
        return self.ours_per_s / self.yardstick_per_s


def record_lines(lines: Sequence[Line], packages: Sequence[str]) -> None:
    """Append to `HISTORY`, with the date, the machine and the versions of `packages`."""
    today = datetime.datetime.now(datetime.UTC).date().isoformat()  # noqa: TID251 - when it was measured
    versions = " ".join(f"{name}={importlib.metadata.version(name)}" for name in packages)
    with HISTORY.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        if stream.tell() == 0:
            writer.writerow(["date", "machine", "versions", "work", "per_s", "yardstick", "yardstick_per_s", "ratio"])
        for line in lines:
            writer.writerow(
                [today, f"{platform.machine()} {platform.python_version()}", versions, line.work,
                 round(line.ours_per_s), line.yardstick, round(line.yardstick_per_s), round(line.ratio, 3)]
            )  # fmt: skip
