from pathlib import Path

import numpy as np
import pytest
import torch

from agv2.core.errors import ShapeError
from agv2.core.timeframes import Timeframe
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.observation import ObservationLayout
from agv2.features.pipeline import feature_columns
from agv2.models.bundle import ModelBundle
from agv2.models.config import EncoderConfig
from agv2.models.masked_model import MaskedModel
from agv2.models.normalizer import Normalizer
from agv2.models.policy import PolicyNetwork
from agv2.models.pretraining import PretrainedEncoder
from agv2.rl.export import export_bundle
from agv2.rl.policy_adapter import TorchPolicy

COLUMNS = feature_columns(Timeframe(60))
ENCODER = EncoderConfig(window=32, channels=8, embedding_dim=16, head_channels=8)
LAYOUT = ObservationLayout(embedding=16, quantiles=ENCODER.quantile_outputs, regime=3, pattern=3, levels=16)


def exported(directory: Path, policy: PolicyNetwork) -> ModelBundle:
    values = np.random.default_rng(0).standard_normal((50, len(COLUMNS)))
    return export_bundle(
        directory,
        symbols=["TEST"],
        asset_classes=[0],
        bars_per_year=[8766.0],
        timeframe="1h",
        trained_on="the last fold",
        columns=COLUMNS,
        normalizer=Normalizer.fit(values),
        pretrained=PretrainedEncoder(ENCODER, MaskedModel(len(COLUMNS), ENCODER).eval()),
        layout=LAYOUT,
        policy=policy,
        config_digest="0" * 64,
    )


def test_a_policy_for_another_observation_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=f"the observation has {LAYOUT.size}"):
        exported(tmp_path / "bundle", PolicyNetwork(LAYOUT.size + 1, sum(ACTION_NVEC)))
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
def test_the_bundle_decides_as_the_policy_that_went_into_it(tmp_path: Path) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        policy = PolicyNetwork(LAYOUT.size, sum(ACTION_NVEC))
    bundle = exported(tmp_path / "bundle", policy)
    bundle.require_matches(tuple((column.name, column.lookback) for column in COLUMNS), LAYOUT.slices(), ACTION_NVEC)
    rows = np.random.default_rng(2).normal(size=(64, LAYOUT.size)).astype(np.float32)
    ours, theirs = TorchPolicy(policy).act(rows), TorchPolicy(bundle.policy()).act(rows)
    assert (ours.actions == theirs.actions).all()
    assert (ours.values == theirs.values).all()
