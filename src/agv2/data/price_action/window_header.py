"""What a file of windows says about itself, beside its columns."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from agv2.core.errors import DataError
from agv2.utils.config import Config

__all__ = ["HEADER_KEY", "Scaling", "WindowHeader"]

HEADER_KEY = "agv2.windows"
"""Key of the header, JSON, in the Parquet file's own metadata."""

_FORMAT = 1

Count = Annotated[int, Field(ge=1)]


class Scaling(Config):
    """How normalised features were made: `clip((value - mean) / scale, -clip, clip)`."""

    mean: tuple[float, ...]
    scale: tuple[Annotated[float, Field(gt=0.0)], ...]
    clip: Annotated[float, Field(gt=0.0)]


class SourceBars(Config):
    """The bars that one symbol's windows were made of."""

    symbol: str
    content_hash: str
    """Of stamps, prices, volume and spread, as `data.bars_file` makes it."""
    n_bars: Count


class WindowHeader(Config):
    """Everything that the columns do not say."""

    format: int = _FORMAT
    window: Count
    """Bars in each window."""
    features: tuple[str, ...]
    """Names of the features of each bar, in order."""
    timeframe: str
    stride: Count
    """Bars between a symbol's consecutive windows."""
    horizons: tuple[Count, ...] = ()
    """Bars ahead of each value of `future_returns`."""
    classes: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Names of the classes 0, 1, … of each label column that has classes."""
    bars: tuple[SourceBars, ...] = ()
    known_until: str | None = None
    """Labels, and the scaling, come from bars closed by this moment alone, ISO 8601; None: from all bars."""
    scaling: Scaling | None = None
    """None: the features are as they were computed."""

    def metadata(self) -> dict[str, str]:
        """The header as metadata of a Parquet file."""
        return {HEADER_KEY: self.model_dump_json()}

    @classmethod
    def parse(cls, path: Path, metadata: Mapping[str, str]) -> "WindowHeader | None":
        """The header among the metadata of the file `path`; None where another tool wrote it.

        Raises:
            DataError: the header is of another format or damaged.
        """
        if HEADER_KEY not in metadata:
            return None
        try:
            document = json.loads(metadata[HEADER_KEY])
            found = document.get("format")
            if found != _FORMAT:
                raise DataError(f"{path}: windows of format {found}, expected {_FORMAT}; export them again")
            return cls.model_validate(document)
        except (ValueError, AttributeError) as error:
            detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            raise DataError(f"{path}: the header {HEADER_KEY} is damaged ({detail}); export it again") from error
