"""Class probabilities of gradient-boosted trees on the same features: what a head that classifies has to beat."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from agv2.core.arrays import Float32Array, FloatArray, IntArray
from agv2.core.errors import DataError, ShapeError
from agv2.models.head_baselines import class_shares
from agv2.models.row_losses import log_loss_rows
from agv2.models.tail_split import pooled, rows_with_target, tail_split
from agv2.models.training_rows import TrainingSeries

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingClassifier

__all__ = ["BoostedPrediction", "boosted_probs"]

Rows = Sequence[range]
N_CLASSES = 3
FIT_ROWS, TAIL_ROWS = 20_000, 5_000  # neighbours have almost the same label: more rows take longer and say little more
MIN_ROWS = 100
LEARNING_RATE = 0.05
MOST_ROUNDS = 300
PATIENCE = 15
LEAVES = 15
MIN_LEAF_ROWS = 50
L2 = 1.0
COLUMN_SHARE = 0.3  # looked at in each split: faster, and steadier where many columns say the same


@dataclass(frozen=True, slots=True)
class BoostedPrediction:
    """Predictions of the scored rows of all series, one after the other.

    Attributes:
        probs: (n_rows, 3) probability of each class.
        shares: (3,) of the classes among the training labels.
        rounds: trees per class that were kept; 0 where there was nothing to fit and `probs` are the shares.
        fit_rows: rows that the trees were fitted on.
    """

    probs: FloatArray
    shares: FloatArray
    rounds: int
    fit_rows: int


def boosted_probs(
    series: Sequence[TrainingSeries], labels: Sequence[IntArray], train: Rows, score: Rows, purge_bars: int
) -> BoostedPrediction:
    """Probabilities by one histogram gradient boosting over all symbols, fitted on the training rows alone.

    Trees fitted without the last fifth of the training rows (from one moment in all symbols, and without the
    `purge_bars` rows before it) say by their loss on that fifth how many rounds to take; then all training rows are
    fitted that long. Trees see one bar's features, which have their own past in them, not a window. At most 20,000 rows
    teach and 5,000 stop, thinned evenly in time.

    Args:
        series: the symbols.
        labels: of each, (n_bars,) class numbers 0 .. 2, -1 where unknown: those are ignored.
        train: rows of each that are fitted on.
        score: rows of each that are predicted.
        purge_bars: training rows dropped before the tail; at least as far as a label looks ahead.

    Returns:
        Predictions; the training shares of the classes where fewer than 100 rows or a single class are left to fit on,
        where there is nothing to stop by, and where no tree helps on the rows that stop.

    Raises:
        ShapeError: labels do not belong to their series.
        DataError: a label is not a class.

    Known at: the close of each row's bar, given trees known at the end of training.
    Source: Friedman (2001), Annals of Statistics 29(5), 1189-1232; Ke et al. (2017), LightGBM, NeurIPS 30.
    """
    for one, own in zip(series, labels, strict=True):
        if len(own) != len(one):
            raise ShapeError(f"{one.symbol}: {len(own)} labels for {len(one)} bars")
        if own.size and not -1 <= int(own.min()) <= int(own.max()) < N_CLASSES:
            raise DataError(
                f"{one.symbol}: labels from -1 to {N_CLASSES - 1} expected, found {own.min()} to {own.max()}"
            )
    known = [rows_with_target(own >= 0, rows) for own, rows in zip(labels, train, strict=True)]
    shares = class_shares(np.concatenate([own[rows] for own, rows in zip(labels, known, strict=True)]))
    asked = np.concatenate([one.features[rows.start : rows.stop] for one, rows in zip(series, score, strict=True)])
    constant = BoostedPrediction(np.tile(shares, (len(asked), 1)), shares, 0, 0)
    fit, tail = tail_split([one.ts_ns for one in series], known, purge_bars)
    features = [one.features for one in series]
    rounds = _best_rounds(
        pooled(features, fit, FIT_ROWS), pooled(labels, fit, FIT_ROWS),
        pooled(features, tail, TAIL_ROWS), pooled(labels, tail, TAIL_ROWS),
    )  # fmt: skip
    if not rounds or not len(asked):
        return constant
    y = pooled(labels, known, FIT_ROWS)
    trees = _trees(rounds).fit(pooled(features, known, FIT_ROWS), y)
    probs = np.zeros((len(asked), N_CLASSES))
    probs[:, trees.classes_] = trees.predict_proba(asked)
    return BoostedPrediction(probs, shares, rounds, len(y))


def _trees(most_rounds: int) -> "HistGradientBoostingClassifier":
    from sklearn.ensemble import HistGradientBoostingClassifier  # here, since it is slow to import

    return HistGradientBoostingClassifier(
        learning_rate=LEARNING_RATE,
        max_iter=most_rounds,
        max_leaf_nodes=LEAVES,
        min_samples_leaf=MIN_LEAF_ROWS,
        l2_regularization=L2,
        max_features=COLUMN_SHARE,
        early_stopping=False,
        random_state=0,  # chance is part of the baseline: the same rows give the same trees
    )


def _best_rounds(x: Float32Array, y: IntArray, x_tail: Float32Array, y_tail: IntArray) -> int:
    """Trees per class with the lowest log loss on the tail; 0 where none is better than the shares."""
    seen = np.isin(y_tail, y)  # a class that only the tail has cannot be learnt, nor stopped by
    if len(y) < MIN_ROWS or np.unique(y).size < 2 or not seen.any():
        return 0
    trees = _trees(MOST_ROUNDS).set_params(early_stopping=True, n_iter_no_change=PATIENCE)
    trees.fit(x, y, X_val=x_tail[seen], y_val=y_tail[seen])
    # The library keeps the rounds of its patience; the lowest loss is before them.
    place = np.searchsorted(trees.classes_, y_tail[seen])
    losses = [log_loss_rows(probs, place).mean() for probs in trees.staged_predict_proba(x_tail[seen])]
    of_shares = log_loss_rows(np.tile(class_shares(y), (len(y_tail), 1)), y_tail)[seen].mean()
    best = int(np.argmin(losses))
    return best + 1 if losses[best] < of_shares else 0
