"""`agv2 data check`: what is wrong with bars, where, and what it would do to a model."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

if TYPE_CHECKING:
    from agv2.data.config import MarketsConfig
    from agv2.data.quality.config import QualityConfig
    from agv2.data.quality_checks import QualityReport
    from agv2.data.raw_bars import RawBars

__all__ = ["check"]


class _Source(NamedTuple):
    """One table of bars: as the user named it, its rows or why there are none."""

    name: str
    symbol: str
    raw: "RawBars | None"
    problem: str


class _Rules(NamedTuple):
    markets: "MarketsConfig"
    quality: "QualityConfig"


def check(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="FILE|SYMBOL...", help="Parquet files of bars, or symbols of the local store."),
    ],
    symbol: Annotated[
        str | None, typer.Option("--symbol", metavar="NAME", help="Whose market it is; else from the file name.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON, for programs.")] = False,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write a page with a calendar of coverage.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail the check too.")] = False,
    repair: Annotated[
        Path | None,
        typer.Option("--repair", metavar="OUT", help="Write what can be cured to a new Parquet file, counted."),
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Look for everything that would make a run on these bars lie. Exit code 1 when there are errors.

    Example: agv2 data check bars/XAUUSD_1h.parquet --html gold.html
    """
    settings = parse_overrides(config, overrides)
    from agv2.app.cli.data.check_table import as_document, print_report
    from agv2.app.settings import require_known_symbols
    from agv2.backtest.atomic_files import write_atomically
    from agv2.core.errors import DataError
    from agv2.data.config import MarketsConfig
    from agv2.data.quality.config import QualityConfig
    from agv2.data.quality.findings import Severity
    from agv2.utils.config import load_config

    rules = _Rules(
        load_config(MarketsConfig, "markets", config, settings), load_config(QualityConfig, "quality", config, settings)
    )
    tables = list(_tables(sources, symbol))
    require_known_symbols(settings, [table.symbol for table in tables])
    if repair is not None:
        _require_repairable(tables, repair)
    if html is not None and html.is_dir():
        raise DataError(f"--html {html}: this is a directory; name a file")
    reports = []
    with _progress(len(tables)) as tell:
        for table in tables:
            tell(table.name)
            reports.append((table.name, _checked(table, rules)))
    if html is not None:
        from agv2.data.quality_page.page import quality_page

        write_atomically(html, quality_page(reports))
    failed = any(report.of(Severity.ERROR) or (strict and report.of(Severity.WARNING)) for _, report in reports)
    repaired = _repair(tables[0], repair, rules) if repair is not None else None
    if as_json:
        document = {"ok": not failed, "files": [as_document(name, report) for name, report in reports]}
        if repaired is not None:
            document["repair"] = {
                "file": str(repair),
                "done": repaired[0],
                "report": as_document(str(repair), repaired[1]),
            }
        typer.echo(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))
    else:
        for name, report in reports:
            print_report(name, report)
        if repaired is not None:
            typer.echo(f"\n{repair}: written; " + ("; ".join(repaired[0]) or "nothing had to be changed"))
            print_report(str(repair), repaired[1])
        if html is not None:
            typer.echo(f"page: {html}")
    if failed:
        raise typer.Exit(1)


def _checked(table: _Source, rules: _Rules) -> "QualityReport":
    from agv2.data.quality_checks import QualityReport, check_bars

    if table.raw is None:
        return QualityReport.unreadable(table.symbol, table.problem)
    market, _ = rules.markets.entry(table.symbol)
    return check_bars(table.raw, market, rules.quality)


def _tables(sources: Sequence[str], symbol: str | None) -> Iterator[_Source]:
    """Rows of each file, or of each series of a stored symbol; a file that cannot be read is a finding like others.

    Raises:
        DataError: a word is neither a file nor a stored symbol.
    """
    from agv2.core.errors import DataError
    from agv2.data.bars_file import read_rows, symbol_of

    for text in sources:
        path = Path(text)
        if not (path.exists() or path.suffix or len(path.parts) > 1):
            yield from _stored(text, symbol)
            continue
        name = symbol or symbol_of(path)
        if not path.is_file():
            read_rows(path, name)  # says what is wrong with the path, which is the user's and not the file's fault
        try:
            yield _Source(text, name, read_rows(path, name).raw, "")
        except DataError as error:
            yield _Source(text, name, None, str(error).removeprefix(f"{path}: "))


def _stored(name: str, symbol: str | None) -> Iterator[_Source]:
    from agv2.core.errors import DataError
    from agv2.data.duckdb_store import BarStore
    from agv2.data.raw_bars import RawBars
    from agv2.utils.environment import load_environment

    store = BarStore(load_environment().bars_root)
    series = [each for each in store.series() if each.symbol == name]
    if not series:
        raise DataError(
            f"{name}: neither a file nor a symbol of the local store {store.root}; see `agv2 data status`, or give a "
            "Parquet file"
        )
    for each in series:
        raw = RawBars.of(store.read(each.symbol, each.timeframe))
        yield _Source(f"{name} {each.timeframe.name}", symbol or name, raw, "")


def _require_repairable(tables: Sequence[_Source], out: Path) -> None:
    from agv2.core.errors import DataError

    if len(tables) != 1:
        raise DataError(f"--repair {out}: one file at a time, found {len(tables)}")
    if tables[0].raw is None:
        raise DataError(f"{tables[0].name}: {tables[0].problem}")
    if out.suffix != ".parquet":
        raise DataError(f"--repair {out}: bars are written as Parquet; end the name with .parquet")
    if out.exists():
        raise DataError(f"--repair {out}: exists already; name a new file, since nothing is repaired in place")


def _repair(table: _Source, out: Path, rules: _Rules) -> "tuple[tuple[str, ...], QualityReport]":
    """Write what can be cured; what was done, and the report of the new file."""
    from agv2.core.errors import DataError
    from agv2.data.bars_file import read_rows, write_bars
    from agv2.data.quality.repair import repaired

    assert table.raw is not None  # looked at before anything was checked
    try:
        cured = repaired(table.raw)
    except DataError as error:
        raise DataError(f"{table.name}: {error}") from None
    out.parent.mkdir(parents=True, exist_ok=True)
    write_bars(cured.bars(), out)
    again = _Source(str(out), table.symbol, read_rows(out, table.symbol).raw, "")
    return cured.done, _checked(again, rules)


class _Tell:
    """Says what is looked at: a line that moves on a terminal, a line each elsewhere."""

    def __init__(self, total: int) -> None:
        from rich.console import Console

        self.console = Console(stderr=True)
        self.status = self.console.status("checking") if self.console.is_terminal else None
        self.total, self.done = total, 0

    def __call__(self, name: str) -> None:
        self.done += 1
        text = f"checking {name} ({self.done} of {self.total})"
        if self.status is not None:
            self.status.update(text)
        elif self.total > 1:
            self.console.print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _progress(total: int) -> Iterator[_Tell]:
    tell = _Tell(total)
    if tell.status is None:
        yield tell
    else:
        with tell.status:
            yield tell
