"""Limits on what the policy may do: the model of `config/risk.yaml` and what kernels read of it."""

import math
from typing import Annotated, NamedTuple

from pydantic import Field, model_validator

from agv2.utils.config import Config

__all__ = ["RiskConfig", "RiskParams", "RiskProfile"]

Fraction = Annotated[float, Field(gt=0.0, le=1.0)]
_LEAST_KELLY = 0.1


class RiskParams(NamedTuple):
    """Limits of one market, as the kernels read them."""

    target_volatility: float
    """Per-bar standard deviation of equity that a full-size position aims at."""
    max_exposure: float
    """Cap on gross notional per unit of account equity."""
    max_positions: int
    """Most books that may hold a position at once."""
    daily_loss_frac: float
    """Loss of equity within a trading day that flattens and halts until the next."""
    drawdown_frac: float
    """Drawdown from the peak that flattens and halts for `breaker_cooldown_days`."""
    breaker_cooldown_days: int
    min_hold_bars: int
    """Bars that a position is kept before the policy may close it; stops still work."""
    cooldown_bars: int
    """Bars without a new position after one was closed."""
    level_stop_margin_units: float
    """How far beyond the nearest level a stop goes, volatility units."""
    level_stop_max_units: float
    """Furthest from the close that a level may take a stop, volatility units; 0: levels move no stop."""
    trailing_units: float
    """Width of the band behind the close in which a stop follows, volatility units; 0: it stays."""
    kelly_volatility: float
    """Cap on notional per unit of a book's equity, times `volatility`; infinite where the Kelly cap is off."""
    evidence_scale: float
    """Share of the usual size, less than 1 where the edge is not proven."""
    size_share: float
    """Share of the permitted size, less than 1 while a ramp lets live trading grow."""


class RiskProfile(Config):
    """One named set of limits."""

    target_volatility_annual: Annotated[float, Field(gt=0.0, le=5.0)]
    max_exposure: Annotated[float, Field(gt=0.0, le=100.0)]
    max_positions: Annotated[int, Field(ge=1)]
    daily_loss_frac: Fraction
    drawdown_frac: Fraction
    breaker_cooldown_days: Annotated[int, Field(ge=1)]
    min_hold_bars: Annotated[int, Field(ge=0)]
    cooldown_bars: Annotated[int, Field(ge=0)]
    level_stop_margin_units: Annotated[float, Field(ge=0.0, le=10.0)]
    level_stop_max_units: Annotated[float, Field(ge=0.0, le=16.0)]
    trailing_units: Annotated[float, Field(ge=0.0, le=100.0)]
    kelly_fraction: Annotated[float, Field(ge=0.0, le=0.3)]

    @model_validator(mode="after")
    def _settings_mean_something(self) -> "RiskProfile":
        if 0.0 < self.level_stop_max_units <= self.level_stop_margin_units:
            raise ValueError(
                f"level_stop_max_units {self.level_stop_max_units:g} leaves no room beyond level_stop_margin_units "
                f"{self.level_stop_margin_units:g}: no level would move a stop; raise the first, or set it to 0 for off"
            )
        if 0.0 < self.kelly_fraction < _LEAST_KELLY:
            raise ValueError(f"kelly_fraction {self.kelly_fraction:g} must be 0 (off) or {_LEAST_KELLY:g} to 0.3")
        return self

    def params(self, bars_per_year: float) -> RiskParams:
        """Limits for a market that trades `bars_per_year` bars a year, at full size: as policies are trained."""
        return RiskParams(
            target_volatility=self.target_volatility_annual / math.sqrt(bars_per_year),
            max_exposure=self.max_exposure,
            max_positions=self.max_positions,
            daily_loss_frac=self.daily_loss_frac,
            drawdown_frac=self.drawdown_frac,
            breaker_cooldown_days=self.breaker_cooldown_days,
            min_hold_bars=self.min_hold_bars,
            cooldown_bars=self.cooldown_bars,
            level_stop_margin_units=self.level_stop_margin_units,
            level_stop_max_units=self.level_stop_max_units,
            trailing_units=self.trailing_units,
            kelly_volatility=math.inf,
            evidence_scale=1.0,
            size_share=1.0,
        )


class RiskConfig(Config):
    """The model of `config/risk.yaml`: named profiles and the one in use."""

    profile: str
    profiles: dict[str, RiskProfile]

    @model_validator(mode="after")
    def _profile_exists(self) -> "RiskConfig":
        if self.profile not in self.profiles:
            raise ValueError(f"profile {self.profile!r} is not one of {', '.join(sorted(self.profiles))}")
        return self

    @property
    def active(self) -> RiskProfile:
        """The profile in use."""
        return self.profiles[self.profile]
