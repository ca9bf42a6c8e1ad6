"""What an unfinished run keeps on disk, so that it can go on from its last finished stage."""

import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import filelock
import polars as pl
import torch

from agv2.app.fold_training import FoldEncoder
from agv2.backtest.atomic_files import write_atomically
from agv2.backtest.run_files import RunRows, read_run_rows, write_run_rows
from agv2.backtest.saliency import read_saliency, write_saliency
from agv2.core.arrays import FloatArray
from agv2.core.errors import ConfigError
from agv2.models.array_bytes import arrays_from, npz_bytes
from agv2.models.config import EncoderConfig
from agv2.models.normalizer import Normalizer
from agv2.models.policy import PolicyNetwork
from agv2.models.pretraining import PretrainedEncoder
from agv2.risk.kelly import EdgeEstimate

__all__ = ["STATE", "RunStore", "UnfinishedWork", "require_fresh_directory"]

STATE = "folds/state.json"
"""File of a run's directory that says which run it is."""


def require_fresh_directory(out: Path, resume: bool) -> None:
    """Refuse to write over anything, and to resume what was never begun.

    Raises:
        ConfigError: `out` is a file, holds something, or has no run to resume.
    """
    try:
        nearest = next(path for path in (out, *out.parents) if path.exists())
    except OSError as error:  # such as a name that is too long
        raise ConfigError(f"--out {out}: {error.strerror}; name another directory") from error
    if not nearest.is_dir():
        raise ConfigError(f"--out {out}: {nearest} is a file; name a new or empty directory")
    if not os.access(nearest, os.W_OK):
        raise ConfigError(f"--out {out}: {nearest} cannot be written to; name another directory")
    if resume:
        if not (out / STATE).is_file():
            raise ConfigError(f"--resume: {out} holds no run to continue; start one in a new or empty directory")
    elif out.is_dir() and any(out.iterdir()):
        hint = "add --resume to continue it" if (out / STATE).is_file() else "name a new or empty one"
        raise ConfigError(f"--out {out}: the directory is not empty; {hint}")


