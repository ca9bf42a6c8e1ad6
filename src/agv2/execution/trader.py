"""The trader: one loop for paper and live, one symbol. A bar closes: look, count, decide, write it down, act."""

import asyncio
import dataclasses
import hashlib
from contextlib import nullcontext, suppress

import numpy as np
import structlog

from agv2.core.account import Account
from agv2.core.bars import Bar, Bars
from agv2.core.errors import AGV2Error, InvariantError
from agv2.decision.decider import Decider, Decision
from agv2.decision.market_view import MarketView
from agv2.decision.restrained_policy import HeldBack, restrained
from agv2.execution.attribution import OnlineAttribution
from agv2.execution.desk import DeskView
from agv2.execution.feed_watch import FeedHealth
from agv2.execution.halts import HaltChange, Halts
from agv2.execution.journal_records import (
    BarSeen,
    DecisionMade,
    InputsSeen,
    Noted,
    RiskSaved,
    Stopped,
)  # fmt: skip
from agv2.execution.safeguards import BarFacts
from agv2.execution.trader_bars import joined_bars, next_bars
from agv2.execution.trader_memory import TraderMemory, remember
from agv2.execution.trader_parts import Model, TraderParts, TraderRules
from agv2.execution.trader_patience import Patience, lasting_bars
from agv2.execution.trader_status import MadeDecision, TraderStatus
from agv2.risk.config import RiskParams
from agv2.risk.limits import RiskState, fresh_risk_state, is_halted, observe_equity
from agv2.risk.trailing import with_trailed_stop
from agv2.sim.costs import Costs
from agv2.utils.tracing import span, step, traceparent

__all__ = ["Trader"]

_NS = 1_000_000_000
_TRIES_BEFORE_THE_END = 10


