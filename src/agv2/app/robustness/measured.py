"""One account of a robustness table, as its file holds it."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from agv2.backtest.evaluation import Evaluation
from agv2.backtest.sharpe_difference import sharpe_difference

__all__ = ["compared_rows", "measures"]

_SHOWN = ("net_return", "sharpe", "max_drawdown", "trades", "turnover_per_day")


def measures(found: Evaluation) -> dict[str, float | int | None]:
    """The measures that tables show; None where undefined."""
    values = found.oos.report.values()
    return {key: values[key] for key in _SHOWN}


def compared_rows(
    named: Iterable[tuple[dict[str, Any], Evaluation]], base: Evaluation, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Rows with the difference in Sharpe ratio against the base, and its interval.

    Args:
        named: what a row says of itself, and its account.
        base: that they are held against, on the same days.
        rng: chance of the bootstrap.

    Returns:
        Rows with `difference`, `low` and `high`; of all rows together the intervals hold with 95 % (Bonferroni).
    """
    all_rows = list(named)
    level = 1.0 - 0.05 / max(len(all_rows), 1)
    rows = []
    for said, found in all_rows:
        own, other = found.oos, base.oos
        apart = sharpe_difference(own.returns, other.returns, own.trading_days_per_year, rng, level=level)
        known = {name: value if math.isfinite(value) else None for name, value in apart._asdict().items()}
        rows.append(
            {**said, **measures(found), "difference": known["value"], "low": known["low"], "high": known["high"]}
        )
    return rows
