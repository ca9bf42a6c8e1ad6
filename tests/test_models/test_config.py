import pytest
from pydantic import ValidationError

from agv2.core.errors import ConfigError
from agv2.models.config import EncoderConfig
from agv2.utils.config import load_config, parse_override


def test_the_shipped_file_holds_the_defaults() -> None:
    assert load_config(EncoderConfig, "encoder") == EncoderConfig()


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
        ({"heads": 3}, "heads"),
        ({"lstm": {"heads": 3}}, "heads"),
        ({"backbone": "transformer", "window": 4, "mask_span": 1}, "4 layers.* that can is 5"),
        ({"backbone": "transformer", "transformer": {"heads": 3}}, "64 .*heads 3; .* that can is 66"),
        ({"backbone": "lstm", "window": 1}, "two bars"),
    ],
)
def test_a_contradiction_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EncoderConfig.model_validate(wrong)


def test_what_only_another_backbone_could_not_do_is_no_matter() -> None:
    assert EncoderConfig(backbone="transformer", window=511).window == 511
    assert EncoderConfig(backbone="lstm", window=511, channels=7).channels == 7


def test_settings_without_effect_are_told_from_those_with() -> None:
    config = EncoderConfig.model_validate({"backbone": "lstm", "lstm": {"layers": 2}, "transformer": {"heads": 8}})
    assert config.in_effect == EncoderConfig.model_validate({"backbone": "lstm", "lstm": {"layers": 2}})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("encoder.backbone=gru", "backbone = 'gru': input should be 'tcn', 'transformer' or 'lstm'"),
        ("encoder.window=511", "kernels of 3: window - 2 must be a multiple of 2; the next that can is 512"),
        ("encoder.kernel=5", "kernel is unknown"),
    ],
)
def test_a_wrong_setting_is_one_line_that_says_what_would_do(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(EncoderConfig, "encoder", None, [parse_override(setting)])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("backbone", ["tcn", "transformer", "lstm"])
@pytest.mark.parametrize(("window", "channels"), [(10, 8), (66, 8), (3, 1), (600, 100)])
def test_a_shortened_network_can_be_built_and_is_no_larger(backbone: str, window: int, channels: int) -> None:
    before = EncoderConfig.model_validate({"backbone": backbone})
    after = before.shortened(window, channels)
    assert EncoderConfig.model_validate(after.model_dump()) == after
    assert after.backbone == backbone
    assert after.window <= before.window
    assert after.channels <= before.channels
    assert abs(after.window - min(window, before.window)) <= 2
