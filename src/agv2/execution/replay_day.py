"""A recorded day fed back through the decision path, and every difference to what was written down then.

Each stage is given what the journal says went into it, so a difference is shown where it arose and not all along what
follows from it: bars into views, views and books into observations and decisions, decisions into orders, orders and
bars into fills and books.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from agv2.core.account import Account
from agv2.core.bars import Bar, Bars
from agv2.core.errors import DataError
from agv2.core.orders import NO_ORDER, Order
from agv2.core.timeframes import Timeframe
from agv2.decision.decider import Decision
from agv2.decision.restrained_policy import HeldBack, restrained
from agv2.execution.broker_messages import BrokerFill
from agv2.execution.journal import JournalReader
from agv2.execution.journal_records import (
    BarSeen,
    DecisionMade,
    FillSeen,
    InputsSeen,
    IntentMade,
    Rearmed,
    RiskSaved,
)  # fmt: skip
from agv2.execution.trader_parts import Model
from agv2.risk.limits import RiskState, observe_equity
from agv2.risk.trailing import with_trailed_stop
from agv2.sim.kernel import advance

__all__ = ["DayReplay", "Difference", "replay_day"]

ROW_TOLERANCE = 1e-5
"""Of embedding and head predictions, which another processor may round otherwise; all else is compared exactly."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that came out otherwise."""

    bar_ts_ns: int
    stage: str
    """`inputs`, `risk`, `observation`, `decision`, `order`, `fill` or `book`."""
    what: str
    then: str
    now: str


@dataclass(frozen=True, slots=True)
class DayReplay:
    """What a replay compared and found."""

    n_bars: int
    n_views: int
    n_decisions: int
    n_orders: int
    n_fills: int
    differences: tuple[Difference, ...]
    unread: tuple[str, ...]
    """What could not be compared, and why."""


@dataclass(slots=True)
class _Moment:
    """What the journal holds of one bar."""

    bar: Bar
    inputs: InputsSeen | None = None
    decision: DecisionMade | None = None
    risk: RiskState | None = None
    is_rearmed: bool = False
    """A person re-armed between the bar before and this one's limits."""


@dataclass(slots=True)
class _Record:
    """The journal's part that concerns a day, and what led to it."""

    timeframe: Timeframe
    moments: dict[int, _Moment]
    orders: dict[int, IntentMade]
    """By the bar at which they were decided: at most one a bar opens or changes anything by a decision."""
    fills: dict[int, list[BrokerFill]]


def replay_day(
    journal: JournalReader, symbol: str, from_ns: int, to_ns: int, model: Model, *, is_simulated: bool
) -> DayReplay:
    """Feed the bars that opened from `from_ns` up to `to_ns` back.

    Args:
        journal: of the trader.
        symbol: which of its markets.
        from_ns: first moment of the day.
        to_ns: first moment after it.
        model: the bundle and settings of then.
        is_simulated: whether the simulated venue filled the orders: real fills are their own.

    Raises:
        DataError: the journal has no bar of that day.
    """
    record = _read(journal, symbol)
    stamps = sorted(record.moments)
    day = [at for at, stamp in enumerate(stamps) if from_ns <= stamp < to_ns]
    if not day:
        spans = "it is empty" if not stamps else f"it has {_day(stamps[0])} to {_day(stamps[-1])}"
        raise DataError(f"the journal has no bar of {symbol} on {_day(from_ns)}; {spans}")
    moments = [record.moments[stamp] for stamp in stamps]
    found: list[Difference] = []
    unread: list[str] = []
    n_views = n_decisions = n_orders = n_fills = n_short = 0
    for at in day:
        moment, before = moments[at], moments[at - 1] if at else None
        if moment.inputs is not None:
            if at + 1 >= model.bars_needed:
                n_views += 1
                found += _compare_view(
                    moment, _bars(symbol, record.timeframe, moments[at + 1 - model.bars_needed : at + 1]), model
                )
            else:
                n_short += 1
        if moment.risk is not None and before is not None and before.risk is not None and moment.inputs is not None:
            found += _compare_risk(moment, before.risk, model)
        if moment.decision is not None and moment.inputs is not None and moment.risk is not None:
            n_decisions += 1
            found += _compare_decision(moment, model)
            found += _compare_order(moment, record.orders)
            n_orders += moment.bar.ts_ns in record.orders
        fills = record.fills.get(moment.bar.ts_ns, [])
        n_fills += len(fills)
        if is_simulated and before is not None and before.decision is not None and moment.decision is not None:
            found += _compare_book(moment, before.decision, record.orders, fills, model)
    if n_short:
        unread.append(f"inputs of {n_short} bars: too few bars before them in the journal")
    if not is_simulated:
        unread.append("fills: a real venue's are its own; their cost against the model is in the closing summary")
    return DayReplay(len(day), n_views, n_decisions, n_orders, n_fills, tuple(found), tuple(unread))


