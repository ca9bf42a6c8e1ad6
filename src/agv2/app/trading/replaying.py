"""A journal's day replayed with the model and the settings that the journal names."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from agv2.app.trading.places import known_journals, read_journal
from agv2.app.trading.settings import recorded_settings
from agv2.core.errors import BundleError, ConfigError, DataError
from agv2.deploy.model_loader import load_decider
from agv2.execution.journal import JournalReader
from agv2.execution.journal_records import BarSeen, Started
from agv2.execution.replay_day import DayReplay, replay_day
from agv2.utils.environment import load_environment

__all__ = ["replay_json", "replay_recorded", "show_replay"]

_NS_PER_DAY = 86_400_000_000_000
_EVER = "all"


def replay_recorded(day: str, location: str | None, symbol: str | None, bundle: Path | None) -> DayReplay:
    """Replay one day of a journal, or all of it.

    Args:
        day: a date, or `all`.
        location: of the journal; None: the only one under the project's home.
        symbol: which of its markets; None: its only one.
        bundle: where the model is; None: where it was then.

    Raises:
        ConfigError: the day is no date, or it is not clear which journal is meant.
        DataError: the journal has no such day, or cannot be read.
        BundleError: the model is not there, or is another than the journal's.
    """
    from_ns, to_ns = _span(day)
    with read_journal(location or _only_journal(), load_environment()) as journal:
        started = _start_before(journal, to_ns)
        chosen = symbol or started.symbols[0]
        settings = recorded_settings(started)
        directory = bundle or Path(started.settings["bundle"])
        model = load_decider(
            directory, chosen, settings.markets, settings.costs, settings.risk, live=started.mode == "live"
        )
        if model.bundle.digest != started.bundle_digest:
            raise BundleError(
                f"{directory}: another model than the one that traded ({model.bundle.digest[:12]}, the journal says "
                f"{started.bundle_digest[:12]}); name the right one with --bundle"
            )
        simulated = started.settings["broker"] == "sim"
        return replay_day(journal, chosen, from_ns, to_ns, model, is_simulated=simulated)


def show_replay(found: DayReplay, day: str, most: int, console: Console | None = None) -> None:
    """What was compared, and the first differences: those after it often follow from the first."""
    console = console or Console()
    console.print(
        f"{day}: {found.n_bars} bars, {found.n_views} inputs computed again, {found.n_decisions} decisions, "
        f"{found.n_orders} orders, {found.n_fills} fills",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    for line in found.unread:
        console.print(f"not compared: {line}", highlight=False, markup=False, soft_wrap=True)
    if not found.differences:
        console.print("no difference", style="green")
        return
    first = found.differences[0]
    console.print(
        f"{len(found.differences)} differences; the first at {_moment(first.bar_ts_ns)}: {first.stage}, {first.what}",
        style="bold red", highlight=False, markup=False, soft_wrap=True,
    )  # fmt: skip
    table = Table()
    for name in ("bar", "stage", "what", "then", "now"):
        table.add_column(name, overflow="fold")
    for each in found.differences[:most]:
        table.add_row(_moment(each.bar_ts_ns), each.stage, each.what, each.then, each.now)
    console.print(table)
    if len(found.differences) > most:
        console.print(f"and {len(found.differences) - most} more; --json has them all", highlight=False)


def replay_json(found: DayReplay) -> dict[str, Any]:
    """The same for a program."""
    plain = asdict(found)
    return plain | {"differences": [each | {"bar": _moment(each["bar_ts_ns"])} for each in plain["differences"]]}


def _span(day: str) -> tuple[int, int]:
    if day == _EVER:
        return 0, 2**62
    try:
        start = int(np.datetime64(day, "D").astype("int64")) * _NS_PER_DAY
    except ValueError:
        raise ConfigError(f"{day} is no day; write it as 2026-03-31, or all") from None
    return start, start + _NS_PER_DAY


def _only_journal() -> str:
    found = known_journals(load_environment())
    if len(found) == 1:
        return str(found[0])
    if not found:
        raise ConfigError(f"there is no journal under {load_environment().home}; name one with --journal FILE")
    raise ConfigError(f"say which with --journal: {', '.join(str(path) for path in found)}")


def _start_before(journal: JournalReader, to_ns: int) -> Started:
    """The start under which the day's bars were traded: the last one before its last bar."""
    found: Started | None = None
    for entry in journal.entries(kinds=(Started, BarSeen)):
        if isinstance(entry.record, Started):
            latest = entry.record
            if found is None:
                found = latest
        elif isinstance(entry.record, BarSeen) and entry.record.bar.ts_ns < to_ns:
            found = latest
    if found is None:
        raise DataError("the journal is empty")
    return found


def _moment(ts_ns: int) -> str:
    return str(np.datetime64(ts_ns, "ns").astype("datetime64[m]")).replace("T", " ")
