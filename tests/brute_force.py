"""The simulator's rules a second time, slow and plain, to hold the fast one against.

Written from the rules alone: no kernel, no numpy arithmetic, positions as whole lot steps, time as dates. What the
repository's own types bring in is data: bars, costs, limits. Nothing here is fast, and nothing here may be shared with
what it is compared with.
"""

import datetime
import math
import zoneinfo
from dataclasses import dataclass, field
from typing import NamedTuple

from agv2.core.bars import Bars
from agv2.core.instruments import Market
from agv2.core.timeframes import SessionCalendar
from agv2.risk.config import RiskParams
from agv2.sim.costs import Costs

__all__ = ["BookSetup", "Outcome", "brute_force"]

SIDES, SIZES, STOPS, TARGETS = (0, 1, -1), (0.25, 0.5, 0.75, 1.0), (1.5, 2.5, 5.0, 10.0), (1.5, 2.0, 3.0, 4.0)
CONSTANT, BAR, HOURLY = 0, 1, 2


@dataclass(frozen=True)
class BookSetup:
    """One symbol that is traded, and with what money."""

    bars: Bars
    calendar: SessionCalendar
    hourly_spread: list[float] | None
    volatility: list[float]
    levels: list[tuple[float, float]]
    """Of each bar: how far below and above the close the nearest level is, volatility units; NaN for none."""
    market: Market
    limits: RiskParams
    costs: Costs
    initial_equity: float


class Filled(NamedTuple):
    symbol: str
    order_id: int
    ts_ns: int
    side: int
    units: float
    price: float
    mid: float
    commission: float
    reason: str
    decided_ns: int


class Marked(NamedTuple):
    symbol: str
    ts_ns: int
    equity: float
    cash: float
    units: float
    financing: float
    halted: bool


class Decided(NamedTuple):
    symbol: str
    ts_ns: int
    ordered_units: float
    reason: str


@dataclass
class Outcome:
    """All that happened, in order."""

    fills: list[Filled] = field(default_factory=list)
    equity: list[Marked] = field(default_factory=list)
    decisions: list[Decided] = field(default_factory=list)


@dataclass
class Waiting:
    """An order: lot steps to fill, and what it will be protected by."""

    order_id: int
    steps: int
    stop: float
    target: float
    reason: str
    decided_ns: int
    opens_to_wait: int


