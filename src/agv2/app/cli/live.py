"""`agv2 live`: the trained model at work on real money."""

from typing import Annotated

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
    start_trading,
)  # fmt: skip

__all__ = ["live"]


def live(
    bundle: BundleOption,
    symbol: SymbolOption = None,
    timeframe: TimeframeOption = None,
    account: AccountOption = None,
    once: OnceOption = False,
    journal: JournalOption = None,
    clock: ClockOption = None,
    on_stop: OnStopOption = "protect",
    override_gate: Annotated[
        str | None,
        typer.Option("--override-gate", metavar="REASON", help="Trade without a passed go-live gate; written down."),
    ] = None,
    plain: PlainOption = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Trade with real money in the account that the environment names. Needs a passed go-live gate.

    Example: agv2 live --bundle runs/gold/bundle --symbol XAUUSD --account 812345
    """
    settings = parse_overrides(config, overrides)
    from agv2.app.trading.gate import require_gate
    from agv2.app.trading.request import TradingRequest

    require_gate(bundle, override_gate)
    if override_gate is not None:
        typer.secho(f"GO-LIVE GATE OVERRIDDEN: {override_gate}. Real money is at stake.", fg="red", bold=True, err=True)
    start_trading(
        TradingRequest(
            mode="live",
            bundle=bundle,
            symbol=symbol,
            timeframe=timeframe,
            broker="venue",
            journal=journal,
            clock=clock,
            account=account,
            once=once,
            flatten_on_stop=on_stop == "flatten",
            config_dir=config,
            overrides=settings,
            override_gate=override_gate,
        ),
        plain=plain,
        as_json=as_json,
    )
