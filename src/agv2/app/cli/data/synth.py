"""`agv2 data synth`: markets whose truth is known."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from agv2.app.cli.data.out_file import require_new_parquet, writing
from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

if TYPE_CHECKING:  # numpy and the compiler are not needed to print a help text
    from agv2.data.synthetic_markets.market import MarketRequest

__all__ = ["synth"]

_BARS = 12_000
_MANY_BARS = 300_000  # about two seconds


def synth(
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="FILE", help="Parquet file; its name starts with the symbol. A folder for --all."
        ),
    ],
    market: Annotated[
        str | None,
        typer.Option("--market", metavar="SYMBOL", help="ETHUSD, XAUUSD, XAGUSD, US30, NAS100 or US2000."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All six instruments, a file each.")] = False,
    edge: Annotated[
        Literal["none", "momentum", "reversion", "session", "levels"] | None,
        typer.Option("--edge", help="What can be earned on the instrument; without it nothing can."),
    ] = None,
    strength: Annotated[
        str | None,
        typer.Option("--strength", metavar="S", help="weak, strong, or the oracle's net annual Sharpe ratio, 1 to 6."),
    ] = None,
    kind: Annotated[
        Literal["trend", "noise"] | None,
        typer.Option("--kind", help="A plain market round the clock: `trend` has an edge to find, `noise` has none."),
    ] = None,
    bars: Annotated[
        int | None, typer.Option("--bars", metavar="N", min=1, help=f"Number of bars. [default: {_BARS}]")
    ] = None,
    first: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="First day, UTC. [default: 2020-01-01]")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", metavar="DATE", help="Day before which it ends, in place of --bars.")
    ] = None,
    timeframe: Annotated[str, typer.Option("--timeframe", metavar="TF", help="Such as 5m, 1h, 1d.")] = "1h",
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same bars.")] = 7,
    as_json: Annotated[bool, typer.Option("--json", help="Say what was written as JSON.")] = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Write synthetic markets, the same for the same seed, with the truth behind them.

    Example: agv2 data synth --market XAUUSD --edge momentum --strength strong --out bars/XAUUSD_1h.parquet
    """
    settings = parse_overrides(config, overrides)
    from agv2.core.errors import DataError

    if market is not None or every:
        if kind is not None:
            raise DataError("--kind makes a plain market: leave it out where --market or --all names an instrument")
        if market is not None and every:
            raise DataError("--all makes every instrument and --market one of them: choose")
        request = _request(market, edge, strength, bars, first, until, timeframe, seed)
        written = _write_instruments(request, out, every, config, settings, as_json)
    else:
        instrument_only = {"--edge": edge, "--strength": strength, "--from": first, "--to": until}
        given = [name for name, value in instrument_only.items() if value is not None]
        if given:
            raise DataError(f"{' and '.join(given)} need an instrument: name it with --market, or use --all")
        written = [_write_plain(kind or "trend", bars or _BARS, timeframe, seed, out, as_json)]
    if as_json:
        import json

        typer.echo(json.dumps(written, indent=1))


def _write_plain(kind: str, bars: int, timeframe: str, seed: int, out: Path, as_json: bool) -> dict[str, Any]:
    from agv2.data.bars_file import symbol_of, write_bars
    from agv2.data.synthetic import synthetic_bars

    require_new_parquet(out)
    made = synthetic_bars(kind, bars, seed, timeframe=timeframe, symbol=symbol_of(out))
    with writing(out):
        write_bars(made, out)
    line = f"{out}: {len(made):,} bars of {made.symbol}, {made.timeframe.name}, {kind}, seed {seed}"
    typer.echo(line, err=as_json)
    return {"file": str(out), "symbol": made.symbol, "bars": len(made), "kind": kind, "seed": seed}


def _request(
    market: str | None,
    edge: str | None,
    strength: str | None,
    bars: int | None,
    first: str | None,
    until: str | None,
    timeframe: str,
    seed: int,
) -> "MarketRequest":
    from agv2.core.errors import DataError
    from agv2.data.synthetic_markets.market import START_NS, MarketRequest
    from agv2.data.synthetic_markets.strengths import parse_strength

    if bars is not None and until is not None:
        raise DataError("--bars and --to both say where the market ends: give one of them")
    return MarketRequest(
        symbol=market or "",
        edge=edge or "none",
        strength=parse_strength(strength, edge or "none"),
        timeframe=timeframe,
        start_ns=START_NS if first is None else _midnight_ns("--from", first),
        n_bars=(bars or _BARS) if until is None else None,
        stop_ns=None if until is None else _midnight_ns("--to", until),
        seed=seed,
    )


def _write_instruments(
    request: "MarketRequest", out: Path, every: bool, config: Path | None, overrides: Any, as_json: bool
) -> list[dict[str, Any]]:
    import dataclasses

    from rich.console import Console

    from agv2.core.timeframes import Timeframe
    from agv2.data.bars_file import symbol_of
    from agv2.data.config import MarketsConfig
    from agv2.data.synthetic_markets.instruments import INSTRUMENTS, instrument_shape
    from agv2.data.synthetic_markets.market import instrument_market
    from agv2.data.synthetic_markets.truth_file import market_files, write_market
    from agv2.utils.config import load_config

    length = Timeframe.parse(request.timeframe)
    expected_bars = request.n_bars or ((request.stop_ns or 0) - request.start_ns) // length.nanoseconds
    if every:
        files = {symbol: out / f"{symbol}_{length.name}.parquet" for symbol in INSTRUMENTS}
    else:
        instrument_shape(request.symbol)
        files = {request.symbol: out}
    for path in files.values():
        require_new_parquet(path, *market_files(path))
    markets = load_config(MarketsConfig, "markets", config, overrides)
    console = Console(stderr=True)
    written = []
    for symbol, path in files.items():
        if not console.is_terminal and expected_bars > _MANY_BARS:
            console.print(f"making {symbol}", highlight=False)
        with console.status(f"making {symbol}"):
            made = instrument_market(dataclasses.replace(request, symbol=symbol), markets.entry(symbol)[0])
            with writing(path):
                parameters = write_market(made, path)
        if symbol_of(path) != symbol:
            console.print(
                f"note: {path.name} reads back as {symbol_of(path)}; say --symbol {symbol} wherever you use it",
                highlight=False,
                soft_wrap=True,
            )
        worth = "no edge"
        if request.edge != "none":
            worth = f"{request.edge}, oracle's net Sharpe ratio {parameters['oracle_sharpe_annual']} a year"
        line = f"{path}: {len(made.bars):,} bars of {symbol}, {length.name}, {worth}, seed {request.seed}"
        typer.echo(line, err=as_json)
        written.append({"file": str(path), **parameters})
    return written


def _midnight_ns(option: str, text: str) -> int:
    import datetime

    from agv2.core.errors import DataError

    try:
        day = datetime.date.fromisoformat(text)
    except ValueError:
        raise DataError(f"{option} {text}: expected a date such as 2024-01-31") from None
    return (day - datetime.date(1970, 1, 1)).days * 86_400_000_000_000
