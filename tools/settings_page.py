"""Write docs/reference/settings.md from the settings' models, the shipped files and the comments in them.

Usage: python -m tools.settings_page [--check]
"""

import re
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import yaml
from pydantic import BaseModel

from agv2.app.doctor.settings_files import SETTINGS_MODELS
from agv2.utils.config import shipped_config_dir
from tools.generated_page import keep_page

__all__ = ["main", "settings_page"]

_TOP = """\
# Settings

Every key of the files in [`config/`](../../config), with what may stand there, what ships, and what it means. Written
by `python -m tools.settings_page` from the models that read them; a test holds the two together.

A setting comes from three layers, each over the one before: the shipped file, the file of that name in the directory
that `--config` names, which holds only what differs, and `--set FILE.KEY=VALUE`. An unknown key is refused and the
nearest right one named. `agv2 init DIR` writes copies to begin with, `agv2 doctor --config DIR` checks them.
Secrets and addresses are never here: they are in `.env`.
"""
_LONGEST = 60
"""Characters of a shipped value that a cell shows."""
_OF_EACH = {"markets": "SYMBOL", "costs": "SYMBOL", "profiles": "NAME"}
"""How the key of an entry is written, where entries are alike."""
_SHOWN_OF = {"markets": "default", "costs": "default", "risk": "default", "backtest": "quick"}
"""Which of such entries the page shows."""


def settings_page() -> str:
    """The page's text."""
    return _TOP + "".join(_section(name, model) for name, model in sorted(SETTINGS_MODELS.items()))


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` only say whether it is up to date."""
    return keep_page("reference/settings.md", settings_page(), "tools.settings_page", arguments)


def _section(name: str, model: type[BaseModel]) -> str:
    text = (shipped_config_dir() / f"{name}.yaml").read_text(encoding="utf-8")
    schema, meanings = model.model_json_schema(), _comments(text)
    rows = []
    for keys, shipped in _leaves(name, yaml.safe_load(text)):
        key = ".".join(_of_each(name, keys))
        meaning = meanings.get(keys, "")
        cells = (f"`{key}`", _allowed(_found(schema, keys, schema), schema), f"`{_short(shipped)}`", meaning)
        rows.append("| " + " | ".join(re.sub(r"\|", r"\\|", cell) for cell in cells) + " |\n")
    head = f"\n## {name}\n\n{_introduction(text)} The whole file: [`{name}.yaml`](../../config/{name}.yaml).\n"
    return head + "\n| key | may be | shipped | |\n|---|---|---|---|\n" + "".join(rows)


def _leaves(name: str, settings: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every setting of a file; of entries that are alike, those of one."""
    alike = above[-1:] == ("profiles",) or (name in ("markets", "costs") and not above)
    for key, value in settings.items():
        if alike and key != _SHOWN_OF[name]:
            continue
        if isinstance(value, dict) and value and key != "space":
            yield from _leaves(name, value, (*above, key))
        else:
            yield (*above, key), value


def _of_each(name: str, keys: tuple[str, ...]) -> tuple[str, ...]:
    if name in _OF_EACH:
        return (_OF_EACH[name], *keys[1:])
    return tuple(_OF_EACH.get(before, key) for before, key in zip(("", *keys), keys, strict=False))


def _found(schema: dict[str, Any], keys: tuple[str, ...], whole: dict[str, Any]) -> dict[str, Any]:
    """The part of a JSON schema that describes one setting."""
    for each in _choices(schema, whole):
        if not keys:
            return schema
        inner = each.get("properties", {}).get(keys[0]) or each.get("additionalProperties")
        if isinstance(inner, dict):
            return _found(inner, keys[1:], whole)
    raise KeyError(keys)


def _choices(schema: dict[str, Any], whole: dict[str, Any]) -> list[dict[str, Any]]:
    """What a schema may stand for, references followed."""
    if "$ref" in schema:
        return _choices(whole["$defs"][schema["$ref"].rpartition("/")[2]], whole)
    return [each for part in schema["anyOf"] for each in _choices(part, whole)] if "anyOf" in schema else [schema]


def _allowed(schema: dict[str, Any], whole: dict[str, Any]) -> str:
    """In words, what may stand there."""
    return ", or ".join(dict.fromkeys(_kind(each, whole) for each in _choices(schema, whole)))


def _kind(schema: dict[str, Any], whole: dict[str, Any]) -> str:
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kind = str(schema.get("type", "any"))
    if kind == "array":
        inner = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
        return f"list of {_allowed(inner, whole)}"
    words = {
        "integer": "whole number",
        "boolean": "`true`, `false`",
        "string": "text",
        "object": "group",
        "null": "`null`",
    }
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    return " ".join([words.get(kind, kind), ", ".join(limits)]).strip()


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000).strip().removesuffix("\n...").strip()
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"


def _introduction(text: str) -> str:
    """The first paragraph of the comment at the top of a file."""
    words: list[str] = []
    for line in text.splitlines():
        if not line.startswith("# ") or line.startswith("#  "):
            break
        words.append(line.removeprefix("# "))
    return " ".join(words)


def _comments(text: str) -> dict[tuple[str, ...], str]:
    """What is written behind each key, with the lines below that go on."""
    found: dict[tuple[str, ...], str] = {}
    above: list[tuple[int, str]] = []
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        key = re.match(r"\s*([\w.\-/]+):", line)
        comment = re.search(r"(?:^|\s)#\s(.*)$", line)
        if key:
            above = [*(each for each in above if each[0] < indent), (indent, key[1])]
        elif not line.strip() or indent == 0:
            above = []
        if comment and above:
            keys = tuple(name for _, name in above)
            found[keys] = " ".join(filter(None, (found.get(keys), comment[1].strip())))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
