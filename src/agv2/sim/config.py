"""The model of `config/costs.yaml`."""

from typing import Annotated, Any, Literal

from pydantic import Field

from agv2.sim.costs import Costs, SpreadSource
from agv2.utils.config import Config, SymbolConfig

__all__ = ["CostsConfig", "CostsEntry"]

Fraction = Annotated[float, Field(ge=0.0, lt=0.5)]
SignedFraction = Annotated[float, Field(gt=-0.1, lt=0.1)]

_SPREAD_SOURCES = {"constant": SpreadSource.CONSTANT, "bar": SpreadSource.BAR}


class CostsEntry(Config):
    """What trading one symbol costs; the meaning of each field is told at `Costs`."""

    half_spread_frac: Fraction
    slippage_frac: Fraction
    commission_frac: Fraction
    commission_per_lot: Annotated[float, Field(ge=0.0)]
    financing_long_frac_per_night: SignedFraction
    financing_short_frac_per_night: SignedFraction
    spread_source: Literal["constant", "bar"]
    latency_bars: Annotated[int, Field(ge=0, le=1000)]
    participation_cap: Annotated[float, Field(ge=0.0, le=1.0)]
    partial_fills: Literal["carry", "cancel"]

    @classmethod
    def merge_layer(cls, base: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
        """Lay `layer` over `base`: who names a half spread without its source means that very number."""
        merged = base | layer
        if "half_spread_frac" in layer and "spread_source" not in layer:
            merged["spread_source"] = "constant"
        return merged

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
            carry_partial=self.partial_fills == "carry",
        )


class CostsConfig(SymbolConfig[CostsEntry]):
    """The model of `config/costs.yaml`: one entry a symbol, each laid over `default`."""