class Book:
    """One account of one symbol; it lives through bars and takes orders."""

    def __init__(self, setup: BookSetup, outcome: Outcome) -> None:
        self.setup, self.outcome = setup, outcome
        self.symbol, self.next_bar, self.decisions = setup.bars.symbol, 0, 0
        self.cash, self.steps, self.close = setup.initial_equity, 0, float(setup.bars.close[0])
        self.stop = self.target = 0.0
        self.bracket_id = self.bracket_decided_ns = self.target_decided_ns = 0
        self.trailed = False
        self.entered_at: int | None = None
        self.closed_at: int | None = None
        self.waiting: Waiting | None = None
        self.step_units = setup.market.contract_size * setup.market.lot_step

    @property
    def equity(self) -> float:
        return self.cash + self.steps * self.step_units * self.close

    @property
    def committed(self) -> float:
        """Notional that it holds, or will once what it ordered is filled, whichever is more."""
        return max(abs(self.steps), abs(self.expected)) * self.step_units * self.close

    @property
    def expected(self) -> int:
        return self.steps + (self.waiting.steps if self.waiting else 0)

    def stamp(self, i: int) -> int:
        return int(self.setup.bars.ts_ns[i])

    def live_through(self, i: int) -> float:
        """Bar `i`: nights, the order at the open, gaps through the bracket, the range, the mark. Returns financing."""
        bars, costs = self.setup.bars, self.setup.costs
        open_, high, low = float(bars.open[i]), float(bars.high[i]), float(bars.low[i])
        paid = 0.0
        if self.steps != 0:
            rate = costs.financing_long_frac_per_night if self.steps > 0 else costs.financing_short_frac_per_night
            paid = abs(self.steps) * self.step_units * open_ * rate * nights(self.setup, i)
            self.cash -= paid
        half = self.half_spread(i)
        self.fill_waiting(i, open_, half)
        if self.steps > 0:
            if self.stop and open_ <= self.stop:
                self.leave(i, open_, self.market_price(open_, -1, half), "stop_loss")
            elif self.target and open_ * (1 - half) >= self.target:
                self.leave(i, within(self.target / (1 - half), low, high), self.target, "take_profit")
            elif self.stop and low <= self.stop:
                self.leave(i, self.stop, self.market_price(self.stop, -1, half), "stop_loss")
            elif self.target and high * (1 - half) >= self.target:
                self.leave(i, within(self.target / (1 - half), low, high), self.target, "take_profit")
        elif self.steps < 0:
            if self.stop and open_ >= self.stop:
                self.leave(i, open_, self.market_price(open_, 1, half), "stop_loss")
            elif self.target and open_ * (1 + half) <= self.target:
                self.leave(i, within(self.target / (1 + half), low, high), self.target, "take_profit")
            elif self.stop and high >= self.stop:
                self.leave(i, self.stop, self.market_price(self.stop, 1, half), "stop_loss")
            elif self.target and low * (1 + half) <= self.target:
                self.leave(i, within(self.target / (1 + half), low, high), self.target, "take_profit")
        self.close = float(bars.close[i])
        self.trail(i)
        return paid

    def trail(self, i: int) -> None:
        """The stop follows the close, never away from it, in force from the next bar on."""
        behind = self.setup.limits.trailing_units * self.setup.volatility[i] * self.close
        if behind == 0.0 or self.steps == 0 or self.stop == 0.0:
            return
        moved = self.on_grid(-sign(self.steps), behind)
        if (moved - self.stop) * self.steps > 0:
            self.stop, self.trailed, self.bracket_decided_ns = moved, True, self.stamp(i)

    def end(self, i: int) -> None:
        """The last bar is over: orders are dropped, what is open is closed at its close."""
        self.waiting = None
        if self.steps != 0:
            self.bracket_id, self.bracket_decided_ns = self.decisions + 1, self.stamp(i - 1)
            side = -1 if self.steps > 0 else 1
            self.leave(i, self.close, self.market_price(self.close, side, self.half_spread(i)), "end")

    def half_spread(self, i: int) -> float:
        costs = self.setup.costs
        if costs.spread_source == HOURLY and self.setup.hourly_spread is not None:
            return costs.half_spread_frac * self.setup.hourly_spread[local_time(self.setup, i).hour]
        if costs.spread_source == BAR and self.setup.bars.spread[i] > 0:
            return float(self.setup.bars.spread[i]) / 2 / float(self.setup.bars.open[i])
        return costs.half_spread_frac

    def market_price(self, mid: float, side: int, half: float) -> float:
        return mid + side * mid * (half + self.setup.costs.slippage_frac)

    def fill_waiting(self, i: int, open_: float, half: float) -> None:
        order = self.waiting
        if order is None:
            return
        if order.opens_to_wait > 0:
            order.opens_to_wait -= 1
            return
        costs, market = self.setup.costs, self.setup.market
        steps = abs(order.steps)
        if costs.fill_frac < 1.0:
            steps = self.whole_steps(costs.fill_frac * steps) or steps
        volume = float(self.setup.bars.volume[i])
        if costs.participation_cap > 0.0 and not math.isnan(volume):
            steps = min(steps, self.whole_steps(costs.participation_cap * volume / self.step_units))
        side = 1 if order.steps > 0 else -1
        before = self.steps
        if steps > 0:
            price = self.market_price(open_, side, half)
            self.book_fill(i, side, steps, price, open_, order.reason, order.order_id, order.decided_ns)
            if self.steps != 0 and before * self.steps <= 0:  # opened or turned
                self.stop, self.target = order.stop, order.target
                self.bracket_id, self.bracket_decided_ns = order.order_id, order.decided_ns
                self.target_decided_ns, self.trailed = order.decided_ns, False
                self.entered_at = i
        order.steps -= side * steps
        if order.steps == 0 or not costs.carry_partial or (steps > 0 and self.steps == 0):
            self.waiting = None
        assert abs(self.steps * market.lot_step) < 1e12

    def leave(self, i: int, mid: float, price: float, reason: str) -> None:
        side = -1 if self.steps > 0 else 1
        decided_ns = self.target_decided_ns if reason == "take_profit" else self.bracket_decided_ns
        if reason == "stop_loss" and self.trailed:
            reason = "trailing"
        self.book_fill(i, side, abs(self.steps), price, mid, reason, self.bracket_id, decided_ns)
        self.waiting = None

    def book_fill(
        self, i: int, side: int, steps: int, price: float, mid: float, reason: str, order_id: int, decided_ns: int
    ) -> None:
        units = steps * self.step_units
        costs = self.setup.costs
        fee = units * price * costs.commission_frac + steps * self.setup.market.lot_step * costs.commission_per_lot
        self.cash -= side * units * price + fee
        self.steps += side * steps
        if self.steps == 0:
            self.stop = self.target = 0.0
            self.entered_at, self.closed_at = None, i
        fill = Filled(self.symbol, order_id, self.stamp(i), side, units, price, mid, fee, reason, decided_ns)
        self.outcome.fills.append(fill)

    def whole_steps(self, steps: float) -> int:
        """Lot steps that can be traded of so many: whole, at least the smallest lot or none, at most the largest."""
        market = self.setup.market
        whole = min(math.floor(steps + 1e-9), round(market.max_lot / market.lot_step))
        return whole if whole * market.lot_step >= market.min_lot * (1 - 1e-9) else 0

    def decide(self, i: int, wish: tuple[int, int, int, int], account: "RiskOfficer", others: list["Book"]) -> None:
        """At the close of bar `i`: at most one order."""
        self.decisions += 1
        market, limits = self.setup.market, self.setup.limits
        wished, size = SIDES[wish[0]], SIZES[wish[1]]
        holding, held = sign(self.expected), sign(self.steps)
        wanted_units = self.equity * limits.target_volatility / self.setup.volatility[i] / self.close
        side, reason = wished, "as_wished"
        if account.lost_too_much_today:
            side, reason = 0, "daily_loss"
        elif account.stopped_until is not None:
            side, reason = 0, "drawdown"
        elif self.equity <= 0.0:
            side, reason = 0, "ruined"
        elif (
            held
            and self.equity <= market.stop_out_frac * abs(self.steps) * self.step_units * self.close / market.leverage
        ):
            side, reason = 0, "stopped_out"
        elif wished == holding:
            reason = "hold"
        elif held and self.entered_at is not None and i - self.entered_at + 1 < limits.min_hold_bars:
            side, reason = holding, "min_hold"
        elif wished and limits.cooldown_bars and (held or self.cooling(i)):
            side, reason = 0, "cooldown"
        elif wished and not held and sum(other.committed > 0 for other in others) >= limits.max_positions:
            side, reason = 0, "max_positions"

        target_steps = 0
        if side != holding and side != 0 and side != held:
            room = max(limits.max_exposure * account.equity - sum(other.committed for other in others), 0.0)
            # What the evidence for an edge warrants: a share of the usual size, and the Kelly cap.
            kelly = max(self.equity, 0.0) * limits.kelly_volatility / self.setup.volatility[i] / self.close
            warranted = min(wanted_units * limits.evidence_scale, kelly)
            permitted = min(warranted, room / self.close, market.leverage * max(self.equity, 0.0) / self.close)
            target_steps = side * self.whole_steps(size * limits.size_share * permitted / self.step_units)
            if target_steps == 0 and warranted != 0:
                reason = "too_small"
            elif limits.size_share < 1 and permitted > 0:
                reason = "ramped"
            elif permitted < warranted:
                reason = "size_capped"
            elif warranted < wanted_units:
                reason = "kelly_capped" if limits.evidence_scale == 1.0 else "no_edge"
            side = sign(target_steps)
        ordered = 0
        if side != holding and side == held != 0:
            self.waiting = None  # stay as it is
        elif side != holding:
            ordered = target_steps - self.steps
            self.waiting = self.order(i, target_steps, wish, reason) if ordered else None
        self.outcome.decisions.append(Decided(self.symbol, self.stamp(i), ordered * self.step_units, reason))

    def cooling(self, i: int) -> bool:
        return self.closed_at is not None and i - self.closed_at + 1 <= self.setup.limits.cooldown_bars

    def order(self, i: int, target_steps: int, wish: tuple[int, int, int, int], why: str) -> Waiting:
        side, stop, target = sign(target_steps), 0.0, 0.0
        if side:
            away = self.stop_units(i, side, STOPS[wish[2]]) * self.setup.volatility[i] * self.close
            stop = self.on_grid(-side, away)
            target = self.on_grid(side, away * TARGETS[wish[3]])
            reason = "reverse" if side * self.steps < 0 else "entry"
        else:
            reason = "risk" if why in ("daily_loss", "drawdown", "ruined", "stopped_out") else "exit"
        return Waiting(
            self.decisions,
            target_steps - self.steps,
            stop,
            target,
            reason,
            self.stamp(i),
            self.setup.costs.latency_bars,
        )

    def stop_units(self, i: int, side: int, chosen: float) -> float:
        """Beyond the level that is in the way, if that is not too far."""
        limits = self.setup.limits
        beyond = self.setup.levels[i][0 if side > 0 else 1] + limits.level_stop_margin_units
        return beyond if chosen < beyond <= limits.level_stop_max_units else chosen

    def on_grid(self, direction: int, away: float) -> float:
        """A price so far from the close, at least a tick, on the tick grid, and never zero or less."""
        tick = self.setup.market.tick_size
        price = self.close + direction * max(away, tick)
        if tick > 0:
            price = math.floor(price / tick + 0.5) * tick
        return max(price, self.close / 100)


