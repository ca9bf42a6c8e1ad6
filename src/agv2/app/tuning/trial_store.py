"""What trials keep while they work: each its own, but for encoders, which trials of one encoder share."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agv2.app.fold_training import FoldEncoder
from agv2.app.run_store import RunStore
from agv2.backtest.config import RunProfile
from agv2.models.config import EncoderConfig
from agv2.utils.config import config_digest

__all__ = ["TrialStore", "encoder_digest"]


def encoder_digest(config: EncoderConfig, profile: RunProfile, seed: int) -> str:
    """What tells the encoders of one trial from those of another on the same bars."""
    parts = [config_digest({"encoder": config.in_effect}), profile.encoder_steps, profile.cross_fit_blocks, seed]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class TrialStore(RunStore):
    """A run's store whose encoders, and what their heads lost, are in a directory of their own."""

    encoders: Path

    def save_encoder(self, fold: str, encoder: FoldEncoder) -> None:
        """Keep it for every trial of this encoder."""
        RunStore(self.encoders).save_encoder(fold, encoder)

    def load_encoder(self, fold: str, config: EncoderConfig) -> FoldEncoder | None:
        """An encoder that this trial or another has trained."""
        return RunStore(self.encoders).load_encoder(fold, config)

    def save_cross_fitted(self, fold: str, losses: Mapping[str, float]) -> None:
        """Keep it for every trial of this encoder."""
        RunStore(self.encoders).save_cross_fitted(fold, losses)

    def load_cross_fitted(self, fold: str) -> dict[str, float] | None:
        """What this trial or another has found."""
        return RunStore(self.encoders).load_cross_fitted(fold)
