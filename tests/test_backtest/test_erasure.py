"""What a decision is without some of its inputs, by the research model and by the one that serves."""

from pathlib import Path

import numpy as np
import pytest

from agv2.app.entry_saliency import STATE_FIELDS
from agv2.backtest.erasure import erase, grouped_erasure
from agv2.core.arrays import Float32Array, FloatArray
from agv2.core.timeframes import Timeframe
from agv2.features.families import FAMILIES, family_masks
from agv2.features.pipeline import feature_columns
from agv2.models.bundle import ModelBundle
from agv2.models.served_odds import served_odds
from agv2.models.side_odds import SideOdds


def weighted_sum(windows: Float32Array, states: Float32Array) -> FloatArray:
    """Three times the newest bar's first feature, the second of the bar before, and the book."""
    found: FloatArray = 3.0 * windows[:, -1, 0] + windows[:, -2, 1] + states.sum(axis=1)
    return found


def test_erasing_takes_away_what_a_part_was_worth() -> None:
    window, state = np.ones((20, 2), dtype=np.float32), np.full(3, 0.5, dtype=np.float32)
    masks = [np.array([True, False]), np.array([False, True]), np.zeros((20, 2), dtype=bool)]
    assert erase(weighted_sum, window, state, masks).tolist() == [3.0, 1.0, 0.0]
    assert erase(weighted_sum, window, state, []).tolist() == []


def test_groups_are_kinds_of_features_stretches_of_bars_and_the_book() -> None:
    window, state = np.ones((20, 2), dtype=np.float32), np.full(3, 0.5, dtype=np.float32)
    families = {"first": np.array([True, False]), "second": np.array([False, True])}
    found = grouped_erasure(weighted_sum, window, state, families)
    assert found.log_odds == 5.5
    assert found.by_family == {"first": 3.0, "second": 1.0}
    assert found.by_stretch == {"1": 3.0, "2-4": 1.0, "5-13": 0.0, "14-20": 0.0}
    assert found.state == 1.5


@pytest.mark.parametrize("position", [1, 2])
def test_the_serving_model_erases_as_the_research_model_does(finished_run: Path, position: int) -> None:
    bundle = ModelBundle.load(finished_run / "bundle")
    families = family_masks(feature_columns(Timeframe(60)))
    rng = np.random.default_rng(0)
    window = rng.normal(size=(bundle.manifest.encoder["window"], len(bundle.manifest.features))).astype(np.float32)
    state = rng.normal(size=len(STATE_FIELDS)).astype(np.float32)
    asset_class = bundle.manifest.asset_classes[0]
    served = grouped_erasure(served_odds(bundle.runner(), position, asset_class), window, state, families)
    module = SideOdds(bundle.pretrained(), bundle.policy(), position, asset_class)
    ours = grouped_erasure(module.of, window, state, families)
    assert tuple(served.by_family) == FAMILIES
    assert served.log_odds == pytest.approx(ours.log_odds, abs=1e-4)
    assert list(served.by_family.values()) == pytest.approx(list(ours.by_family.values()), abs=1e-4)
    assert list(served.by_stretch.values()) == pytest.approx(list(ours.by_stretch.values()), abs=1e-4)
    assert max(map(abs, served.by_family.values())) > 1e-3
