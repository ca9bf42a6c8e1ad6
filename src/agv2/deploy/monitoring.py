"""Whether recent bars still look like the ones that the model was trained on."""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from agv2.core.arrays import Float32Array, FloatArray
from agv2.core.errors import ConfigError
from agv2.models.feature_reference import FeatureReference, share_of_each_bin

__all__ = ["DriftMonitor", "relative_entropy", "stability_index"]

_LEAST_SHARE = 1e-4
"""An empty bin counts as holding one bar in ten thousand: no logarithm of nothing."""


def stability_index(live: FloatArray, reference: FloatArray) -> FloatArray:
    """Population stability index: how far two histograms are apart, in nats, symmetric.

    Args:
        live: (..., n_bins) shares, summing to 1.
        reference: (..., n_bins) shares, summing to 1.

    Returns:
        (...,) Σ (live − reference) · ln(live / reference) ≥ 0, the sum of the relative entropies both ways.

    Source: Siddiqi (2006), Credit Risk Scorecards, ch. 8; Jeffreys (1946), Proc. R. Soc. A 186, 453-461.
    """
    one_way, other_way = _both_ways(live, reference)
    return one_way + other_way


def relative_entropy(live: FloatArray, reference: FloatArray) -> FloatArray:
    """Kullback-Leibler divergence of `live` from `reference`, nats.

    Args:
        live: (..., n_bins) shares, summing to 1.
        reference: (..., n_bins) shares, summing to 1.

    Returns:
        (...,) Σ live · ln(live / reference), ≥ 0 up to the weight given to empty bins.
    """
    return _both_ways(live, reference)[0]


class FeatureDrift(NamedTuple):
    """How far one feature has strayed."""

    name: str
    stability_index: float
    relative_entropy: float
    limit_share: float
    """The higher of both as a share of its own limit; beyond 1 it trips."""


@dataclass(frozen=True, slots=True)
class DriftState:
    """What the monitor remembers between bars."""

    recent: FloatArray
    """(n_features, n_bins) shares of recent bars, older ones weighing less."""
    waiting: FloatArray
    """(n_features, n_bins) counts of bars since the last step."""
    waiting_bars: int
    seen_bars: int

    def as_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back bit by bit."""
        return {
            "shape": list(self.recent.shape),
            "recent": _text(self.recent),
            "waiting": _text(self.waiting),
            "waiting_bars": self.waiting_bars,
            "seen_bars": self.seen_bars,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "DriftState":
        """The inverse of `as_json`."""
        n_features, n_bins = document["shape"]
        recent, waiting = (
            np.frombuffer(base64.b64decode(document[name]), dtype="<f8").reshape(n_features, n_bins)
            for name in ("recent", "waiting")
        )
        return cls(recent, waiting, int(document["waiting_bars"]), int(document["seen_bars"]))


@dataclass(frozen=True, slots=True)
class DriftMonitor:
    """Holds an exponentially weighted histogram of recent bars against the training bars', feature by feature.

    It starts at the reference, so there is no warm-up: evidence for a drift gathers from the first bar on.

    Attributes:
        reference: bins, shares and scales.
        limit: in scales, of the worst feature; one number for all, so the false-alarm rate is that of all together.
    """

    reference: FeatureReference
    limit: float

    @classmethod
    def calibrated(cls, reference: FeatureReference, false_alarm_days: float) -> "DriftMonitor":
        """A monitor that raises about one false alarm in so many trading days, over all features together.

        The null is the training bars' own history. Its stretches of D days whose worst day stays below the limit
        are to be the share exp(-1), as of a process of rate 1/D; where the history is short against D, shorter
        stretches and the same rate. Stretches keep whatever dependence there is in time and between features.

        Args:
            reference: of the market.
            false_alarm_days: trading days from one false alarm to the next, >= 1.

        Raises:
            ConfigError: there is no history to take the limit from.
        """
        worst = reference.daily_worst
        if worst.size == 0:
            raise ConfigError("the reference holds no trading day, so no limit can be set: train on more bars")
        span = max(1, min(math.floor(false_alarm_days), worst.size // 4))
        highest = np.lib.stride_tricks.sliding_window_view(worst, span).max(axis=1)
        return cls(reference, float(np.quantile(highest, math.exp(-span / false_alarm_days))))

    def fresh(self) -> DriftState:
        """State of a monitor that has seen nothing."""
        shares = self.reference.shares
        return DriftState(shares, np.zeros_like(shares), 0, 0)

    def observe(self, state: DriftState, row: FloatArray | Float32Array) -> DriftState:
        """The state after one more bar.

        Args:
            state: before it.
            row: (n_features,) raw features of the bar.

        Raises:
            ShapeError: another number of features than the reference's.

        Known at: the close of the bar.
        """
        counts = share_of_each_bin(self.reference.bins(row[np.newaxis]))
        waiting, waiting_bars = state.waiting + counts, state.waiting_bars + 1
        if waiting_bars < self.reference.step_bars:
            return DriftState(state.recent, waiting, waiting_bars, state.seen_bars + 1)
        recent = stepped(state.recent, waiting / waiting_bars, self.reference)
        return DriftState(recent, np.zeros_like(waiting), 0, state.seen_bars + 1)

    def limit_shares(self, state: DriftState) -> FloatArray:
        """(n_features,) the higher of both divergences as a share of its own limit; beyond 1 it trips."""
        return self._shares(divergences(state.recent, self.reference.shares))

    def drifts(self, state: DriftState) -> tuple[FeatureDrift, ...]:
        """Every feature, the furthest strayed first."""
        found = divergences(state.recent, self.reference.shares)
        shares = self._shares(found)
        order = np.argsort(-shares, kind="stable")
        return tuple(
            FeatureDrift(self.reference.columns[i], float(found[0, i]), float(found[1, i]), float(shares[i]))
            for i in order
        )

    def _shares(self, found: FloatArray) -> FloatArray:
        shares: FloatArray = (found / self.reference.scales).max(axis=0) / self.limit
        return shares


def stepped(recent: FloatArray, shares: FloatArray, reference: FeatureReference) -> FloatArray:
    """The recent histogram after a step's bars."""
    weight = -math.expm1(-reference.step_bars / reference.memory_bars)
    return recent + weight * (shares - recent)


def divergences(recent: FloatArray, shares: FloatArray) -> FloatArray:
    """(2, n_features) stability index and relative entropy of each feature."""
    one_way, other_way = _both_ways(recent, shares)
    return np.stack([one_way + other_way, one_way])


def _both_ways(live: FloatArray, reference: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Relative entropy of the first from the second, and of the second from the first."""
    p, q = np.maximum(live, _LEAST_SHARE), np.maximum(reference, _LEAST_SHARE)
    ratio = np.log(p / q)
    return (p * ratio).sum(axis=-1), -(q * ratio).sum(axis=-1)


def _text(values: FloatArray) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f8").tobytes()).decode("ascii")
