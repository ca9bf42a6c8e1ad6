"""Whether a straight line makes more of the embedding than of the features of the bar itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from agv2.core.arrays import Float32Array, FloatArray, IntArray
from agv2.models.block_bootstrap_scores import LossDifference, loss_difference
from agv2.models.config import EncoderConfig
from agv2.models.embedding import embed_history
from agv2.models.evidence.findings import Finding, finding_of
from agv2.models.evidence.probe_fit import Sample, class_probe, value_probe
from agv2.models.evidence.probe_task import TARGETS, ProbeTask, probe_tasks
from agv2.models.head_baselines import class_shares
from agv2.models.masked_model import MaskedModel
from agv2.models.row_losses import log_loss_rows
from agv2.models.tail_split import pooled
from agv2.models.training_rows import TrainingSeries
from agv2.utils.seeding import spawn_generators

__all__ = ["ProbeScore", "linear_probe"]

Inputs = Literal["embedding", "both"]
INPUTS: tuple[Inputs, ...] = ("embedding", "both")
Columns = Sequence[Float32Array]
FIT_ROWS, TAIL_ROWS = 10_000, 5_000  # neighbours have almost the same inputs and targets


@dataclass(frozen=True, slots=True)
class ProbeScore:
    """A linear probe on one symbol.

    Attributes:
        symbol: whose bars were scored.
        target: `regime`, `pattern`, or `log_abs_return`, the logarithm of the next bar's absolute return in σ.
        inputs: what the probe reads: the `embedding`, or `both`, the embedding and the bar's own features.
        measure: `log_loss` or `squared_error`; lower is better.
        seed_losses: mean loss by each encoder.
        loss: their mean.
        features_loss: of the same probe on the bar's own features.
        constant_loss: of a probe that reads nothing.
        difference: loss, averaged over the encoders row by row, minus that on the bar's own features.
        finding: the word for it: `better` where the embedding says more than the features do.
        n_rows: rows scored.
    """

    symbol: str
    target: str
    inputs: Inputs
    measure: str
    seed_losses: tuple[float, ...]
    loss: float
    features_loss: float
    constant_loss: float
    difference: LossDifference
    finding: Finding
    n_rows: int


def linear_probe(
    models: Sequence[MaskedModel],
    series: Sequence[TrainingSeries],
    fit_rows: Sequence[range],
    score_rows: Sequence[range],
    config: EncoderConfig,
    *,
    seed: int,
    report: Callable[[float, str], None] | None = None,
) -> tuple[ProbeScore, ...]:
    """The same shrunken linear model, fitted on all symbols, reading the embedding, the bar's features, or both.

    The last fifth of the fitted rows chooses the shrinkage of each probe.

    Args:
        models: encoders of one configuration, one a seed.
        series: the symbols, with the targets of all rows.
        fit_rows: rows of each that probes are fitted on; the encoders may have been trained on them.
        score_rows: rows of each that are scored, purged from the others.
        config: of the encoders.
        seed: of the bootstrap.
        report: told the share done and what is being done.

    Returns:
        By target, symbol and inputs; without targets that too few of the fitted rows know (`probe_tasks`), and symbols
        that know none among the scored ones.

    Source: Alain and Bengio (2017), ICLR workshop, arXiv:1610.01644.
    """
    tell = report or (lambda share, text: None)
    tasks, features = probe_tasks(series, fit_rows, score_rows, config), [one.features for one in series]
    tell(0.0, "linear probe on features")
    on_features = [_lost(task, [features]) for task in tasks]
    lost: list[dict[Inputs, list[list[FloatArray]]]] = [{inputs: [] for inputs in INPUTS} for _ in tasks]
    for number, model in enumerate(models, start=1):
        tell(number / (len(models) + 1), f"linear probe on encoder {number} of {len(models)}")
        embedded = [
            embed_history(model.encoder, model.heads, one.features, one.asset_class).embedding for one in series
        ]
        for task, own in zip(tasks, lost, strict=True):
            own["embedding"].append(_lost(task, [embedded]))
            own["both"].append(_lost(task, [embedded, features]))
    return tuple(
        _judged(task, series[place], place, inputs, [seed_lost[place] for seed_lost in own[inputs]], base[place], seed)
        for task, own, base in zip(tasks, lost, on_features, strict=True)
        for place in range(len(series))
        if task.asked[place].size
        for inputs in INPUTS
    )


def _lost(task: ProbeTask, inputs: Sequence[Columns]) -> list[FloatArray]:
    """Loss of every scored row of each symbol by a probe that reads the inputs side by side."""
    probe = class_probe if TARGETS[task.target] == "log_loss" else value_probe
    teach, tail, whole = (
        Sample(_side_by_side(inputs, rows, most), pooled(task.values, rows, most))
        for rows, most in ((task.teach, FIT_ROWS), (task.tail, TAIL_ROWS), (task.whole, FIT_ROWS))
    )
    predict, lost = probe(teach, tail, whole), []
    for place, rows in enumerate(task.asked):
        asked = np.concatenate([columns[place][rows] for columns in inputs], axis=1).astype(np.float64)
        own = task.values[place][rows]
        lost.append(_loss_rows(task.target, predict(asked), own) if rows.size else np.empty(0))
    return lost


def _side_by_side(inputs: Sequence[Columns], rows: Sequence[IntArray], most: int) -> FloatArray:
    return np.concatenate([pooled(columns, rows, most) for columns in inputs], axis=1).astype(np.float64)


def _loss_rows(target: str, said: FloatArray, values: NDArray[Any]) -> FloatArray:
    if TARGETS[target] == "log_loss":
        return log_loss_rows(said, values)
    losses: FloatArray = np.square(said - values)
    return losses


def _judged(
    task: ProbeTask,
    one: TrainingSeries,
    place: int,
    inputs: Inputs,
    by_seed: Sequence[FloatArray],
    on_features: FloatArray,
    seed: int,
) -> ProbeScore:
    losses: FloatArray = np.mean(by_seed, axis=0)
    stream = f"{one.symbol} {task.target} {inputs}"
    rng = spawn_generators(seed, stream)[stream]
    rows = task.asked[place]
    difference = loss_difference(losses, on_features, one.ts_ns[rows], rng, horizon=task.overlap[place])
    return ProbeScore(
        symbol=one.symbol,
        target=task.target,
        inputs=inputs,
        measure=TARGETS[task.target],
        seed_losses=tuple(float(own.mean()) for own in by_seed),
        loss=float(losses.mean()),
        features_loss=float(on_features.mean()),
        constant_loss=float(_constant(task, task.values[place][rows]).mean()),
        difference=difference,
        finding=finding_of(difference, float(on_features.mean())),
        n_rows=len(rows),
    )


def _constant(task: ProbeTask, values: NDArray[Any]) -> FloatArray:
    """(n_rows,) loss of the shares or the mean of the fitted rows."""
    past = np.concatenate([own[rows] for own, rows in zip(task.values, task.whole, strict=True)])
    if TARGETS[task.target] == "log_loss":
        return _loss_rows(task.target, np.tile(class_shares(past), (len(values), 1)), values)
    return _loss_rows(task.target, np.full(len(values), past.mean()), values)
