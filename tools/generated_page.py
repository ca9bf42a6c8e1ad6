"""Keep a generated page of docs/ in step with what it is made from."""

import sys
from pathlib import Path

__all__ = ["keep_page"]

_ROOT = Path(__file__).resolve().parents[1]


def keep_page(name: str, text: str, tool: str, arguments: list[str]) -> int:
    """Write the page, or with `--check` only say whether it is up to date.

    Args:
        name: of the page below docs/.
        text: what it should hold.
        tool: the module that makes it, as `python -m` wants it.
        arguments: of the command line.

    Returns:
        Exit code: 1 where the page was to be checked and is another.
    """
    page = _ROOT / "docs" / name
    if "--check" not in arguments:
        page.write_text(text, encoding="utf-8", newline="\n")
        return 0
    if page.is_file() and page.read_text(encoding="utf-8") == text:
        return 0
    print(f"docs/{name} is out of date: run `python -m {tool}`", file=sys.stderr)
    return 1
