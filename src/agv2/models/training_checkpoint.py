"""An unfinished training on disk, from which it goes on as if nothing had happened."""

import hashlib
import os
import pickle
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from agv2.core.errors import DataError
from agv2.models.bar_basis import LinearInputs
from agv2.models.config import EncoderConfig
from agv2.models.training_rows import TrainingSeries
from agv2.utils.config import config_digest

if TYPE_CHECKING:
    import lightning.pytorch as pl

__all__ = ["TrainingCheckpoint", "series_digest", "training_identity"]

IDENTITY = "training"
_LIBRARIES = ("agv2", "lightning", "torch")


@dataclass(frozen=True, slots=True)
class TrainingCheckpoint:
    """One file, written by Lightning, with all that the rest of a training depends on.

    These are weights, optimiser, schedule, step and what the task adds. No state of chance is among them, because each
    step's is made from the seed.

    Attributes:
        path: the file; may be deleted at any time, and must be when training is over.
        identity: what tells this training from others, by the word that a message uses.
    """

    path: Path
    identity: Mapping[str, str | int]

    def read(self) -> dict[str, Any] | None:
        """The contents, None if there is no file.

        Raises:
            DataError: it cannot be read, or is of a training with other inputs.
        """
        try:
            with zipfile.ZipFile(self.path) as archive:  # torch itself does not look at the checksums
                if archive.testzip() is not None:
                    raise zipfile.BadZipFile("a checksum is wrong")
            contents: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            stored = contents[IDENTITY]
        except FileNotFoundError:
            return None
        except (
            OSError,
            RuntimeError,
            EOFError,
            KeyError,
            TypeError,
            zipfile.BadZipFile,
            pickle.UnpicklingError,
        ) as error:
            raise DataError(f"{self.path}: the checkpoint cannot be read; delete it to train from the start") from error
        changed = [name for name, value in self.identity.items() if stored.get(name) != value]
        if changed:
            raise DataError(
                f"{self.path}: the checkpoint was made with other {', '.join(changed)}; repeat that training or delete "
                "the file to train from the start"
            )
        return contents

    def write(self, trainer: "pl.Trainer") -> None:
        """Replace the file, whole or not at all; only while `trainer` fits.

        Raises:
            OSError: the directory cannot be written; an older checkpoint is as it was.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(self.path.name + ".unfinished")
        # Lightning's own way to replace a file moves it from the system's temporary directory: across file systems that
        # is a copy, which a kill leaves half done.
        trainer.save_checkpoint(unfinished, weights_only=False)
        with open(unfinished, "r+b") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, self.path)


def training_identity(
    series: Sequence[TrainingSeries], config: EncoderConfig, steps: int, seed: int, inputs: LinearInputs | None
) -> dict[str, str | int]:
    """What a training is made of, by the words for it.

    Args:
        series: the symbols' bars and targets.
        config: network and training.
        steps: gradient steps.
        seed: of the training.
        inputs: features that the heads' linear parts read.
    """
    chosen = hashlib.sha256()
    if inputs is not None:
        for each in (inputs.every_head, inputs.patterns_too, np.array(inputs.nearest)):
            chosen.update(np.ascontiguousarray(each).tobytes())
    return {
        "bars, features or labels": series_digest(series),
        "settings": config_digest({"encoder": config.in_effect}),
        "inputs of the linear parts": chosen.hexdigest(),
        "number of steps": steps,
        "seed": seed,
        "versions": ", ".join(f"{name} {version(name)}" for name in _LIBRARIES),
    }


def series_digest(series: Sequence[TrainingSeries]) -> str:
    """SHA-256 (hexadecimal) of all that training reads from its series."""
    digest = hashlib.sha256()
    for one in series:
        for field in fields(one):
            value = getattr(one, field.name)
            if isinstance(value, np.ndarray):
                digest.update(f"{field.name} {value.dtype} {value.shape}".encode())
                digest.update(np.ascontiguousarray(value).data)
            else:
                digest.update(f"{field.name} {value!r}".encode())
    return digest.hexdigest()
