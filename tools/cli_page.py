"""Write docs/reference/commands.md from the commands' own help.

Usage: python -m tools.cli_page [--check]
"""

import html
import sys
from collections.abc import Iterator
from typing import Any

import typer

from agv2.app.cli.main import app
from tools.generated_page import keep_page

__all__ = ["cli_page", "main"]

_TOP = """\
# Commands

Every command with its options, as `agv2 COMMAND --help` prints them. Written by `python -m tools.cli_page` from the
commands themselves; a test holds the two together.

Exit codes: 0 done · 1 a check failed or something is wrong, and one line says what and the remedy · 2 wrong usage ·
130 interrupted. `--config` and `--set` mean the same everywhere: [settings](settings.md).
"""
_REQUIRED = "  [required]"


def cli_page() -> str:
    """The page's text."""
    return _TOP + "".join(
        _section(words, command) for words, command in _commands(("agv2",), typer.main.get_command(app))
    )


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` only say whether it is up to date."""
    return keep_page("reference/commands.md", cli_page(), "tools.cli_page", arguments)


def _commands(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, groups opened, in the order of `agv2 --help`."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    for name, each in inner.items():
        yield from _commands((*words, name), each)


def _section(words: tuple[str, ...], command: Any) -> str:
    context = command.make_context(words[-1], [], resilient_parsing=True)
    rows = [_row(parameter.get_help_record(context)) for parameter in command.params]
    table = "".join(["\n| | |\n|---|---|\n", *rows]) if rows else ""
    return f"\n## {' '.join(words)}\n\n{_help(command.help or '')}\n{table}"


def _help(text: str) -> str:
    """The help as a page shows it: an example in a block of its own."""
    said, _, example = text.partition("Example:")
    block = f"\n\n```text\n{' '.join(example.split())}\n```" if example else ""
    return said.strip() + block


def _row(record: tuple[str, str]) -> str:
    name, meaning = record
    required = _REQUIRED in meaning
    # Not `\|`: in code, the site's Markdown shows the backslash as well.
    named = f"<code>{html.escape(name).replace('|', '&#124;')}</code>" if "|" in name else f"`{name}`"
    cells = [named, meaning.replace(_REQUIRED, "").replace("|", r"\|")]
    return f"| {cells[0]} | {cells[1]}{' **Required.**' if required else ''} |\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
