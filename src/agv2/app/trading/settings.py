"""The settings that a trader uses: those of the run that made its model, unless told otherwise."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agv2.core.errors import ConfigError, DataError
from agv2.data.config import MarketsConfig
from agv2.deploy.alerts.config import AlertsConfig
from agv2.deploy.golive_config import GoLiveConfig
from agv2.deploy.guards_config import GuardsConfig
from agv2.deploy.settings import DeploySettings
from agv2.execution.journal_records import Started
from agv2.risk.config import RiskConfig
from agv2.sim.config import CostsConfig
from agv2.utils.config import Override, load_config

__all__ = [
    "TraderSettings",
    "golive_settings",
    "recorded_settings",
    "settings_directory",
    "trading_settings",
    "watch_settings",
]

_READ = ("markets", "costs", "risk")
_WATCHES = ("guards", "golive", "deploy")


@dataclass(frozen=True, slots=True)
class TraderSettings:
    """What a trader reads beside its bundle."""

    markets: MarketsConfig
    costs: CostsConfig
    risk: RiskConfig


def settings_directory(bundle: Path, given: Path | None) -> Path | None:
    """Where settings come from: `given`, else `config/` beside the bundle of a run, else nowhere but the shipped ones.

    What is tested is what is traded: a bundle's limits and costs are those that its run was tested with.
    """
    beside = bundle.resolve().parent / "config"
    if given is not None or not (beside / "risk.yaml").is_file():
        return given
    return beside


def trading_settings(bundle: Path, given: Path | None, overrides: Sequence[Override]) -> TraderSettings:
    """The settings of a trader of `bundle`.

    Raises:
        ConfigError: a file, key or value is wrong, or an override would change nothing in a trader.
    """
    for override in overrides:
        if override.file not in (*_READ, *_WATCHES):
            known = ", ".join((*_READ, *_WATCHES[:-1]))
            raise ConfigError(f"{override.text}: a trader reads {known} and {_WATCHES[-1]}; the rest is in the bundle")
    directory = settings_directory(bundle, given)
    return TraderSettings(
        load_config(MarketsConfig, "markets", directory, overrides),
        load_config(CostsConfig, "costs", directory, overrides),
        load_config(RiskConfig, "risk", directory, overrides),
    )


def golive_settings(
    bundle: Path, given: Path | None, overrides: Sequence[Override]
) -> tuple[GoLiveConfig, GuardsConfig]:
    """What a bundle must show before it trades real money, and the thresholds of its band.

    Raises:
        ConfigError: a file, key or value is wrong.
    """
    directory = settings_directory(bundle, given)
    return (
        load_config(GoLiveConfig, "golive", directory, overrides),
        load_config(GuardsConfig, "guards", directory, overrides),
    )


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """When a trader stops by itself, and how people are told."""

    guards: GuardsConfig
    alerts: AlertsConfig


def watch_settings(bundle: Path, given: Path | None, overrides: Sequence[Override]) -> WatchSettings:
    """What watches a trader of `bundle`: thresholds are those of its run, alerts those of this installation.

    Raises:
        ConfigError: a file, key or value is wrong.
    """
    guards = load_config(GuardsConfig, "guards", settings_directory(bundle, given), overrides)
    return WatchSettings(guards, load_config(DeploySettings, "deploy", given, overrides).alerts)


def recorded_settings(started: Started) -> TraderSettings:
    """The settings of an earlier start, as its journal has them.

    Raises:
        DataError: the journal is of a version that kept other settings.
    """
    kept: Any = started.settings.get("config")
    try:
        return TraderSettings(
            MarketsConfig.model_validate(kept["markets"]),
            CostsConfig.model_validate(kept["costs"]),
            RiskConfig.model_validate(kept["risk"]),
        )
    except (TypeError, KeyError, ValueError) as error:
        raise DataError("the journal's settings cannot be read by this version of AGV2") from error
