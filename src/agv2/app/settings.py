"""The settings files of a run, read together."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from agv2.backtest.config import BacktestConfig
from agv2.core.errors import ConfigError
from agv2.data.config import MarketsConfig
from agv2.data.quality.config import QualityConfig
from agv2.deploy.guards_config import GuardsConfig
from agv2.features.labels.bar_labels import LABEL_HORIZON
from agv2.models.config import EncoderConfig
from agv2.risk.config import RiskConfig
from agv2.rl.config import PolicyConfig
from agv2.sim.config import CostsConfig
from agv2.utils.config import Override, config_digest, load_config, save_config

__all__ = ["Settings", "changed_settings", "load_settings", "require_known_symbols"]

_MODELS: dict[str, type[Any]] = {
    "markets": MarketsConfig,
    "costs": CostsConfig,
    "encoder": EncoderConfig,
    "rl_policy": PolicyConfig,
    "risk": RiskConfig,
    "backtest": BacktestConfig,
    "quality": QualityConfig,
    "guards": GuardsConfig,
}


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
    guards: GuardsConfig

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
            "guards": self.guards,
        }

    def digest(self, symbols: Sequence[str], profile: str) -> str:
        """What tells a trial on these symbols and profile from another: only settings that it uses.

        Args:
            symbols: of the run, in any order.
            profile: name of the run profile.
        """
        own = self.backtest.profiles[profile]  # type: ignore[index]  # one of the five names
        used: dict[str, BaseModel | dict[str, object]] = {
            "encoder": self.encoder.in_effect,
            "rl_policy": self.rl_policy.in_effect,
            "risk": self.risk.active,
            "profile": own.model_dump(exclude={"robustness"}),
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
        ConfigError: a file, key or value is wrong, or an override is for a file that is no setting of a run.
    """
    for override in overrides:
        if override.file not in _MODELS:
            raise ConfigError(f"{override.text}: {override.file}.yaml holds no setting of a run")
    return Settings(**{name: load_config(model, name, directory, overrides) for name, model in _MODELS.items()})


def changed_settings(
    settings: Settings, directory: Path | None, overrides: Sequence[Override], changes: Sequence[Override]
) -> Settings:
    """The settings with `changes` laid over them; only files that these name are read again.

    Args:
        settings: of `directory` and `overrides`.
        directory: as for `load_settings`.
        overrides: as for `load_settings`.
        changes: laid over them.

    Raises:
        ConfigError: a key or value is wrong.
    """
    files = dict.fromkeys(change.file for change in changes)
    read = {name: load_config(_MODELS[name], name, directory, [*overrides, *changes]) for name in files}
    return replace(settings, **read)
