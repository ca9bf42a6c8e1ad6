"""`agv2 audit`: proof that the record of decisions is what it was."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from agv2.deploy.audit_chain import ChainHead, ChainReport

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)

AccountOption = Annotated[
    str, typer.Option("--account", metavar="ID", help="Whose log, as `agv2 serve --account` has it.")
]
FileOption = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="A log elsewhere, instead of an account's.")
]


@app.callback()
def _root() -> None:
    """Verify and export the audit log of decisions."""


@app.command()
def verify(
    account: AccountOption = "default",
    file: FileOption = None,
    head: Annotated[
        list[str] | None,
        typer.Option("--head", metavar="NUMBER:SHA256", help="Noted earlier, elsewhere; may be repeated."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Prove every record by its hash, and the log's end by heads noted before; exit code 1 names the first bad record.

    Example: agv2 audit verify --account DEMO-1
    """
    path, noted = _path(account, file), _heads(head or [])
    from agv2.core.errors import DataError
    from agv2.deploy.audit_chain import verify_chain

    report = verify_chain(path, noted)
    if as_json:
        typer.echo(json.dumps({**_plain(report), "file": str(path)}))
    if report.problem:
        raise DataError(f"{path}: {report.problem}; {report.records} records before it are proved")
    if not as_json:
        typer.echo(f"{path}: {report.records} records, each as it was written")
        if report.torn_bytes:
            typer.echo(
                f"after them {report.torn_bytes} bytes of a record that is being written, or was cut off by a kill"
            )
        if not report.anchored:
            typer.echo("no noted head was there to hold the end against: records cut off the end would not be noticed")
        typer.echo(f"head {report.head}  (note it elsewhere: with --head it proves later that nothing was cut off)")


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", metavar="FILE.parquet", help="New file, a row a record.")],
    account: AccountOption = "default",
    file: FileOption = None,
) -> None:
    """Write the log as a table, after proving it.

    Example: agv2 audit export --account DEMO-1 --out decisions.parquet
    """
    path = _path(account, file)
    from agv2.deploy.audit_table import export_audit

    rows = export_audit(path, out)
    typer.echo(f"{out}: {rows} records of {path}")


def _path(account: str, file: Path | None) -> Path:
    from agv2.app.serving import audit_path
    from agv2.utils.environment import load_environment

    return audit_path(load_environment(), account) if file is None else file


def _heads(texts: list[str]) -> "list[ChainHead]":
    from agv2.core.errors import ConfigError
    from agv2.deploy.audit_chain import ChainHead

    try:
        return [ChainHead.parse(text) for text in texts]
    except ValueError as error:
        raise ConfigError(f"--head: {error}") from error


def _plain(report: "ChainReport") -> dict[str, object]:
    return {
        "ok": not report.problem,
        "records": report.records,
        "head": str(report.head),
        "problem": report.problem,
        "first_bad": report.first_bad,
        "torn_bytes": report.torn_bytes,
        "anchored": report.anchored,
    }