@dataclass(frozen=True, slots=True)
class UnfinishedWork:
    """Directory for what an interrupted stage goes on from, told apart from one of the same name on another machine."""

    path: Path
    mark: Path
    """File of the run's directory."""
    name: str
    """What is written in it."""

    def here(self) -> Path | None:
        """The directory, where this machine sees the run's; None elsewhere: there a stage is done in one go."""
        try:
            return self.path if self.mark.read_text(encoding="utf-8") == self.name else None
        except OSError:
            return None

    def remove(self) -> None:
        """The stage is finished."""
        shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class RunStore:
    """Finished stages under `RUN/folds`; a stage counts once its last file is there, and that file is written last."""

    out: Path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes out of the run while the block works; a process that dies lets go.

        Raises:
            ConfigError: the directory cannot be made, or another process works on the run.
        """
        path = self.out / "folds" / ".lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--out {self.out}: cannot be made ({error.strerror}); name another") from error
        lock = filelock.FileLock(path)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise ConfigError(f"--out {self.out}: another agv2 is working on this run; wait for it") from None
        try:
            yield
        finally:
            lock.release()

    def open_state(self, identity: Mapping[str, Any], start: Mapping[str, Any]) -> dict[str, Any]:
        """What the run must not forget when it is resumed.

        Args:
            identity: inputs that may not change between start and resume.
            start: what was found when the run began; kept as it was on a resume.

        Returns:
            The stored `start`.

        Raises:
            ConfigError: the directory belongs to a run with other inputs, or what is in it was damaged.
        """
        path = self.out / STATE
        if not path.is_file():
            state = {"identity": dict(identity), "start": dict(start), "seconds": {}}
            write_atomically(path, json.dumps(state, indent=1))
            return dict(start)
        state = _read_json(path)
        if not {"identity", "start", "seconds"} <= state.keys():
            raise _damaged(path)
        changed = [name for name, value in identity.items() if state["identity"].get(name) != value]
        if changed:
            raise ConfigError(
                f"--out {self.out}: the run in it was started with other {', '.join(changed)}; repeat the command it "
                "was started with, or begin anew in another directory"
            )
        return dict(state["start"])

    def add_seconds(self, seconds: Mapping[str, float]) -> None:
        """Remember how long stages took."""
        path = self.out / STATE
        state = _read_json(path)
        state["seconds"].update(seconds)
        write_atomically(path, json.dumps(state, indent=1))

    def seconds(self) -> dict[str, float]:
        """Seconds of every finished stage, those of earlier processes included."""
        found: dict[str, float] = _read_json(self.out / STATE)["seconds"]
        return found

    def folder(self, fold: str) -> Path:
        """Directory of a fold."""
        path = self.out / "folds" / fold
        path.mkdir(parents=True, exist_ok=True)
        return path

    def unfinished(self, fold: str, work: str) -> UnfinishedWork:
        """Where a stage of a fold keeps what it has reached, whichever process does it.

        Args:
            fold: its key.
            work: such as `encoder`.
        """
        mark = (self.out / "folds" / ".name").resolve()
        if not mark.is_file():
            mark.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(mark, uuid.uuid4().hex)
        path = self.folder(fold).resolve() / f"{work}_unfinished"
        return UnfinishedWork(path, mark, mark.read_text(encoding="utf-8"))

    def save_encoder(self, fold: str, encoder: FoldEncoder) -> None:
        """Keep normaliser, weights, scores and training log of a fold's encoder."""
        folder, found = self.folder(fold), encoder.pretrained
        _save_arrays(folder / "normalizer.npz", encoder.normalizer.arrays())
        _save_arrays(folder / "encoder.npz", found.arrays())
        write_atomically(folder / "encoder.json", json.dumps(found.record(), indent=1))

    def load_encoder(self, fold: str, config: EncoderConfig) -> FoldEncoder | None:
        """A fold's encoder if its stage was finished."""
        folder = self.folder(fold)
        if not (folder / "encoder.json").is_file():
            return None
        record, weights = _read_json(folder / "encoder.json"), _load_arrays(folder / "encoder.npz")
        try:
            pretrained = PretrainedEncoder.from_arrays(weights, config, record)
            return FoldEncoder(Normalizer.from_arrays(_load_arrays(folder / "normalizer.npz")), pretrained)
        except (KeyError, TypeError) as error:
            raise _damaged(folder) from error

    def save_cross_fitted(self, fold: str, losses: Mapping[str, float]) -> None:
        """Keep what the cross-fitted heads of a fold lost."""
        write_atomically(self.folder(fold) / "cross_fitted.json", json.dumps(dict(losses), indent=1))

    def load_cross_fitted(self, fold: str) -> dict[str, float] | None:
        """What the cross-fitted heads of a fold lost, if that stage was finished."""
        path = self.folder(fold) / "cross_fitted.json"
        return _read_json(path) if path.is_file() else None

    def save_policy(self, fold: str, number: int, network: PolicyNetwork, facts: Mapping[str, Any]) -> None:
        """Keep one policy of a fold."""
        folder = self.folder(fold)
        arrays = {name: value.detach().numpy() for name, value in network.state_dict().items()}
        _save_arrays(folder / f"policy_{number}.npz", arrays)
        write_atomically(folder / f"policy_{number}.json", json.dumps(dict(facts), indent=1))

    def load_policy(self, fold: str, number: int) -> tuple[PolicyNetwork, dict[str, Any]] | None:
        """One policy of a fold if its stage was finished."""
        folder = self.folder(fold)
        if not (folder / f"policy_{number}.json").is_file():
            return None
        arrays = _load_arrays(folder / f"policy_{number}.npz")
        network = PolicyNetwork.from_state({name: torch.from_numpy(value) for name, value in arrays.items()})
        facts: dict[str, Any] = _read_json(folder / f"policy_{number}.json")
        return network, facts

    def save_edge(self, fold: str, edge: EdgeEstimate) -> None:
        """Keep the edge of a fold's policy."""
        write_atomically(self.folder(fold) / "edge.json", json.dumps(asdict(edge), indent=1))

    def load_edge(self, fold: str) -> EdgeEstimate | None:
        """The edge of a fold's policy, if that stage was finished."""
        path = self.folder(fold) / "edge.json"
        if not path.is_file():
            return None
        try:
            return EdgeEstimate(**_read_json(path))
        except TypeError as error:
            raise _damaged(path) from error

    def save_moves(self, fold: str, moves: Mapping[str, FloatArray]) -> None:
        """Keep what a fold's quantile head expected of each symbol's test bars."""
        _save_arrays(self.folder(fold) / "predicted_moves.npz", moves)

    def load_moves(self, fold: str) -> dict[str, FloatArray] | None:
        """What a fold's quantile head expected, if it is known."""
        path = self.folder(fold) / "predicted_moves.npz"
        return _load_arrays(path) if path.is_file() else None

    def save_saliency(self, fold: str, saliency: pl.DataFrame) -> Path:
        """Keep what the entries of a fold came from, and say where."""
        path = self.folder(fold) / "saliency.parquet"
        write_saliency(saliency, path)
        return path

    def load_saliency(self, fold: str) -> pl.DataFrame | None:
        """What the entries of a fold came from, if it is known."""
        path = self.folder(fold) / "saliency.parquet"
        return read_saliency(path) if path.is_file() else None

    def save_rows(self, fold: str, rows: RunRows) -> None:
        """Keep a fold's out-of-sample account."""
        folder = self.folder(fold) / "oos"
        folder.mkdir(exist_ok=True)
        write_run_rows(rows, folder)
        write_atomically(folder / "done.json", "{}")

    def load_rows(self, fold: str) -> RunRows | None:
        """A fold's out-of-sample account if its stage was finished."""
        folder = self.folder(fold) / "oos"
        return read_run_rows(folder) if (folder / "done.json").is_file() else None


def _save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    write_atomically(path, npz_bytes(arrays))


def _load_arrays(path: Path) -> dict[str, Any]:
    try:
        return arrays_from(path.read_bytes())
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _damaged(path) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    if not isinstance(document, dict):
        raise _damaged(path)
    return document


def _damaged(path: Path) -> ConfigError:
    return ConfigError(f"--resume: {path} is damaged; begin anew in another directory")