# ------------------------------------------------------------------------------------------------- reading


def _read(journal: JournalReader, symbol: str) -> _Record:
    record = _Record(Timeframe(1), {}, {}, {})
    is_rearmed = False
    newest = 0
    kinds = (BarSeen, InputsSeen, DecisionMade, RiskSaved, IntentMade, FillSeen, Rearmed)
    for entry in journal.entries(kinds=kinds):
        one = entry.record
        if isinstance(one, BarSeen) and one.symbol == symbol:
            record.timeframe = Timeframe.parse(one.timeframe)
            record.moments[one.bar.ts_ns] = _Moment(one.bar)
        elif isinstance(one, InputsSeen) and one.symbol == symbol and one.bar_ts_ns in record.moments:
            record.moments[one.bar_ts_ns].inputs = one
        elif isinstance(one, DecisionMade) and one.symbol == symbol and one.bar_ts_ns in record.moments:
            record.moments[one.bar_ts_ns].decision = one
        elif isinstance(one, RiskSaved) and one.bar_ts_ns in record.moments:
            record.moments[one.bar_ts_ns].risk = one.state
            record.moments[one.bar_ts_ns].is_rearmed = is_rearmed
            newest, is_rearmed = max(newest, one.bar_ts_ns), False
        elif isinstance(one, IntentMade) and one.symbol == symbol:
            record.orders.setdefault(one.decided_ns, one)
        elif isinstance(one, FillSeen) and one.fill.symbol == symbol:
            record.fills.setdefault(one.fill.filled_ns, []).append(one.fill)
        elif isinstance(one, Rearmed):
            is_rearmed = True
    return record


def _bars(symbol: str, timeframe: Timeframe, moments: Sequence[_Moment]) -> Bars:
    stamps = np.array([each.bar.ts_ns for each in moments], dtype=np.int64)
    names = ("open", "high", "low", "close", "volume", "spread")
    columns = {name: np.array([getattr(each.bar, name) for each in moments]) for name in names}
    return Bars(symbol, timeframe, stamps, **columns)


# ----------------------------------------------------------------------------------------------- comparing


def _compare_view(moment: _Moment, bars: Bars, model: Model) -> Iterator[Difference]:
    then, ts_ns = moment.inputs, moment.bar.ts_ns
    assert then is not None
    now = model.view(bars)
    yield from _unlike(ts_ns, "inputs", {"bar": moment.bar}, {"bar": now.bar})
    yield from _unlike(
        ts_ns,
        "inputs",
        {"volatility": then.volatility, "levels": then.levels},
        {"volatility": now.volatility, "levels": now.levels},
    )
    row = then.row()
    if row.shape != now.market_row.shape:
        yield Difference(ts_ns, "inputs", "market row", f"{row.size} numbers", f"{now.market_row.size} numbers")
        return
    apart = np.abs(row - now.market_row)
    worst = int(np.argmax(apart)) if apart.size else 0
    if apart.size and not apart[worst] <= ROW_TOLERANCE:
        then_text, now_text = f"{row[worst]:.9g}", f"{now.market_row[worst]:.9g}"
        yield Difference(ts_ns, "inputs", f"market row, number {worst}", then_text, now_text)


def _compare_risk(moment: _Moment, before: RiskState, model: Model) -> Iterator[Difference]:
    assert moment.inputs is not None
    assert moment.risk is not None
    if moment.is_rearmed and before.breaker_until_day:
        before = before._replace(breaker_until_day=0, peak_equity=before.last_equity)
    bar, value = moment.bar, moment.inputs.account_view.equity
    now = observe_equity(before, value, max(bar.day, before.day), model.decider.params)
    yield from _unlike(bar.ts_ns, "risk", {"limits": moment.risk}, {"limits": now})


