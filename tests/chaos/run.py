"""`make chaos`: a thousand seeded schedules and a kill at every point of an order's life, one line of JSON each."""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.chaos.carrying_out import SPEED, carry_out
from tests.chaos.schedules import Schedule, a_schedule, every_kill_of_a_life
from tests.servers import fresh_database

__all__ = ["main"]

_MOST_POINTS = 200
_AT_ONCE = 8
_SAID_EVERY = 20


class _Results:
    """Lines of the result file: written as they come, so that an interrupted run goes on where it was."""

    def __init__(self, path: Path | None, postgres: str | None, speed: float) -> None:
        self._path, self._postgres, self._speed, self._guard = path, postgres, speed, threading.Lock()
        self.by_seed: dict[int, dict[str, Any]] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                each = json.loads(line)
                self.by_seed[each["seed"]] = each

    def carried_out(self, schedule: Schedule, directory: Path) -> dict[str, Any]:
        """The schedule's line, from the file where it is there already."""
        if schedule.seed not in self.by_seed:
            line = carry_out(schedule, directory, self._postgres, self._speed).as_json()
            with self._guard:
                self.by_seed[schedule.seed] = line
                if self._path is not None:
                    with self._path.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(line) + "\n")
                if len(self.by_seed) % _SAID_EVERY == 0 or line["problems"]:
                    broken = sum(bool(each["problems"]) for each in self.by_seed.values())
                    sys.stderr.write(f"{len(self.by_seed)} done, {broken} with problems\n")
        return self.by_seed[schedule.seed]

    def sort(self) -> list[dict[str, Any]]:
        """All lines by seed, in the file too."""
        lines = [self.by_seed[seed] for seed in sorted(self.by_seed)]
        if self._path is not None:
            self._path.write_text("".join(json.dumps(each) + "\n" for each in lines), encoding="utf-8")
        return lines


def main(arguments: list[str] | None = None) -> int:
    """Run what the result file lacks, print what came of all; 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.run", description=__doc__)
    parser.add_argument("--schedules", type=int, default=1_000, help="seeds 0 up to this")
    parser.add_argument("--workers", type=int, default=8, help="schedules at a time; they mostly wait")
    parser.add_argument("--speed", type=float, default=SPEED, help="venue seconds a second; less on a busy machine")
    parser.add_argument("--no-sweep", action="store_true", help="leave out the kill at every point")
    parser.add_argument("--out", type=Path, default=None, help="result file; what it has is not run again")
    chosen = parser.parse_args(arguments)
    server = os.environ.get("DATABASE_URL")
    if server is None:
        sys.stderr.write("DATABASE_URL is not set: every journal is a file\n")
    database = contextlib.nullcontext() if server is None else fresh_database(server)
    with database as url, tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(chosen.workers) as pool:
        results, directory = _Results(chosen.out, url, chosen.speed), Path(name)
        try:
            if not chosen.no_sweep:
                for where in ("journal", "http"):
                    for first in (0, 1):
                        _sweep(results, directory, pool, first, where)
            list(pool.map(lambda seed: results.carried_out(a_schedule(seed), directory), range(chosen.schedules)))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
        return _told(results.sort())


def _sweep(results: _Results, directory: Path, pool: Executor, first: int, where: str) -> None:
    """Points in an order's life, some at a time, until nobody dies at the last of them."""
    for number in range(1, _MOST_POINTS, _AT_ONCE):
        points = [every_kill_of_a_life(first, where, number + more) for more in range(_AT_ONCE)]
        schedules = [each for point in points for each in point]
        lines = list(pool.map(lambda each: results.carried_out(each, directory), schedules))
        if not any(each["kills"] for each in lines[-len(points[-1]) :]):
            return
    raise RuntimeError(f"more than {_MOST_POINTS} {where} calls in one life")


def _told(lines: list[dict[str, Any]]) -> int:
    kills = Counter(kill for each in lines for kill in each["kills"])

    def total(name: str) -> int:
        return sum(each[name] for each in lines)

    broken = [each for each in lines if each["problems"]]
    in_postgres = sum(each["journal"] == "postgres" for each in lines)
    longest = max((each["longest_unprotected"] for each in lines), default=0)
    sys.stdout.write(
        f"{len(lines):,} schedules, {in_postgres:,} of them in PostgreSQL; {sum(kills.values()):,} kills at "
        f"{len(kills)} kinds of point, {total('starts'):,} starts, {total('faults'):,} faulty requests, "
        f"{total('halts'):,} halts, {total('decisions'):,} decisions, {total('orders'):,} orders, "
        f"{total('fills'):,} fills; {total('reconciles'):,} reconciles, {total('unprotected_reconciles')} of them left "
        f"a position without a stop, at most {longest} in a row; {len(broken)} schedules with problems\n"
    )
    for each in broken:
        sys.stdout.write(f"  seed {each['seed']}: {'; '.join(each['problems'])}\n")
    return int(bool(broken))


if __name__ == "__main__":
    raise SystemExit(main())
