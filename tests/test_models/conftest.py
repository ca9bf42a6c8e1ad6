"""One small bundle for all tests that read one: exporting it takes ten seconds."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from agv2.models.bundle import ModelBundle
from agv2.models.bundle_manifest import BundleManifest
from agv2.models.masked_model import MaskedModel
from agv2.models.normalizer import Normalizer
from agv2.models.policy import PolicyNetwork
from agv2.models.pretraining import PretrainedEncoder
from tests.test_models.markets import N_FEATURES, TINY

N_OBSERVATIONS = 40
ACTION_NVEC = (3, 4, 4, 4)


class SavedBundle(NamedTuple):
    """A bundle on disk and what went into it."""

    directory: Path
    manifest: BundleManifest
    normalizer: Normalizer
    pretrained: PretrainedEncoder
    policy: PolicyNetwork


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> SavedBundle:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MaskedModel(N_FEATURES, TINY).eval()
        policy = PolicyNetwork(N_OBSERVATIONS, sum(ACTION_NVEC)).eval()
        with torch.no_grad():  # untrained heads and logits are constants, which any program would get right
            for weight in (*model.heads.parameters(), model.encoder.asset_classes, *policy.parameters()):
                weight.normal_(0.0, 0.5)
    one = SavedBundle(
        directory=tmp_path_factory.mktemp("models") / "bundle",
        manifest=BundleManifest(
            symbols=("XAUUSD", "XAGUSD"),
            asset_classes=(2, 2),
            bars_per_year=(5980.0, 5980.0),
            timeframe="1h",
            trained_on="2012-05-17 to 2019-12-31, the last fold",
            features=(("log_return_1", 2), ("log_return_3", 4), ("range", 1), ("gap", 2)),
            warmup_bars=3,
            layout={"embedding": [0, 16], "book": [16, 40]},
            action_nvec=ACTION_NVEC,
            config_digest="0" * 64,
            code_version="0.1.0",
        ),
        normalizer=Normalizer.fit(np.random.default_rng(0).standard_normal((100, N_FEATURES))),
        pretrained=PretrainedEncoder(TINY, model),
        policy=policy,
    )
    ModelBundle.save(one.directory, one.manifest, one.normalizer, one.pretrained, one.policy)
    return one
