import pytest

from agv2.core.errors import ConfigError
from agv2.rl.config import PolicyConfig, SacConfig
from agv2.utils.config import load_config, parse_override


def test_the_shipped_file_is_the_model() -> None:
    config = load_config(PolicyConfig, "rl_policy")
    assert config.batch_size == 1024
    assert (config.n_books * config.n_steps) % config.batch_size == 0
    assert config.sac == SacConfig()
    assert config.algorithm == "ppo"


def test_what_an_algorithm_does_not_read_is_not_in_effect() -> None:
    other = load_config(PolicyConfig, "rl_policy", None, [parse_override("rl_policy.sac.tau=0.1")])
    assert other.in_effect == load_config(PolicyConfig, "rl_policy")
    sac = load_config(PolicyConfig, "rl_policy", None, [*map(parse_override, _SAC)])
    assert sac.in_effect.sac.tau == 0.1


_SAC = ("rl_policy.sac.tau=0.1", "rl_policy.algorithm=sac")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("rl_policy.batch_size=1000", "multiple of batch_size 1000"),
        ("rl_policy.gamma=1.5", "gamma"),
        ("rl_policy.reward.lambda_trade=0.1", "did you mean lambda_trades"),
        ("rl_policy.n_book=3", "did you mean n_books"),
        ("rl_policy.algorithm=td3", "algorithm"),
        ("rl_policy.sac.taus=0.1", "did you mean tau"),
        ("rl_policy.sac.ent_coef=automatic", "ent_coef"),
        ("rl_policy.sac.buffer_size=100", "buffer_size 100 is less than"),
        ("rl_policy.patience=-1", "patience"),
    ],
)
def test_wrong_settings_are_refused(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(PolicyConfig, "rl_policy", None, [parse_override(setting)])
