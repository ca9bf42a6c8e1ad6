from dataclasses import replace

import numpy as np
import pytest

from agv2.core.arrays import FloatArray
from agv2.models.baseline_rows import COSTLY_BASELINES, baseline_predictions
from agv2.models.head_rows import head_targets, loss_rows
from agv2.models.head_scores import MEASURES
from agv2.models.training_rows import TrainingSeries
from tests.test_models.markets import TINY, a_series

TRAIN, SCORE = range(40, 2000), range(2100, 2600)


def said_by(
    head: str, series: list[TrainingSeries], train: list[range], costly: bool = False
) -> list[dict[str, FloatArray]]:
    return baseline_predictions(head, series, train, [SCORE] * len(series), TINY, costly=costly, seed=1)


@pytest.mark.parametrize(
    ("head", "names"),
    [
        ("quantiles", ["unconditional", "EWMA", "HAR"]),
        ("regime", ["class frequencies", "majority class"]),
        ("pattern", ["class frequencies", "majority class"]),
        ("levels", ["band frequencies", "distance to level", "random levels"]),
        ("reconstruction", ["zero", "last value", "linear interpolation"]),
    ],
)
def test_every_baseline_says_something_about_every_row(head: str, names: list[str]) -> None:
    series = a_series(n_bars=2600)
    cheap, all_of_them = (said_by(head, [series], [TRAIN], costly)[0] for costly in (False, True))
    assert list(cheap) == names
    assert list(all_of_them) == names + ([COSTLY_BASELINES[head]] if head in COSTLY_BASELINES else [])
    for predicted in all_of_them.values():
        losses = loss_rows(head, predicted, head_targets(series, SCORE, TINY)[head], TINY)
        assert np.isfinite(predicted).all()
        assert np.isfinite(losses).any()


def test_boosted_trees_are_fitted_on_all_symbols_and_given_to_their_own_rows() -> None:
    """Each symbol's regime follows from its own features: mixed-up rows would be wrong half of the time."""
    one, other = a_series("A", n_bars=2600), a_series("B", n_bars=2600, seed=9)
    series = [replace(each, regime=(each.features[:, 0] > 0.0).astype(np.int64)) for each in (one, other)]
    for each, own in zip(series, said_by("regime", series, [TRAIN, TRAIN], costly=True), strict=True):
        losses = loss_rows("regime", own["boosted trees"], head_targets(each, SCORE, TINY)["regime"], TINY)
        assert losses.mean() < 0.1


def test_each_symbol_has_baselines_of_its_own() -> None:
    calm, wild = a_series("A", n_bars=2600), a_series("B", n_bars=2600)
    wild = replace(wild, future=5.0 * wild.future)
    one, two = said_by("quantiles", [calm, wild], [TRAIN, TRAIN])
    np.testing.assert_array_equal(one["unconditional"], said_by("quantiles", [calm], [TRAIN])[0]["unconditional"])
    np.testing.assert_allclose(two["unconditional"], 5.0 * one["unconditional"])


@pytest.mark.parametrize("head", MEASURES)
def test_a_symbol_that_begins_after_training_has_those_of_all(head: str) -> None:
    old, new = a_series("OLD", n_bars=2600), a_series("NEW", n_bars=2600, seed=4)
    found = said_by(head, [old, new], [TRAIN, range(40, 40)], costly=True)[1]
    assert all(np.isfinite(predicted).all() for predicted in found.values())
    if head == "regime":
        alone = said_by(head, [old], [TRAIN])[0]
        np.testing.assert_array_equal(found["class frequencies"], alone["class frequencies"])


def test_regimes_are_purged_as_widely_as_the_encoder_and_patterns_by_their_reach() -> None:
    """Of 128 rows before the tail the reach leaves 116 and reach and window 85; trees need 100."""
    series = a_series(n_bars=2600)
    labels = (series.features[:, 0] > 0.0).astype(np.int64)
    series, train = replace(series, regime=labels, pattern=labels), [range(40, 200)]
    (regime,), (pattern,) = (said_by(head, [series], train, costly=True) for head in ("regime", "pattern"))
    np.testing.assert_array_equal(regime["boosted trees"], regime["class frequencies"])
    assert (pattern["boosted trees"] != pattern["class frequencies"]).any()
