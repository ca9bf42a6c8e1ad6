"""Each head against each of its baselines, symbol by symbol, with intervals over time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agv2.core.arrays import FloatArray, IntArray
from agv2.models.baseline_rows import baseline_predictions
from agv2.models.block_bootstrap_scores import loss_difference
from agv2.models.config import EncoderConfig
from agv2.models.discrimination import balanced_accuracy
from agv2.models.evidence.findings import BaselineComparison, HeadEvidence, finding_of
from agv2.models.evidence.measures import level_measures, quantile_measures
from agv2.models.evidence.stretches import mean_stretch
from agv2.models.head_baselines import class_shares
from agv2.models.head_rows import HiddenBars, head_predictions, head_targets, loss_rows
from agv2.models.head_scores import MEASURES
from agv2.models.masked_model import MaskedModel
from agv2.models.training_rows import TrainingSeries
from agv2.utils.seeding import spawn_generators

__all__ = ["head_evidence"]

Report = Callable[[float, str], None]


class Cell(NamedTuple):
    """One head on one symbol, and for quantiles over one horizon: what there is to be judged.

    Attributes:
        symbol: its name.
        head: one of `MEASURES`.
        horizon: bars ahead, for quantiles alone; predictions and targets then have an axis of one horizon.
        ts_ns: (n_rows,) time of each row.
        overlap: rows for which one target hangs together with the next ones.
        target: of each row.
        said: predictions of each encoder.
        baselines: predictions by name.
        shares: (3,) of the classes among the rows that baselines are fitted on; equal where there are no classes.
    """

    symbol: str
    head: str
    horizon: int | None
    ts_ns: IntArray
    overlap: int
    target: NDArray[Any]
    said: Sequence[FloatArray]
    baselines: Mapping[str, FloatArray]
    shares: FloatArray


def head_evidence(
    models: Sequence[MaskedModel],
    series: Sequence[TrainingSeries],
    fit_rows: Sequence[range],
    score_rows: Sequence[range],
    config: EncoderConfig,
    *,
    costly: bool,
    seed: int,
    report: Report | None = None,
) -> tuple[HeadEvidence, ...]:
    """What the heads of encoders of several seeds are worth on rows that none of them has seen.

    The loss of a row is the mean over the encoders, so that what is judged is an encoder of any seed, not their
    ensemble and not the best of them. Its difference to each baseline has a block bootstrap interval over time, with
    blocks at least as long as targets hang together: the horizon for quantiles, the label reach for patterns and
    levels, the mean stretch of one regime, and a hidden span.

    Args:
        models: encoders of one configuration, one a seed.
        series: the symbols, with the targets of all rows.
        fit_rows: rows of each that the baselines may be fitted on: the encoders' training and selection.
        score_rows: rows of each that are scored, purged from the others.
        config: of the encoders; a head whose weight is 0 was not trained and is left out.
        costly: whether GARCH and boosted trees are fitted too.
        seed: of the bootstrap and of random levels.
        report: told the share done and what is being done.

    Returns:
        In the order of `MEASURES`, then of the symbols, then of the horizons; without heads and symbols that know no
        target among the scored rows.
    """
    tell = report or (lambda share, text: None)
    steps = len(models) + len(MEASURES)
    said = []
    for number, model in enumerate(models):
        tell(number / steps, f"predictions of encoder {number + 1} of {len(models)}")
        said.append([head_predictions(model, one, rows, config) for one, rows in zip(series, score_rows, strict=True)])
    found: list[HeadEvidence] = []
    for number, head in enumerate(MEASURES, start=len(models)):
        if getattr(config.head_weights, head) == 0.0:
            continue
        tell(number / steps, f"baselines of {head}")
        baselines = baseline_predictions(head, series, fit_rows, score_rows, config, costly=costly, seed=seed)
        for place, one in enumerate(series):
            own = [each[place][head] for each in said]
            cells = _cells(head, one, fit_rows[place], score_rows[place], config, own, baselines[place])
            found += [judged for cell in cells if (judged := _judged(cell, config, seed)) is not None]
    return tuple(found)


def _cells(
    head: str,
    one: TrainingSeries,
    fit: range,
    score: range,
    config: EncoderConfig,
    said: Sequence[FloatArray],
    baselines: Mapping[str, FloatArray],
) -> list[Cell]:
    target = head_targets(one, score, config)[head]
    stamps = one.ts_ns[score.start : score.stop]
    overlap, shares = one.label_reach, class_shares(np.empty(0, dtype=np.int64))
    if head in ("regime", "pattern"):
        shares = class_shares((one.regime if head == "regime" else one.pattern)[fit.start : fit.stop])
    if head == "regime":
        overlap = mean_stretch(target)
    if head == "reconstruction":
        stamps, overlap = one.ts_ns[HiddenBars.of(one, score, config).places], config.mask_span
    whole = Cell(one.symbol, head, None, stamps, overlap, target, said, baselines, shares)
    if head != "quantiles":
        return [whole]
    return [
        whole._replace(
            horizon=horizon,
            overlap=horizon,
            target=target[:, h : h + 1],
            said=[each[:, h : h + 1] for each in said],
            baselines={name: each[:, h : h + 1] for name, each in baselines.items()},
        )
        for h, horizon in enumerate(config.horizons)
    ]


def _judged(cell: Cell, config: EncoderConfig, seed: int) -> HeadEvidence | None:
    """The losses of a cell beside those of its baselines; None where no target is known."""
    by_seed = [loss_rows(cell.head, each, cell.target, config).reshape(-1) for each in cell.said]
    losses: FloatArray = np.mean(by_seed, axis=0)
    known = np.isfinite(losses)
    if not known.any():
        return None
    comparisons = []
    for name, predicted in cell.baselines.items():
        own = loss_rows(cell.head, predicted, cell.target, config).reshape(-1)
        stream = f"{cell.symbol} {cell.head} {cell.horizon} {name}"
        rng = spawn_generators(seed, stream)[stream]
        difference = loss_difference(losses, own, cell.ts_ns, rng, horizon=cell.overlap)
        loss = float(own[known].mean())
        comparisons.append(BaselineComparison(name, loss, difference, finding_of(difference, loss)))
    each_measured = [_measures(cell, predicted, config) for predicted in cell.said]
    return HeadEvidence(
        symbol=cell.symbol,
        head=cell.head,
        horizon=cell.horizon,
        measure=MEASURES[cell.head],
        seed_losses=tuple(float(own[known].mean()) for own in by_seed),
        loss=float(losses[known].mean()),
        comparisons=tuple(comparisons),
        measures={name: float(np.mean([each[name] for each in each_measured])) for name in each_measured[0]},
        baseline_measures={name: _measures(cell, predicted, config) for name, predicted in cell.baselines.items()},
        n_rows=int(known.sum()),
    )


def _measures(cell: Cell, predicted: FloatArray, config: EncoderConfig) -> dict[str, float]:
    if cell.head == "quantiles":
        return quantile_measures(predicted[:, 0], cell.target[:, 0], np.array(config.quantile_levels))
    if cell.head == "levels":
        return level_measures(predicted, cell.target)
    if cell.head == "reconstruction":
        return {}
    return {"balanced_accuracy": balanced_accuracy(predicted, cell.target, cell.shares)}
