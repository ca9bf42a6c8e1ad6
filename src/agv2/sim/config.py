"""The model of `config/costs.yaml`."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from agv2.sim.costs import Costs, SpreadSource
from agv2.utils.config import Config, SymbolConfig

__all__ = ["CostsConfig", "CostsEntry"]

Fraction = Annotated[float, Field(ge=0.0, lt=0.5)]
SignedFraction = Annotated[float, Field(gt=-0.1, lt=0.1)]

HourlySpread = Annotated[tuple[Annotated[float, Field(gt=0.0, le=100.0)], ...], Field(min_length=24, max_length=24)]

_SPREAD_SOURCES = {"constant": SpreadSource.CONSTANT, "bar": SpreadSource.BAR, "hourly": SpreadSource.HOURLY}


class CostsEntry(Config):
    """What trading one symbol costs; the meaning of each field is told at `Costs`."""

    half_spread_frac: Fraction
    slippage_frac: Fraction
    commission_frac: Fraction
    commission_per_lot: Annotated[float, Field(ge=0.0)]
    financing_long_frac_per_night: SignedFraction
    financing_short_frac_per_night: SignedFraction
    spread_source: Literal["constant", "bar", "hourly"]
    hourly_spread: HourlySpread | None
    """Multiples of `half_spread_frac` by hour, 0 to 23, of the clock at which the market's trading day rolls."""
    latency_bars: Annotated[int, Field(ge=0, le=1000)]
    participation_cap: Annotated[float, Field(ge=0.0, le=1.0)]
    fill_frac: Annotated[float, Field(gt=0.0, le=1.0)]
    partial_fills: Literal["carry", "cancel"]

    @classmethod
    def merge_layer(cls, base: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
        """Lay `layer` over `base`.

        Who names an hourly profile without a source means that profile; who names a half spread alone means that
        very number.
        """
        merged = base | layer
        if "spread_source" not in layer:
            if layer.get("hourly_spread") is not None:
                merged["spread_source"] = "hourly"
            elif "half_spread_frac" in layer:
                merged["spread_source"] = "constant"
        return merged

    @model_validator(mode="after")
    def _hours_have_a_profile(self) -> Self:
        if self.spread_source == "hourly" and self.hourly_spread is None:
            raise ValueError("spread_source hourly needs hourly_spread: 24 multiples of half_spread_frac, from 0:00 on")
        return self

    @property
    def in_effect(self) -> "CostsEntry":
        """The same without a profile that no fill reads."""
        return self if self.spread_source == "hourly" else self.model_copy(update={"hourly_spread": None})

    def costs(self) -> Costs:
        """The same as the kernels read it."""
        return Costs(
            half_spread_frac=self.half_spread_frac,
            slippage_frac=self.slippage_frac,
            commission_frac=self.commission_frac,
            commission_per_lot=self.commission_per_lot,
            financing_long_frac_per_night=self.financing_long_frac_per_night,
            financing_short_frac_per_night=self.financing_short_frac_per_night,
            spread_source=int(_SPREAD_SOURCES[self.spread_source]),
            latency_bars=self.latency_bars,
            participation_cap=self.participation_cap,
            fill_frac=self.fill_frac,
            carry_partial=self.partial_fills == "carry",
        )


class CostsConfig(SymbolConfig[CostsEntry]):
    """The model of `config/costs.yaml`: one entry a symbol, each laid over `default`."""
