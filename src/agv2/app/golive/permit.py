"""Whether a model may trade real money: a passed gate, or a person who says in so many words that it need not be."""

from collections.abc import Callable
from contextlib import suppress

from agv2.app.golive.examination import GateRequest, GateVerdict, examine, limits_digest
from agv2.app.golive.gate_log import GateLog, standing_pass
from agv2.app.trading.places import journal_location, read_journal
from agv2.app.trading.request import LivePermit, TradingRequest, chosen_symbol
from agv2.app.trading.settings import golive_settings, trading_settings
from agv2.core.errors import BundleError, ConfigError, DataError
from agv2.execution.journal_records import RiskSaved, Started
from agv2.models.bundle import ModelBundle
from agv2.utils.clock import Clock
from agv2.utils.environment import Environment

__all__ = ["OVERRIDE_OPTION", "live_permit"]

OVERRIDE_OPTION = "--risk-real-money-without-gate"


def live_permit(
    request: TradingRequest,
    override: str | None,
    actor: str,
    environment: Environment,
    clock: Clock,
    show: Callable[[GateVerdict], None],
) -> LivePermit | None:
    """What allows a live start; an override is written down before this returns.

    Args:
        request: of the start.
        override: why the gate is passed over; None: it is not.
        actor: who says so.
        environment: where verdicts and journals are.
        clock: says how old they are.
        show: shown what is missing, where something is.

    Returns:
        The permit; None where the bundle cannot be used, but a market is named: nothing is opened then, and what is
        held is protected.

    Raises:
        ConfigError: the gate was not passed, or no reason is given for passing it over; nothing was sent.
        BundleError: the bundle cannot be used.
        DataError: verdicts were changed.
    """
    if override is not None and not override.strip():
        raise ConfigError(f"{OVERRIDE_OPTION} wants a reason: it is kept in the journal and in the log of verdicts")
    try:
        bundle = ModelBundle.load(request.bundle)
    except BundleError:
        if request.symbol is None or request.timeframe is None:
            raise
        return None
    symbol = chosen_symbol(request.symbol, bundle.manifest.symbols)
    config, _ = golive_settings(request.bundle, request.config_dir, request.overrides)
    limits = trading_settings(request.bundle, request.config_dir, request.overrides).risk.active
    log, now_ns = GateLog(environment, clock), clock.now_ns()
    location = journal_location(environment, "live", symbol, bundle.manifest.timeframe, request.journal)
    begun_under, last_live_ns = _live_so_far(location, environment, bundle.digest)
    found = standing_pass(
        log.verdicts(bundle.digest, symbol), limits_digest(limits), config.gate.valid_days, now_ns, begun_under,
        last_live_ns,
    )  # fmt: skip
    if not isinstance(found, str):
        return LivePermit(str(found.head), f"the go-live gate was passed: record {found.number} of {log.path.name}")
    verdict = examine(
        GateRequest(request.bundle, symbol, None, request.config_dir, request.overrides), environment, clock
    )
    show(verdict)
    if override is None:
        missing = f"missing: {', '.join(verdict.missing)}" if verdict.missing else "nothing is missing now"
        raise ConfigError(
            f"{request.bundle} may not trade real money: {found} ({missing}); agv2 golive --bundle {request.bundle} "
            f"looks and writes it down; {OVERRIDE_OPTION} 'REASON' trades all the same"
        )
    record = log.note_override(verdict, actor, override)
    words = f"go-live gate passed over by {actor}: {override}; missing: {', '.join(verdict.missing) or 'nothing'}"
    return LivePermit(str(record.head), f"{words}; record {record.number} of {log.path.name}", is_override=True)


def _live_so_far(location: str, environment: Environment, digest: str) -> tuple[str, int]:
    """The permit under which the bundle last traded live, and the open of its last bar; nothing where it never did."""
    with suppress(DataError), read_journal(location, environment) as journal:
        started, last = journal.newest(Started), journal.newest(RiskSaved)
        if started is None or last is None:
            return "", 0
        start, saved = started.record, last.record
        if isinstance(start, Started) and isinstance(saved, RiskSaved) and start.bundle_digest == digest:
            return str(start.settings.get("permit") or ""), saved.bar_ts_ns
    return "", 0
