"""`make chaos`: a thousand seeded schedules and a kill at every point of an order's life, one line of JSON each."""

import argparse
import json
import sys
import tempfile
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.chaos.schedules import Schedule, a_schedule, carry_out, every_kill_of_a_life

__all__ = ["main"]

_MOST_POINTS = 200
_SAID_EVERY = 20


class _Results:
    """Lines of the result file: written as they come, so that an interrupted run goes on where it was."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._guard = path, threading.Lock()
        self.by_seed: dict[int, dict[str, Any]] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                each = json.loads(line)
                self.by_seed[each["seed"]] = each

    def carried_out(self, schedule: Schedule, directory: Path) -> dict[str, Any]:
        """The schedule's line, from the file where it is there already."""
        if schedule.seed not in self.by_seed:
            line = carry_out(schedule, directory).as_json()
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
    parser.add_argument("--no-sweep", action="store_true", help="leave out the kill at every point")
    parser.add_argument("--out", type=Path, default=None, help="result file; what it has is not run again")
    chosen = parser.parse_args(arguments)
    results = _Results(chosen.out)
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(chosen.workers) as pool:
        directory = Path(name)
        try:
            if not chosen.no_sweep:
                lines = [(first, where) for first in (0, 1) for where in ("journal", "http")]
                list(pool.map(lambda each: _sweep(results, directory, *each), lines))
            list(pool.map(lambda seed: results.carried_out(a_schedule(seed), directory), range(chosen.schedules)))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
    return _told(results.sort())


def _sweep(results: _Results, directory: Path, first: int, where: str) -> None:
    """Points in an order's life, one after another until nobody dies at the next."""
    for number in range(1, _MOST_POINTS):
        lines = [results.carried_out(each, directory) for each in every_kill_of_a_life(first, where, number)]
        if not any(each["kills"] for each in lines):
            return
    raise RuntimeError(f"more than {_MOST_POINTS} {where} calls in one life")


def _told(lines: list[dict[str, Any]]) -> int:
    kills = Counter(kill for each in lines for kill in each["kills"])

    def total(name: str) -> int:
        return sum(each[name] for each in lines)

    broken = [each for each in lines if each["problems"]]
    sys.stdout.write(
        f"{len(lines)} schedules, {sum(kills.values())} kills at {len(kills)} kinds of point, {total('faults')} faulty "
        f"requests, {total('orders')} orders, {total('fills')} fills, {total('reconciles')} reconciles, "
        f"{total('unprotected_reconciles')} of them left a position without a stop; {len(broken)} with problems\n"
    )
    for each in broken:
        sys.stdout.write(f"  seed {each['seed']}: {'; '.join(each['problems'])}\n")
    return int(bool(broken))


if __name__ == "__main__":
    raise SystemExit(main())
