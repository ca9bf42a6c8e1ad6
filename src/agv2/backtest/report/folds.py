"""What each fold did, and what its encoder and policy were worth."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agv2.backtest.report.numerals import Unit, format_number, format_stamp
from agv2.backtest.report.reading import RunRecord
from agv2.backtest.report.words import in_words

__all__ = ["cross_fit_rows", "fold_rows", "head_rows"]


@dataclass(frozen=True, slots=True)
class FoldRow:
    """One fold's line; the bar of its return runs from `left` for `wide`, per cent of the column."""

    fold: str
    train: str
    test: str
    net_return: str
    loss: bool
    left: float
    wide: float
    sharpe: str
    max_drawdown: str
    trades: str
    policy_steps: str
    policy_sharpe: str


@dataclass(frozen=True, slots=True)
class HeadRow:
    """One encoder head against its baseline, with what each fold saw."""

    head: str
    score: str
    baseline: str
    baseline_name: str
    baselines: str
    beats: bool
    folds_won: str
    gaps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CrossFitRow:
    """One head's loss on the bars that taught the encoder, predicted in two ways, and on later bars."""

    head: str
    in_sample: str
    cross_fitted: str
    excess: str
    """Of the cross-fitted loss over the in-sample one."""
    later: str


def fold_rows(record: RunRecord) -> list[FoldRow]:
    """Every fold of the equity rows; what `fold.json` would add is a dash where that is missing."""
    curve = record.curve(record.account)
    written = {int(one["fold"]): one for one in record.folds if "fold" in one}
    numbers = curve["fold"].unique().sort().to_list()
    returns = {}
    for number in numbers:
        equity = curve.filter(fold=number)["equity"]
        returns[number] = float(equity[-1] / equity[0] - 1.0)
    reach = max(abs(value) for value in returns.values()) or 1.0
    rows = []
    for number in numbers:
        part, one = curve.filter(fold=number), written.get(int(number), {})
        policy = one.get("policy") or {}
        stamps = part["ts"].dt.epoch("ns")
        net = float(one["net_return"]) if one.get("net_return") is not None else returns[number]
        fall = 1.0 - part["equity"] / part["equity"].cum_max()
        entered = record.rows.fills.filter(fold=number)["reason"].is_in(["entry", "reverse"]).sum()
        wide = 50.0 * min(abs(net) / reach, 1.0)
        gap = [format_number(policy.get(f"{key}_sharpe"), Unit.RATIO, signed=True) for key in ("train", "validation")]
        rows.append(
            FoldRow(
                fold=str(number),
                train=f"{_day(one.get('train_from'))} to {_day(one.get('train_to'))}" if "train_from" in one else "–",
                test=" to ".join(format_stamp(int(stamps[i]), time=False) for i in (0, -1)),
                net_return=format_number(net, Unit.PERCENT, signed=True),
                loss=net < 0,
                left=50.0 - wide if net < 0 else 50.0,
                wide=wide,
                sharpe=format_number(one.get("sharpe"), Unit.RATIO, signed=True),
                max_drawdown=format_number(one.get("max_drawdown", float(fall.max())), Unit.PERCENT),  # type: ignore[arg-type]
                trades=format_number(one.get("trades", entered), Unit.COUNT),
                policy_steps=format_number(policy.get("steps"), Unit.COUNT),
                policy_sharpe=" → ".join(gap) + _seed_range(one) if gap != ["–", "–"] else "–",
            )
        )
    return rows


def head_rows(record: RunRecord) -> list[HeadRow]:
    """Every head of `summary.json`, with each fold's train and validation score where the folds wrote them."""
    rows = []
    for name, head in record.summary["encoder"].items():
        seen = [one for fold in record.folds for one in fold.get("encoder") or () if one.get("head") == name]
        won = sum(bool(one.get("beats")) for one in seen)
        names = {str(one["baseline_name"]) for one in (*seen, head) if one.get("baseline_name")}
        rows.append(
            HeadRow(
                head=in_words(name),
                score=_score(head, "score"),
                baseline=_score(head, "baseline"),
                baseline_name=in_words(", ".join(sorted(names))) if names else "",
                baselines=_mean_losses(seen),
                beats=bool(head.get("beats")),
                folds_won=f"{won} of {len(seen)}" if seen else "–",
                gaps=tuple(f"{_score(one, 'train_score')} → {_score(one, 'validation_score')}" for one in seen),
            )
        )
    return rows


def cross_fit_rows(record: RunRecord) -> list[CrossFitRow]:
    """Every head whose predictions were cross-fitted, by the means over the folds in which they were."""
    rows = []
    for name in record.summary["encoder"]:
        ways = [
            [one.get(key) for key in ("train_score", "cross_fitted_score", "score")]
            for fold in record.folds
            for one in fold.get("encoder") or ()
            if one.get("head") == name
        ]
        seen = [losses for losses in ways if None not in losses]
        if not seen:
            continue
        inside, crossed, later = (math.fsum(losses) / len(seen) for losses in zip(*seen, strict=True))
        rows.append(
            CrossFitRow(
                head=in_words(name),
                in_sample=_loss(inside),
                cross_fitted=_loss(crossed),
                excess=format_number(crossed / inside - 1.0, Unit.PERCENT, signed=True),
                later=_loss(later),
            )
        )
    return rows


def _seed_range(fold: Mapping[str, Any]) -> str:
    """Least and largest validation Sharpe ratio of the seeds, annualised as their mean is; empty for one seed."""
    ratios = [float(seed["validation_sharpe_per_bar"]) for seed in fold.get("seeds") or ()]
    mean = math.fsum(ratios) / len(ratios) if ratios else 0.0
    if len(ratios) < 2 or mean == 0.0:
        return ""
    scale = float(fold["policy"]["validation_sharpe"]) / mean
    ends = (format_number(scale * end, Unit.RATIO, signed=True) for end in (min(ratios), max(ratios)))
    return f" ({' to '.join(ends)})"


def _mean_losses(seen: Sequence[Mapping[str, Any]]) -> str:
    """Every baseline with its loss, mean over the folds that fitted it."""
    by_name: dict[str, list[float]] = {}
    for one in seen:
        for name, loss in (one.get("baselines") or {}).items():
            by_name.setdefault(name, []).append(loss)
    means = {name: math.fsum(losses) / len(losses) for name, losses in by_name.items()}
    return ", ".join(f"{in_words(name)} {_score(means, name)}" for name in means)


def _score(holder: Mapping[str, Any], key: str) -> str:
    value = holder.get(key)
    return "–" if value is None else _loss(value)


def _loss(value: float) -> str:
    return f"{value:.4f}".replace("-", "\u2212")


def _day(text: Any) -> str:
    if not isinstance(text, str):
        return "–"
    try:
        return format_stamp(int(datetime.fromisoformat(text).timestamp()) * 1_000_000_000, time=False)
    except ValueError:
        return text
