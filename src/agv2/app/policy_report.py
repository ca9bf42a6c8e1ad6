"""What training policies found, as values and as `policies.json`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agv2.app.market_preparation import PreparedMarket
from agv2.backtest.metrics import EquityCurve, PerformanceReport
from agv2.backtest.walk_forward import Fold

__all__ = ["MeasuredBooks", "PolicyReport", "PolicySpan", "TrainedSeed", "held_out_spans"]

SCHEMA = 1


@dataclass(frozen=True, slots=True)
class PolicySpan:
    """Which bars of a symbol trained, and which tested; stamps are opens of bars."""

    symbol: str
    timeframe: str
    n_train: int
    n_test: int
    first_ns: int
    train_until_ns: int
    test_from_ns: int
    last_ns: int


def held_out_spans(markets: Sequence[PreparedMarket], folds: Sequence[Fold]) -> tuple[PolicySpan, ...]:
    """The span of each market whose fold trains and tests."""
    found = []
    for market, fold in zip(markets, folds, strict=True):
        ends = (fold.train_lo, fold.train_hi - 1, fold.test_lo, fold.test_hi - 1)
        first, until, begin, last = (int(market.bars.ts_ns[bar]) for bar in ends)
        n_train, n_test = fold.train_hi - fold.train_lo, fold.test_hi - fold.test_lo
        found.append(
            PolicySpan(market.bars.symbol, market.bars.timeframe.name, n_train, n_test, first, until, begin, last)
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class MeasuredBooks:
    """An account on the test bars."""

    report: PerformanceReport
    curve: EquityCurve


@dataclass(frozen=True, slots=True)
class TrainedSeed:
    """One policy."""

    seed: int
    facts: Mapping[str, float]
    curve: tuple[Mapping[str, float], ...]
    """`step`, `reward` with its terms per step and book, `drawdown`, and what the algorithm says of its updates."""
    looks: tuple[Mapping[str, float], ...]
    """At the validation block: `step`, `sharpe_per_bar`, `log_growth`, `worst_drawdown`, `fills`."""
    test: MeasuredBooks


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """Everything there is to show and to store."""

    spans: tuple[PolicySpan, ...]
    profile: str
    algorithm: str
    encoder: str
    """Name of a stored one; empty: trained for this."""
    encoder_fitted_on_these_bars: bool
    steps: int
    """Environment steps asked for of each policy."""
    holdout_frac: float
    purge_bars: int
    seeds: tuple[TrainedSeed, ...]
    ensemble: MeasuredBooks
    """All seeds as one policy, by the mean of their answers: what the bundle holds."""
    baselines: Mapping[str, MeasuredBooks]
    notes: tuple[str, ...]
    runtime_s: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """The report as `policies.json` holds it: null where a number is undefined, never NaN."""
        return {
            "schema": SCHEMA,
            "spans": [{name: getattr(span, name) for name in span.__dataclass_fields__} for span in self.spans],
            "profile": self.profile,
            "algorithm": self.algorithm,
            "encoder": self.encoder or None,
            "encoder_fitted_on_these_bars": self.encoder_fitted_on_these_bars,
            "steps": self.steps,
            "holdout_frac": self.holdout_frac,
            "purge_bars": self.purge_bars,
            "ensemble": self.ensemble.report.values(),
            "seeds": [
                {
                    "seed": one.seed,
                    **_plain(one.facts),
                    "test": one.test.report.values(),
                    "looks": [_plain(look) for look in one.looks],
                    "curve": [_plain(point) for point in one.curve],
                }
                for one in self.seeds
            ],
            "baselines": {name: books.report.values() for name, books in self.baselines.items()},
            "notes": list(self.notes),
            "runtime_s": dict(self.runtime_s),
        }


def _plain(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
