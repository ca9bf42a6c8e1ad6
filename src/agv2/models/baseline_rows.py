"""What the baselines of each head said about the same rows."""

from collections.abc import Sequence

import numpy as np

from agv2.core.arrays import BoolArray, FloatArray
from agv2.models.boosted_baseline import boosted_probs
from agv2.models.config import EncoderConfig
from agv2.models.garch_baseline import garch_forecast
from agv2.models.head_baselines import class_baselines, quantile_baselines, reconstruction_baselines
from agv2.models.head_rows import HiddenBars
from agv2.models.level_baselines import level_baselines
from agv2.models.training_rows import TrainingSeries
from agv2.utils.seeding import spawn_generators

__all__ = ["COSTLY_BASELINES", "baseline_predictions"]

Predictions = list[dict[str, FloatArray]]
COSTLY_BASELINES = {"quantiles": "GARCH-t", "regime": "boosted trees", "pattern": "boosted trees"}
"""By head: what takes up to a minute for tens of thousands of bars."""

MIN_OWN_ROWS = 64  # with a known target, or all symbols together stand in: a symbol may begin after training ends


def baseline_predictions(
    head: str,
    series: Sequence[TrainingSeries],
    train: Sequence[range],
    score: Sequence[range],
    config: EncoderConfig,
    *,
    costly: bool,
    seed: int,
) -> Predictions:
    """Predictions of the scored rows of each symbol by the name of the baseline, cheap ones first.

    Each symbol's baselines are fitted on its own training rows, the boosted trees on those of all symbols, as the
    encoder is.

    Args:
        head: one of the five.
        series: the symbols.
        train: rows of each that are fitted on; among all of them some target of the head is known.
        score: rows of each that are predicted.
        config: horizons, levels, masking and window.
        costly: whether those of `COSTLY_BASELINES` are fitted too.
        seed: of random levels.

    Returns:
        Of each symbol, predictions in the shape of the head's own, `head_predictions`.
    """
    if head == "quantiles":
        return _quantiles(series, train, score, config, costly)
    if head == "levels":
        return _levels(series, train, score, seed)
    if head == "reconstruction":
        hidden = [HiddenBars.of(one, rows, config) for one, rows in zip(series, score, strict=True)]
        return [reconstruction_baselines(each.features, each.masked, each.counted) for each in hidden]
    return _classes(head, series, train, score, config, costly)


def _quantiles(
    series: Sequence[TrainingSeries],
    train: Sequence[range],
    score: Sequence[range],
    config: EncoderConfig,
    costly: bool,
) -> Predictions:
    known = [np.isfinite(one.future.sum(axis=1)) for one in series]
    levels, found = np.array(config.quantile_levels), []
    for place, (one, rows) in enumerate(zip(series, score, strict=True)):
        chosen = _teachers(place, known, train)
        fit, taught = [series[i] for i in chosen], [train[i] for i in chosen]
        said = quantile_baselines(fit, taught, one, rows, levels)
        if costly:
            # A symbol without a past of its own has no parameters either, and EWMA is what a failed search leaves.
            own = garch_forecast(one, train[place], rows, config.horizons, levels) if chosen == [place] else None
            said["GARCH-t"] = said["EWMA"] if own is None else own.quantiles
        found.append(said)
    return found


def _classes(
    head: str,
    series: Sequence[TrainingSeries],
    train: Sequence[range],
    score: Sequence[range],
    config: EncoderConfig,
    costly: bool,
) -> Predictions:
    labels = [one.regime if head == "regime" else one.pattern for one in series]
    known = [own >= 0 for own in labels]
    found = []
    for place, rows in enumerate(score):
        chosen = _teachers(place, known, train)
        taught = np.concatenate([labels[i][train[i].start : train[i].stop] for i in chosen])
        found.append(class_baselines(taught, len(rows)))
    if costly:
        # A regime is made from all bars given, so those of one segment are purged as widely as the encoder's rows are.
        reach = max(one.label_reach for one in series)
        purge = reach + (config.window - 1 if head == "regime" else 0)
        probs = boosted_probs(series, labels, train, score, purge).probs
        ends = np.cumsum([len(rows) for rows in score])[:-1]
        for said, own in zip(found, np.split(probs, ends), strict=True):
            said["boosted trees"] = own
    return found


def _levels(series: Sequence[TrainingSeries], train: Sequence[range], score: Sequence[range], seed: int) -> Predictions:
    known = [one.reacted.max(axis=1) >= 0 for one in series]
    found = []
    for place, (one, rows) in enumerate(zip(series, score, strict=True)):
        chosen = _teachers(place, known, train)
        rng = spawn_generators(seed, f"random levels {place}")[f"random levels {place}"]
        found.append(level_baselines([series[i] for i in chosen], [train[i] for i in chosen], one, rows, rng))
    return found


def _teachers(place: int, known: Sequence[BoolArray], train: Sequence[range]) -> list[int]:
    """Numbers of the symbols that the baselines of one are fitted on: itself, or all where it knows too little."""
    own = train[place]
    return [place] if int(known[place][own.start : own.stop].sum()) >= MIN_OWN_ROWS else list(range(len(train)))
