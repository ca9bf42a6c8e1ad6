"""The six settings files of a run, read together."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from agv2.backtest.config import BacktestConfig
from agv2.data.config import MarketsConfig
from agv2.models.config import EncoderConfig
from agv2.risk.config import RiskConfig
from agv2.rl.config import PolicyConfig
from agv2.sim.config import CostsConfig
from agv2.utils.config import Override, load_config, save_config

__all__ = ["Settings", "load_settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of a run, validated."""

    markets: MarketsConfig
    costs: CostsConfig
    encoder: EncoderConfig
    rl_policy: PolicyConfig
    risk: RiskConfig
    backtest: BacktestConfig

    def by_file(self) -> dict[str, BaseModel]:
        """File name without `.yaml` → model."""
        return {
            "markets": self.markets,
            "costs": self.costs,
            "encoder": self.encoder,
            "rl_policy": self.rl_policy,
            "risk": self.risk,
            "backtest": self.backtest,
        }

    def save(self, directory: Path) -> None:
        """Write the resolved files, so that `--config directory` repeats the run."""
        directory.mkdir(parents=True, exist_ok=True)
        for name, model in self.by_file().items():
            save_config(model, directory / f"{name}.yaml")


def load_settings(directory: Path | None, overrides: Sequence[Override]) -> Settings:
    """Read the six files: shipped, then from `directory`, then `overrides`.

    Raises:
        ConfigError: a file, key or value is wrong.
    """
    return Settings(
        markets=load_config(MarketsConfig, "markets", directory, overrides),
        costs=load_config(CostsConfig, "costs", directory, overrides),
        encoder=load_config(EncoderConfig, "encoder", directory, overrides),
        rl_policy=load_config(PolicyConfig, "rl_policy", directory, overrides),
        risk=load_config(RiskConfig, "risk", directory, overrides),
        backtest=load_config(BacktestConfig, "backtest", directory, overrides),
    )
