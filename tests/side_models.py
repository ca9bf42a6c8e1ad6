"""Small networks whose every part matters, for tests of what explains them."""

from typing import cast

import torch
from torch import nn

from agv2.models.backbones.config import LstmConfig, TransformerConfig
from agv2.models.config import EncoderConfig
from agv2.models.masked_model import MaskedModel
from agv2.models.policy import PolicyNetwork
from agv2.models.pretraining import PretrainedEncoder
from agv2.models.side_odds import SideOdds

__all__ = ["N_FEATURES", "N_STATE", "small_odds"]

N_FEATURES, N_STATE = 8, 11
_WINDOW, _EMBEDDING = 32, 16


def small_odds(backbone: str, seed: int = 0, *, reads_embedding: bool = True, share: float = 1.0) -> SideOdds:
    """Odds of a long position by an untrained encoder with random heads and a random policy.

    Policies of a run read the heads' predictions alone, which reads_embedding=False is like; heads that were not
    confirmed to gain by the embedding have a share of 0.
    """
    config = EncoderConfig(
        backbone=backbone,  # type: ignore[arg-type]  # one of the three
        window=_WINDOW, channels=8, embedding_dim=_EMBEDDING, head_channels=8, dropout=0.0,
        transformer=TransformerConfig(layers=2, heads=2), lstm=LstmConfig(layers=1, rows_per_start=1),
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MaskedModel(N_FEATURES, config).eval()
        policy = PolicyNetwork(_EMBEDDING + config.quantile_outputs + 3 + 3 + 16 + N_STATE + 3, 15).eval()
        with torch.no_grad():  # heads of zero would say nothing
            for weight in model.heads.parameters():
                weight.normal_(0.0, 0.2)
            for head in (model.heads.quantile, model.heads.regime, model.heads.pattern, model.heads.level_map):
                head.get_buffer("embedding_share").fill_(share)
            if not reads_embedding:
                cast(nn.Linear, policy.mlp_extractor.policy_net[0]).weight[:, :_EMBEDDING] = 0.0
    return SideOdds(PretrainedEncoder(config, model), policy, position=1, asset_class=0)
