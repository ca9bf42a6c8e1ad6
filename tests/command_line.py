"""`agv2` called in the tests' own process."""

from typing import NamedTuple

import pytest

from agv2.app.cli.main import main

__all__ = ["Said", "called"]


class Said(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


def called(capsys: pytest.CaptureFixture[str], *words: object) -> Said:
    """Run `agv2` with these words."""
    with pytest.raises(SystemExit) as leaving:
        main([str(word) for word in words])
    assert isinstance(leaving.value.code, int)
    return Said(leaving.value.code, *capsys.readouterr())
