"""`agv2 token`: who may ask the decision service."""

import datetime
import json
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from agv2.deploy.tokens import Token, TokenStore

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def _root() -> None:
    """Make, list and revoke tokens of the decision service."""


@app.command()
def new(
    role: Annotated[
        Literal["viewer", "operator"],
        typer.Option("--role", help="A viewer looks; an operator decides, kills, re-arms."),
    ],
    name: Annotated[str, typer.Option("--name", help="Whose it is, for the list.")] = "",
    days: Annotated[int | None, typer.Option("--days", min=1, max=3650, help="Until it expires; else never.")] = None,
) -> None:
    """Make a token and print it, once: only its hash is kept.

    Example: agv2 token new --role viewer --name prometheus --days 365
    """
    from agv2.deploy.tokens import Role

    token, text = _store().issue(Role(role), name, days)
    typer.echo(text)
    typer.echo(f"token {token.token_id}, role {token.role}: keep it now, it cannot be shown again", err=True)


@app.command(name="list")
def list_tokens(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show every token's id, role and state; no secret."""
    tokens = _store().tokens()
    if as_json:
        typer.echo(json.dumps([_plain(token) for token in tokens]))
        return
    if not tokens:
        typer.echo("no tokens; `agv2 token new --role viewer` makes one")
        return
    typer.echo(f"{'id':<10}{'role':<10}{'made':<12}{'state':<22}name")
    for token in tokens:
        row = _plain(token)
        typer.echo(f"{row['id']:<10}{row['role']:<10}{row['made'][:10]:<12}{row['state']:<22}{row['name']}".rstrip())


@app.command()
def revoke(token_id: Annotated[str, typer.Argument(metavar="ID", help="As `agv2 token list` shows it.")]) -> None:
    """Close a token for good; a running service refuses it from its next request on."""
    token = _store().revoke(token_id)
    typer.echo(f"token {token.token_id} opens nothing any more")


def _store() -> "TokenStore":
    from agv2.app.serving import token_store
    from agv2.utils.environment import load_environment

    return token_store(load_environment())


def _plain(token: "Token") -> dict[str, str]:
    from agv2.utils.clock import SystemClock

    if token.revoked_ns:
        state = f"revoked {_day(token.revoked_ns)}"
    elif not token.is_valid(SystemClock().now_ns()):
        state = f"expired {_day(token.expires_ns)}"
    else:
        state = f"until {_day(token.expires_ns)}" if token.expires_ns else "valid"
    made = datetime.datetime.fromtimestamp(token.created_ns / 1e9, datetime.UTC).isoformat(timespec="seconds")
    return {"id": token.token_id, "role": token.role.value, "name": token.name, "made": made, "state": state}


def _day(ts_ns: int) -> str:
    return datetime.datetime.fromtimestamp(ts_ns / 1e9, datetime.UTC).date().isoformat()
