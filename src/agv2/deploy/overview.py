"""The service as those see it who watch it: state, limits used, positions, equity, drift."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from agv2.core.errors import AGV2Error, DataError
from agv2.deploy.approval_desk import Question
from agv2.deploy.audit_chain import ChainHead
from agv2.deploy.guard_sight import EquityBand, Unknown
from agv2.deploy.guards_shown import shown_tripped
from agv2.deploy.messages import ApprovalOut, KillOut, RecordRef, StateOut, SymbolOut
from agv2.deploy.service import DecisionService
from agv2.deploy.service_parts import NotReadyError
from agv2.deploy.verdicts import GuardVerdict
from agv2.deploy.watch_messages import (
    BandOut,
    BarsOut,
    DriftOut,
    EquityOut,
    FeatureDriftOut,
    FindingOut,
    LimitOut,
    OverviewOut,
    PositionOut,
)
from agv2.utils.logging_config import hide_secrets

if TYPE_CHECKING:
    from agv2.deploy.decision_engine import DecisionEngine

__all__ = ["Overview", "kill_out", "record_ref"]

_NS = 1_000_000_000
_ANSWERED_SHOWN = 10


class Overview:
    """Looks at a service; changes nothing.

    Args:
        service: looked at.
    """

    def __init__(self, service: DecisionService) -> None:
        self._service = service

    async def state(self) -> StateOut:
        """Model, limits, kill switch, lease and what is waiting.

        Raises:
            NotReadyError: no model is loaded yet.
            StateError: the store cannot say.
        """
        return (await self._state_and_questions())[0]

    async def all(self) -> OverviewOut:
        """Everything that changes with time; where the state cannot be read, it says so."""
        service = self._service
        state, questions, problem = None, list[Question](), ""
        try:
            state, questions = await self._state_and_questions()
        except AGV2Error as error:
            problem = hide_secrets(str(error))
        holdings, found = service.books.holdings(), service.sight.findings()
        shown = [ApprovalOut.model_validate(service.shown(each)) for each in questions]
        waiting = [each for each in shown if each.status == "pending"]
        return OverviewOut(
            checks=service.checks(),
            problem=problem,
            state=state,
            approvals=[*waiting, *[each for each in shown if each.status != "pending"][:_ANSWERED_SHOWN]],
            limits=self._limits(),
            positions=None
            if holdings is None
            else [PositionOut(**each._asdict(), open_pnl=each.open_pnl) for each in holdings],
            findings=None if isinstance(found, Unknown) else [_finding(each) for each in found],
            findings_unknown=found.why if isinstance(found, Unknown) else "",
        )

    def bars(self, symbol: str, limit: int) -> BarsOut:
        """The newest bars told of a symbol.

        Raises:
            NotReadyError: no model is loaded yet.
            DataError: the symbol is not served.
        """
        engine = self._engine()
        self._require_served(engine, symbol)
        bars = engine.newest_bars(symbol, limit)
        prices = {name: getattr(bars, name).tolist() for name in ("open", "high", "low", "close")}
        bar_s = bars.timeframe.nanoseconds // _NS
        return BarsOut(symbol=symbol, bar_s=bar_s, ts=(bars.ts_ns // _NS).tolist(), **prices)

    def equity(self) -> EquityOut:
        """Equity at each bar that was decided on; a question about the past adds nothing."""
        points: dict[int, float] = {}
        until = 0
        for body in self._service.log.kept():
            if body["bar_ts"] >= until:
                until = body["bar_ts"]
                points[until] = body["risk"]["last_equity"]
        found = self._service.sight.band()
        unknown = found.why if isinstance(found, Unknown) else ""
        band = None if isinstance(found, Unknown) else _band(found)
        return EquityOut(ts=list(points), equity=list(points.values()), band=band, band_unknown=unknown)

    def drift(self, symbol: str) -> DriftOut:
        """How far each feature of a symbol has strayed.

        Raises:
            NotReadyError: no model is loaded yet.
            DataError: the symbol is not served.
        """
        self._require_served(self._engine(), symbol)
        found = self._service.sight.drift(symbol)
        if isinstance(found, Unknown):
            return DriftOut(symbol=symbol, features=None, unknown=found.why)
        return DriftOut(symbol=symbol, features=[FeatureDriftOut(**each._asdict()) for each in found], unknown="")

    # --------------------------------------------------------------------------------------- insides

    def _engine(self) -> "DecisionEngine":
        if self._service.engine is None:
            raise NotReadyError("no model is loaded yet; /ready says when it is")
        return self._service.engine

    def _require_served(self, engine: "DecisionEngine", symbol: str) -> None:
        if symbol not in engine.markets:
            raise DataError(f"symbol is not served; there are {', '.join(engine.markets)}")

    async def _state_and_questions(self) -> tuple[StateOut, list[Question]]:
        service, engine = self._service, self._engine()
        kill, questions = await service.ask(lambda: (service.switch.state(), service.approvals.all()))
        known = {symbol: engine.known_until_ns(symbol) for symbol in engine.markets}
        state = StateOut(
            account=service.parts.account,
            model=engine.bundle.digest,
            trained_on=engine.bundle.manifest.trained_on,
            runtime=engine.runtime.value,
            symbols=[
                SymbolOut(
                    symbol=symbol,
                    timeframe=served.timeframe.name,
                    bar_s=served.timeframe.nanoseconds // _NS,
                    bars_needed=served.bars_needed,
                    bars_known_until=None if (until := known[symbol]) is None else until // _NS,
                )
                for symbol, served in engine.markets.items()
            ],
            kill=kill_out(kill),
            risk=None if engine.risk is None else {name: float(value) for name, value in engine.risk._asdict().items()},
            lease_held=bool(service.lease_owner),
            lease_owner=service.lease_owner,
            tripped=[] if service.watch is None else shown_tripped(service.watch),
            approvals_pending=sum(each.status(service.clock.now_ns()) == "pending" for each in questions),
            head=record_ref(service.log.chain.head),
            started_ns=service.started_ns,
        )
        return state, questions

    def _limits(self) -> list[LimitOut]:
        """Those of the active profile; every market of a service has the same."""
        engine = self._service.engine
        if engine is None:
            return []
        limits, risk, used = next(iter(engine.markets.values())).decider.params, engine.risk, self._service.books.used
        lost = fallen = None
        if risk is not None:
            lost = max(0.0, 1.0 - risk.last_equity / risk.day_start_equity) if risk.day_start_equity > 0.0 else None
            fallen = max(0.0, 1.0 - risk.last_equity / risk.peak_equity) if risk.peak_equity > 0.0 else None
        exposure, positions = (None, None) if used is None else used
        return [
            LimitOut(
                name="daily_loss",
                used=lost,
                limit=limits.daily_loss_frac,
                hit=risk is not None and bool(risk.daily_loss_hit),
            ),
            LimitOut(
                name="drawdown",
                used=fallen,
                limit=limits.drawdown_frac,
                hit=risk is not None and risk.breaker_until_day > 0,
            ),
            LimitOut(name="exposure", used=exposure, limit=limits.max_exposure, hit=False),
            LimitOut(name="positions", used=positions, limit=float(limits.max_positions), hit=False),
        ]


def _band(found: EquityBand) -> BandOut:
    return BandOut(ts=list(found.ts), low=list(found.low), median=list(found.median), high=list(found.high))


def _finding(found: GuardVerdict) -> FindingOut:
    level: Any = found.level.name.lower()
    return FindingOut(guard=found.guard, level=level, since_ns=found.since_ns, reason=found.reason)


def kill_out(state: Any) -> KillOut:
    """A kill switch's state as it is told."""
    return KillOut.model_validate(asdict(state))


def record_ref(head: ChainHead) -> RecordRef:
    """The audit log's newest record as it is told."""
    return RecordRef(number=head.number, sha256=head.digest)
