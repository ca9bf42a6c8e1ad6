"""A space is wrong before the first trial, or not at all."""

import functools
import json
from typing import Any

import pytest

from agv2.app.settings import Settings, load_settings
from agv2.app.tuning.config import SearchRange, TuningConfig
from agv2.app.tuning.space import as_override, checked_space
from agv2.core.errors import ConfigError
from agv2.utils.config import load_config, parse_override


@functools.cache
def settings_of(*texts: str) -> Settings:
    return load_settings(None, [parse_override(text) for text in texts])


def checked(key: str, *texts: str, **values: Any) -> Any:
    overrides = [parse_override(text) for text in texts]
    return checked_space({key: SearchRange(**values)}, settings_of(*texts), None, overrides, ["X"], "quick")


def test_the_shipped_space_is_right() -> None:
    tuning = load_config(TuningConfig, "tuning")
    space = checked_space(tuning.space, settings_of(), None, [], ["XAUUSD"], "quick")
    assert set(space.distributions()) == set(tuning.space) == set(space.current)


@pytest.mark.parametrize(
    ("key", "values", "problem"),
    [
        ("encoder.droput", {"low": 0.0, "high": 0.5}, r"tuning.space.encoder.droput: .*did you mean dropout"),
        ("encoder.dropout", {"low": 0.0, "high": 1.5}, r"tuning.space.encoder.dropout: dropout = 1.5"),
        ("rl_policy.gamma", {"choices": [0.97, "high"]}, r"tuning.space.rl_policy.gamma: gamma = 'high'"),
        ("costs.default.half_spread_frac", {"low": 0.0, "high": 0.1}, "only settings of encoder, rl_policy, risk"),
        ("backtest.first_train_frac", {"low": 0.2, "high": 0.6}, "only settings of encoder, rl_policy, risk"),
        ("encoder.window", {"choices": [512, 258]}, "moves the first test bar"),
        ("encoder.lstm.layers", {"low": 1, "high": 3}, "changes nothing under the other settings"),
        ("risk.profiles.prop-firm.cooldown_bars", {"low": 1, "high": 3}, "changes nothing under the other settings"),
        ("rl_policy.gamma", {"low": 0.98, "high": 0.99}, "0.97 is set now and not among the values to try"),
        ("encoder.dropout", {"choices": [0.2, 0.3]}, "0.1 is set now and not among the values to try"),
    ],
)
def test_a_setting_that_cannot_be_tuned_is_refused_in_one_line(key: str, values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as refused:
        checked(key, **values)
    assert "\n" not in str(refused.value)


def test_what_takes_effect_depends_on_the_other_settings() -> None:
    space = checked("encoder.lstm.layers", "encoder.backbone=lstm", low=1, high=3)
    assert space.current == {"encoder.lstm.layers": 1}


def test_a_list_is_one_choice_and_comes_back_as_a_list() -> None:
    space = checked("rl_policy.net_arch", choices=[[64, 64], [32]])
    assert space.current["rl_policy.net_arch"] == json.dumps([64, 64])
    override = as_override("rl_policy.net_arch", json.dumps([32]))
    assert load_settings(None, [override]).rl_policy.net_arch == (32,)


def test_whole_numbers_stay_whole_and_steps_are_kept() -> None:
    whole = checked("rl_policy.n_epochs", low=2, high=8, step=2).distributions()["rl_policy.n_epochs"]
    assert (type(whole).__name__, whole.step) == ("IntDistribution", 2)
    real = checked("rl_policy.gamma", low=0.9, high=0.99).distributions()["rl_policy.gamma"]
    assert type(real).__name__ == "FloatDistribution"
