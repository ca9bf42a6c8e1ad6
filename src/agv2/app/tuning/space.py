"""The settings that a study may change: checked whole before any trial begins, then laid over the others by name."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agv2.app.settings import Settings, changed_settings
from agv2.app.tuning.config import SearchRange
from agv2.core.errors import ConfigError
from agv2.utils.config import Override

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

__all__ = ["SearchSpace", "as_override", "checked_space"]

_TUNABLE = ("encoder", "rl_policy", "risk")
_MOVES_THE_TEST = "encoder.window"

Value = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """Settings to try, and the values that they have now."""

    ranges: Mapping[str, SearchRange]
    current: Mapping[str, Value]
    """Of each setting, as a trial has it."""

    def distributions(self) -> "dict[str, BaseDistribution]":
        """For Optuna, by the dotted names of the settings."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        found: dict[str, BaseDistribution] = {}
        for key, values in self.ranges.items():
            if values.choices is not None:
                found[key] = CategoricalDistribution([_as_value(choice) for choice in values.choices])
            elif values.is_whole and isinstance(values.step, int | None):
                step = values.step or 1
                found[key] = IntDistribution(int(values.low or 0), int(values.high or 0), log=values.log, step=step)
            else:
                low, high = float(values.low or 0.0), float(values.high or 0.0)
                found[key] = FloatDistribution(low, high, log=values.log, step=values.step)
        return found


def as_override(key: str, value: Value) -> Override:
    """One setting of a trial as `--set` would have it; lists come as JSON."""
    file, *keys = key.split(".")
    if isinstance(value, str) and value[:1] == "[":
        return Override(file, tuple(keys), json.loads(value))
    return Override(file, tuple(keys), value)


def checked_space(
    ranges: Mapping[str, SearchRange],
    settings: Settings,
    directory: Path | None,
    overrides: Sequence[Override],
    symbols: Sequence[str],
    profile: str,
) -> SearchSpace:
    """A space all of whose settings exist, may be tuned, take effect and have their present value among those to try.

    Args:
        ranges: dotted setting to its values.
        settings: that trials start from.
        directory: of these.
        overrides: laid over them.
        symbols: of the run.
        profile: of the run.

    Raises:
        ConfigError: the first setting of which one of these is not so.
    """
    current: dict[str, Value] = {}
    for key, values in ranges.items():
        file, *keys = key.split(".")
        if file not in _TUNABLE or not keys:
            raise ConfigError(
                f"tuning.space.{key}: only settings of {', '.join(_TUNABLE)} can be tuned; costs, markets and folds "
                "decide what a score means"
            )
        if key == _MOVES_THE_TEST:
            raise ConfigError(f"tuning.space.{key}: moves the first test bar of the run; fix it with --set {key}=N")
        digests = []
        for value in values.ends:
            try:
                tried = changed_settings(settings, directory, overrides, [Override(file, tuple(keys), value)])
            except ConfigError as error:
                raise ConfigError(str(error).replace("--set ", "tuning.space.", 1)) from None
            digests.append(tried.digest(symbols, profile))
        if len(set(digests)) < len(digests):
            raise ConfigError(f"tuning.space.{key}: changes nothing under the other settings; leave it out")
        current[key] = _current(settings, file, keys)
        _require_among(key, values, current[key])
    return SearchSpace(dict(ranges), current)


def _current(settings: Settings, file: str, keys: Sequence[str]) -> Value:
    value: Any = settings.by_file()[file]
    for key in keys:
        value = value[key] if isinstance(value, Mapping) else getattr(value, key)
    return _as_value(value)


def _require_among(key: str, values: SearchRange, current: Value) -> None:
    if values.choices is not None:
        inside = current in [_as_value(choice) for choice in values.choices]
    else:
        low, high = values.low, values.high
        inside = isinstance(current, int | float) and low is not None and high is not None and low <= current <= high
    if not inside:
        raise ConfigError(
            f"tuning.space.{key}: {current} is set now and not among the values to try; it is the first trial, "
            "so let the space hold it"
        )


def _as_value(value: Any) -> Value:
    """As Optuna keeps it: a list by its JSON."""
    return json.dumps(list(value)) if isinstance(value, list | tuple) else getattr(value, "value", value)
