"""When trading stops by itself: the model of `config/guards.yaml`."""

from typing import Annotated

from pydantic import Field, model_validator

from agv2.utils.config import Config

__all__ = ["DistributionConfig", "GuardsConfig"]

Days = Annotated[float, Field(ge=1.0, le=10_000.0)]
Seconds = Annotated[float, Field(gt=0.0, le=86_400.0)]


class DistributionConfig(Config):
    """When a distribution has changed."""

    memory_days: Annotated[float, Field(ge=5.0, le=250.0)]
    """Below a trading week the hours of a day and the days of a week would look like drift."""
    false_alarm_days: Days
    least_days: Annotated[int, Field(ge=1)]


class _Pnl(Config):
    windows_days: Annotated[tuple[Annotated[int, Field(ge=1, le=250)], ...], Field(min_length=1)]
    false_alarm_days: Days
    least_days: Annotated[int, Field(ge=20)]

    @model_validator(mode="after")
    def _windows_rise(self) -> "_Pnl":
        if list(self.windows_days) != sorted(set(self.windows_days)):
            raise ValueError(f"windows_days {list(self.windows_days)} must rise")
        return self


class _Feed(Config):
    grace_s: Seconds
    frozen_bars: Annotated[int, Field(ge=2)]


class _Clock(Config):
    most_skew_s: Seconds
    samples: Annotated[int, Field(ge=1, le=100)]


class _Heartbeat(Config):
    beat_s: Seconds
    silent_s: Seconds

    @model_validator(mode="after")
    def _silence_is_more_than_a_beat(self) -> "_Heartbeat":
        if self.silent_s < 3.0 * self.beat_s:
            raise ValueError(f"silent_s {self.silent_s:g} must be at least three beats of beat_s {self.beat_s:g}")
        return self


class GuardsConfig(Config):
    """Thresholds of the guards; the reason for each stands beside it in `config/guards.yaml`."""

    drift: DistributionConfig
    entropy: DistributionConfig
    pnl: _Pnl
    feed: _Feed
    clock: _Clock
    heartbeat: _Heartbeat
