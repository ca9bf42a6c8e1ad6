"""What must be shown before real money is traded, and how the size then grows: the model of `config/golive.yaml`."""

from typing import Annotated

from pydantic import Field, model_validator

from agv2.utils.config import Config

__all__ = ["GateConfig", "GoLiveConfig", "RampConfig"]

Days = Annotated[int, Field(ge=1, le=90)]


class GateConfig(Config):
    """What `agv2 golive` asks for. The number of days can be raised, not lowered: passing the gate over is louder."""

    paper_days: Annotated[int, Field(ge=30, le=1000)]
    decided_frac: Annotated[float, Field(ge=0.5, le=1.0)]
    recent_days: Days
    kill_test_days: Days
    valid_days: Days


class RampConfig(Config):
    """How the size of new positions grows with time in the band."""

    shares: Annotated[tuple[Annotated[float, Field(gt=0.0, le=1.0)], ...], Field(min_length=1)]
    days_per_step: Annotated[int, Field(ge=1, le=250)]

    @model_validator(mode="after")
    def _shares_rise_to_one(self) -> "RampConfig":
        if list(self.shares) != sorted(set(self.shares)) or self.shares[-1] != 1.0:
            raise ValueError(f"shares {list(self.shares)} must rise and end with 1")
        return self


class GoLiveConfig(Config):
    """Gate and ramp."""

    gate: GateConfig
    ramp: RampConfig
