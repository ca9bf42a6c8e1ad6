"""The decision path behind the service: from told bars and a book to one decision with its grounds."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from agv2.core.account import NEVER_HELD, Account, equity
from agv2.core.arrays import Float32Array
from agv2.core.bars import Bars
from agv2.core.errors import BundleError, DataError, InvariantError
from agv2.core.orders import NO_ORDER, FillReason
from agv2.data.config import MarketsConfig
from agv2.decision.decider import Decision
from agv2.decision.market_view import MarketView
from agv2.decision.planner import Plan, PlanReason
from agv2.decision.restrained_policy import HeldBack, restrained
from agv2.deploy.account_switch import Killed
from agv2.deploy.bar_memory import BarMemory
from agv2.deploy.messages import AccountIn, BarsIn, BookIn, DecideIn
from agv2.deploy.model_loader import Look, ServedMarket, load_decider
from agv2.deploy.onnx_policy import OnnxPolicy
from agv2.deploy.settings import Runtime
from agv2.execution.safeguards import BarFacts
from agv2.models.bundle import ModelBundle
from agv2.risk.config import RiskConfig
from agv2.risk.limits import RiskState, fresh_risk_state, is_halted, observe_equity
from agv2.risk.position_sizer import AccountView
from agv2.sim.config import CostsConfig
from agv2.utils.config import Override, load_config

__all__ = ["DecisionEngine", "Explicable", "Made", "load_engine"]

_NS = 1_000_000_000
_KINDS = {Runtime.ONNX: "onnx", Runtime.PT2: "pt2", Runtime.TORCHSCRIPT: "ts"}
_HELD_BACK = {Killed.NO: HeldBack.NOT, Killed.REDUCE: HeldBack.REDUCING, Killed.FLATTEN: HeldBack.FLAT}
_CHOICES = ("position", "size", "stop", "target")
_SIDES = {-1: "short", 0: "flat", 1: "long"}


@dataclass(frozen=True, slots=True)
class Explicable:
    """What an attribution needs of a decision, once it has been recorded."""

    symbol: str
    window: Float32Array
    """(window, features) as the encoder read it, normalised."""
    observation: Float32Array
    position: int
    """Index of the position to explain against flat."""


@dataclass(frozen=True, slots=True)
class Made:
    """One decision: what is answered, and what was read for it."""

    answer: dict[str, Any]
    """Entries of `DecideOut` that the engine knows."""
    opens: bool
    """Whether its order opens or turns a position."""
    risk: str
    """The limits' memory after the bar, as text to keep."""
    grounds: dict[str, Any]
    """For the audit log, beside the answer."""
    explicable: Explicable
    seen: BarFacts
    """For the guards."""


