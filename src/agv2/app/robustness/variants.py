"""The run's test bars traded again with something changed, nothing trained and nothing chosen.

Each variant goes through every fold in turn by the shared decision path, from the money at which its own last fold
ended.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from agv2.app.fold_tapes import traded_rows, unseen_tapes
from agv2.app.policy_sizing import sized
from agv2.app.robustness.subject import FoldModels, Subject
from agv2.backtest.evaluation import Evaluation, evaluate
from agv2.backtest.run_files import RunRows, read_run_rows
from agv2.backtest.stitching import stitch
from agv2.backtest.tape import MarketTape
from agv2.models.policy import PolicyNetwork

__all__ = ["AS_IT_WAS", "Traded", "Variant", "largest_difference", "trade_variants"]

Tapes = Sequence[MarketTape]


def _tapes_as_they_were(_: Subject, __: FoldModels, tapes: Tapes) -> Tapes:
    return tapes


def _policy_as_it_was(models: FoldModels) -> PolicyNetwork:
    return models.policy


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to trade the run's test bars."""

    name: str
    tapes: Callable[[Subject, FoldModels, Tapes], Tapes] = _tapes_as_they_were
    """From a fold's test bars, sized, as they were traded, to what is traded instead."""
    policy: Callable[[FoldModels], PolicyNetwork] = _policy_as_it_was


@dataclass(frozen=True, slots=True)
class Traded:
    """What a variant did."""

    account: Evaluation
    """Over all folds."""
    fold_returns: tuple[float, ...]
    """Net return of the account in each fold."""


AS_IT_WAS = Variant("as it was")
"""Nothing changed: the run's own account, if this version and machine still make it."""


def trade_variants(
    subject: Subject,
    variants: Sequence[Variant],
    report: Callable[[float, str], None],
    tell: Callable[[str], None],
) -> dict[str, Traded]:
    """Trade all of them, fold by fold.

    Args:
        subject: the run.
        variants: of distinct names.
        report: told the share done and what is traded.
        tell: told of trouble with the disk.

    Returns:
        Name of each variant to what it did.
    """
    rows: dict[str, list[RunRows]] = {variant.name: [] for variant in variants}
    plan, total = subject.plan, subject.n_folds * len(variants)
    for done, (models, variant, tapes) in enumerate(_fold_by_fold(subject, variants, tell)):

        def within(share: float, _: str, done: int = done, name: str = variant.name) -> None:
            report((done + share) / total, name)

        own = variant.tapes(subject, models, tapes)
        money = _money(rows[variant.name], subject)
        traded = traded_rows(plan, models.number, own, variant.policy(models), money, within)
        rows[variant.name].append(traded)
    calendars = {market.bars.symbol: market.instrument.calendar for market in plan.markets}
    return {
        name: Traded(evaluate(stitch(each), calendars), tuple(map(_net_return, each))) for name, each in rows.items()
    }


def largest_difference(subject: Subject, again: Evaluation) -> float | None:
    """How far the account, traded again as it was, strays from the one on disk.

    Args:
        subject: the run.
        again: of `AS_IT_WAS`.

    Returns:
        The largest difference at any bar, as a fraction of the run's first equity; None where the run has not been
        written yet.
    """
    folder = subject.plan.request.out / "oos"
    if not (folder / "equity.parquet").is_file():
        return None
    equity = read_run_rows(folder).equity
    account = "ACCOUNT" if len(subject.plan.markets) > 1 else subject.plan.markets[0].bars.symbol
    before = equity.filter(pl.col("symbol") == account).sort("ts")["equity"].to_numpy()
    now = again.oos.curve.equity
    return float(abs(now - before).max() / before[0]) if now.size == before.size else float("inf")


def _fold_by_fold(
    subject: Subject, variants: Sequence[Variant], tell: Callable[[str], None]
) -> Iterator[tuple[FoldModels, Variant, Tapes]]:
    """Folds outside, variants inside: the embeddings of one fold are in memory at a time."""
    for number in range(1, subject.n_folds + 1):
        models = subject.models(number)
        tests = unseen_tapes(subject.plan, models.folds, models.encoder, tell)
        tapes = sized(tests, models.edge, subject.plan.kelly_fraction)
        for variant in variants:
            yield models, variant, tapes


def _net_return(rows: RunRows) -> float:
    """Of the account, whose rows are summed where there are several books."""
    account = "ACCOUNT" if len(rows.symbols) > 1 else rows.symbols[0]
    equity = rows.equity.filter(pl.col("symbol") == account).sort("ts")["equity"]
    return float(equity[-1] / equity[0] - 1.0)


def _money(rows: Sequence[RunRows], subject: Subject) -> dict[str, float]:
    """What each book ended its last fold with."""
    symbols = [market.bars.symbol for market in subject.plan.markets]
    if not rows:
        return dict.fromkeys(symbols, subject.plan.initial_equity)
    equity = rows[-1].equity
    return {symbol: float(equity.filter(equity["symbol"] == symbol)["equity"][-1]) for symbol in symbols}
