"""`agv2 golive`: what a model must still show before it trades real money."""

from typing import Annotated

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides
from agv2.app.cli.trading_options import BundleOption, SymbolOption, one_symbol

__all__ = ["golive"]


def golive(
    bundle: BundleOption,
    symbol: SymbolOption = None,
    journal: Annotated[
        str | None, typer.Option("--journal", metavar="FILE", help="Of the paper trader; the usual one of its market.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON, for programs.")] = False,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Say what a model has shown on paper and what is missing; exit code 0 only if nothing is. The verdict is kept.

    Example: agv2 golive --bundle runs/gold/bundle
    """
    settings = parse_overrides(config, overrides)
    from agv2.app.cli.golive_table import looking, print_verdict, verdict_json
    from agv2.app.cli.person import person
    from agv2.app.golive.examination import GateRequest, examine
    from agv2.app.golive.gate_log import GateLog
    from agv2.core.errors import ConfigError
    from agv2.utils.clock import SystemClock
    from agv2.utils.environment import load_environment

    environment, clock = load_environment(), SystemClock()
    with looking() as waiting:
        found = examine(GateRequest(bundle, one_symbol(symbol), journal, config, settings), environment, clock, waiting)
    record = GateLog(environment, clock).note_verdict(found, person())
    if as_json:
        typer.echo(verdict_json(found, record))
    else:
        print_verdict(found, record)
    if not found.is_passed:
        where = "remedies are in the output" if as_json else "the table says what to do"
        raise ConfigError(
            f"{len(found.missing)} of {len(found.requirements)} requirements are not met: {', '.join(found.missing)}; "
            f"{where}"
        )
