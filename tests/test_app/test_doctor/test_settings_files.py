from pathlib import Path

import pytest

from agv2.app.doctor.finding import Status
from agv2.app.doctor.settings_files import SETTINGS_MODELS, check_settings_file, check_shipped_settings
from agv2.utils.config import shipped_config_dir


def test_every_shipped_file_has_its_model_and_validates() -> None:
    assert set(SETTINGS_MODELS) == {path.stem for path in shipped_config_dir().glob("*.yaml")}
    assert check_shipped_settings().status is Status.OK


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("costs", "default:\n  half_spraed_frac: 0.1\n", "half_spread_frac"),
        ("deploy", "port: 1\nport: 2\n", "line 2: port appears twice"),
        ("tuning", "- a list\n", "expected `key: value` lines"),
        ("risks", "", "risk.yaml"),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(name: str, text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    finding = check_settings_file(path)
    assert finding.status is Status.FAILED
    assert str(path) in finding.detail
    assert said in finding.detail
    assert finding.remedy


def test_a_file_that_differs_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    path = tmp_path / "costs.yaml"
    path.write_text("default:\n  half_spread_frac: 0.0123\n", encoding="utf-8")
    assert "differs" in check_settings_file(path).detail
    path.write_bytes((shipped_config_dir() / "costs.yaml").read_bytes())
    assert check_settings_file(path).detail == "as shipped"