class DecisionEngine:
    """Decides for one account on every served market; one thread at a time.

    Args:
        markets: by symbol.
        runtime: who evaluates the networks.
    """

    def __init__(self, markets: Mapping[str, ServedMarket], runtime: Runtime) -> None:
        self.markets, self.runtime = markets, runtime
        self._memories = {
            symbol: BarMemory(symbol, served.timeframe, served.bars_needed) for symbol, served in markets.items()
        }
        self._last_look: dict[str, tuple[str, Look]] = {}
        self._risk: RiskState | None = None
        self._risk_ns = 0  # open time of the bar it was last told of

    @property
    def bundle(self) -> ModelBundle:
        """The one bundle of all markets."""
        return next(iter(self.markets.values())).bundle

    @property
    def risk(self) -> RiskState | None:
        """The limits' memory; None before the first decision."""
        return self._risk

    def known_until_ns(self, symbol: str) -> int | None:
        """Open time of the newest bar told of a symbol."""
        return self._memories[symbol].until_ns

    def newest_bars(self, symbol: str, n_bars: int) -> Bars:
        """The newest bars told of a symbol, at most so many, oldest first."""
        return self._memories[symbol].newest(n_bars)

    def restore(self, risk: str | None) -> None:
        """Take up the limits' memory as `Made.risk` was kept.

        Raises:
            InvariantError: it is of another AGV2.
        """
        if risk is None:
            return
        found = json.loads(risk)
        if set(found) != {*RiskState._fields, "bar_ts_ns"}:
            raise InvariantError("the kept state of the limits is of another AGV2; look at the account, then remove it")
        self._risk_ns = found.pop("bar_ts_ns")
        self._risk = RiskState(**found)

    def forget_risk(self) -> None:
        """Let the limits begin anew with the next decision's equity."""
        self._risk, self._risk_ns = None, 0

    def warm(self) -> None:
        """Compile or load every kernel by a decision on made-up bars, of which nothing is kept."""
        for symbol, served in self.markets.items():
            n_bars, step_s = served.bars_needed, served.timeframe.nanoseconds // _NS
            wave = 100.0 + np.sin(np.arange(n_bars) / 7.0) + np.sin(np.arange(n_bars) / 61.0)
            close = wave.tolist()
            bars = BarsIn(
                ts=[step_s * (1_000_000_000 // step_s + bar) for bar in range(n_bars)],
                open=[close[0], *close[:-1]],
                high=[price + 1.5 for price in close],
                low=[price - 1.5 for price in close],
                close=close,
            )
            asked = DecideIn(symbol=symbol, bars=bars, book=BookIn(cash=1e5))
            self.decide(asked, 7_258_118_400 * _NS, killed=Killed.REDUCE)
            self.forget_risk()
            self._memories[symbol] = BarMemory(symbol, served.timeframe, served.bars_needed)

    def decide(self, asked: DecideIn, now_ns: int, *, killed: Killed) -> Made:
        """Decide at the close of the newest bar.

        Args:
            asked: bars, book and account.
            now_ns: the time.
            killed: what the kill switch leaves of the policy's wishes.

        Raises:
            HistoryGapError: the bars do not connect to those told before.
            DataError: the symbol is not served, or the bars cannot be used.
        """
        served = self.markets.get(asked.symbol)
        if served is None:
            raise DataError(f"symbol is not served; there are {', '.join(self.markets)}")
        memory = self._memories[asked.symbol]
        bars = memory.joined(asked.bars, now_ns)
        bars_digest, (_, window, view) = self._looked(served, bars)
        if not (np.isfinite(view.volatility) and view.volatility > 0.0 and np.isfinite(window).all()):
            raise DataError("these bars have no usable volatility: their prices stand still or leap beyond measure")
        book = _book(asked.book, view.bar.close)
        account = _account(asked.account, book)
        before = self._risk
        risk = self._observed(account.equity, view.bar.day, served)
        decider = served.decider
        decider = replace(decider, policy=restrained(decider.policy, _HELD_BACK[killed]))
        decision = decider.decide(
            book, risk, account, view.bar, view.volatility, view.levels, view.market_row, view.bar.ts_ns // _NS
        )
        if not np.isfinite(decision.observation).all():
            raise DataError("bars and book give numbers beyond measure; is equity in the account's currency?")
        memory.remember(bars)
        if view.bar.ts_ns >= self._risk_ns:  # a question about the past changes no limit
            self._risk, self._risk_ns = risk, view.bar.ts_ns
        entropy = None if is_halted(risk) else decision.entropy
        seen = BarFacts(now_ns, view.bar, int(bars.close_ns[-1]), view.feature_row, entropy, risk)
        return self._made(served, asked, view, window, decision, before, seen, book, bars_digest, killed)

    def _looked(self, served: ServedMarket, bars: Bars) -> tuple[str, Look]:
        """Digest of the bars read, and what they say: the same for every book that asks at this bar."""
        symbol = served.instrument.symbol
        digest = _bars_digest(bars.slice(len(bars) - served.bars_needed, len(bars)))
        last = self._last_look.get(symbol)
        if last is None or last[0] != digest:
            last = self._last_look[symbol] = (digest, served.look(bars, None if last is None else last[1]))
        return last

    def _observed(self, account_equity: float, day: int, served: ServedMarket) -> RiskState:
        if self._risk is None:
            return fresh_risk_state(account_equity, day)
        return observe_equity(self._risk, account_equity, max(day, self._risk.day), served.decider.params)

    def _made(
        self,
        served: ServedMarket,
        asked: DecideIn,
        view: MarketView,
        window: Float32Array,
        decision: Decision,
        before: RiskState | None,
        seen: BarFacts,
        book: Account,
        bars_digest: str,
        killed: Killed,
    ) -> Made:
        policy = served.decider.policy
        if not isinstance(policy, OnnxPolicy):
            raise InvariantError("a served policy has no probabilities")
        odds = policy.probabilities(decision.observation)
        first, last = served.layout.slices()["regime"]
        trend, consolidation, volatile = decision.observation[first:last].tolist()
        plan, chosen = decision.plan, int(odds[0].argmax())
        order, risk = plan.order, seen.risk
        answer = {
            "model": served.bundle.digest,
            "symbol": asked.symbol,
            "bar_ts": view.bar.ts_ns // _NS,
            "order": None
            if order.order_id == 0
            else {
                "order_id": order.order_id,
                "units": order.units,
                "stop_loss": order.stop_loss,
                "take_profit": order.take_profit,
                "reason": FillReason(order.reason).name.lower(),
            },
            "side": _SIDES[plan.side],
            "stop_loss": plan.stop_loss,
            "take_profit": plan.take_profit,
            "before_units": plan.before_units,
            "after_units": plan.after_units,
            "reason": _reason(plan, chosen, book, killed),
            "probabilities": {name: each.tolist() for name, each in zip(_CHOICES, odds, strict=True)},
            "entropy": decision.entropy,
            "value": decision.value,
            "volatility": view.volatility,
            "regime": {"trend": trend, "consolidation": consolidation, "volatile": volatile},
            "halted": bool(is_halted(risk)),
            "killed": killed is not Killed.NO,
            "risk": _plain(risk),
        }
        return Made(
            answer=answer,
            opens=_opens(plan, book),
            risk=json.dumps({**(self._risk or risk)._asdict(), "bar_ts_ns": self._risk_ns}),
            grounds={
                "input_sha256": _input_digest(asked, bars_digest, before, killed),
                "action": {"side": _SIDES[decision.action.side], "size_frac": decision.action.size_frac},
                "risk_before": None if before is None else _plain(before),
                "runtime": self.runtime.value,
            },
            explicable=Explicable(
                asked.symbol, window, decision.observation, chosen or 1 + int(odds[0][2] > odds[0][1])
            ),
            seen=seen,
        )


def load_engine(
    bundle: Path, symbols: Sequence[str], runtime: Runtime, directory: Path | None, overrides: Sequence[Override]
) -> DecisionEngine:
    """Open a bundle for the symbols asked for, or for all it was trained on, and warm it.

    Args:
        bundle: its directory.
        symbols: empty: all of the bundle's.
        runtime: who evaluates the networks.
        directory: of the settings; None: as shipped.
        overrides: of single settings.

    Raises:
        BundleError: it is damaged, or of another version or market.
        ConfigError: a setting is wrong.
    """
    markets = load_config(MarketsConfig, "markets", directory, overrides)
    costs = load_config(CostsConfig, "costs", directory, overrides)
    risk = load_config(RiskConfig, "risk", directory, overrides)
    names = tuple(symbols) or ModelBundle.load(bundle).manifest.symbols
    if not names:
        raise BundleError(f"{bundle}: trained on no symbol")
    served = {
        name: load_decider(bundle, name, markets, costs, risk, runtime=_KINDS[runtime])  # type: ignore[arg-type]  # one of the three
        for name in names
    }
    engine = DecisionEngine(served, runtime)
    engine.warm()
    return engine


def _opens(plan: Plan, book: Account) -> bool:
    return bool(plan.order.order_id != 0 and plan.side != 0 and plan.side * book.units <= 0.0)


def _reason(plan: Plan, chosen: int, book: Account, killed: Killed) -> str:
    """What became of the wish: the kill switch's doing where it would have opened or turned a position."""
    wish = (0, 1, -1)[chosen]
    if killed is Killed.FLATTEN and book.units != 0.0:
        return "kill_switch"
    if killed is not Killed.NO and wish != 0 and wish * book.units <= 0.0:
        return "kill_switch"
    return PlanReason(plan.reason).name.lower()


def _book(told: BookIn, close: float) -> Account:
    flat = NEVER_HELD if told.bars_flat is None else told.bars_flat
    held = told.units != 0.0
    return Account(
        cash=told.cash,
        units=told.units,
        close_price=close,
        entry_price=told.entry_price if held else 0.0,
        initial_risk=told.initial_risk if held else 0.0,
        stop_loss=told.stop_loss if held else 0.0,
        take_profit=told.take_profit if held else 0.0,
        bracket_order_id=0,
        bracket_decided_ns=0,
        target_decided_ns=0,
        trailed=False,
        bars_held=told.bars_held if held else 0,
        bars_flat=0 if held else flat,
        pending=NO_ORDER,
        wait_bars=0,
    )


def _account(told: AccountIn | None, book: Account) -> AccountView:
    if told is None:
        return AccountView(float(equity(book)), 0.0, 0)
    return AccountView(told.equity, told.other_notional, told.other_positions)


def _plain(risk: RiskState) -> dict[str, float]:
    return {name: float(value) for name, value in zip(RiskState._fields, risk, strict=True)}


def _bars_digest(bars: Bars) -> str:
    digest = hashlib.sha256()
    for name in ("ts_ns", "open", "high", "low", "close", "volume", "spread"):
        digest.update(np.ascontiguousarray(getattr(bars, name)).tobytes())
    return digest.hexdigest()


def _input_digest(asked: DecideIn, bars_digest: str, risk: RiskState | None, killed: Killed) -> str:
    """SHA-256 of everything that the decision read, its bars bit for bit."""
    rest = asked.model_dump(mode="json", exclude={"bars"})
    read = rest | {"bars": bars_digest, "risk": risk and _plain(risk), "killed": killed.value}
    return hashlib.sha256(json.dumps(read, sort_keys=True, allow_nan=False).encode()).hexdigest()
