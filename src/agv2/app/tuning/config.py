"""The model of `config/tuning.yaml`: what is tried, and by what it is judged."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from agv2.utils.config import Config, Override

__all__ = ["SearchRange", "TuningConfig", "joined_space"]

_ENDS = {"low", "high", "log", "step", "choices"}


class SearchRange(Config):
    """Values that one setting may take: from `low` to `high`, or one of `choices`."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    """Even over orders of magnitude."""
    step: int | float | None = None
    """Of a grid from `low` on."""
    choices: tuple[Any, ...] | None = None

    @property
    def is_whole(self) -> bool:
        """Whether the values are whole numbers: both ends are."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that have to be right for all of them to be: the ends, or every choice."""
        return (self.low, self.high) if self.choices is None else self.choices

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if self.choices is not None:
            if (self.low, self.high, self.step) != (None, None, None) or self.log:
                raise ValueError("write either choices or low and high")
            if len({json.dumps(choice) for choice in self.choices}) != len(self.choices) or len(self.choices) < 2:
                raise ValueError("choices must be two or more, none of them twice")
            return self
        if self.low is None or self.high is None or not self.low < self.high:
            raise ValueError("expected low below high, or choices")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs low above 0, and no step")
        if self.step is not None and self.step <= 0:
            raise ValueError("step must be above 0")
        return self


class TuningConfig(Config):
    """The model of `config/tuning.yaml`."""

    measure: Literal["sharpe", "growth"]
    folds: Annotated[int, Field(ge=1, le=20)]
    """Of the inner walk-forward; a trial is scored by all their days together."""
    first_train_frac: Annotated[float, Field(gt=0.0, lt=1.0)]
    """Share of the usable bars before the first inner test bar."""
    pruner: Literal["median", "halving", "none"]
    startup_trials: Annotated[int, Field(ge=1)]
    """Drawn evenly, before the sampler has a model and the pruner a yardstick."""
    at_once: Annotated[int, Field(ge=1, le=64)]
    """Trials of a round, which do not know of each other."""
    space: Annotated[dict[str, SearchRange], Field(min_length=1)]
    """Dotted setting to its values."""

    @classmethod
    def merge_layer(cls, base: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
        """A layer that says what to try says it whole: a space is replaced, never added to."""
        return {**base, **layer}

    @field_validator("space", mode="before")
    @classmethod
    def _dotted(cls, space: Any) -> Any:
        return _flat(space) if isinstance(space, Mapping) else space


def joined_space(overrides: tuple[Override, ...]) -> tuple[Override, ...]:
    """The overrides with every `--set tuning.space.KEY=…` made into one, since a space is taken whole."""
    ours = [each for each in overrides if each.file == "tuning" and each.keys[0] == "space" and len(each.keys) > 1]
    rest = tuple(each for each in overrides if each not in ours)
    if not ours:
        return rest
    return (*rest, Override("tuning", ("space",), {".".join(each.keys[1:]): each.value for each in ours}))


def _flat(space: Mapping[Any, Any], prefix: str = "") -> dict[str, Any]:
    """Groups within groups, as YAML has them, by their dotted names."""
    found: dict[str, Any] = {}
    for key, value in space.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value and not _ENDS & set(map(str, value)):
            found |= _flat(value, f"{name}.")
        else:
            found[name] = value
    return found
