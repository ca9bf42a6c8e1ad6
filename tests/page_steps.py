"""What the documentation's pages ask their reader to do: commands, files to write, lines of Python."""

import json
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from agv2.app.cli.main import main
from tools.site_hooks import FENCED

__all__ = ["PAGES", "ROOT", "Step", "page_steps", "shown_commands"]

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
_BLOCK = re.compile(r"^```+(?P<kind>\w*)(?P<words>[^\n]*)\n(?P<text>.*?)^```+$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do."""

    kind: str
    """`command`, `python`, or the name of a file to write."""
    text: str


def page_steps(page: Path) -> list[Step]:
    """What is to be done, from the top of the page to its end."""
    steps: list[Step] = []
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        title = re.search(r'title="([^"]+)"', block["words"])
        if block["kind"] == "console":
            lines = [line for line in block["text"].splitlines() if line.startswith("$ ")]
            steps += [Step("command", line.removeprefix("$ ")) for line in lines]
        elif block["kind"] == "python":
            steps.append(Step("python", block["text"]))
        elif title:
            steps.append(Step(title[1], block["text"]))
    return steps


def shown_commands(page: Path) -> list[list[str]]:
    """Words of every `agv2 ...` line in a fenced block, whether or not a prompt stands before it."""
    text = "\n".join(found[0] for found in FENCED.findall(page.read_text(encoding="utf-8"))).replace("\\\n", " ")
    lines = re.findall(r"^ *(?:\$ )?(agv2 .*)$", text, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def _carry_out(steps: list[tuple[str, str]]) -> None:
    """In this process and directory; the first command that fails ends it."""
    for kind, text in steps:
        if kind != "command":
            Path(kind).parent.mkdir(parents=True, exist_ok=True)
            Path(kind).write_text(text, encoding="utf-8")
            continue
        try:
            main(shlex.split(text)[1:])
        except SystemExit as leaving:
            if leaving.code:
                sys.exit(f"{text}\nended with {leaving.code}")


if __name__ == "__main__":
    _carry_out(json.loads(sys.stdin.read()))