class RiskOfficer:
    """Daily loss and drawdown of the whole account."""

    def __init__(self, limits: RiskParams, equity: float, day: datetime.date) -> None:
        self.limits, self.day = limits, day
        self.equity = self.peak = self.day_began_with = equity
        self.lost_too_much_today = False
        self.stopped_until: datetime.date | None = None

    def look(self, equity: float, day: datetime.date) -> None:
        if day > self.day:
            self.day, self.day_began_with, self.lost_too_much_today = day, self.equity, False
            if self.stopped_until is not None and day >= self.stopped_until:
                self.stopped_until, self.peak = None, equity
        self.equity, self.peak = equity, max(self.peak, equity)
        if equity <= self.day_began_with * (1 - self.limits.daily_loss_frac):
            self.lost_too_much_today = True
        if self.stopped_until is None and equity <= self.peak * (1 - self.limits.drawdown_frac):
            self.stopped_until = self.day + datetime.timedelta(days=self.limits.breaker_cooldown_days)


def brute_force(setups: list[BookSetup], wishes: list[tuple[int, int, int, int]]) -> Outcome:
    """Trade every setup from its first bar to its last on the merged clock; `wishes` are taken one a decision."""
    outcome = Outcome()
    books = [Book(setup, outcome) for setup in setups]
    to_come = iter(wishes)
    officer: RiskOfficer | None = None
    for stamp in sorted({int(ts) for setup in setups for ts in setup.bars.ts_ns}):
        present = [
            book for book in books if book.next_bar < len(book.setup.bars) and book.stamp(book.next_bar) == stamp
        ]
        paid = []
        for book in present:
            i = book.next_bar
            paid.append(book.live_through(i) if i > 0 else 0.0)
            if i == len(book.setup.bars) - 1:
                book.end(i)
        equity = sum(book.equity for book in books)
        day = max(trading_day(book.setup, book.next_bar) for book in present)
        if officer is None:
            officer = RiskOfficer(setups[0].limits, equity, day)
        else:
            officer.look(equity, day)
        for book in present:
            if book.next_bar < len(book.setup.bars) - 1:
                book.decide(book.next_bar, next(to_come), officer, [other for other in books if other is not book])
        halted = officer.lost_too_much_today or officer.stopped_until is not None
        for book, financing in zip(present, paid, strict=True):
            units = book.steps * book.step_units
            outcome.equity.append(Marked(book.symbol, stamp, book.equity, book.cash, units, financing, halted))
            book.next_bar += 1
    return outcome


def local_time(setup: BookSetup, i: int) -> datetime.datetime:
    moment = datetime.datetime.fromtimestamp(int(setup.bars.ts_ns[i]) // 1_000_000_000, datetime.UTC)
    return moment.astimezone(zoneinfo.ZoneInfo(setup.calendar.roll_zone))


def trading_day(setup: BookSetup, i: int) -> datetime.date:
    local = local_time(setup, i)
    rolled = setup.calendar.roll_hour > 0 and local.hour >= setup.calendar.roll_hour
    return local.date() + datetime.timedelta(days=1 if rolled else 0)


def nights(setup: BookSetup, i: int) -> int:
    """Nights to be paid between bar `i - 1` and bar `i`: one at the end of each trading day in between."""
    day, last, total = trading_day(setup, i - 1), trading_day(setup, i), 0
    while day < last:
        if day.weekday() == setup.calendar.triple_weekday:
            total += 3
        elif day.weekday() < 5 or setup.calendar.weekend_nights:
            total += 1
        day += datetime.timedelta(days=1)
    return total


def within(price: float, low: float, high: float) -> float:
    return low if price < low else high if price > high else price


def sign(number: float) -> int:
    return (number > 0) - (number < 0)
