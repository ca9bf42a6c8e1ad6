"""What is asked of a model before it trades real money, one function a requirement."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from agv2.app.golive.paper_record import KillDrill, PaperRecord
from agv2.core.errors import AGV2Error
from agv2.deploy.golive_config import GateConfig
from agv2.deploy.pnl_band import PnlBand
from agv2.execution.kill_switch import SwitchState
from agv2.execution.replay_day import DayReplay

__all__ = ["Requirement", "paper_requirements"]

_NS_PER_DAY = 86_400_000_000_000
_DECIDE = "keep agv2 paper running with this bundle, without --feed, until enough days are together"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that must be shown, and whether it is."""

    name: str
    is_met: bool
    evidence: str
    """What was found, in a line for a person."""
    remedy: str = ""
    """What to do; empty where it is met."""


def paper_requirements(
    record: PaperRecord,
    config: GateConfig,
    band: PnlBand | str,
    switch: SwitchState,
    replayed: Callable[[str], DayReplay],
    now_ns: int,
) -> list[Requirement]:
    """All that a paper journal can show.

    Args:
        record: what the journal says.
        config: how much is asked.
        band: of the bundle's backtest, or why there is none.
        switch: of the paper trader.
        replayed: feeds a day, such as `2026-03-31`, back.
        now_ns: the time, nanoseconds since 1970, UTC.
    """
    days = _counted_days(record, config)
    return [
        _traded_long_enough(record, days, config, now_ns),
        _in_the_band(record, days[-config.paper_days :], band),
        _nothing_is_halted(record, switch),
        _kill_switch_was_tested(record, config, now_ns),
        _no_order_is_in_doubt(record),
        _last_day_replays(record, replayed),
        _books_are_the_venues(record),
    ]


def _counted_days(record: PaperRecord, config: GateConfig) -> list[int]:
    """Finished trading days of which enough bars were decided on."""
    return [
        day
        for day, bars in record.days.items()
        if day < record.last_day and bars.decided >= max(config.decided_frac * bars.seen, 1.0)
    ]


def _traded_long_enough(record: PaperRecord, days: list[int], config: GateConfig, now_ns: int) -> Requirement:
    name, found = "paper trading", f"{len(days)} of {config.paper_days} trading days"
    partial = sum(bars.decided > 0 for day, bars in record.days.items() if day < record.last_day) - len(days)
    if days:
        found += f", {_date(days[0])} to {_date(days[-1])}"
    if partial:
        found += f"; {partial} more with fewer than {config.decided_frac:.0%} of their bars decided on do not count"
    if record.not_counted:
        found += "; starts that do not count: " + ", ".join(
            f"{count} {reason}" for reason, count in sorted(record.not_counted.items())
        )
    if len(days) < config.paper_days:
        return Requirement(name, False, found, _DECIDE)
    age = now_ns // _NS_PER_DAY - days[-1]
    if age > config.recent_days:
        return Requirement(name, False, f"{found}; the last is {age} days ago, {config.recent_days} at most", _DECIDE)
    return Requirement(name, True, found)


def _in_the_band(record: PaperRecord, days: list[int], band: PnlBand | str) -> Requirement:
    name = "results"
    if isinstance(band, str):
        return Requirement(
            name, False, f"there is no band to hold them against: {band}", "train on more bars, so that more are tested"
        )
    judged, outside, newest, counted = 0, [], "", set(days)
    for stretch in record.stretches:
        state, before = band.fresh(), -1
        for day, (first, last) in stretch.items():
            state = band.observe(state, day, first)
            if before in counted:
                finding = band.finding(state)
                judged += 1
                newest = _words_of(finding.evidence)
                if finding.halted:
                    outside.append(f"{_date(before)}: {finding.reason}")
            state, before = band.observe(state, day, last), day
    if not judged:
        return Requirement(name, False, "no day that counts has finished", _DECIDE)
    if outside:
        remedy = "find out why; trade on until as many days as are asked for are in the band, or train again"
        found = f"out of the backtest's band after {len(outside)} of {judged} days, first {outside[0]}"
        return Requirement(name, False, found, remedy)
    return Requirement(name, True, f"in the backtest's band on each of {judged} days{newest}")


def _words_of(evidence: Mapping[str, float | str]) -> str:
    if not evidence:  # fewer days than the shortest window
        return ""
    return (
        f"; furthest now: {evidence['return']:+.2%} over {evidence['window_days']:.0f} trading days, "
        f"band {evidence['low']:+.2%} to {evidence['high']:+.2%}"
    )


