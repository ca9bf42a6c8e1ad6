from pathlib import Path

import pytest

from agv2.app.cli.options import parse_overrides, spread_values
from agv2.core.errors import ConfigError


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("run --bars A B C --out X", "run --bars A --bars B --bars C --out X"),
        ("run --bars A --bars B", "run --bars A --bars B"),
        ("run --bars=A B --seed 3", "run --bars=A --bars B --seed 3"),
        ("run --out X --bars A", "run --out X --bars A"),
        ("run --bars A B --symbol S T", "run --bars A --bars B --symbol S --symbol T"),
        ("run --resume --bars A", "run --resume --bars A"),
        ("run --bars", "run --bars"),
        ("run --bars --out X", "run --bars --out X"),
        ("demo --out X", "demo --out X"),
    ],
)
def test_one_option_takes_several_values(typed: str, read: str) -> None:
    assert spread_values(typed.split(), "--bars", "--symbol") == read.split()


def test_overrides_are_read_in_order() -> None:
    overrides = parse_overrides(None, ["costs.default.slippage_frac=0.1", "risk.profile=conservative"])
    assert [(each.file, each.keys, each.value) for each in overrides] == [
        ("costs", ("default", "slippage_frac"), 0.1),
        ("risk", ("profile",), "conservative"),
    ]


def test_a_missing_settings_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such directory"):
        parse_overrides(tmp_path / "nowhere", None)
