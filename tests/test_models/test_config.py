import pytest
from pydantic import ValidationError

from agv2.models.config import EncoderConfig
from agv2.utils.config import load_config


def test_the_shipped_file_holds_the_defaults() -> None:
    assert load_config(EncoderConfig, "encoder") == EncoderConfig()


def test_the_default_dilations_double_to_a_receptive_field_of_512() -> None:
    assert EncoderConfig().dilations == (1, 2, 4, 8, 16, 32, 64, 128)


@pytest.mark.parametrize(("window", "kernel"), [(32, 3), (100, 3), (3, 2), (77, 2), (2, 3), (257, 4)])
def test_dilations_add_up_to_the_window_without_a_hole(window: int, kernel: int) -> None:
    seen = {0, 1}
    for dilation in EncoderConfig(window=window, kernel=kernel, mask_span=1).dilations:
        seen = {bars + tap * dilation for bars in seen for tap in range(kernel)}
    assert seen == set(range(window))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"window": 511}, "cannot be met exactly"),
        ({"quantile_levels": (0.1, 0.9)}, "hold 0.5"),
        ({"quantile_levels": (0.5, 0.1)}, "rise strictly"),
        ({"horizons": (3, 1)}, "horizons must rise"),
        ({"mask_span": 512}, "shorter than the window"),
        ({"backbone": "rnn"}, "tcn"),
        ({"channel": 3}, "channel"),
    ],
)
def test_a_contradiction_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EncoderConfig.model_validate(wrong)
