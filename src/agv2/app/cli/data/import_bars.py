"""`agv2 data import`: vendors' files into the local store, or into one Parquet file."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

if TYPE_CHECKING:
    from agv2.data.importers.clock_evidence import ClockFinding
    from agv2.data.importers.import_request import ImportedSeries

__all__ = ["import_bars"]

_LONG_BYTES = 16 << 20


def import_bars(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of one series; .gz and .zip too.")],
    symbol: Annotated[
        str | None, typer.Option("--symbol", metavar="S", help="Else from the file name, where the vendor's has it.")
    ] = None,
    timeframe: Annotated[
        str | None, typer.Option("--timeframe", metavar="TF", help="Else the commonest step between stamps.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option("--map", metavar="MAP", help="ts=Time,open=O,high=H,low=L,close=C: names, or numbers from 1."),
    ] = None,
    ts_format: Annotated[
        str | None, typer.Option("--ts-format", metavar="FORMAT", help="Such as '%d/%m/%Y %H:%M', or epoch_ms.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", metavar="ZONE", help="Such as UTC, EST, Europe/Athens, New York+7.")
    ] = None,
    stamps: Annotated[
        Literal["open", "close"] | None, typer.Option("--stamps", help="Which end of a bar its stamp is.")
    ] = None,
    price_side: Annotated[
        Literal["bid", "ask", "mid", "trade"] | None, typer.Option("--price-side", help="What the prices are.")
    ] = None,
    vendor: Annotated[
        str | None, typer.Option("--format", metavar="NAME", help="Else told from the content; docs/importing.md.")
    ] = None,
    point: Annotated[
        float | None, typer.Option("--point", metavar="PRICE", help="Price of one point, for spreads in points.")
    ] = None,
    prefer: Annotated[
        Literal["first", "last"] | None,
        typer.Option("--prefer", help="Which of different bars of one stamp to keep, by order of files and rows."),
    ] = None,
    skip_bad_rows: Annotated[
        int, typer.Option("--skip-bad-rows", metavar="N", min=0, help="Leave out up to N unusable rows of a file.")
    ] = 0,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="A Parquet file instead of the local store.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON, for programs.")] = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Read vendors' exports into bars: all of the files, or nothing where one cannot be used.

    Known: AGV2 Parquet, MetaTrader 4 and 5, Dukascopy candles and ticks, HistData, Binance, Bitfinex, FXCM pairs of
    bid and ask, US equity minutes; any other table with --map. Clock and stamps are shown with their evidence.

    Example: agv2 data import XAUUSD_M15_202501020100_202510272245.csv
    """
    parse_overrides(config, overrides)
    from agv2.app.cli.data.import_report import as_dict, as_text
    from agv2.core.errors import ConfigError, DataError
    from agv2.core.timeframes import Timeframe
    from agv2.data.importers.clocks import parse_clock
    from agv2.data.importers.formats import format_named
    from agv2.data.importers.import_bars import import_bars as start
    from agv2.data.importers.import_request import ImportRequest
    from agv2.data.importers.mapped_csv import parse_map
    from agv2.data.importers.stamp_text import stated_layout
    from agv2.data.importers.vendor_rows import ReadOptions

    if point is not None and not 0.0 < point < float("inf"):
        raise ConfigError(f"--point {point:g}: the price of a point is above zero, such as 0.01")
    if out is not None and (out.suffix != ".parquet" or out.exists()):
        problem = "exists already; remove it or write elsewhere" if out.exists() else "must end with .parquet"
        raise DataError(f"{out}: {problem}")
    request = ImportRequest(
        paths=tuple(files),
        symbol=symbol,
        timeframe=None if timeframe is None else Timeframe.parse(timeframe),
        clock=None if timezone is None else parse_clock(timezone),
        stamps=stamps,
        price_side=price_side,
        format=None if vendor is None else format_named(vendor),
        prefer=prefer,
        options=ReadOptions(
            columns=() if columns is None else parse_map(columns),
            stamp_layout=None if ts_format is None else stated_layout(ts_format),
            point=point,
            allowed_bad=skip_bad_rows,
        ),
    )
    began = time.perf_counter()
    with _Steps(files, quiet=as_json) as steps:
        found = start(request, steps.show, _show_evidence)
        steps.show("writing")
        stored = _store(found, out)
    seconds = time.perf_counter() - began
    if as_json:
        typer.echo(json.dumps(as_dict(found, stored, seconds)))
    else:
        typer.echo(as_text(found, stored, seconds))


class _Steps:
    """A line that moves on a terminal; elsewhere a plain line for each step of work that takes seconds."""

    def __init__(self, files: list[Path], *, quiet: bool) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._quiet, self._began = quiet, time.monotonic()
        self._long = sum(file.stat().st_size for file in files if file.is_file()) > _LONG_BYTES
        self._status = self._console.status("") if self._console.is_terminal and not quiet else None

    def __enter__(self) -> "_Steps":
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def show(self, step: str) -> None:
        """Say what is being done."""
        from rich.markup import escape

        if self._status is not None:
            self._status.update(escape(step))
        elif not self._quiet and (self._long or time.monotonic() - self._began > 2.0):
            self._console.print(step, highlight=False, markup=False, soft_wrap=True)


def _store(found: "ImportedSeries", out: Path | None) -> dict[str, object]:
    """Write the bars; nothing was written before."""
    from agv2.core.errors import DataError

    if out is not None:
        from agv2.data.importers.own_parquet import write_own_parquet

        if len(found.bars) < 2:
            raise DataError(f"{out}: not written: one bar is no file; import more, or into the store")
        try:
            write_own_parquet(found.bars, out, price_side=found.price_side, source=found.format.title)
        except OSError as error:
            raise DataError(f"{out}: cannot be written ({error.strerror}); check the directory") from error
        return {"out": str(out)}
    from agv2.data.duckdb_store import BarStore
    from agv2.utils.environment import load_environment

    store = BarStore(load_environment().bars_root)
    try:
        written = store.write(found.bars, price_side=found.price_side, source=found.format.title)
    except OSError as error:
        raise DataError(f"{store.root}: cannot be written ({error.strerror}); check the directory") from error
    return {"store": str(store.root), **written._asdict()}


def _show_evidence(finding: "ClockFinding") -> None:
    """Who is asked what the clock is shall see what the bars said."""
    from agv2.app.cli.data.import_report import evidence_lines

    for line in evidence_lines(finding):
        typer.echo(line, err=True)
