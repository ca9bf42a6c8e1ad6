"""One trial a guard: quiet days lived through, false alarms, and the time from each injected cause to the alarm."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from agv2.core.arrays import Float32Array, FloatArray, IntArray
from agv2.core.bars import Bar
from agv2.data.sessions import Sessions, market_sessions
from agv2.deploy.clock_watch import ClockReading, ClockState, ClockWatch
from agv2.deploy.drift_reference import feature_reference
from agv2.deploy.feed_watch import FeedState, FeedWatch
from agv2.deploy.guards_config import GuardsConfig
from agv2.deploy.monitoring import DriftMonitor
from agv2.deploy.pnl_band import PnlBand
from agv2.deploy.safeguards import Beat, Breaker, Listener
from agv2.risk.config import RiskConfig
from agv2.risk.limits import fresh_risk_state, observe_equity
from agv2.utils.config import load_config
from tools.guard_worlds import (
    FeatureWorld,
    coarse_prices,
    daily_results,
    feature_worlds,
    market_bars,
    policy_entropies,
    without_wicks,
)

__all__ = ["TRIALS", "Trial"]

NS_PER_S = 1_000_000_000
TRADING_DAYS = 252
NEVER = math.inf


@dataclass
class Trial:
    """What one guard did."""

    quiet: str
    """What was simulated."""
    unit: str
    """Of the delays."""
    designed_days: float | None = None
    """Days from one false alarm to the next that its threshold is set for; None where it is no question of chance."""
    quiet_days: int = 0
    alarms: int = 0
    delays: dict[str, list[float]] = field(default_factory=dict)
    """By cause; infinite where it was not noticed."""

    def noticed(self, cause: str, delay: float) -> None:
        """One more injection."""
        self.delays.setdefault(cause, []).append(delay)


Tell = Callable[[str], None]
Measure = Callable[[GuardsConfig, float, int, Tell], Trial]


def alarms_of(monitor: DriftMonitor, rows: FloatArray | Float32Array) -> list[int]:
    """Bars at which the monitor trips, begun anew after each."""
    state, found = monitor.fresh(), []
    for bar, row in enumerate(rows):
        state = monitor.observe(state, row)
        if state.waiting_bars == 0 and monitor.limit_shares(state).max() > 1.0:
            found.append(bar)
            state = monitor.fresh()
    return found


def drift(config: GuardsConfig, scale: float, seed: int, tell: Tell) -> Trial:
    """All 159 features of hourly synthetic markets."""
    trial = Trial(
        "4 years to learn from, then one, of six synthetic markets", "trading days", config.drift.false_alarm_days
    )
    worlds = feature_worlds(max(1, round(12 * scale)), seed)
    for number, (symbol, world_seed) in enumerate(worlds):
        tell(f"{symbol}, world {number + 1} of {len(worlds)}")
        world = FeatureWorld(symbol, world_seed, train_years=4.0, live_years=1.0)
        past = slice(world.warmup, world.split)
        reference = feature_reference(world.values[past], world.days[past], world.columns, config.drift.memory_days)
        monitor = DriftMonitor.calibrated(reference, config.drift.false_alarm_days)
        live = world.values[world.split :]
        trial.quiet_days += int(np.unique(world.days[world.split :]).size)
        trial.alarms += len(alarms_of(monitor, live))
        per_day = len(live) / np.unique(world.days[world.split :]).size
        for cause, rows in broken_features(world).items():
            bars = alarms_of(monitor, rows[: round(60 * per_day)])
            trial.noticed(cause, (bars[0] + 1) / per_day if bars else NEVER)
    return trial


def broken_features(world: FeatureWorld) -> Mapping[str, Float32Array]:
    """What the monitor is shown from the first live bar on, by cause."""
    live, column = world.values[world.split :], world.columns.index
    stuck, doubled, missing = live.copy(), live.copy(), live.copy()
    stuck[:, column("log_return_1")] = stuck[0, column("log_return_1")]
    doubled[:, column("log_return_1")] *= 2.0
    missing[:, column("realized_volatility")] = np.nan
    return {
        "one feature stands still": stuck,
        "one feature twice as large": doubled,
        "one feature missing": missing,
        "a feed without wicks": world.with_bars(without_wicks(world.bars, world.split))[world.split :],
        "a feed with coarse prices": world.with_bars(coarse_prices(world.bars, world.split))[world.split :],
    }


def entropy(config: GuardsConfig, scale: float, seed: int, tell: Tell) -> Trial:
    """A policy whose sureness has moods of days and a rhythm within the day."""
    quiet = "2 years out of sample, then one, of an autoregressive entropy"
    trial = Trial(quiet, "trading days", config.entropy.false_alarm_days)
    count = max(1, round(20 * scale))
    for world in range(count):
        tell(f"world {world + 1} of {count}")
        values, days = policy_entropies(3 * TRADING_DAYS * 24, np.random.default_rng([seed, world]))
        split = 2 * TRADING_DAYS * 24
        reference = feature_reference(values[:split, None], days[:split], ("entropy",), config.entropy.memory_days)
        monitor = DriftMonitor.calibrated(reference, config.entropy.false_alarm_days)
        live = values[split:]
        trial.quiet_days += TRADING_DAYS
        trial.alarms += len(alarms_of(monitor, live[:, None]))
        shown = live[: 60 * 24]
        causes = {
            "certain of everything": np.full(shown.size, 0.05),
            "sure of nothing": np.full(shown.size, 5.2),
            "half a nat less sure": shown + 0.5,
        }
        for cause, rows in causes.items():
            bars = alarms_of(monitor, rows[:, None])
            trial.noticed(cause, (bars[0] + 1) / 24.0 if bars else NEVER)
    return trial


def pnl_alarms(band: PnlBand, returns: FloatArray) -> list[int]:
    """Trading days after which the band trips, begun anew after each."""
    equity, found = 100.0, []
    state = band.observe(band.fresh(), 0, equity)
    for day, one in enumerate(returns):
        equity *= 1.0 + float(one)
        state = band.observe(band.observe(state, day, equity), day + 1, equity)
        if band.finding(state).halted:
            found.append(day)
            state = band.forgotten(state)
    return found


def pnl(config: GuardsConfig, scale: float, seed: int, tell: Tell) -> Trial:
    """An account with a true Sharpe ratio of 1 in backtest and live."""
    quiet = "500 days of backtest, then a year, true Sharpe ratio 1, GARCH with fat tails"
    trial = Trial(quiet, "trading days", config.pnl.false_alarm_days)
    count = max(2, round(100 * scale))
    for world in range(count):
        if world % 20 == 0:
            tell(f"world {world + 1} of {count}")
        rng = np.random.default_rng([seed, world])
        tested = daily_results(500, 1.0, rng)
        band = PnlBand.calibrated(tested, config.pnl.windows_days, config.pnl.false_alarm_days, rng)
        live = daily_results(TRADING_DAYS, 1.0, rng)
        trial.quiet_days += TRADING_DAYS
        trial.alarms += len(pnl_alarms(band, live))
        usual = float(tested.std())
        causes = {
            "one day of eight usual deviations": np.concatenate([[-8.0 * usual], live[1:]]),
            "three times the volatility": 3.0 * live,
            "a leak of half a deviation a day": live - 0.5 * usual,
            "the edge turned round": live - 2.0 * usual / math.sqrt(TRADING_DAYS),
        }
        for cause, returns in causes.items():
            days = pnl_alarms(band, returns)
            trial.noticed(cause, days[0] + 1.0 if days else NEVER)
    return trial


def breakers(config: GuardsConfig, scale: float, seed: int, tell: Tell) -> Trial:
    """The risk layer's limits, on an account at its full volatility target."""
    del config
    profile = load_config(RiskConfig, "risk").active
    params = profile.params(TRADING_DAYS * 24.0)
    breaker = Breaker(params)
    quiet = f"a year at {profile.target_volatility_annual:.0%} volatility, true Sharpe ratio 1"
    trial = Trial(quiet, "bars after the limit was crossed")
    count = max(2, round(100 * scale))
    for world in range(count):
        if world % 20 == 0:
            tell(f"world {world + 1} of {count}")
        rng = np.random.default_rng([seed, world])
        days = daily_results(TRADING_DAYS, 1.0, rng, profile.target_volatility_annual)
        state, equity = fresh_risk_state(100.0, 0), 100.0
        for bar, move in enumerate(within_days(days, rng)):
            equity *= math.exp(move)
            state = observe_equity(state, equity, bar // 24, params)
            if any(found.flatten for found in breaker.findings(state)):
                trial.alarms += 1
                state = fresh_risk_state(equity, bar // 24)
        trial.quiet_days += TRADING_DAYS
        for cause, lost in (("daily loss", params.daily_loss_frac), ("drawdown", params.drawdown_frac)):
            trial.noticed(cause, sinking(breaker, cause, lost, float(rng.uniform(0.002, 0.02))))
    return trial


def within_days(days: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Hourly log moves that add up to each day's."""
    noise = rng.standard_normal((days.size, 24)) * np.abs(days).mean() * math.sqrt(math.pi / 2.0 / 24.0)
    moves = noise - noise.mean(axis=1, keepdims=True) + np.log1p(days)[:, None] / 24.0
    found: FloatArray = moves.ravel()
    return found


def sinking(breaker: Breaker, cause: str, lost: float, step: float) -> float:
    """Bars from the one that crosses the limit to the one after which the breaker says so."""
    state, equity, crossed = fresh_risk_state(100.0, 0), 100.0, None
    for bar in range(2000):
        equity *= 1.0 - step
        state = observe_equity(state, equity, bar if cause == "drawdown" else 0, breaker.params)
        if crossed is None and equity <= 100.0 * (1.0 - lost):
            crossed = bar
        if any(found.flatten and found.guard == cause.replace(" ", "_") for found in breaker.findings(state)):
            return float(bar - crossed) if crossed is not None else NEVER
    return NEVER


def heartbeat(config: GuardsConfig, scale: float, seed: int, tell: Tell) -> Trial:
    """A trader that pauses now and then for reasons of its machine, and a watchdog that looks every few seconds."""
    beat_s, silent_s = config.heartbeat.beat_s, config.heartbeat.silent_s
    poll_s = beat_s / 2.0
    quiet = (
        "a beat every 10 s with pauses: one an hour of some 0.5 s (log-normal), two a week of some 10 s (exponential)"
    )
    trial = Trial(quiet, "s")
    for year in range(max(1, round(20 * scale))):
        tell(f"year {year + 1}")
        rng = np.random.default_rng([seed, year])
        beats = int(TRADING_DAYS * 86_400 / beat_s)
        gaps = beat_s + rng.exponential(0.05, beats)
        gaps += (rng.random(beats) < beat_s / 3600.0) * rng.lognormal(math.log(0.5), 1.2, beats)
        gaps += (rng.random(beats) < 2.0 * beat_s / (5 * 86_400.0)) * rng.exponential(10.0, beats)
        trial.quiet_days += TRADING_DAYS
        trial.alarms += sum(silence(silent_s, poll_s, float(gap), rng) < NEVER for gap in gaps[gaps > silent_s / 2.0])
        for _ in range(50):
            trial.noticed("trader killed", silence(silent_s, poll_s, 10.0 * silent_s, rng))
    return trial


def silence(silent_s: float, poll_s: float, gap_s: float, rng: np.random.Generator) -> float:
    """Seconds from the last beat before a gap to the alarm; infinite if the next beat comes first."""
    listener = Listener(silent_s).listened(Beat(1, 0, 1, "", False), 0)
    now_s = float(rng.uniform(0.0, poll_s))
    listener = listener.listened(Beat(2, 0, 1, "", False), round(now_s * NS_PER_S))
    while (now_s := now_s + poll_s) < gap_s:
        if listener.finding(round(now_s * NS_PER_S)).flatten:
            return now_s
    return NEVER


def feed(config: GuardsConfig, scale: float, seed: int, tell: Tell) -> Trial:
    """Minute bars of metals, polled; some late, some missing, and now and then the venue away for a while."""
    quiet = "minute bars of metals, some 2 s late (log-normal), 1 % missing, two a week the venue away for some 40 s"
    trial = Trial(quiet, "s after the next bar was due")
    watch = FeedWatch(60 * NS_PER_S, round(config.feed.grace_s * NS_PER_S), config.feed.frozen_bars)
    for year in range(max(1, round(5 * scale))):
        tell(f"year {year + 1}")
        rng = np.random.default_rng([seed, year])
        start = int(np.datetime64(f"{2019 + year % 5}-01-01", "ns").astype(np.int64))
        sessions = market_sessions("metals", start, start + 365 * 86_400 * NS_PER_S)
        for opened, closed in zip(sessions.open_ns.tolist(), sessions.close_ns.tolist(), strict=True):
            closes = np.arange(opened + 60 * NS_PER_S, closed + 1, 60 * NS_PER_S)
            late = rng.lognormal(math.log(2.0), 0.7, closes.size)
            late += (rng.random(closes.size) < 2.0 / (5 * 1440.0)) * rng.exponential(40.0, closes.size)
            kept = rng.random(closes.size) > 0.01
            heard = closes[kept] + (late[kept] * NS_PER_S).astype(np.int64)
            newest = np.concatenate([[opened], closes[kept][:-1]])
            own_open, own_close = np.array([opened]), np.array([closed])
            trial.alarms += sum(
                watch.findings(FeedState(int(last), 1.0, 0), int(at), own_open, own_close)[0].halted
                for last, at in zip(newest, heard, strict=True)
                if at - last > 120 * NS_PER_S
            )
        trial.quiet_days += TRADING_DAYS
        for _ in range(20):
            session = int(rng.integers(sessions.open_ns.size))
            last = int(sessions.open_ns[session])
            now_s = float(rng.uniform(0.0, 5.0))
            while not watch.findings(FeedState(last, 1.0, 0), last + round(now_s * NS_PER_S), *_all(sessions))[
                0
            ].halted:
                now_s += 5.0
            trial.noticed("feed gone", now_s - 60.0)
    return trial


def _all(sessions: Sessions) -> tuple[IntArray, IntArray]:
    return sessions.open_ns, sessions.close_ns


def frozen(config: GuardsConfig, scale: float, seed: int, tell: Tell) -> Trial:
    """Hourly bars of synthetic markets, sixty of them quoted without a move in a year."""
    trial = Trial("a year of hourly bars of six synthetic markets", "bars")
    watch = FeedWatch(3600 * NS_PER_S, round(config.feed.grace_s * NS_PER_S), config.feed.frozen_bars)
    nothing = np.empty(0, dtype=np.int64)
    for number, (symbol, world_seed) in enumerate(feature_worlds(max(1, round(12 * scale)), seed)):
        tell(f"{symbol}, world {number + 1}")
        bars = market_bars(symbol, world_seed, TRADING_DAYS * 23)
        state = FeedState(0, 0.0, 0)
        for bar in candles(bars.open, bars.high, bars.low, bars.close):
            state = state.after(bar, 1)
            if watch.findings(state, 1, nothing, nothing)[1].halted:
                trial.alarms += 1
                state = FeedState(1, 0.0, 0)
        trial.quiet_days += TRADING_DAYS
        state, count, price = FeedState(1, 0.0, 0), 0, float(bars.close[-1])
        still = Bar(0, price, price, price, price, 0.0, 0.0, 0, 0.0, 1.0)
        while not watch.findings(state, 1, nothing, nothing)[1].halted:
            state, count = state.after(still, 1), count + 1
        trial.noticed("one price repeated", float(count))
    return trial


def candles(*columns: FloatArray) -> Iterable[Bar]:
    """Bars of nothing but prices."""
    for opened, high, low, close in zip(*(column.tolist() for column in columns), strict=True):
        yield Bar(0, opened, high, low, close, 0.0, 0.0, 0, 0.0, 1.0)


def clock(config: GuardsConfig, scale: float, seed: int, tell: Tell) -> Trial:
    """A clock kept by NTP within some tens of milliseconds, read every five minutes from the venue's answers."""
    quiet = "kept by NTP (20 ms), read every 5 minutes over a network (80 ms, 1 % of answers 10 s late)"
    trial = Trial(quiet, "readings of 5 minutes")
    watch = ClockWatch(config.clock.most_skew_s, config.clock.samples)
    for year in range(max(1, round(5 * scale))):
        tell(f"year {year + 1}")
        rng = np.random.default_rng([seed, year])
        state = ClockState()
        for reading in readings(TRADING_DAYS * 288, 0.0, 0.0, rng):
            state = watch.observe(state, reading)
            if watch.finding(state).halted:
                trial.alarms += 1
                state = ClockState()
        trial.quiet_days += TRADING_DAYS
        for cause, jump_s, rate in (
            ("set 30 s ahead", 30.0, 0.0),
            ("set 30 s back", -30.0, 0.0),
            ("1 s slow a reading", 0.0, -1.0),
        ):
            for _ in range(10):
                trial.noticed(cause, first_skew(watch, jump_s, rate, rng))
    return trial


def first_skew(watch: ClockWatch, jump_s: float, rate_s: float, rng: np.random.Generator) -> float:
    """Readings from a fault of the clock to the alarm."""
    state = ClockState()
    for reading in readings(watch.samples, 0.0, 0.0, rng):
        state = watch.observe(state, reading)
    for count, reading in enumerate(readings(200, jump_s, rate_s, rng), start=1):
        state = watch.observe(state, reading)
        if watch.finding(state).halted:
            return float(count)
    return NEVER


def readings(count: int, jump_s: float, rate_s: float, rng: np.random.Generator) -> Iterable[ClockReading]:
    """Answers of a venue that tells whole seconds, to a machine that is `jump_s + rate_s * number` ahead."""
    journey = rng.lognormal(math.log(0.08), 0.5, (count, 2)) + (rng.random((count, 2)) < 0.005) * 10.0
    kept = 0.02 * rng.standard_normal(count)
    for number in range(count):
        true_s = 300.0 * number + 1_000_000.0 + float(rng.random())
        ahead_s = jump_s + rate_s * number + float(kept[number])
        there_s, back_s = journey[number].tolist()
        venue_s = math.floor(true_s + there_s)
        yield ClockReading(
            asked_ns=round((true_s + ahead_s) * NS_PER_S),
            venue_ns=venue_s * NS_PER_S,
            heard_ns=round((true_s + there_s + back_s + ahead_s) * NS_PER_S),
        )


TRIALS: Mapping[str, Measure] = {
    "drift": drift,
    "entropy": entropy,
    "pnl": pnl,
    "daily loss, drawdown": breakers,
    "heartbeat": heartbeat,
    "stale feed": feed,
    "frozen feed": frozen,
    "clock skew": clock,
}
