"""The go-live gate: everything that is asked, looked at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from agv2.app.golive.paper_record import read_paper_record
from agv2.app.golive.requirements import Requirement, paper_requirements
from agv2.app.trading.places import journal_location, kill_switch, read_journal
from agv2.app.trading.replaying import replay_recorded
from agv2.app.trading.request import chosen_symbol
from agv2.app.trading.settings import golive_settings, trading_settings
from agv2.core.errors import AGV2Error, BundleError, DataError
from agv2.deploy.bundle_band import bundle_band
from agv2.deploy.guards_config import GuardsConfig
from agv2.deploy.model_loader import ServedMarket, load_decider
from agv2.deploy.pnl_band import PnlBand
from agv2.execution.replay_day import DayReplay
from agv2.models.bundle import ModelBundle
from agv2.risk.config import RiskProfile
from agv2.utils.clock import Clock
from agv2.utils.config import Override, config_digest
from agv2.utils.environment import Environment
from agv2.utils.logging_config import hide_secrets

__all__ = ["GateRequest", "GateVerdict", "examine"]

_AFTER_THE_BUNDLE = ("paper trading", "results", "halts", "kill switch", "orders", "replay", "books")


@dataclass(frozen=True, slots=True)
class GateRequest:
    """Which model, on which market, shown by which journal."""

    bundle: Path
    symbol: str | None = None
    journal: str | None = None
    """Of the paper trader; None: the usual place."""
    config_dir: Path | None = None
    overrides: tuple[Override, ...] = ()


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What was found."""

    at_ns: int
    bundle: str
    """Digest; empty where the bundle cannot be used."""
    symbol: str
    limits: str
    """Digest of the limits that it traded under, and will."""
    journal: str
    requirements: tuple[Requirement, ...]
    asked: dict[str, Any] = field(default_factory=dict)
    """The settings of the gate."""

    @property
    def is_passed(self) -> bool:
        """Whether everything is shown."""
        return all(each.is_met for each in self.requirements)

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of what is not."""
        return tuple(each.name for each in self.requirements if not each.is_met)


def limits_digest(limits: RiskProfile) -> str:
    """Names a set of limits."""
    return config_digest({"risk": limits})


def examine(
    request: GateRequest, environment: Environment, clock: Clock, waiting: Callable[[str], None] = lambda what: None
) -> GateVerdict:
    """Look at everything. Nothing is written.

    Args:
        request: what is to go live.
        environment: where journals and switches are.
        clock: says how old things are.
        waiting: told what is looked at.

    Raises:
        ConfigError: a setting is wrong, or it is not clear which market is meant.
    """
    settings = trading_settings(request.bundle, request.config_dir, request.overrides)
    config, guards = golive_settings(request.bundle, request.config_dir, request.overrides)
    limits, now_ns = settings.risk.active, clock.now_ns()
    digest, symbol, location = "", request.symbol or "", request.journal or ""
    found: list[Requirement] = []
    waiting("the bundle")
    try:
        manifest = ModelBundle.load(request.bundle).manifest
        symbol = chosen_symbol(request.symbol, manifest.symbols)
        location = journal_location(environment, "paper", symbol, manifest.timeframe, request.journal)
        model = load_decider(request.bundle, symbol, settings.markets, settings.costs, settings.risk, live=True)
        digest = model.bundle.digest
        found = [Requirement("bundle", True, _bundle_words(model))]
        waiting("the journal")
        band = _band(model, symbol, guards)
        with read_journal(location, environment) as journal:
            record = read_paper_record(journal, symbol, digest, limits)
        switch = kill_switch(environment, location, clock).state()

        def replayed(day: str) -> DayReplay:
            waiting(f"the replay of {day}")
            return replay_recorded(day, location, symbol, request.bundle)

        found += paper_requirements(record, config.gate, band, switch, replayed, now_ns)
    except BundleError as error:
        found = [Requirement("bundle", False, str(error), "restore it, or train again")]
        found += _not_looked_at("the bundle", _AFTER_THE_BUNDLE)
    except DataError as error:
        traded, *rest = _AFTER_THE_BUNDLE
        remedy = f"trade it on paper: agv2 paper --bundle {request.bundle}"
        found = [*found[:1], Requirement(traded, False, str(error), remedy), *_not_looked_at("a journal", rest)]
    return GateVerdict(
        now_ns, digest, symbol, limits_digest(limits), hide_secrets(location), tuple(found),
        config.gate.model_dump(mode="json"),
    )  # fmt: skip


def _bundle_words(model: ServedMarket) -> str:
    words = f"{model.bundle.digest[:12]}, every file as its manifest says, for this program's features"
    if model.decider.params.evidence_scale == 0.0:
        words += "; its edge is not proven, so live trading would open nothing"
    return words


def _band(model: ServedMarket, symbol: str, guards: GuardsConfig) -> PnlBand | str:
    try:
        return bundle_band(model.bundle.reference().daily_returns.get(symbol, np.empty(0)), guards)
    except AGV2Error as error:
        return str(error)


def _not_looked_at(lacking: str, names: Sequence[str]) -> list[Requirement]:
    return [Requirement(name, False, f"nothing to look at without {lacking}") for name in names]
