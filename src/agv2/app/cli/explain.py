"""`agv2 explain`: why a trade of a finished run was entered."""

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["explain"]


def explain(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a finished run.")],
    trade: Annotated[
        int | None, typer.Option("--trade", metavar="N", help="Number of the trade; without it, trades are listed.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The page; else RUN/explained/trade_N.html.")
    ] = None,
    bars: Annotated[
        list[Path] | None,
        typer.Option("--bars", metavar="FILE", help="Where the run's bars are now; once a symbol, in their order."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON instead.")] = False,
    open_page: Annotated[bool, typer.Option("--open", help="Show the page in a browser.")] = False,
) -> None:
    """Say why a trade was entered: the candles and features that mattered, what the heads saw, what risk changed.

    Example: agv2 explain runs/gold --trade 3
    """
    from agv2.app.cli.explain_table import explanation_json, print_explanation, print_trades

    if trade is None:
        print_trades(run, as_json=as_json)
        return
    from agv2.app.explain_page.page import explain_page
    from agv2.app.explanation import explain_trade
    from agv2.app.progress import waiting
    from agv2.backtest.atomic_files import write_atomically
    from agv2.core.errors import ConfigError

    with waiting(f"taking the decision of trade {trade} again, asking what it came from"):
        explained = explain_trade(run, trade, bars or ())
    path = out or run / "explained" / f"trade_{trade}.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, explain_page(explained))
    except OSError as error:
        raise ConfigError(f"--out {path}: cannot be written ({error.strerror}); name another file") from error
    if as_json:
        typer.echo(explanation_json(explained))
    else:
        print_explanation(explained)
    typer.echo(f"page: {path}", err=as_json)
    if open_page:
        webbrowser.open(path.resolve().as_uri())
