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
    WaitOption,
    one_symbol,
    start_trading,
)  # fmt: skip

__all__ = ["live"]


def live(
    bundle: BundleOption,
    symbol: SymbolOption = None,
    timeframe: TimeframeOption = None,
    account: AccountOption = None,
    once: OnceOption = False,
    wait_s: WaitOption = None,
    journal: JournalOption = None,
    clock: ClockOption = None,
    on_stop: OnStopOption = "protect",
    override: Annotated[
        str | None,
        typer.Option(
            "--risk-real-money-without-gate", metavar="REASON", help="Trade though agv2 golive says no; kept for good."
        ),
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
    import dataclasses

    from agv2.app.cli.golive_table import print_verdict
    from agv2.app.cli.person import person
    from agv2.app.golive.permit import live_permit
    from agv2.app.trading.request import TradingRequest
    from agv2.utils.clock import SystemClock
    from agv2.utils.environment import load_environment

    request = TradingRequest(
        mode="live",
        bundle=bundle,
        symbol=one_symbol(symbol),
        timeframe=timeframe,
        broker="venue",
        journal=journal,
        clock=clock,
        account=account,
        once=once,
        once_wait_s=wait_s,
        flatten_on_stop=on_stop == "flatten",
        config_dir=config,
        overrides=settings,
    )
    permit = live_permit(
        request, override, person(), load_environment(), SystemClock(), lambda found: print_verdict(found, stderr=True)
    )
    if permit is not None and permit.is_override:
        typer.secho(f"REAL MONEY WITHOUT THE GATE: {permit.words}", fg="red", bold=True, err=True)
    start_trading(dataclasses.replace(request, permit=permit), plain=plain, as_json=as_json)
