import pytest

from agv2.app.settings import load_settings
from agv2.utils.config import parse_override


def _digest(*overrides: str) -> str:
    return load_settings(None, [parse_override(text) for text in overrides]).digest(["TEST"], "quick")


@pytest.mark.parametrize(
    ("setting", "counts"),
    [
        ("encoder.tcn.kernel=2", True),
        ("encoder.backbone=lstm", True),
        ("encoder.transformer.heads=8", False),
        ("encoder.lstm.layers=2", False),
    ],
)
def test_a_trial_is_another_only_by_settings_that_its_backbone_has(setting: str, counts: bool) -> None:
    assert (_digest(setting) != _digest()) == counts
