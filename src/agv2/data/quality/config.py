"""When bars count as wrong: the model of `config/quality.yaml`."""

from typing import Annotated

from pydantic import Field

from agv2.utils.config import Config

__all__ = ["QualityConfig"]

Share = Annotated[float, Field(gt=0.0, lt=1.0)]
Ratio = Annotated[float, Field(gt=1.0)]


class _Gaps(Config):
    least_bars: Annotated[int, Field(ge=1)]
    habit_months: Annotated[int, Field(ge=1)]
    habit_coverage: Share


class _Stale(Config):
    frozen_range_frac: Annotated[float, Field(ge=0.0, lt=0.01)]
    run_bars: Annotated[int, Field(ge=2)]
    error_share: Share


class _Spikes(Config):
    ranges: Annotated[float, Field(gt=0.0)]
    window_bars: Annotated[int, Field(ge=11)]


class _Zone(Config):
    least_days: Annotated[int, Field(ge=5)]
    least_gain: Share
    least_agreement: Annotated[float, Field(gt=0.5, le=1.0)]
    least_weekends: Annotated[int, Field(ge=2)]


class _Splice(Config):
    jump_deviations: Ratio
    jump_ratio: Ratio
    jump_with_trait: Ratio
    volume_ratio: Ratio
    spread_ratio: Ratio
    least_traits: Annotated[int, Field(ge=2, le=5)]


class QualityConfig(Config):
    """Thresholds of the checks; the reason for each stands beside it in `config/quality.yaml`."""

    gaps: _Gaps
    stale: _Stale
    spikes: _Spikes
    zone: _Zone
    splice: _Splice
