"""The settings files of a run, read together."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel

from agv2.backtest.config import BacktestConfig
from agv2.core.errors import ConfigError
from agv2.data.config import MarketsConfig
from agv2.data.quality.config import QualityConfig
from agv2.features.labels.bar_labels import LABEL_HORIZON
from agv2.models.config import EncoderConfig
from agv2.risk.config import RiskConfig
from agv2.rl.config import PolicyConfig
from agv2.sim.config import CostsConfig
from agv2.utils.config import Override, config_digest, load_config, save_config

__all__ = ["Settings", "load_settings", "require_known_symbols"]


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of a run, validated."""

    markets: MarketsConfig
    costs: CostsConfig
    encoder: EncoderConfig
    rl_policy: PolicyConfig
    risk: RiskConfig
    backtest: BacktestConfig
    quality: QualityConfig

    @property
    def label_reach(self) -> int:
        """Bars that the furthest-looking label of a bar needs after it."""
        return max(LABEL_HORIZON, self.encoder.horizons[-1])

    def by_file(self) -> dict[str, BaseModel]:
        """File name without `.yaml` → model."""
        return {
            "markets": self.markets,
            "costs": self.costs,
            "encoder": self.encoder,
            "rl_policy": self.rl_policy,
            "risk": self.risk,
            "backtest": self.backtest,
            "quality": self.quality,
        }

    def digest(self, symbols: Sequence[str], profile: str) -> str:
        """What tells a trial on these symbols and profile from another: only settings that it uses.

        Args:
            symbols: of the run, in any order.
            profile: name of the run profile.
        """
        used: dict[str, BaseModel] = {
            "encoder": self.encoder.in_effect,
            "rl_policy": self.rl_policy.in_effect,
            "risk": self.risk.active,
            "profile": self.backtest.profiles[profile],  # type: ignore[index]  # one of the five names
            "backtest": self.backtest.model_copy(update={"profiles": {}}),
        }
        for place, symbol in enumerate(sorted(symbols)):
            # What a venue calls the symbol changes nothing in a run.
            used[f"market {place}"] = self.markets.entry(symbol)[0].model_copy(update={"venue_names": {}})
            used[f"costs {place}"] = self.costs.entry(symbol)[0].in_effect
        return config_digest(used)

    def save(self, directory: Path) -> None:
        """Write the resolved files, so that `--config directory` repeats the run."""
        directory.mkdir(parents=True, exist_ok=True)
        for name, model in self.by_file().items():
            save_config(model, directory / f"{name}.yaml")


def require_known_symbols(overrides: Sequence[Override], symbols: Sequence[str]) -> None:
    """Refuse a `--set` for a symbol that is neither in the run nor in the shipped files: it would change nothing.

    Raises:
        ConfigError: names the nearest symbol that would.
    """
    for override in overrides:
        if override.file == "markets":
            listed = set(load_config(MarketsConfig, "markets").root)
        elif override.file == "costs":
            listed = set(load_config(CostsConfig, "costs").root)
        else:
            continue
        known = {*listed, *symbols}
        if override.keys[0] not in known:
            close = difflib.get_close_matches(override.keys[0], sorted(known), n=1, cutoff=0.0)
            raise ConfigError(f"{override.text}: no symbol of this run is {override.keys[0]}; did you mean {close[0]}?")


def load_settings(directory: Path | None, overrides: Sequence[Override]) -> Settings:
    """Read the files: shipped, then from `directory`, then `overrides`.

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
        quality=load_config(QualityConfig, "quality", directory, overrides),
    )
