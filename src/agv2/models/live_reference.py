"""What was usual while a bundle's models were made: what its guards hold live trading against."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agv2.core.arrays import FloatArray
from agv2.core.errors import BundleError
from agv2.models.feature_reference import FeatureReference

__all__ = ["LiveReference"]


@dataclass(frozen=True, slots=True)
class LiveReference:
    """Distributions of one bundle, by symbol. Empty for a bundle that was made without them.

    Attributes:
        features: of the training bars.
        entropy: of the policy's choices out of sample, a single column; empty where nothing was traded.
        daily_returns: (n_days,) simple returns out of sample, of each book; of the whole under `ACCOUNT` where there
            are several.
    """

    features: Mapping[str, FeatureReference] = field(default_factory=dict)
    entropy: Mapping[str, FeatureReference] = field(default_factory=dict)
    daily_returns: Mapping[str, FloatArray] = field(default_factory=dict)

    def of_features(self, symbol: str) -> FeatureReference:
        """Reference of a symbol's features.

        Raises:
            BundleError: there is none; names those that there are.
        """
        if symbol not in self.features:
            known = ", ".join(sorted(self.features))
            known = f"it has those of {known}" if known else "it was made without any; train again"
            raise BundleError(f"the bundle holds no reference of {symbol}'s features, so drift cannot be told: {known}")
        return self.features[symbol]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As named arrays, for an `.npz` file; symbols are numbered, since their names may hold anything."""
        found: dict[str, NDArray[Any]] = {}
        for part, references in (("features", self.features), ("entropy", self.entropy)):
            found[f"{part}.symbols"] = np.array(list(references), dtype=np.str_)
            for number, reference in enumerate(references.values()):
                found |= {f"{part}.{number}.{name}": value for name, value in reference.arrays().items()}
        found["daily_returns.symbols"] = np.array(list(self.daily_returns), dtype=np.str_)
        for number, returns in enumerate(self.daily_returns.values()):
            found[f"daily_returns.{number}"] = returns
        return found

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "LiveReference":
        """The inverse of `arrays`."""

        def references(part: str) -> dict[str, FeatureReference]:
            found = {}
            for number, symbol in enumerate(arrays[f"{part}.symbols"]):
                start = f"{part}.{number}."
                own = {name.removeprefix(start): value for name, value in arrays.items() if name.startswith(start)}
                found[str(symbol)] = FeatureReference.from_arrays(own)
            return found

        symbols = [str(symbol) for symbol in arrays["daily_returns.symbols"]]
        returns = {symbol: arrays[f"daily_returns.{number}"] for number, symbol in enumerate(symbols)}
        return cls(references("features"), references("entropy"), returns)
