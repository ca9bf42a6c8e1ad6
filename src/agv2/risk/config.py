"""Limits on what the policy may do: the model of `config/risk.yaml` and what kernels read of it."""

import math
from typing import Annotated, NamedTuple

from pydantic import Field, model_validator

from agv2.utils.config import Config

__all__ = ["RiskConfig", "RiskParams", "RiskProfile"]

Fraction = Annotated[float, Field(gt=0.0, le=1.0)]


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

    def params(self, bars_per_year: float) -> RiskParams:
        """Limits for a market that trades `bars_per_year` bars a year."""
        return RiskParams(
            target_volatility=self.target_volatility_annual / math.sqrt(bars_per_year),
            max_exposure=self.max_exposure,
            max_positions=self.max_positions,
            daily_loss_frac=self.daily_loss_frac,
            drawdown_frac=self.drawdown_frac,
            breaker_cooldown_days=self.breaker_cooldown_days,
            min_hold_bars=self.min_hold_bars,
            cooldown_bars=self.cooldown_bars,
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
