"""All guards of one book as one value: facts go in, the latched verdict and what to write down come out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.deploy.bundle_band import bundle_band
from agv2.deploy.clock_watch import SKEW, ClockReading, ClockState, ClockWatch
from agv2.deploy.drift_verdict import drift_verdict
from agv2.deploy.feed_watch import FROZEN, STALE, FeedState, FeedWatch
from agv2.deploy.guard_state import GuardsState
from agv2.deploy.guards_config import DistributionConfig, GuardsConfig
from agv2.deploy.monitoring import DriftMonitor
from agv2.deploy.pnl_band import PNL, PnlBand
from agv2.deploy.safeguards import DAILY_LOSS, DRAWDOWN, Breaker
from agv2.deploy.tripwires import Tripwires
from agv2.deploy.verdicts import GuardRecord, GuardVerdict
from agv2.execution.safeguards import BarFacts
from agv2.models.feature_reference import FeatureReference
from agv2.models.live_reference import LiveReference
from agv2.risk.config import RiskParams

__all__ = ["GuardStep", "Guards"]

DRIFT, ENTROPY = "drift", "entropy"
_NS_PER_S = 1_000_000_000


class GuardStep(NamedTuple):
    """After an event: what to save, then to obey, and what to write down."""

    state: GuardsState
    records: tuple[GuardRecord, ...]

    @property
    def verdict(self) -> GuardVerdict:
        """The strictest that has tripped."""
        return self.state.tripwires.verdict()


@dataclass(frozen=True, slots=True)
class Guards:
    """The guards of one book, made of its bundle; holds no memory of its own."""

    model: str
    breaker: Breaker
    feed: FeedWatch
    clock: ClockWatch
    drift: DriftMonitor | None
    entropy: DriftMonitor | None
    pnl: PnlBand | None
    off: tuple[str, ...]
    """Guards that cannot work with this bundle, each with its reason, for a person to read at every start."""

    @classmethod
    def of_bundle(
        cls,
        model: str,
        reference: LiveReference,
        symbol: str,
        timeframe: Timeframe,
        params: RiskParams,
        config: GuardsConfig,
        n_books: int = 1,
    ) -> "Guards":
        """The guards that a bundle allows.

        Args:
            model: digest of the bundle.
            reference: of the bundle.
            symbol: traded.
            timeframe: of its bars.
            params: limits of the book.
            config: thresholds.
            n_books: books of the account that are guarded alike; they share one rate of false alarms.
        """
        off: list[str] = []
        return cls(
            model=model,
            breaker=Breaker(params),
            feed=FeedWatch(timeframe.nanoseconds, round(config.feed.grace_s * _NS_PER_S), config.feed.frozen_bars),
            clock=ClockWatch(config.clock.most_skew_s, config.clock.samples),
            drift=_monitor(DRIFT, reference.features.get(symbol), config.drift, n_books, off),
            entropy=_monitor(ENTROPY, reference.entropy.get(symbol), config.entropy, n_books, off),
            pnl=_band(reference.daily_returns.get(symbol, np.empty(0)), config, n_books, off),
            off=tuple(off),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the guards that are on."""
        own = [name for name, guard in ((DRIFT, self.drift), (ENTROPY, self.entropy), (PNL, self.pnl)) if guard]
        return *own, DAILY_LOSS, DRAWDOWN, STALE, FROZEN, SKEW

    def fresh(self) -> GuardsState:
        """State of guards that have seen nothing."""
        return GuardsState(
            model=self.model,
            tripwires=Tripwires(),
            drift=None if self.drift is None else self.drift.fresh(),
            entropy=None if self.entropy is None else self.entropy.fresh(),
            pnl=None if self.pnl is None else self.pnl.fresh(),
            feed=FeedState(0, 0.0, 0),
            clock=ClockState(),
        )

    def resumed(self, state: GuardsState) -> GuardsState:
        """A saved state, for these guards: what has tripped stays; what is remembered of another bundle is not kept."""
        if state.model == self.model:
            return state
        return replace(self.fresh(), tripwires=state.tripwires, feed=state.feed, clock=state.clock)

    def after_bar(self, state: GuardsState, facts: BarFacts) -> GuardStep:
        """After a bar that was decided on.

        Raises:
            ShapeError: the row has another number of features than the bundle's.

        Known at: the close of the bar.
        """
        drift, entropy, pnl = state.drift, state.entropy, state.pnl
        found = [*self.breaker.findings(facts.risk)]
        if self.drift is not None and drift is not None:
            drift = self.drift.observe(drift, facts.feature_row)
            found.append(drift_verdict(DRIFT, "features have left the training bars", self.drift, drift))
        if self.entropy is not None and entropy is not None and facts.entropy is not None:
            entropy = self.entropy.observe(entropy, np.array([facts.entropy]))
            found.append(drift_verdict(ENTROPY, "the policy is not as sure as out of sample", self.entropy, entropy))
        if self.pnl is not None and pnl is not None:
            pnl = self.pnl.observe(pnl, facts.bar.day, facts.risk.last_equity)
            found.append(self.pnl.finding(pnl))
        feed = state.feed.after(facts.bar, facts.close_ns)
        nothing = np.empty(0, dtype=np.int64)
        found.extend(self.feed.findings(feed, facts.now_ns, nothing, nothing))
        moved = replace(state, drift=drift, entropy=entropy, pnl=pnl, feed=feed)
        return self._latched(moved, found, facts.now_ns)

    def between_bars(self, state: GuardsState, now_ns: int, open_ns: IntArray, close_ns: IntArray) -> GuardStep:
        """At any moment, also when no bar comes.

        Args:
            state: so far.
            now_ns: nanoseconds since 1970, UTC.
            open_ns: (n_sessions,) when the market opens, rising, around now.
            close_ns: (n_sessions,) when it closes.
        """
        return self._latched(state, self.feed.findings(state.feed, now_ns, open_ns, close_ns), now_ns)

    def after_reading(self, state: GuardsState, reading: ClockReading, now_ns: int) -> GuardStep:
        """After an answer of the venue that told its time."""
        clock = self.clock.observe(state.clock, reading)
        return self._latched(replace(state, clock=clock), [self.clock.finding(clock)], now_ns)

    def rearmed(self, state: GuardsState, guard: str, by: str, note: str, now_ns: int) -> GuardStep:
        """After a person has re-armed a guard: it forgets what it remembered, or it would trip again on old news.

        The limits of the account are no memory of the guard: while the risk layer itself is halted, they trip again.

        Raises:
            ConfigError: nobody is named, or the guard has not tripped.
        """
        latched = state.tripwires.rearmed(guard, by, note, now_ns)
        state = replace(state, tripwires=latched.tripwires)
        if guard == DRIFT and self.drift is not None:
            state = replace(state, drift=self.drift.fresh())
        elif guard == ENTROPY and self.entropy is not None:
            state = replace(state, entropy=self.entropy.fresh())
        elif guard == PNL and self.pnl is not None and state.pnl is not None:
            state = replace(state, pnl=self.pnl.forgotten(state.pnl))
        return GuardStep(state, latched.records)

    def _latched(self, state: GuardsState, found: Iterable[GuardVerdict], now_ns: int) -> GuardStep:
        latched = state.tripwires.observed(found, now_ns)
        return GuardStep(replace(state, tripwires=latched.tripwires), latched.records)


def _monitor(
    guard: str, known: FeatureReference | None, config: DistributionConfig, n_books: int, off: list[str]
) -> DriftMonitor | None:
    if known is None:
        off.append(f"{guard}: the bundle does not say what was usual for this symbol")
        return None
    if known.daily_worst.size < config.least_days:
        off.append(f"{guard}: the bundle knows {known.daily_worst.size} days, {config.least_days} are needed")
        return None
    return DriftMonitor.calibrated(known, config.false_alarm_days * n_books)


def _band(returns: FloatArray, config: GuardsConfig, n_books: int, off: list[str]) -> PnlBand | None:
    try:
        return bundle_band(returns, config, n_books)
    except DataError as error:
        off.append(f"{PNL}: {error}")
        return None
