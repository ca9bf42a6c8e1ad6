"""The `agv2` command: what it is called with, and how it ends.

Modules here import nothing heavy at the top: `agv2 --help` answers before numpy would have loaded.
"""

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from agv2.app.cli import (
    alert,
    audit,
    compare,
    demo,
    doctor,
    drift,
    explain,
    golive,
    halt,
    init,
    journal,
    leakcheck,
    live,
    models,
    paper,
    replay,
    report,
    robustness,
    run,
    serve,
    token,
    truth,
    tune,
    watchdog,
)
from agv2.app.cli.data import group as data
from agv2.app.cli.features import group as features
from agv2.app.cli.options import spread_values
from agv2.app.cli.train import group as train
from agv2.core.errors import AGV2Error

__all__ = ["main"]

_FAILED = 1
_INTERRUPTED = 130  # as shells report an interrupt
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Read by numerical libraries as they are loaded. How many threads add decides in which order, and so the last bits:
with one, a result does not depend on how many processors a machine, or a worker, has."""

app = typer.Typer(
    name="agv2",
    help="Learns price-action patterns, trades them, and says honestly whether there is an edge.",
    epilog="Exit codes: 0 ok, 1 failed check or error (one line says what), 2 wrong usage, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(name="demo")(demo.demo)
app.command(name="init")(init.init)
app.command(name="doctor")(doctor.doctor)
app.command(name="run")(run.run)
app.command(name="paper")(paper.paper)
app.command(name="golive")(golive.golive)
app.command(name="live")(live.live)
app.command(name="kill")(halt.kill)
app.command(name="flatten")(halt.flatten)
app.command(name="rearm")(halt.rearm)
app.command(name="replay")(replay.replay)
app.command(name="compare")(compare.compare)
app.command(name="report")(report.report)
app.command(name="leakcheck")(leakcheck.leakcheck)
app.command(name="truth")(truth.truth)
app.command(name="tune")(tune.tune)
app.command(name="drift")(drift.drift)
app.command(name="watchdog")(watchdog.watchdog)
app.command(name="explain")(explain.explain)
app.command(name="serve")(serve.serve)
app.command(name="robustness")(robustness.robustness)
app.add_typer(data.app, name="data")
app.add_typer(features.app, name="features")
app.add_typer(train.app, name="train")
app.add_typer(journal.app, name="journal")
app.add_typer(models.app, name="models")
app.add_typer(token.app, name="token")
app.add_typer(audit.app, name="audit")
app.add_typer(alert.app, name="alert")


def _print_version(wanted: bool) -> None:
    if wanted:
        import importlib.metadata  # a third of the time that `--help` takes

        typer.echo(f"agv2 {importlib.metadata.version('agv2')}")
        raise typer.Exit()


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options before the command."""


def main(argv: Sequence[str] | None = None) -> None:
    """Run one command and leave the process with its exit code.

    Args:
        argv: words after `agv2`; the process's own unless given.

    Raises:
        SystemExit: always; 0 ok, 1 error, 2 usage, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    if words[:1] in (["run"], ["leakcheck"], ["train"], ["tune"]) or words[:2] == ["features", "export"]:
        words = spread_values(words, "--bars", "--symbol")
    try:
        app(words, prog_name="agv2")
    except AGV2Error as error:
        _fail(str(error), error)
    except SystemExit as leaving:
        if leaving.code == _INTERRUPTED:
            resumable = words[:1] in (["run"], ["train"])
            hint = "; continue with the same command and --resume" if resumable else ""
            hint = "; continue with the same command" if words[:1] == ["tune"] else hint
            sys.stderr.write(f"agv2: interrupted{hint}\n")
        raise
    except Exception as error:  # noqa: BLE001 - the last door: a person gets a line, not a stack
        _fail(f"unexpected {type(error).__name__}: {error}; this is a fault of AGV2, {_keep(error)}", error)


def _fail(message: str, error: Exception) -> None:
    from agv2.utils.logging_config import hide_secrets

    if os.environ.get("AGV2_DEBUG") == "1":
        sys.stderr.write(hide_secrets("".join(traceback.format_exception(error))))
    sys.stderr.write(f"agv2: {' '.join(hide_secrets(message).split())}\n")
    raise SystemExit(_FAILED)


def _keep(error: Exception) -> str:
    """Write the traceback, without secrets, where a bug report can take it from."""
    from agv2.utils.logging_config import hide_secrets

    text = hide_secrets("".join(traceback.format_exception(error)))
    with tempfile.NamedTemporaryFile(
        "w", prefix="agv2-error-", suffix=".log", delete=False, encoding="utf-8"
    ) as report:
        report.write(text)
    return f"details in {report.name}"


if __name__ == "__main__":
    main()
