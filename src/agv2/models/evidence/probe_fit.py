"""Linear predictions from whatever is to be probed, shrunk as strongly as the last of the fitted rows ask for."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.models.head_baselines import class_shares
from agv2.models.row_losses import log_loss_rows

__all__ = ["Sample", "class_probe", "value_probe"]

# Per row, of inputs with unit variance: from little more than a constant to as good as none.
PENALTIES = (10.0, 1.0, 1e-1, 1e-2, 1e-3)
MOST_ITERATIONS = 100
MOST_SPREADS = 5.0  # from an input's mean: one that hardly moved in the past would else decide everything when it does

Predictor = Callable[[FloatArray], FloatArray]


class Sample(NamedTuple):
    """Rows to learn from.

    Attributes:
        x: (n_rows, n_inputs).
        y: (n_rows,) values, or class numbers.
    """

    x: FloatArray
    y: FloatArray | IntArray


def value_probe(teach: Sample, tail: Sample, whole: Sample) -> Predictor:
    """Ridge regression of a value.

    Args:
        teach: fitted with one penalty after the other.
        tail: later rows, whose mean squared error chooses the penalty.
        whole: fitted with that penalty.

    Returns:
        From (n, n_inputs) to (n,) values.

    Source: Hoerl and Kennard (1970), Technometrics 12(1), 55-67.
    """
    return _ridge(whole, _best_penalty(lambda penalty: np.square(_ridge(teach, penalty)(tail.x) - tail.y)))


def class_probe(teach: Sample, tail: Sample, whole: Sample) -> Predictor:
    """Logistic regression of a class; log loss chooses the penalty.

    Args:
        teach: fitted with one penalty after the other.
        tail: later rows, whose log loss chooses the penalty.
        whole: fitted with that penalty.

    Returns:
        From (n, n_inputs) to (n, 3) probabilities.
    """
    labels = tail.y.astype(np.int64)
    return _logistic(whole, _best_penalty(lambda penalty: log_loss_rows(_logistic(teach, penalty)(tail.x), labels)))


def _best_penalty(losses_with: Callable[[float], FloatArray]) -> float:
    """From strong to weak as long as less of it helps: weak ones take longest to fit."""
    best, least = PENALTIES[0], float(losses_with(PENALTIES[0]).mean())
    for penalty in PENALTIES[1:]:
        loss = float(losses_with(penalty).mean())
        if loss >= least:
            break
        best, least = penalty, loss
    return best


def _ridge(sample: Sample, penalty: float) -> Predictor:
    standardised = _scale_of(sample.x)
    x, mean = standardised(sample.x), float(sample.y.mean())
    weights = np.linalg.solve(x.T @ x / len(x) + penalty * np.eye(x.shape[1]), x.T @ (sample.y - mean) / len(x))
    return lambda asked: mean + standardised(asked) @ weights


def _logistic(sample: Sample, penalty: float) -> Predictor:
    from sklearn.linear_model import LogisticRegression  # here, since it is slow to import

    labels = sample.y.astype(np.int64)
    shares = class_shares(labels)
    if np.count_nonzero(shares) < 2:
        return lambda asked: np.tile(shares, (len(asked), 1))
    standardised = _scale_of(sample.x)
    model = LogisticRegression(C=1.0 / (penalty * len(labels)), max_iter=MOST_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a search that was cut short: its weights are a little smaller, no more
        model.fit(standardised(sample.x), labels)

    def predict(asked: FloatArray) -> FloatArray:
        probs = np.zeros((len(asked), shares.size))
        probs[:, model.classes_] = model.predict_proba(standardised(asked))
        return probs

    return predict


def _scale_of(x: FloatArray) -> Callable[[FloatArray], FloatArray]:
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread[spread < 1e-6] = 1.0  # an input that never moved
    return lambda asked: ((asked - mean) / spread).clip(-MOST_SPREADS, MOST_SPREADS)
