"""`agv2 journal`: what a trader saw, decided, sent and was answered, read while it works."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agv2.execution.journal import JournalEntry, JournalReader
    from agv2.execution.journal_records import JournalRecord

__all__ = ["app"]

app = typer.Typer(help="The journal of a trader.", no_args_is_help=True)

_POLL_S = 0.3
_QUIET = ("bar", "inputs", "broker", "risk")


@app.callback()
def _group() -> None:
    """The journal of a trader: append-only, safe to read while it is written."""


@app.command()
def tail(
    journal: Annotated[
        str | None,
        typer.Option("--journal", metavar="FILE", help="SQLite file or postgresql:// address; else the only one."),
    ] = None,
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Which journal of a database.")] = "trader",
    lines: Annotated[int, typer.Option("-n", "--lines", metavar="N", min=0, help="Records to begin with.")] = 20,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what is written from now on.")] = False,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", metavar="KIND", help="Only these, e.g. order, fill; repeat it.")
    ] = None,
    symbol: Annotated[str | None, typer.Option("--symbol", metavar="S", help="Only of this market.")] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Also bars, inputs and saved states.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a record, whole.")] = False,
) -> None:
    """Show the last records of a journal, one line each; with --follow until interrupted.

    Example: agv2 journal tail --follow --kind order --kind fill
    """
    from agv2.execution.journal import JournalReader

    kinds = _kinds(kind, show_all=show_all or as_json)
    with JournalReader(_location(journal), name=name) as reader:
        seen = 0
        for entry in _last(reader, kinds, symbol, lines):
            typer.echo(_line(entry, as_json=as_json))
            seen = entry.seq
        if follow:
            sys.stdout.flush()
            _follow(reader, max(seen, reader.last_seq() if not seen else 0), kinds, symbol, as_json=as_json)


def _follow(
    reader: "JournalReader", after: int, kinds: "Sequence[type[JournalRecord]]", symbol: str | None, *, as_json: bool
) -> None:
    from agv2.utils.clock import SystemClock

    clock = SystemClock()
    while True:
        for entry in reader.entries(after, kinds=kinds, symbol=symbol):
            typer.echo(_line(entry, as_json=as_json))
            after = entry.seq
        sys.stdout.flush()
        clock.sleep_until(clock.now_ns() + int(_POLL_S * 1e9))


def _last(
    reader: "JournalReader", kinds: "Sequence[type[JournalRecord]]", symbol: str | None, lines: int
) -> "list[JournalEntry]":
    """The last so many records: the span looked at doubles until it holds enough."""
    last, span = reader.last_seq(), max(4 * lines, 100)
    while lines:
        found = list(reader.entries(max(last - span, 0), kinds=kinds, symbol=symbol))
        if len(found) >= lines or span >= last:
            return found[-lines:]
        span *= 4
    return []


def _kinds(names: list[str] | None, *, show_all: bool) -> "list[type[JournalRecord]]":
    from agv2.core.errors import ConfigError
    from agv2.execution.journal_records import RECORD_KINDS

    unknown = [each for each in names or () if each not in RECORD_KINDS]
    if unknown:
        raise ConfigError(f"--kind {unknown[0]}: there is no such record; there are {', '.join(sorted(RECORD_KINDS))}")
    if names:
        return [RECORD_KINDS[each] for each in names]
    return [each for kind, each in RECORD_KINDS.items() if show_all or kind not in _QUIET]


def _location(given: str | None) -> str:
    """The journal that is meant: as given, else the only one under the project's home.

    Raises:
        ConfigError: there is none, or more than one.
    """
    if given is not None:
        return given
    from agv2.core.errors import ConfigError
    from agv2.utils.environment import load_environment

    directory: Path = load_environment().home / "journals"
    found = sorted(directory.glob("*.sqlite"))
    if len(found) == 1:
        return str(found[0])
    if not found:
        raise ConfigError(
            f"{directory}: no journal yet, a trader makes it at its first start; or name one: --journal FILE"
        )
    raise ConfigError(f"{directory} holds {len(found)} journals; name one with --journal: {', '.join(map(str, found))}")


def _line(entry: "JournalEntry", *, as_json: bool) -> str:
    from agv2.app.cli.data.moments import moment_text
    from agv2.execution.journal_records import record_to_json

    body = json.loads(record_to_json(entry.record))
    if as_json:
        head = {"seq": entry.seq, "ts_ns": entry.ts_ns, "run": entry.run, "kind": entry.record.kind}
        return json.dumps(head | {"record": body}, ensure_ascii=False)
    symbol = str(body.pop("symbol", "") or "")
    body.pop("memory", None)  # of a ramp: for a machine
    words = " ".join(_words(body))
    return f"{entry.seq:>7}  {moment_text(entry.ts_ns)}  {entry.record.kind:<14} {symbol:<8} {words}".rstrip()


def _words(body: dict[str, object], prefix: str = "") -> list[str]:
    """`name=value` of what is set; nested records in a row, empty fields left out."""
    words: list[str] = []
    for name, value in body.items():
        if isinstance(value, dict):
            words += _words(value, "" if len(body) == 1 else f"{prefix}{name}.")
        elif value is not None and value not in ("", 0.0, []):
            text = f"{value:.10g}" if isinstance(value, float) else str(value)
            words.append(f"{prefix}{name}={text if ' ' not in text else repr(text)}")
    return words
