"""A registered model made champion: only under a passed go-live gate, or by a person who says so, and written down."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from agv2.app.golive.examination import GateVerdict
from agv2.app.golive.gate_log import GateLog
from agv2.app.golive.permit import live_permit
from agv2.app.tracking.local_bundles import fetch_bundle
from agv2.app.tracking.registry import CHALLENGER, CHAMPION, RegisteredModel, registered_models
from agv2.app.tracking.server import Tracker, quietly, reason_of
from agv2.app.trading.request import TradingRequest
from agv2.core.errors import ConfigError
from agv2.utils.clock import Clock
from agv2.utils.config import Override
from agv2.utils.environment import Environment

__all__ = ["Promotion", "promote"]


@dataclass(frozen=True, slots=True)
class Promotion:
    """What was done, and by which right."""

    bundle: Path
    """Where the champion is on this machine."""
    grounds: tuple[str, ...]
    """One a symbol."""
    is_override: bool


def promote(
    tracker: Tracker,
    model: RegisteredModel,
    override: str | None,
    actor: str,
    environment: Environment,
    clock: Clock,
    show: Callable[[GateVerdict], None],
    config_dir: Path | None = None,
    overrides: tuple[Override, ...] = (),
) -> Promotion:
    """Give a version the alias `champion`, if each of its symbols has passed the gate that live trading asks for.

    Args:
        tracker: of the registry.
        model: the version.
        override: why the gate is passed over; None: it is not.
        actor: who promotes.
        environment: where verdicts and journals are.
        clock: says how old they are.
        show: shown what is missing, where something is.
        config_dir: settings to trade with, as for `agv2 live`.
        overrides: the same.

    Raises:
        ConfigError: the gate was not passed, or the registry does not answer; nothing is changed then.
        BundleError: its files are not those that were registered.
        DataError: verdicts were changed.
    """
    bundle = fetch_bundle(tracker, model, environment)
    permits = []
    for symbol in model.tags["symbols"].split(", "):
        request = TradingRequest(
            mode="live", bundle=bundle, symbol=symbol, broker="venue", config_dir=config_dir, overrides=overrides
        )
        permit = live_permit(request, override, actor, environment, clock, show)
        assert permit is not None, "the bundle was checked"
        permits.append(permit)
    former = [each.digest for each in registered_models(tracker.client, model.name) if CHAMPION in each.aliases]
    log = GateLog(environment, clock)
    log.note_promotion(f"models:/{model.name}/{model.version}", model.digest, former[0] if former else "", actor)
    try:
        with quietly():
            tracker.client.set_registered_model_alias(model.name, CHAMPION, model.version)
            if CHALLENGER in model.aliases:
                tracker.client.delete_registered_model_alias(model.name, CHALLENGER)
    except Exception as error:  # noqa: BLE001 - databases, HTTP and MLflow each have their own
        problem = reason_of(error)
    else:
        return Promotion(bundle, tuple(each.words for each in permits), any(each.is_override for each in permits))
    raise ConfigError(f"the registry did not take the alias ({problem}); say it again, or look with agv2 models list")