class Trader:
    """Trades one symbol until it is stopped, the feed ends, or something is wrong that no waiting cures.

    Every bar: written down, observed by the venue's side, the stop trailed, the limits' memory brought up to date; then
    the decision, which is written down with that memory before its order is sent. A start goes on where the journal
    ends: a bar that was carried through is not carried through again, a decision whose order was never sent is.

    Args:
        parts: what it works with.
        rules: how it behaves.
    """

    def __init__(self, parts: TraderParts, rules: TraderRules) -> None:
        self._parts, self._rules = parts, rules
        self._memory: TraderMemory = remember(parts.journal, rules.symbol)
        self._risk: RiskState | None = self._memory.risk
        self._number = self._memory.number
        self._book: Account | None = self._memory.book
        self._bars = parts.history
        self._count: OnlineAttribution | None = None
        self._stopping = asyncio.Event()
        self._stop_reason = ""
        self._decided_once = False
        self._halts = Halts(parts.switch, parts.desk, self._memory.halted_ns)
        self._flattening = Patience(rules.poll_s)
        self.status = TraderStatus(rules.mode, rules.symbol, rules.timeframe.name, parts.desk.name)

    def stop(self, reason: str) -> None:
        """Ask it to end after what it is doing."""
        self._stop_reason = self._stop_reason or reason
        self._stopping.set()

    async def run(self) -> str:
        """Trade; returns why it ended.

        Raises:
            AGV2Error: something no waiting cures: the journal cannot be written, the feed is gone for good, or we
                are wrong. What is held keeps its stop at the venue.
        """
        parts = self._parts
        parts.switch.register()
        parts.journal.append(parts.started, *self._unseen_history())
        try:
            for line in parts.safeguards.begin(parts.clock.now_ns()):
                self._note("info", line)
            await self._heed_switch()
            self.status.doubt = await parts.desk.start()
            await self._finish_last_decision()
            reason = await self._follow()
            if self._rules.flatten_on_stop and self._stopping.is_set():
                await self._flatten_before_the_end()
        except (AGV2Error, OSError) as error:
            if isinstance(error, InvariantError):  # we are wrong: nothing more is opened until a person has looked
                parts.switch.throw(str(error), "agv2")
            with suppress(AGV2Error):
                parts.journal.append(Stopped(f"failed: {error}"))
            raise
        parts.journal.append(Stopped(reason))
        parts.safeguards.end(parts.clock.now_ns())
        return reason

    def _unseen_history(self) -> list[BarSeen]:
        """Bars that decisions will read and the journal does not hold: a replay needs them."""
        model, bars = self._parts.model, self._bars
        if model is None or not len(bars):
            return []
        first = max(len(bars) - model.bars_needed, 0)
        name = self._rules.timeframe.name
        read = model.read(bars.slice(first, len(bars)))
        return [BarSeen(self._rules.symbol, name, bar) for bar in read if bar.ts_ns > self._memory.seen_ns]

    # ------------------------------------------------------------------------------------------- the loop

    async def _follow(self) -> str:
        feed = lasting_bars(self._parts.feed, lambda why: self._note("alarm", why), self._rules.poll_s)
        stopping = asyncio.create_task(self._stopping.wait())
        coming: asyncio.Task[Bars] | None = None
        since_s = asyncio.get_running_loop().time()
        try:
            while not self._stopping.is_set():
                coming = coming or asyncio.create_task(next_bars(feed))
                done, _ = await asyncio.wait(
                    {coming, stopping}, timeout=self._rules.poll_s, return_when=asyncio.FIRST_COMPLETED
                )
                if coming in done:
                    bars, coming = coming.result(), None
                    if len(bars) == 0:
                        return "the feed ended"
                    await self._take(bars)
                    if self._rules.once and self._decided_once:
                        return "one bar, as asked"
                elif not done:
                    await self._look_after()
                waited_s = asyncio.get_running_loop().time() - since_s
                if self._rules.once and waited_s >= self._rules.once_wait_s:
                    return f"no bar to decide on within {self._rules.once_wait_s:g} s"
            return self._stop_reason
        finally:
            for task in (stopping, coming):
                if task is not None:
                    task.cancel()
                    with suppress(asyncio.CancelledError, StopAsyncIteration, AGV2Error):
                        await task

    async def _take(self, bars: Bars) -> None:
        """Each of the new bars; of several only the newest can be fresh enough to be decided on."""
        model = self._parts.model
        if model is None:
            return
        self._parts.watch.heard(int(bars.close_ns[-1]))
        for row in range(len(bars)):
            one = bars.slice(row, row + 1)
            if int(one.ts_ns[0]) <= self._memory.done_ns:
                continue
            self._bars = joined_bars(self._bars, one, model.bars_needed)
            is_newest = row == len(bars) - 1
            with span("bar", symbol=self._rules.symbol, bar_ts=int(one.ts_ns[0]) // _NS):
                async with self._parts.turn() if is_newest else nullcontext("") as wait:
                    await self._on_bar(model, wait, is_newest=is_newest)
            if self._stopping.is_set():
                return

    async def _look_after(self) -> None:
        """Between bars: the guards, the switch, the venue, the age of the feed."""
        status, guards = self.status, self._parts.safeguards
        guards.tick(self._parts.clock.now_ns())
        status.tripped = guards.tripped()
        await self._heed_switch()
        status.doubt = await self._parts.desk.watch()
        if self._parts.model is None:
            status.restraint = "no model: what is held is protected"
        state = status.switch
        if state.is_thrown and state.flattens:
            await self._flatten_for(state.number)
        self._measure_feed()
        self._parts.tell(status, "tick")

    # ------------------------------------------------------------------------------------------- one bar

    async def _on_bar(self, model: Model, wait: str, *, is_newest: bool) -> None:
        parts, status = self._parts, self.status
        bar = model.read(self._bars.slice(max(len(self._bars) - 2, 0), len(self._bars)))[-1]
        view, trouble = self._viewed(model)
        if bar.ts_ns > self._memory.seen_ns:
            parts.journal.append(BarSeen(self._rules.symbol, self._rules.timeframe.name, bar))
        seen = await parts.desk.observe(bar)
        status.doubt = seen.doubt or wait
        before = self._book
        book, params = seen.book, self._params(model)
        if view is not None:
            book = with_trailed_stop(book, bar, view.volatility, params, model.decider.market)
            if book.stop_loss != seen.book.stop_loss:
                moved = await parts.desk.move_stop(book, bar.ts_ns)
                if moved:
                    self._note("warning", f"stop not moved: {moved}")
        self._observe_risk(bar, seen, params)
        if self._risk is None:  # nobody knows what the account is worth, and never knew
            parts.tell(status, "bar")
            return
        self._count_bar(bar, before, seen, model.costs)
        self._book, status.book, status.bar, status.params = book, book, bar, params
        status.n_bars += 1
        await self._heed_switch()
        self._measure_feed()
        for fill in seen.fills:
            status.fills.append(fill)
            status.n_fills += 1
            parts.tell(status, "fill")
        late = not is_newest or parts.watch.is_late(parts.clock.now_ns())
        if view is None or late:
            if view is not None:
                self._guard(view, None)
            self._save_risk(bar)
            if view is None:
                self._note("alarm", f"no decision: {trouble}; what is held stays, with its stop")
            parts.tell(status, "bar")
            return
        await self._decide(model, view, seen, book, params)

    def _viewed(self, model: Model) -> tuple[MarketView | None, str]:
        try:
            return model.view(self._bars), ""
        except InvariantError:
            raise
        except AGV2Error as error:  # bars that nothing can be computed from: hold, and say so
            return None, str(error)

    async def _decide(
        self, model: Model, view: MarketView, seen: DeskView, book: Account, params: RiskParams
    ) -> None:  # fmt: skip
        parts, status, risk = self._parts, self.status, self._risk
        assert risk is not None  # observed before every decision
        held_back, restraint, decider = self._restrained(model.decider, params)
        self._number += 1
        with step("decide", number=self._number):
            decision = decider.decide(
                book, risk, seen.account, view.bar, view.volatility, view.levels, view.market_row, self._number
            )
        self._guard(view, None if is_halted(risk) else decision.entropy)
        record = self._record(decision, book, held_back, params.size_share)
        parts.journal.append(
            RiskSaved(parts.desk.name, view.bar.ts_ns, risk),
            InputsSeen(
                self._rules.symbol, view.bar.ts_ns, view.volatility, view.levels,
                InputsSeen.packed_row(view.market_row), seen.account,
            ),
            record,
        )  # fmt: skip
        self._memory = dataclasses.replace(self._memory, done_ns=view.bar.ts_ns)
        outcome = await self._carry_out(decision)
        status.n_decisions += 1
        status.restraint = restraint
        status.decisions.append(MadeDecision(record, restraint, outcome))
        self._decided_once = True
        parts.tell(status, "decision")

    async def _carry_out(self, decision: Decision) -> str:
        """Send the order, unless the switch was thrown while we thought and the order would open something."""
        order, book = decision.plan.order, self._book
        if order.order_id == 0:
            return ""
        held = 0.0 if book is None else book.units
        opens = decision.plan.side != 0 and decision.plan.side * held <= 0.0
        if opens and not self.status.switch.is_thrown and self._parts.switch.state().is_thrown:
            await self._heed_switch()
            return "withheld: the kill switch was thrown"
        with step("order", number=self._number) as sending:
            outcome = await self._parts.desk.carry_out(decision.plan)
            sending.tell(outcome=outcome)
        self.status.n_orders += 1
        return outcome

    def _record(self, decision: Decision, book: Account, held_back: HeldBack, size_share: float) -> DecisionMade:
        return DecisionMade(
            symbol=self._rules.symbol,
            bar_ts_ns=decision.ts_ns,
            observation_digest=hashlib.sha256(np.ascontiguousarray(decision.observation).tobytes()).hexdigest(),
            action=decision.action,
            plan=decision.plan,
            entropy=decision.entropy,
            value=decision.value,
            book=book,
            number=self._number,
            held_back=held_back,
            restraint=self.status.restraint,
            size_share=size_share,
            trace=traceparent(),
        )

    # ------------------------------------------------------------------------------- limits and restraints

    def _params(self, model: Model) -> RiskParams:
        """The limits, a new position's size cut to the ramp's share."""
        share = self._parts.ramp.share()
        self.status.ramp = self._parts.ramp.words()
        return model.decider.params._replace(size_share=share)

    def _restrained(self, decider: Decider, params: RiskParams) -> tuple[HeldBack, str, Decider]:
        """The decider, its policy held back as far as halts and doubts want it, and why."""
        status, held_back, why = self.status, HeldBack.NOT, ""
        switch = status.switch
        if switch.is_thrown:
            held_back, why = HeldBack.REDUCING, f"kill switch: {switch.reason}"
            if switch.flattens:
                held_back = HeldBack.FLAT
        elif status.doubt:
            held_back, why = HeldBack.REDUCING, status.doubt
        elif status.health is FeedHealth.SKEWED:
            held_back, why = HeldBack.REDUCING, f"clocks are {status.skew_s:+.1f} s apart"
        status.restraint = why
        policy = restrained(decider.policy, held_back)
        return held_back, why, dataclasses.replace(decider, policy=policy, params=params)

    def _observe_risk(self, bar: Bar, seen: DeskView, params: RiskParams) -> None:
        """The limits after the bar; a daily loss or the drawdown breaker throws the kill switch: a person re-arms."""
        equity = seen.account.equity
        before = self._risk
        if seen.doubt and equity <= 0.0:
            return  # the venue was not read since the start: unknown money is no loss, and no beginning
        if before is None:
            self._risk = fresh_risk_state(equity, bar.day)
        else:
            self._risk = observe_equity(before, equity, max(bar.day, before.day), params)
            if self._risk.daily_loss_hit and not before.daily_loss_hit:
                self._throw(f"daily loss limit of {params.daily_loss_frac:.1%} hit")
            if self._risk.breaker_until_day and not before.breaker_until_day:
                self._throw(f"drawdown limit of {params.drawdown_frac:.1%} hit")
        self.status.risk = self._risk

    def _throw(self, reason: str) -> None:
        self._parts.switch.throw(reason, "risk limits", flatten=True)

    async def _heed_switch(self) -> None:
        change = await self._halts.heed()
        self.status.switch = self._halts.state
        if change is HaltChange.THROWN:
            self._say("alarm", f"kill switch thrown by {self._halts.state.by}: {self._halts.state.reason}")
        elif change is HaltChange.REARMED:
            self._rearm_risk()
            self._say("info", f"re-armed by {self._halts.state.by}: {self._halts.state.reason}")

    def _rearm_risk(self) -> None:
        """A person let trading go on after the breaker: from a new peak. A daily loss still halts until tomorrow."""
        if self._risk is not None and self._risk.breaker_until_day:
            self._risk = self._risk._replace(breaker_until_day=0, peak_equity=self._risk.last_equity)

    def _guard(self, view: MarketView, entropy: float | None) -> None:
        """Tell the guards of the newest bar; one that trips throws the switch, which holds back the bar's own order."""
        guards, now_ns = self._parts.safeguards, self._parts.clock.now_ns()
        assert self._risk is not None  # observed before
        guards.after_bar(
            BarFacts(now_ns, view.bar, int(self._bars.close_ns[-1]), view.feature_row, entropy, self._risk)
        )
        self.status.tripped = guards.tripped()

    def _save_risk(self, bar: Bar) -> None:
        assert self._risk is not None
        self._parts.journal.append(RiskSaved(self._parts.desk.name, bar.ts_ns, self._risk))
        self._memory = dataclasses.replace(self._memory, done_ns=bar.ts_ns)

    def _measure_feed(self) -> None:
        parts, status, now_ns = self._parts, self.status, self._parts.clock.now_ns()
        if parts.venue_now is not None:
            parts.watch.compared(now_ns, parts.venue_now())
        before, status.health = status.health, parts.watch.health(now_ns)
        status.age_s, status.skew_s = parts.watch.age_s(now_ns), parts.watch.skew_s
        if status.health is not before and FeedHealth.WAITING not in (before, status.health):
            level = "info" if status.health is FeedHealth.FRESH else "warning"
            self._note(
                level, f"feed {status.health}: newest bar {status.age_s:,.0f} s old, clocks {status.skew_s:+.1f} s"
            )

    # -------------------------------------------------------------------------------------------- the rest

    async def _finish_last_decision(self) -> None:
        """Send the order of a decision that was written down before a kill and not carried out."""
        made = self._memory.decision
        if made is None or made.bar_ts_ns != self._memory.done_ns or made.plan.order.order_id == 0:
            return
        close_ns = made.bar_ts_ns + self._rules.timeframe.nanoseconds
        self._parts.watch.heard(close_ns)
        state = self.status.switch
        if state.is_thrown or self.status.doubt or self._parts.watch.is_late(self._parts.clock.now_ns()):
            return
        async with self._parts.turn() as wait:
            if not wait and not await self._parts.desk.is_carried_out(made.plan):
                outcome = await self._parts.desk.carry_out(made.plan)
                self._note("info", f"the order of the last decision was not sent before the restart: {outcome}")

    async def _flatten_for(self, number: int) -> None:
        """Obey the switch's change `number`: try, at growing pauses, until nothing is left."""
        if self._flattening.is_due(number):
            came = await self._parts.desk.flatten()
            if self._flattening.tried(came.is_done, came.words):
                self._note("alarm", f"flatten: {came.words}")

    async def _flatten_before_the_end(self) -> None:
        came = await self._parts.desk.flatten()
        for _ in range(_TRIES_BEFORE_THE_END - 1):
            if came.is_done:
                break
            await asyncio.sleep(self._rules.poll_s)
            came = await self._parts.desk.flatten()
        self._note("info" if came.is_done else "alarm", f"stopping: {came.words}")

    def _count_bar(self, bar: Bar, before: Account | None, seen: DeskView, costs: Costs) -> None:
        equity = seen.account.equity
        if self._count is None:
            self._count = OnlineAttribution(costs, equity, bar.close)
            self.status.first_equity = equity
            return
        held = (0.0, 0.0, 0.0) if before is None else (before.units, before.stop_loss, before.take_profit)
        self._count.observe(bar, *held, seen.fills, equity)
        self.status.attribution = self._count.so_far

    def _note(self, level: str, text: str) -> None:
        self._parts.journal.append(Noted(level, text, self._rules.symbol))
        self._say(level, text)

    def _say(self, level: str, text: str) -> None:
        structlog.get_logger().log(_LEVELS[level], text, symbol=self._rules.symbol)
        self.status.news.append((level, text))
        self._parts.tell(self.status, "note")


_LEVELS = {"info": 20, "warning": 30, "alarm": 40}