def _nothing_is_halted(record: PaperRecord, switch: SwitchState) -> Requirement:
    name, halts = "halts", []
    if switch.is_thrown:
        halts.append(f"kill switch thrown by {switch.by}: {switch.reason}")
    elif record.ledger.kill_reason is not None:
        halts.append(f"halted in the journal: {record.ledger.kill_reason}")
    if record.risk is not None and record.risk.daily_loss_hit:
        halts.append("the daily loss limit was hit and holds until the next trading day")
    if record.risk is not None and record.risk.breaker_until_day:
        halts.append("the drawdown breaker is open")
    if halts:
        remedy = "find the cause; then agv2 rearm --reason '...', and let the trader take it in"
        return Requirement(name, False, "; ".join(halts), remedy)
    found = "none open, none so far"
    if record.kills:
        last = record.kills[-1]
        found = f"none open; {len(record.kills)} so far, the last by {last.by} ({last.reason})"
    return Requirement(name, True, found)


def _kill_switch_was_tested(record: PaperRecord, config: GateConfig, now_ns: int) -> Requirement:
    name, since = "kill switch", now_ns - config.kill_test_days * _NS_PER_DAY
    tested = [kill for kill in record.kills if kill.rearmed_ns and kill.thrown_ns >= since]
    if tested:
        return Requirement(name, True, _drill_words(tested[-1]))
    done = [kill for kill in record.kills if kill.rearmed_ns]
    found = f"the last time {_drill_words(done[-1])}" if done else "never thrown and re-armed on paper"
    remedy = "while agv2 paper runs: agv2 kill --reason drill, wait for a bar, agv2 rearm --reason 'the drill is over'"
    return Requirement(name, False, f"{found}; wanted within {config.kill_test_days} days", remedy)


def _drill_words(kill: KillDrill) -> str:
    minutes = (kill.rearmed_ns - kill.thrown_ns) / 60e9
    return (
        f"thrown by {kill.by} ({kill.reason}) on {_date(kill.thrown_ns // _NS_PER_DAY)}, obeyed, re-armed by "
        f"{kill.rearmed_by} {minutes:,.0f} min later; {kill.held_back} decisions held back"
    )


def _no_order_is_in_doubt(record: PaperRecord) -> Requirement:
    name, doubtful = "orders", record.ledger.in_doubt()
    if doubtful:
        found = ", ".join(f"{track.intent_id} {track.state}" for track in doubtful)
        return Requirement(
            name, False, f"nobody knows what became of {found}", "start agv2 paper again: it looks for them"
        )
    if not record.ledger.tracks:
        return Requirement(name, False, "none was ever sent, so none could be in doubt", "let it trade on paper")
    return Requirement(name, True, f"{len(record.ledger.tracks)} so far, none in doubt")


def _last_day_replays(record: PaperRecord, replayed: Callable[[str], DayReplay]) -> Requirement:
    name = "replay"
    newest = record.last_bar_ns // _NS_PER_DAY
    finished = [day for day in record.decided_utc_days if day < newest]
    if not finished:
        return Requirement(name, False, "no day with decisions has finished", _DECIDE)
    day = _date(finished[-1])
    remedy = f"agv2 replay {day} names each difference; until it is explained, what is tested is not what is traded"
    try:
        found = replayed(day)
    except AGV2Error as error:
        return Requirement(name, False, f"{day} cannot be replayed: {error}", remedy)
    compared = f"{found.n_decisions} decisions, {found.n_orders} orders and {found.n_fills} fills of {day}"
    if found.differences:
        first = found.differences[0]
        return Requirement(
            name, False, f"{len(found.differences)} differences in {compared}; the first: {first.stage}, {first.what}",
            remedy,
        )  # fmt: skip
    if not found.n_views or not found.n_decisions:
        unread = "; ".join(found.unread) or "nothing could be compared"
        return Requirement(name, False, f"{compared}, but {unread}", remedy)
    return Requirement(name, True, f"no difference in {compared}")


def _books_are_the_venues(record: PaperRecord) -> Requirement:
    name, made = "books", record.last_decision
    if made is None:
        return Requirement(name, False, "no decision was made yet", _DECIDE)
    at = _moment(made.bar_ts_ns)
    both = f"{made.book.units:+,.6g} units in the book, {record.venue_units:+,.6g} at the venue, at {at}"
    if not math.isclose(made.book.units, record.venue_units, rel_tol=1e-9, abs_tol=1e-9):
        return Requirement(name, False, both, "look at the venue's positions; agv2 flatten, then start again")
    if made.restraint and "kill switch" not in made.restraint:
        return Requirement(
            name, False, f"at {at} the picture was not to be trusted: {made.restraint}",
            "wait until the trader says that the venue is in order",
        )  # fmt: skip
    foreign = f"; {record.foreign} positions of others" if record.foreign else ""
    return Requirement(name, True, both + foreign)


def _date(day: int) -> str:
    return str(np.datetime64(day, "D"))


def _moment(ts_ns: int) -> str:
    return str(np.datetime64(ts_ns, "ns").astype("datetime64[m]")).replace("T", " ")
