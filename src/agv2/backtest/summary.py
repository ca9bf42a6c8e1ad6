"""`summary.json`: what a run found, in the keys that other programs read."""

import json
import math
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.metrics import PerformanceReport
from agv2.core.errors import InvariantError

__all__ = ["HeadScore", "Significance", "Summary", "write_summary"]

SCHEMA = 1


class HeadScore(NamedTuple):
    """An encoder head on data it was not fitted on, beside the baseline named in the report."""

    score: float
    baseline: float
    beats: bool


@dataclass(frozen=True, slots=True)
class Significance:
    """Evidence against a flat account; NaN where undefined, with the reason in `undefined`."""

    psr: float
    """Probability that the true Sharpe ratio exceeds 0."""
    dsr: float
    """The same against the best that `n_trials` trials without skill would show."""
    n_trials: int
    n_effective_trials: float
    pbo: float
    spa_p_value: float
    bootstrap_sharpe_ci: tuple[float, float]
    """95 % interval of the annualised Sharpe ratio."""
    undefined: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Summary:
    """Everything `summary.json` holds, before it is made safe for JSON."""

    symbols: Sequence[str]
    profile: str
    seed: int
    oos: PerformanceReport
    per_symbol: Mapping[str, PerformanceReport]
    significance: Significance
    baselines: Mapping[str, PerformanceReport]
    encoder: Mapping[str, HeadScore]
    verdict: str
    verdict_text: str
    notes: Sequence[str]
    """Whatever else a reader must know; one line for each undefined value is added."""
    runtime_s: Mapping[str, float]

    def as_json(self) -> dict[str, Any]:
        """The document: undefined values are null and each has a line `<scope>.<key>: why` in `notes`.

        Raises:
            InvariantError: a value is not finite and nobody said why.
        """
        notes = list(self.notes)

        def measures(scope: str, report: PerformanceReport) -> dict[str, float | int | None]:
            values = report.values()
            for name, value in values.items():
                if value is None:
                    notes.append(f"{scope}.{name}: {report.undefined.get(name, 'undefined')}")
            return values

        oos = measures("oos", self.oos)
        per_symbol = {symbol: measures(f"per_symbol.{symbol}", item) for symbol, item in self.per_symbol.items()}
        significance = _significance(self.significance, notes)
        baselines = {name: measures(f"baselines.{name}", item) for name, item in self.baselines.items()}
        document = {
            "schema": SCHEMA,
            "symbols": list(self.symbols),
            "profile": self.profile,
            "seed": self.seed,
            "oos": oos,
            "per_symbol": per_symbol,
            "significance": significance,
            "baselines": baselines,
            "encoder": {head: _head(head, score, notes) for head, score in self.encoder.items()},
            "verdict": self.verdict,
            "verdict_text": self.verdict_text,
            "notes": notes,
            "runtime_s": {stage: round(seconds, 3) for stage, seconds in self.runtime_s.items()},
        }
        _require_finite("summary", document)
        return document


def write_summary(summary: Summary, path: pathlib.Path) -> None:
    """Write `summary` to `path`, whole or not at all; equal summaries give equal bytes."""
    text = json.dumps(summary.as_json(), indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, text + "\n")


def _significance(found: Significance, notes: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {
        "psr": found.psr,
        "dsr": found.dsr,
        "n_trials": found.n_trials,
        "n_effective_trials": found.n_effective_trials,
        "pbo": found.pbo,
        "spa_p_value": found.spa_p_value,
        "bootstrap_sharpe_ci": list(found.bootstrap_sharpe_ci),
    }
    for name, value in values.items():
        numbers = value if isinstance(value, list) else [value]
        if not all(math.isfinite(number) for number in numbers):
            values[name] = None
            notes.append(f"significance.{name}: {found.undefined.get(name, 'undefined')}")
    return values


def _head(head: str, found: HeadScore, notes: list[str]) -> dict[str, Any]:
    numbers = {"score": float(found.score), "baseline": float(found.baseline)}
    values: dict[str, Any] = {**numbers, "beats": bool(found.beats)}
    for name, number in numbers.items():
        if not math.isfinite(number):
            values[name] = None
            notes.append(f"encoder.{head}.{name}: the head could not be scored on these bars")
    return values


def _require_finite(where: str, value: object) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise InvariantError(f"{where} is {value}, which JSON cannot hold")
    if isinstance(value, dict):
        for name, item in value.items():
            _require_finite(f"{where}.{name}", item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _require_finite(f"{where}[{index}]", item)
