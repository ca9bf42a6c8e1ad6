"""A trader at the simulated venue, on a tape: what tests of paper trading share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from agv2.backtest.replay import ReplayResult, replay
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import Float32Array
from agv2.core.bars import Bar, Bars
from agv2.core.orders import Fill
from agv2.core.timeframes import Timeframe
from agv2.data.feeds import HistoricalFeed
from agv2.decision.actions import ACTION_NVEC
from agv2.decision.decider import Decider, Policy, PolicyOutput
from agv2.decision.market_view import MarketView
from agv2.execution.broker_desk import AT_SIMULATED_VENUE, BrokerDesk
from agv2.execution.feed_watch import FeedWatch
from agv2.execution.journal import Journal, JournalReader
from agv2.execution.journal_records import BrokerSaved, FillSeen, Started
from agv2.execution.kill_switch import KillSwitch
from agv2.execution.order_executor import OrderExecutor
from agv2.execution.simulated_broker import SimulatedBroker, SimulatedSymbol
from agv2.execution.simulated_venue import SimulatedState
from agv2.execution.size_ramp import FullSize, SizeRamp
from agv2.execution.trader import Trader
from agv2.execution.trader_memory import remember
from agv2.execution.trader_parts import TraderParts, TraderRules
from agv2.execution.trader_status import TraderStatus
from agv2.sim.costs import Costs
from agv2.utils.clock import ReplayClock, SystemClock

__all__ = ["Drifting", "PaperDay", "TapeModel", "bars_of_tape", "fills_of", "replayed"]

MONEY = 100_000.0


class Drifting:
    """A policy that changes its mind now and then: a fixed random reading of what it sees, side and levels included."""

    def __init__(self, size: int, seed: int = 5) -> None:
        rng = np.random.default_rng(seed)
        self.weights = rng.normal(size=(size, sum(ACTION_NVEC)))

    def act(self, observations: Float32Array) -> PolicyOutput:
        logits = observations.astype(np.float64) @ self.weights
        logits[:, :3] = np.where(observations[:, -3:] > 0.0, logits[:, :3], -1e9)
        blocks = np.split(logits, np.cumsum(ACTION_NVEC)[:-1], axis=1)
        actions = np.stack([block.argmax(axis=1) for block in blocks], axis=1)
        return PolicyOutput(actions, np.full(len(actions), 0.5), np.zeros(len(actions)))


@dataclass(slots=True)
class TapeModel:
    """Sees what a tape holds; needs as many bars as it is told to."""

    tape: MarketTape
    policy: Policy
    bars_needed: int = 1
    broken_at: int = 0
    """Open of a bar at which nothing can be seen; 0 for none."""

    @property
    def decider(self) -> Decider:
        return Decider(self.policy, self.tape.params, self.tape.market)

    @property
    def costs(self) -> Costs:
        return self.tape.costs

    def read(self, bars: Bars) -> list[Bar]:
        return [self.tape.bar(self._row(int(stamp)))._replace(
            open=float(bars.open[i]), high=float(bars.high[i]), low=float(bars.low[i]), close=float(bars.close[i])
        ) for i, stamp in enumerate(bars.ts_ns)]  # fmt: skip

    def view(self, bars: Bars) -> MarketView:
        from agv2.core.errors import DataError

        stamp = int(bars.ts_ns[-1])
        if stamp == self.broken_at:
            raise DataError("the close of bar 7 is nan, and prices must be finite and above zero")
        row = self._row(stamp)
        tape = self.tape
        # What a view says depends on its bars: a changed bar changes it.
        shift = float(np.log(bars.close[-1] / tape.bars["close"][row]))
        return MarketView(
            self.read(bars)[-1], float(tape.volatility[row]) * (1.0 + shift), tape.levels_at(row), tape.market_rows[row]
        )

    def _row(self, stamp: int) -> int:
        return int(np.searchsorted(self.tape.bars["ts_ns"], stamp))


def bars_of_tape(tape: MarketTape, minutes: int = 60) -> Bars:
    """The bars that the tape was made of."""
    columns = {name: tape.bars[name].copy() for name in ("open", "high", "low", "close", "volume", "spread")}
    return Bars(tape.symbol, Timeframe(minutes), tape.bars["ts_ns"].copy(), **columns)


class PaperDay:
    """Paper trading of one tape, start after start, in one journal."""

    def __init__(self, folder: Path, model: TapeModel) -> None:
        self.model, self.folder = model, folder
        self.journal_path = folder / "paper.sqlite"
        self.bars = bars_of_tape(model.tape)
        self.status: TraderStatus | None = None
        self.switch = KillSwitch(folder, str(self.journal_path), SystemClock())

    async def run(
        self,
        n_bars: int | None = None,
        *,
        tell: Callable[[TraderStatus, str], None] = lambda status, what: None,
        saw: Callable[[Trader], None] = lambda trader: None,
        rules: dict[str, Any] | None = None,
        ramp_of: Callable[[Journal], SizeRamp] = lambda journal: FullSize(),
        **parts: Any,
    ) -> str:
        """One start, up to the end of the first `n_bars` bars."""
        bars = self.bars.slice(0, len(self.bars) if n_bars is None else n_bars)
        clock = ReplayClock(int(bars.ts_ns[0]))
        with Journal(self.journal_path, clock=clock) as journal:
            memory = remember(journal, bars.symbol)
            first = int(np.searchsorted(bars.ts_ns, memory.done_ns, side="right"))
            if first:
                clock.sleep_until(int(bars.close_ns[first - 1]))
            broker = self.broker(journal, clock)
            desk = BrokerDesk(
                broker, OrderExecutor(broker, journal, clock, AT_SIMULATED_VENUE), journal, bars.symbol, memory.book,
                lambda: broker.book(bars.symbol),
            )  # fmt: skip
            made = TraderParts(
                model=self.model,
                desk=desk,
                feed=HistoricalFeed(bars.slice(first, len(bars)), clock=clock),
                history=bars.slice(0, first),
                journal=journal,
                switch=self.switch,
                clock=clock,
                watch=FeedWatch(bars.timeframe),
                started=Started("paper", broker.name, (bars.symbol,), "0", "", "", {}),
                ramp=ramp_of(journal),
                tell=tell,
            )
            usual: dict[str, Any] = {
                "mode": "paper",
                "symbol": bars.symbol,
                "timeframe": bars.timeframe,
                "poll_s": 0.05,
            }
            trader = Trader(replace(made, **parts), TraderRules(**(usual | {"poll_s": 0.05} | (rules or {}))))
            self.status = trader.status
            saw(trader)
            return await trader.run()

    def broker(self, journal: Journal, clock: ReplayClock) -> SimulatedBroker:
        saved = journal.newest(BrokerSaved)
        kept = None if saved is None else saved.record
        state = SimulatedState.of_json(kept.state) if isinstance(kept, BrokerSaved) else None
        tape = self.model.tape
        traded = {tape.symbol: SimulatedSymbol(tape.market, tape.costs, MONEY, float(tape.bars["close"][0]))}
        return SimulatedBroker(
            traded, clock, state=state, save=lambda now: _keep(journal, now)
        )  # fmt: skip

    def fills(self) -> list[tuple[Any, ...]]:
        """Every fill in the journal, as `fills_of` has them."""
        with JournalReader(self.journal_path) as journal:
            found = [entry.record.fill for entry in journal.entries(kinds=[FillSeen])]  # type: ignore[union-attr]
        return [
            (fill.filled_ns, fill.side, fill.units, fill.price, fill.mid, fill.commission, fill.reason, fill.decided_ns)
            for fill in found
        ]


def _keep(journal: Journal, state: SimulatedState) -> None:
    journal.append(BrokerSaved(state.to_json()))


def fills_of(fills: Sequence[Fill]) -> list[tuple[Any, ...]]:
    """What there is to compare of each."""
    return [
        (fill.ts_ns, fill.side, fill.units, fill.price, fill.mid, fill.commission, fill.reason, fill.decided_ns)
        for fill in fills
    ]


def replayed(model: TapeModel, n_bars: int | None = None) -> ReplayResult:
    """The backtest's account of the same bars; its closing at the end is no part of paper trading."""
    tape = model.tape.slice(0, model.tape.bars.size if n_bars is None else n_bars)
    return replay([tape], model.policy, [MONEY])
