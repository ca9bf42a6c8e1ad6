import pytest

from agv2.core.errors import ConfigError
from agv2.rl.config import PolicyConfig
from agv2.utils.config import load_config, parse_override


def test_the_shipped_file_is_the_model() -> None:
    config = load_config(PolicyConfig, "rl_policy")
    assert config.batch_size == 1024
    assert (config.n_books * config.n_steps) % config.batch_size == 0


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("rl_policy.batch_size=1000", "multiple of batch_size 1000"),
        ("rl_policy.gamma=1.5", "gamma"),
        ("rl_policy.reward.lambda_trade=0.1", "did you mean lambda_trades"),
        ("rl_policy.n_book=3", "did you mean n_books"),
    ],
)
def test_wrong_settings_are_refused(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(PolicyConfig, "rl_policy", None, [parse_override(setting)])
