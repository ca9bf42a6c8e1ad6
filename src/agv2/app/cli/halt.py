"""`agv2 kill`, `agv2 flatten` and `agv2 rearm`: stop trading from anywhere, and let it go on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from agv2.app.cli.person import person
from agv2.app.cli.trading_options import JournalOption

if TYPE_CHECKING:
    from agv2.execution.kill_switch import KillSwitch

__all__ = ["flatten", "kill", "rearm"]

ReasonOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; it goes into the journal.")]


def kill(journal: JournalOption = None, reason: ReasonOption = "agv2 kill") -> None:
    """Open nothing more, in any trader of this machine or in one, until agv2 rearm. What is held keeps its stop.

    Example: agv2 kill --reason 'news at 14:30'
    """
    for switch in _switches(journal):
        state = switch.throw(reason, person())
        typer.echo(f"thrown: {state.journal or switch.path} ({state.reason})")


def flatten(
    journal: JournalOption = None,
    reason: ReasonOption = "agv2 flatten",
    wait_s: Annotated[float, typer.Option("--wait", metavar="S", min=0.0, help="Wait so long for it.")] = 30.0,
) -> None:
    """Close what is held and open nothing more, in any trader of this machine or in one, until agv2 rearm.

    A running trader does it; where none runs, what is held at a venue is closed here, and the next start does the rest.
    Exit code 1 says that something may still be held at a venue: try again.

    Example: agv2 flatten --reason 'enough for today'
    """
    from agv2.app.trading.flatten import flatten_journal

    thrown = [switch.throw(reason, person(), flatten=True) for switch in _switches(journal)]
    came = [(state.journal, flatten_journal(state.journal, wait_s)) for state in thrown]
    for location, each in came:
        typer.echo(f"{location}: {each.words}")
    if not all(each.is_done for _, each in came):
        raise typer.Exit(1)


def rearm(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why trading may go on; it is journalled.")],
    journal: JournalOption = None,
) -> None:
    """Let halted traders open positions again: a person's decision.

    Example: agv2 rearm --reason 'the feed is back, positions checked'
    """
    from agv2.core.errors import ConfigError

    if not reason.strip():
        raise ConfigError("--reason: say why trading may go on; it goes into the journal")
    thrown = [switch for switch in _switches(journal) if switch.state().is_thrown]
    for switch in thrown:
        state = switch.rearm(reason, person())
        typer.echo(f"re-armed: {state.journal or switch.path}")
    if not thrown:
        typer.echo("no kill switch is thrown")


def _switches(journal: str | None) -> "list[KillSwitch]":
    from agv2.app.trading.places import kill_switch, kill_switches
    from agv2.core.errors import ConfigError
    from agv2.utils.clock import SystemClock
    from agv2.utils.environment import load_environment
    from agv2.utils.logging_config import hide_secrets

    environment, clock = load_environment(), SystemClock()
    found = kill_switches(environment, clock)
    if journal is not None:
        switch = kill_switch(environment, journal, clock)
        is_there = switch.path.exists() or "://" in journal or Path(journal).exists()
        if not is_there:  # a slip of the pen must not look like a halt
            known = ", ".join(each.state().journal or each.path.name for each in found) or "none"
            raise ConfigError(f"--journal {hide_secrets(journal)}: no trader ever wrote it; there are: {known}")
        return [switch]
    if not found:
        raise ConfigError(f"no trader has ever run under {environment.home}; name one with --journal FILE")
    return found
