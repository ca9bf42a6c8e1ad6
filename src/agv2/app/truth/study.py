"""A study of many markets whose truth is known: run, gone on with, and summed up."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from agv2.app.settings import Settings
from agv2.app.truth.markets import CELLS, SYMBOLS, WHOLE_CELLS, TruthCell, TruthTrial, truth_trial
from agv2.app.truth.whole_run import whole_run_trial
from agv2.app.workers.opening import Workers, task_pool
from agv2.app.workers.tasks import AtWork, Task, Workplace
from agv2.backtest.rule_rates import Rate
from agv2.backtest.verdict import LEVELS, NO_EVIDENCE, STRONG_EVIDENCE
from agv2.core.errors import ConfigError, DataError
from agv2.utils.config import config_digest

__all__ = ["CellRates", "TruthStudy", "cells_named", "read_trials", "run_study", "summed_up"]

TRIALS = "trials.jsonl"


@dataclass(frozen=True, slots=True)
class CellRates:
    """What the verdict said of one kind of market."""

    cell: TruthCell
    weak: Rate
    """Share with at least weak evidence: false alarms where there is no edge, else power."""
    strong: Rate
    """Share with strong evidence."""
    median_sharpe: float


@dataclass(frozen=True, slots=True)
class TruthStudy:
    """All kinds that were tried, in the order of `CELLS` and `WHOLE_CELLS`."""

    n_bars: int
    seed: int
    rates: tuple[CellRates, ...]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "n_bars": self.n_bars,
            "seed": self.seed,
            "cells": [
                {
                    "cell": each.cell.name,
                    "meaning": each.cell.meaning,
                    "has_edge": each.cell.has_edge,
                    "markets": each.weak.n_samples,
                    "weak": list(each.weak[:3]),
                    "strong": list(each.strong[:3]),
                    "median_sharpe": each.median_sharpe,
                }
                for each in self.rates
            ],
        }


def cells_named(names: Sequence[str]) -> tuple[TruthCell, ...]:
    """The kinds of market by their names; all that take a second where none is named.

    Raises:
        ConfigError: an unknown name; lists those that there are.
    """
    known = {cell.name: cell for cell in CELLS + WHOLE_CELLS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(f"--kind {unknown[0]!r} is unknown; there are: {'; '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names)) if names else CELLS


def run_study(
    out: Path,
    cells: Sequence[TruthCell],
    n_markets: int,
    n_bars: int,
    seed: int,
    settings: Settings,
    report: Callable[[int, int, str], None],
    workers: Workers | None = None,
) -> TruthStudy:
    """Try the verdict on `n_markets` markets of each kind; what `out` already holds is not tried again.

    Args:
        out: directory; a line is added to `trials.jsonl` as each market is done.
        cells: kinds of market.
        n_markets: of each kind, taking the six instruments in turn.
        n_bars: of 1h, half of them tested.
        seed: of the first market; the others count on from it, so another study is `n_markets` seeds away.
        settings: markets, costs, limits.
        report: told markets done, markets in all, and which kind is next.
        workers: who tries them; None: this process. The rates are the same, only lines may come in another order.

    Raises:
        ConfigError: `out` holds a study of other settings, bars or seed.
        DataError: a line of it is damaged.
    """
    identity = {"n_bars": n_bars, "seed": seed, "settings": _digest(settings)}
    _claim(out, identity)
    done = {(trial.cell, trial.seed): trial for trial in read_trials(out)}
    wanted = [(cell, seed + number) for number in range(n_markets) for cell in cells]
    left = [one for one in wanted if (one[0].name, one[1]) not in done]
    shown = _Shown(report, len(wanted) - len(left), len(wanted))

    def keep(trial: TruthTrial) -> None:
        with (out / TRIALS).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(trial._asdict(), allow_nan=False) + "\n")
        done[trial.cell, trial.seed] = trial

    with task_pool(workers, settings, shown) as pool:
        tasks = [Task(f"{cell.name}, {own}", _try_market, (cell, own, n_bars), keep) for cell, own in left]
        for pending in [pool.begin(task) for task in tasks]:
            pending.result()
    report(len(wanted), len(wanted), "")
    return summed_up(list(done.values()), n_bars, seed)


def _try_market(place: Workplace[Settings], cell: TruthCell, seed: int, n_bars: int) -> TruthTrial:
    """Task: one market."""
    trial = whole_run_trial if cell.whole else truth_trial
    return trial(cell, SYMBOLS[seed % len(SYMBOLS)], seed, n_bars, place.shared)


class _Shown:
    """Markets counted on the one line of a study."""

    def __init__(self, report: Callable[[int, int, str], None], done: int, total: int) -> None:
        self._report, self._done, self._total = report, done, total
        self._said: tuple[int, str] | None = None

    @contextmanager
    def stage(self, label: str) -> Iterator[None]:
        self._report(self._done, self._total, _kind(label))
        yield
        self._done += 1

    def working(self, tasks: Mapping[str, AtWork]) -> None:
        kinds = ", ".join(dict.fromkeys(_kind(label) for label in sorted(tasks)))
        if self._said != (self._done, kinds):
            self._said = self._done, kinds
            self._report(self._done, self._total, kinds)

    def finished(self, label: str, seconds: float) -> None:
        self._done += 1

    def update(self, fraction: float, detail: str = "") -> None:
        """A market takes a second: how far it is does not matter."""

    def note(self, text: str) -> None:
        structlog.get_logger().warning(text)


def _kind(label: str) -> str:
    return label.rpartition(", ")[0]


def read_trials(out: Path) -> list[TruthTrial]:
    """Trials of a study, in the order in which they were done.

    Raises:
        DataError: a line is no trial; names it.
    """
    path = out / TRIALS
    if not path.is_file():
        return []
    found = []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if number == len(lines) and not line.endswith("\n"):
            path.write_text("".join(lines[:-1]), encoding="utf-8")  # cut off while it was written: tried again
            break
        try:
            trial = TruthTrial(**json.loads(line))
            if trial.level not in LEVELS or not isinstance(trial.sharpe, float | None):
                raise ValueError(f"level {trial.level!r}, Sharpe ratio {trial.sharpe!r}")
            found.append(trial)
        except (ValueError, TypeError) as error:
            raise DataError(f"{path}:{number}: no trial of a truth study ({error}); delete the line") from error
    return found


def summed_up(trials: Sequence[TruthTrial], n_bars: int, seed: int) -> TruthStudy:
    """Rates of every kind that was tried."""
    rates = []
    for cell in CELLS + WHOLE_CELLS:
        own = [trial for trial in trials if trial.cell == cell.name]
        if own:
            seen = sum(trial.level != NO_EVIDENCE for trial in own)
            strong = sum(trial.level == STRONG_EVIDENCE for trial in own)
            ratios = sorted(trial.sharpe or 0.0 for trial in own)
            rates.append(CellRates(cell, Rate.of(seen, len(own)), Rate.of(strong, len(own)), ratios[len(ratios) // 2]))
    return TruthStudy(n_bars, seed, tuple(rates))


def _digest(settings: Settings) -> str:
    return config_digest({"markets": settings.markets, "costs": settings.costs, "risk": settings.risk})


def _claim(out: Path, identity: dict[str, Any]) -> None:
    path = out / "study.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            path.write_text(json.dumps(identity, indent=1) + "\n", encoding="utf-8")
            return
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--out {out}: cannot be used ({error}); name another directory") from error
    if not isinstance(found, dict):
        raise ConfigError(f"--out {out}: study.json is damaged; name another directory")
    changed = [name for name, value in identity.items() if found.get(name) != value]
    if changed:
        raise ConfigError(f"--out {out}: the study in it has other {', '.join(changed)}; name another directory")
