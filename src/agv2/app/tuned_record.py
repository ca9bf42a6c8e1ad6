"""What settings that were tuned carry with them: up to when their study saw bars, and how much it tried."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.report.numerals import format_stamp
from agv2.core.errors import ConfigError

__all__ = ["TUNED", "TunedRecord", "read_tuned_record"]

TUNED = "tuned.json"
"""File beside tuned settings."""
_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class TunedRecord:
    """Where tuned settings come from."""

    study: str
    data_end_ns: int
    """Close of the last bar that the study saw."""
    symbols: tuple[str, ...]
    profile: str
    seed: int
    trials: int
    """Distinct ones that the study measured."""

    @property
    def note(self) -> str:
        """One line for whoever reads the results."""
        return (
            f"settings: chosen by agv2 tune, study {self.study}, among {self.trials} tried on bars up to "
            f"{format_stamp(self.data_end_ns)} UTC, which is before the first test bar"
        )

    def require_before(self, first_test_ns: int, directory: Path | None) -> None:
        """Return if the study saw no bar of the tests.

        Args:
            first_test_ns: open of the first test bar of the whole walk-forward.
            directory: that the settings come from.

        Raises:
            ConfigError: it did.
        """
        if self.data_end_ns > first_test_ns:
            raise ConfigError(
                f"--config {directory}: these settings were tuned on bars up to {format_stamp(self.data_end_ns)} UTC, "
                f"and the first test bar is {format_stamp(first_test_ns)}: the result would be chosen by its own test; "
                "tune again with agv2 tune on the bars of this run"
            )

    def write(self, directory: Path) -> None:
        """Put the record beside settings, so that no copy of them forgets."""
        document = {"schema": _SCHEMA, "data_end": format_stamp(self.data_end_ns) + " UTC", **asdict(self)}
        write_atomically(directory / TUNED, json.dumps(document, indent=1) + "\n")


def read_tuned_record(config: Path | None) -> TunedRecord | None:
    """The record of the settings in a directory, or beside one file of them; None where they were not tuned.

    Args:
        config: what `--config` named.

    Raises:
        ConfigError: the record is damaged: whether the settings may be used is then not known.
    """
    if config is None:
        return None
    path = (config if config.is_dir() else config.parent) / TUNED
    if not path.is_file():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        record = TunedRecord(
            study=str(document["study"]),
            data_end_ns=int(document["data_end_ns"]),
            symbols=tuple(map(str, document["symbols"])),
            profile=str(document["profile"]),
            seed=int(document["seed"]),
            trials=int(document["trials"]),
        )
        if document["schema"] != _SCHEMA:
            raise ValueError(f"schema {document['schema']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{path}: damaged, so which bars these settings were tuned on is not known ({error}); tune again"
        ) from None
    return record
