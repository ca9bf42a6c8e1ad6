"""`agv2 paper`: the trained model at work on play money."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides
from agv2.app.cli.trading_options import (
    AccountOption,
    BundleOption,
    ClockOption,
    JournalOption,
    JsonOption,
    OnceOption,
    OnStopOption,
    PlainOption,
    SymbolOption,
    TimeframeOption,
    WaitOption,
    one_symbol,
    start_trading,
)  # fmt: skip

__all__ = ["paper"]


def paper(
    bundle: BundleOption,
    symbol: SymbolOption = None,
    timeframe: TimeframeOption = None,
    broker: Annotated[
        Literal["sim", "venue"],
        typer.Option("--broker", help="Fill here as in a backtest, or send orders to a demo account."),
    ] = "sim",
    feed: Annotated[
        Path | None, typer.Option("--feed", metavar="FILE", help="Parquet bars in place of the venue's.")
    ] = None,
    speed: Annotated[
        str, typer.Option("--speed", metavar="N|max", help="How many times faster than it happened a file is played.")
    ] = "max",
    first: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="First day, or moment, of the file to trade, UTC.")
    ] = None,
    most_bars: Annotated[
        int | None, typer.Option("--bars", metavar="N", min=1, help="Trade no more than so many bars of the file.")
    ] = None,
    capital: Annotated[
        float, typer.Option("--capital", metavar="MONEY", min=1.0, help="Money in the simulated account.")
    ] = 100_000.0,
    account: AccountOption = None,
    once: OnceOption = False,
    wait_s: WaitOption = None,
    journal: JournalOption = None,
    clock: ClockOption = None,
    on_stop: OnStopOption = "protect",
    guards: Annotated[
        Literal["halt", "tell"],
        typer.Option("--guards", help="A guard that trips halts, as it would live, or only says so."),
    ] = "halt",
    plain: PlainOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Trade with play money: live bars or a recording, filled as in a backtest or in a demo account.

    Example: agv2 paper --bundle runs/gold/bundle --feed bars/XAUUSD_1h.parquet --speed max
    """
    settings = parse_overrides(config, overrides)
    from agv2.app.cli.trading_values import first_moment, speed_of
    from agv2.app.trading.request import TradingRequest
    from agv2.core.errors import ConfigError

    if feed is None and (speed != "max" or first is not None or most_bars is not None):
        raise ConfigError("--speed, --from and --bars are for a recording: give one with --feed FILE")
    if feed is not None and broker == "venue":
        raise ConfigError("--feed FILE trades in the simulated venue: a real one has bars of its own; drop one of both")
    start_trading(
        TradingRequest(
            mode="paper",
            bundle=bundle,
            symbol=one_symbol(symbol),
            timeframe=timeframe,
            broker=broker,
            feed=feed,
            speed=speed_of(speed),
            first=first_moment(first),
            most_bars=most_bars,
            journal=journal,
            clock=clock,
            account=account,
            once=once,
            once_wait_s=wait_s,
            flatten_on_stop=on_stop == "flatten",
            capital=capital,
            config_dir=config,
            overrides=settings,
            guards=guards,
        ),
        plain=plain,
        as_json=as_json,
    )
