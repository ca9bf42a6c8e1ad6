"""What `tuning.yaml` may say."""

from pathlib import Path
from typing import Any

import pytest

from agv2.app.tuning.config import SearchRange, TuningConfig, joined_space
from agv2.core.errors import ConfigError
from agv2.utils.config import load_config, parse_override


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "expected low below high, or choices"),
        ({"low": 1.0}, "expected low below high"),
        ({"low": 2, "high": 2}, "expected low below high"),
        ({"low": 1, "high": 2, "choices": [1, 2]}, "either choices or low and high"),
        ({"choices": [1]}, "two or more"),
        ({"choices": [1, 1]}, "none of them twice"),
        ({"low": 0.0, "high": 1.0, "log": True}, "log needs low above 0"),
        ({"low": 1.0, "high": 2.0, "log": True, "step": 0.5}, "log needs low above 0, and no step"),
        ({"low": 1.0, "high": 2.0, "step": 0.0}, "step must be above 0"),
        ({"low": 1.0, "hihg": 2.0}, "hihg"),
    ],
)
def test_a_range_that_says_nothing_sensible_is_refused(values: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        SearchRange.model_validate(values)


def test_whole_ends_make_whole_numbers() -> None:
    assert SearchRange(low=1, high=4).is_whole
    assert not SearchRange(low=1.0, high=4.0).is_whole


def test_a_space_of_ones_own_takes_the_place_of_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "tuning.yaml").write_text("space:\n  risk:\n    profile: {choices: [default, conservative]}\n")
    tuning = load_config(TuningConfig, "tuning", tmp_path)
    assert list(tuning.space) == ["risk.profile"], "nested groups read as dotted names"
    assert tuning.folds == load_config(TuningConfig, "tuning").folds


def test_options_that_set_a_space_add_up_to_one() -> None:
    texts = ["tuning.space.encoder.dropout={choices: [0.1, 0.2]}", "tuning.folds=2", "risk.profile=conservative",
             "tuning.space.rl_policy.gamma={low: 0.9, high: 0.99}"]  # fmt: skip
    overrides = joined_space(tuple(map(parse_override, texts)))
    tuning = load_config(TuningConfig, "tuning", None, overrides)
    assert set(tuning.space) == {"encoder.dropout", "rl_policy.gamma"}
    assert tuning.folds == 2
    assert [each.file for each in overrides].count("risk") == 1


def test_an_unknown_key_is_named_with_the_nearest_right_one() -> None:
    with pytest.raises(ConfigError, match=r"tuning\.fold is unknown|fold is unknown; did you mean folds"):
        load_config(TuningConfig, "tuning", None, [parse_override("tuning.fold=2")])
