"""Options that `paper` and `live` share, and the way both start a trader."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from agv2.app.trading.request import TradingRequest

__all__ = [
    "AccountOption",
    "BundleOption",
    "ClockOption",
    "JournalOption",
    "JsonOption",
    "OnStopOption",
    "OnceOption",
    "PlainOption",
    "SymbolOption",
    "TimeframeOption",
    "WaitOption",
    "one_symbol",
    "start_trading",
]  # fmt: skip

BundleOption = Annotated[Path, typer.Option("--bundle", metavar="DIR", help="The model: RUN/bundle of a run.")]
SymbolOption = Annotated[
    list[str] | None, typer.Option("--symbol", metavar="S", help="What to trade; the bundle's, if it knows but one.")
]
TimeframeOption = Annotated[str | None, typer.Option("--timeframe", metavar="TF", help="Of the bars; the bundle's.")]
AccountOption = Annotated[
    str | None, typer.Option("--account", metavar="ID", help="Refuse to start in any other account than this.")
]
OnceOption = Annotated[bool, typer.Option("--once", help="Decide on one bar, carry it out, stop.")]
WaitOption = Annotated[
    float | None,
    typer.Option(
        "--wait", metavar="S", min=0.0, help="With --once: seconds to wait for a bar; by default until one must come."
    ),
]
JournalOption = Annotated[
    str | None,
    typer.Option("--journal", metavar="FILE", help="SQLite file or postgresql:// address; one a mode and market."),
]
ClockOption = Annotated[
    Literal["system", "venue"] | None,
    typer.Option("--clock", help="Whose time says how old a bar is; venue time is the newest bar's close."),
]
OnStopOption = Annotated[
    Literal["protect", "flatten"],
    typer.Option("--on-stop", help="When stopped, leave what is held with its stop, or close it."),
]
PlainOption = Annotated[bool, typer.Option("--plain", help="Lines instead of a screen, also on a terminal.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Nothing but the closing summary, as JSON.")]


def one_symbol(given: list[str] | None) -> str | None:
    """The symbol that was named, if one was.

    Raises:
        ConfigError: several were: typer would take the last and say nothing.
    """
    from agv2.core.errors import ConfigError

    if given is not None and len(given) > 1:
        raise ConfigError(
            f"--symbol {' --symbol '.join(given)}: one start trades one symbol; start one for each, also in one account"
        )
    return given[0] if given else None


def start_trading(request: "TradingRequest", *, plain: bool, as_json: bool) -> None:
    """Trade, show it, and sum it up at the end.

    Raises:
        ConfigError: `--wait` without `--once`.
        DataError: nothing was decided, though `--once` asked for it.
    """
    import asyncio

    from agv2.app.trading.closing import outcome_json, show_outcome
    from agv2.app.trading.log import trading_log
    from agv2.app.trading.session import trade
    from agv2.app.trading.view import TraderView
    from agv2.core.errors import ConfigError, DataError

    if request.once_wait_s is not None and not request.once:
        raise ConfigError("--wait says how long --once waits for a bar: give both, or neither")
    with trading_log(request), TraderView(plain=plain, quiet=as_json) as view:
        outcome = asyncio.run(trade(request, view.tell, view.begin))
    if as_json:
        typer.echo(json.dumps(outcome_json(outcome)))
    else:
        show_outcome(outcome)
    if request.once and outcome.status.n_decisions == 0:
        raise DataError(
            f"--once decided nothing: {outcome.reason}. The market may be closed; --clock venue waits until a newer "
            "bar than the last one is listed; --wait S waits longer"
        )
