"""Exact resume: everything the rest of a training depends on, in one file that is read only if no bit of it changed."""

import hashlib
import io
import json
import os
import pickle
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback

from agv2.backtest.tape import MarketTape
from agv2.core.errors import DataError
from agv2.models.array_bytes import arrays_from, npz_bytes
from agv2.rl.callbacks import EvaluationCallback, ProgressCallback, ValidationPoint
from agv2.rl.config import PolicyConfig
from agv2.rl.episodes import Span
from agv2.rl.learner_state import learner_state, restore_learner
from agv2.rl.side_evidence import SideEvidence
from agv2.rl.validation import SpanScore
from agv2.rl.vec_env import TradingVecEnv

__all__ = ["CheckpointCallback", "restore_checkpoint", "training_digest"]

_CHECKPOINTS = 12  # a training, evenly spaced
_SEAL_BYTES = hashlib.sha256().digest_size
_LIBRARIES = ("agv2", "stable_baselines3", "torch")


class CheckpointCallback(BaseCallback):
    """Writes a checkpoint between updates, now and then; place it after the callbacks whose state it keeps."""

    def __init__(
        self,
        path: Path,
        digest: str,
        total_steps: int,
        telling: ProgressCallback,
        looking: EvaluationCallback | None,
        evidence: SideEvidence | None,
    ) -> None:
        """Keep the training called `digest`, which began with `evidence`, in the file `path`."""
        super().__init__()
        self._path = path
        self._digest = digest
        self._every = total_steps / _CHECKPOINTS
        self._telling = telling
        self._looking = looking
        self._evidence = evidence
        self._next = 0.0

    def _on_training_start(self) -> None:
        self._next = self.num_timesteps + self._every

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self._next:
            self._next += self._every
            _write_sealed(self._path, self._contents())

    def _on_step(self) -> bool:
        return True

    def _contents(self) -> dict[str, Any]:
        model = self.model
        assert isinstance(model, PPO | SAC)
        env = self.training_env
        assert isinstance(env, TradingVecEnv)
        arrays = {**env.state(), "last_obs": model._last_obs, "last_starts": model._last_episode_starts}
        return {
            "digest": self._digest,
            "learner": learner_state(model),
            "torch_chance": torch.get_rng_state(),
            "episode_chance": json.dumps(env.sampler.generator.bit_generator.state),
            "arrays": _packed(arrays),
            "curve": json.dumps(self._telling.curve),
            "points": json.dumps(self._looking.points if self._looking else []),
            "evidence": json.dumps(self._evidence),
            "best_state": self._looking.best_state if self._looking else None,
        }


def restore_checkpoint(
    path: Path,
    digest: str,
    model: PPO | SAC,
    env: TradingVecEnv,
    telling: ProgressCallback,
    looking: EvaluationCallback | None,
) -> SideEvidence | None:
    """Put a new model, environment and callbacks where the checkpointed training was.

    Args:
        path: what `CheckpointCallback` wrote.
        digest: of the training that is to go on.
        model: newly made; `learn(..., reset_num_timesteps=False)` then continues.
        env: the one that `model` trains on.
        telling: gets the learning curve so far.
        looking: gets the validation points and the best weights so far.

    Returns:
        What cross-validation had said before the training.

    Raises:
        DataError: the file cannot be read, was changed, or belongs to another training.
    """
    contents = _read_sealed(path)
    if contents.get("digest") != digest:
        raise DataError(
            f"{path}: the checkpoint is of other bars, settings, seed or versions; delete it to train from the start"
        )
    arrays = arrays_from(contents["arrays"].numpy().tobytes())
    model._last_obs = arrays.pop("last_obs")
    model._last_episode_starts = arrays.pop("last_starts")
    for name, live in env.state().items():
        live[...] = arrays[name]
    env.sampler.generator.bit_generator.state = json.loads(contents["episode_chance"])
    restore_learner(model, contents["learner"])
    telling.curve = json.loads(contents["curve"])
    if looking is not None:
        looking.points = [ValidationPoint(step, SpanScore(*score)) for step, score in json.loads(contents["points"])]
        looking.best_state = contents["best_state"]
    torch.set_rng_state(contents["torch_chance"])
    evidence = json.loads(contents["evidence"])
    return None if evidence is None else SideEvidence(*evidence)


def training_digest(
    tapes: Sequence[MarketTape], spans: Sequence[Sequence[Span]], config: PolicyConfig, *numbers: float
) -> str:
    """Name of a training: equal for equal bars, rows, spans, settings, versions and numbers such as steps and seed."""
    versions = [(name, version(name)) for name in _LIBRARIES]
    digest = hashlib.sha256(repr((config.in_effect.model_dump_json(), spans, numbers, versions)).encode())
    for tape in tapes:
        digest.update(repr((tape.symbol, tape.market, tape.params, tape.costs)).encode())
        for array in (tape.bars, tape.volatility, tape.levels, tape.market_rows):
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _packed(arrays: dict[str, Any]) -> torch.Tensor:
    """Arrays, records among them, as the bytes of an `.npz`: torch loads tensors alone without pickle."""
    return torch.frombuffer(bytearray(npz_bytes(arrays)), dtype=torch.uint8)


def _write_sealed(path: Path, contents: dict[str, Any]) -> None:
    """Replace the file, whole or not at all; it begins with the hash of the rest, for torch checks no checksum."""
    buffer = io.BytesIO()
    torch.save(contents, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    with open(unfinished, "wb") as file:
        file.write(hashlib.sha256(buffer.getbuffer()).digest())
        file.write(buffer.getbuffer())
        file.flush()
        os.fsync(file.fileno())
    os.replace(unfinished, path)


def _read_sealed(path: Path) -> dict[str, Any]:
    damaged = f"{path}: the checkpoint cannot be read or was changed; delete it to train from the start"
    try:
        text = memoryview(path.read_bytes())
        seal, body = text[:_SEAL_BYTES], text[_SEAL_BYTES:]
        if hashlib.sha256(body).digest() != seal:
            raise DataError(damaged)
        contents: dict[str, Any] = torch.load(io.BytesIO(body), weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        raise DataError(damaged) from error
    return contents