def _compare_decision(moment: _Moment, model: Model) -> Iterator[Difference]:
    then = moment.decision
    assert then is not None
    now = _decided(moment, model)
    digest = hashlib.sha256(np.ascontiguousarray(now.observation).tobytes()).hexdigest()
    ts_ns = moment.bar.ts_ns
    yield from _unlike(ts_ns, "observation", {"digest": then.observation_digest}, {"digest": digest})
    yield from _unlike(
        ts_ns, "decision", {"action": then.action, "plan": then.plan}, {"action": now.action, "plan": now.plan}
    )


def _decided(moment: _Moment, model: Model) -> Decision:
    inputs, then, risk = moment.inputs, moment.decision, moment.risk
    assert inputs is not None
    assert then is not None
    assert risk is not None
    params = model.decider.params._replace(size_share=then.size_share)
    policy = restrained(model.decider.policy, HeldBack(then.held_back))
    return replace(model.decider, policy=policy, params=params).decide(
        then.book, risk, inputs.account_view, moment.bar, inputs.volatility, inputs.levels, inputs.row(), then.number
    )


def _compare_order(moment: _Moment, orders: Mapping[int, IntentMade]) -> Iterator[Difference]:
    assert moment.decision is not None
    order = moment.decision.plan.order
    intent = orders.get(order.decided_ns)
    if order.order_id == 0 or intent is None:
        return  # none was decided, or none was sent: the journal's notes say why
    wanted: dict[str, float] = {"reason": order.reason, "decided_ns": order.decided_ns}
    sent: dict[str, float] = {"reason": intent.reason, "decided_ns": intent.decided_ns}
    if abs(intent.units) == abs(order.units):  # a hedging venue may need several requests for one order
        wanted |= {"units": order.units, "stop": order.stop_loss, "target": order.take_profit}
        sent |= {"units": intent.units, "stop": intent.stop_loss, "target": intent.take_profit}
    yield from _unlike(moment.bar.ts_ns, "order", sent, wanted)


def _compare_book(
    moment: _Moment,
    before: DecisionMade,
    orders: Mapping[int, IntentMade],
    fills: Sequence[BrokerFill],
    model: Model,
) -> Iterator[Difference]:
    """The simulated venue's bar, once more by the kernel."""
    assert moment.decision is not None
    order: Order = before.plan.order
    if order.order_id and order.units != 0.0 and order.decided_ns not in orders:
        order = NO_ORDER  # withheld
    market, bar = model.decider.market, moment.bar
    result = advance(before.book, order, bar, model.costs, market)
    now = [fill for fill in (result.market_fill, result.bracket_fill) if fill.units > 0.0]
    fields = ("side", "units", "price", "mid", "commission", "reason", "decided_ns")
    if len(now) != len(fills):
        yield Difference(bar.ts_ns, "fill", "number of fills", str(len(fills)), str(len(now)))
    for place, (then, again) in enumerate(zip(fills, now, strict=False), start=1):
        yield from _unlike(
            bar.ts_ns,
            "fill",
            {f"{name} of fill {place}": getattr(then, name) for name in fields},
            {f"{name} of fill {place}": getattr(again, name) for name in fields},
        )
    book: Account = result.account
    if moment.inputs is not None:
        book = with_trailed_stop(book, bar, moment.inputs.volatility, model.decider.params, market)
    yield from _unlike(bar.ts_ns, "book", {"book": moment.decision.book}, {"book": book})


def _unlike(ts_ns: int, stage: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    """The entries that differ, named tuples field by field."""
    for name, before in then.items():
        after = now[name]
        if hasattr(before, "_asdict") and hasattr(after, "_asdict"):
            prefix = {f"{name}.{key}": value for key, value in before._asdict().items()}
            yield from _unlike(ts_ns, stage, prefix, {f"{name}.{key}": each for key, each in after._asdict().items()})
        elif not _same(before, after):
            yield Difference(ts_ns, stage, name, _text(before), _text(after))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one) and math.isnan(other):
        return True
    return bool(one == other)


def _text(value: Any) -> str:
    return f"{value:.17g}" if isinstance(value, float) else str(value)


def _day(ts_ns: int) -> str:
    return str(np.datetime64(ts_ns, "ns").astype("datetime64[D]"))
