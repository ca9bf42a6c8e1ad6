"""`agv2 models`: registered models, and which of them is champion."""

import datetime
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agv2.app.cli.options import ConfigOption, SetOption, parse_overrides

if TYPE_CHECKING:
    from agv2.app.golive.gate_log import GateLog
    from agv2.app.tracking.registry import RegisteredModel

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="models:/NAME@challenger, models:/NAME@champion or models:/NAME/VERSION.")
]


@app.callback()
def _root() -> None:
    """Models that `--mlflow` registered: list, fetch, make champion."""


@app.command(name="list")
def list_models(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show every version with its verdict, the go-live gate's word and its aliases.

    Example: agv2 models list
    """
    from agv2.app.golive.gate_log import GateLog
    from agv2.app.tracking.local_bundles import open_registry
    from agv2.app.tracking.registry import registered_models
    from agv2.utils.clock import SystemClock
    from agv2.utils.environment import load_environment

    environment, clock = load_environment(), SystemClock()
    models = registered_models(open_registry(environment, clock).client)
    log = GateLog(environment, clock)
    rows = [_row(model, log) for model in models]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    if not rows:
        typer.echo("no models; `agv2 run … --mlflow` registers one")
        return
    width = max(len(row["model"]) for row in rows) + 2
    typer.echo(f"{'model':<{width}}{'made':<12}{'bundle':<14}{'said of it':<34}{'go-live gate':<24}alias")
    for row in rows:
        said, alias = row["said"], ", ".join(row["aliases"])
        typer.echo(
            f"{row['model']:<{width}}{row['made'][:10]:<12}{row['bundle'][:12]:<14}{said:<34}{row['gate']:<24}{alias}".rstrip()
        )


@app.command()
def fetch(model: ModelArgument) -> None:
    """Bring a model's bundle to this machine, checked byte by byte, and print its directory: the value of --bundle.

    Example: agv2 models fetch models:/agv2-XAUUSD-1h@champion
    """
    from agv2.app.tracking.local_bundles import fetch_bundle, find_model, open_registry
    from agv2.utils.clock import SystemClock
    from agv2.utils.environment import load_environment

    environment = load_environment()
    tracker = open_registry(environment, SystemClock())
    typer.echo(fetch_bundle(tracker, find_model(tracker.client, model), environment))


@app.command()
def promote(
    model: ModelArgument,
    override: Annotated[
        str | None,
        typer.Option(
            "--risk-real-money-without-gate", metavar="REASON", help="Though agv2 golive says no; kept for good."
        ),
    ] = None,
    config: ConfigOption = None,
    overrides: SetOption = None,
) -> None:
    """Make a model champion. It must have passed the go-live gate, as for agv2 live; the record is kept.

    Example: agv2 models promote models:/agv2-XAUUSD-1h@challenger
    """
    settings = parse_overrides(config, overrides)
    from agv2.app.cli.golive_table import print_verdict
    from agv2.app.cli.person import person
    from agv2.app.golive.promotion import promote as start
    from agv2.app.tracking.local_bundles import find_model, open_registry
    from agv2.utils.clock import SystemClock
    from agv2.utils.environment import load_environment

    environment, clock = load_environment(), SystemClock()
    tracker = open_registry(environment, clock)
    found = find_model(tracker.client, model)
    done = start(
        tracker, found, override, person(), environment, clock,
        lambda verdict: print_verdict(verdict, stderr=True), config, settings,
    )  # fmt: skip
    if done.is_override:
        typer.secho("CHAMPION WITHOUT THE GATE", fg="red", bold=True, err=True)
    for words in done.grounds:
        typer.echo(words)
    typer.echo(f"champion: models:/{found.name}/{found.version}")
    typer.echo(f"bundle: {done.bundle}")


def _row(model: "RegisteredModel", log: "GateLog") -> dict[str, Any]:
    said = [f"verdict: {model.tags['verdict']}"] if "verdict" in model.tags else []
    said += [f"challenger: {model.tags['finding']}"] if "finding" in model.tags else []
    made = datetime.datetime.fromtimestamp(model.made_ms / 1000, tz=datetime.UTC)
    return {
        "model": f"models:/{model.name}/{model.version}",
        "made": made.isoformat(),
        "bundle": model.digest,
        "said": "; ".join(said),
        "gate": _gate(model, log),
        "aliases": list(model.aliases),
        "tags": dict(model.tags),
    }


def _gate(model: "RegisteredModel", log: "GateLog") -> str:
    """The newest verdict on each symbol, in a word."""
    newest = []
    for symbol in model.tags["symbols"].split(", "):
        verdicts = log.verdicts(model.digest, symbol)
        newest.append(verdicts[-1] if verdicts else None)
    known = [each for each in newest if each is not None]
    if not known:
        return "never looked at it"
    oldest = min(each.ts_ns for each in known)
    day = datetime.datetime.fromtimestamp(oldest / 1e9, tz=datetime.UTC).date().isoformat()
    passed = len(known) == len(newest) and all(each.body["passed"] for each in known)
    return f"{'passed' if passed else 'not passed'} {day}"
