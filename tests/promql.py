"""PromQL, read far enough to know which series and labels an expression names."""

import re
import shutil
from collections.abc import Mapping, Sequence

import pytest

__all__ = ["promtool", "unknown_names"]

_TOKEN = re.compile(
    r"""\s+|(?P<text>"(?:[^"\\]|\\.)*")|(?P<range>\[[^\]]*\])|(?P<match>=~|!~|!=)"""
    r"""|(?P<duration>\d+(?:\.\d+)?[smhdwy])\b|(?P<number>\d+(?:\.\d+)?)"""
    r"""|(?P<name>\$?[a-zA-Z_:][\w:]*)|(?P<sign>[-+*/%^(){},<>=]|[<>=]=)"""
)
_WORDS = frozenset({"and", "or", "unless", "bool", "offset"})
_LABEL_LISTS = frozenset({"by", "without", "on", "ignoring", "group_left", "group_right"})
_FUNCTIONS = frozenset(
    {"sum", "count", "max", "min", "increase", "rate", "changes", "time", "histogram_quantile", "last_over_time"}
)
_TARGET = frozenset({"job", "instance"})
"""Labels that Prometheus sets itself."""


def unknown_names(expression: str, series: Mapping[str, Sequence[str]]) -> list[str]:
    """What an expression names and `series`, labels by name, does not have; empty: nothing.

    Raises:
        ValueError: it cannot be read.
    """
    tokens = _tokens(expression)
    unknown: list[str] = []
    named: set[str] = set()
    grouped: list[str] = []
    place = 0
    while place < len(tokens):
        kind, text = tokens[place]
        after = tokens[place + 1][1] if place + 1 < len(tokens) else ""
        place += 1
        if kind != "name" or text in _WORDS:
            continue
        if text in _LABEL_LISTS:
            end = tokens.index(("sign", ")"), place)
            grouped += [word for what, word in tokens[place:end] if what == "name"]
            place = end + 1
        elif text in _FUNCTIONS and (after == "(" or after in _LABEL_LISTS):
            continue
        elif text not in series:
            unknown.append(text)
        else:
            named.add(text)
            if after == "{":
                end = tokens.index(("sign", "}"), place)
                labels = [word for what, word in tokens[place:end] if what == "name"]
                unknown += [f"{text}{{{label}}}" for label in labels if label not in {*series[text], *_TARGET}]
                place = end + 1
    there = _TARGET.union(*(series[name] for name in named))
    return [*unknown, *(f"by ({label})" for label in grouped if label not in there)]


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, place = [], 0
    while place < len(expression):
        match = _TOKEN.match(expression, place)
        if match is None:
            raise ValueError(f"not PromQL from {expression[place:]!r} on")
        if match.lastgroup:
            found.append((match.lastgroup, match.group()))
        place = match.end()
    return found


def promtool() -> str:
    """Prometheus' own checker; skips where it is not installed."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed (Debian: apt-get install --no-install-recommends prometheus)")
    return found
