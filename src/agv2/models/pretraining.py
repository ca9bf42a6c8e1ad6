"""The encoder pretrained on the past of one fold, and what its heads are worth."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from agv2.core.arrays import Float32Array
from agv2.core.errors import ConfigError, DataError, ShapeError
from agv2.models.bar_basis import LinearInputs
from agv2.models.config import EncoderConfig
from agv2.models.encoder import StageOneEncoder
from agv2.models.head_baselines import class_shares, turn_shares
from agv2.models.head_outputs import LEVEL_BANDS
from agv2.models.head_scores import HeadScore, score_heads
from agv2.models.heads import MultiTaskHeads, UnconditionalTargets
from agv2.models.linear_start import fit_linear_parts
from agv2.models.masked_model import MaskedModel
from agv2.models.training_checkpoint import TrainingCheckpoint, training_identity
from agv2.models.training_device import training_device
from agv2.models.training_log import Progress, TrainingLook
from agv2.models.training_rows import TrainingSeries, purged_rows

__all__ = ["CHECKPOINT", "PretrainedEncoder", "pretrain", "unconditional_targets"]

CHECKPOINT = "encoder_training.ckpt"
"""Name of the checkpoint inside `checkpoints`; it may be deleted when training is over."""


@dataclass(frozen=True, slots=True)
class PretrainedEncoder:
    """A trained encoder with its heads.

    Attributes:
        config: what it was built and trained by.
        model: the weights, in evaluation mode.
        scores: each head against its baseline on the scoring rows; empty after `from_arrays` without a record.
        steps: gradient steps taken; fewer than asked for if selection stopped improving.
        best_step: the step whose weights were kept; 0 is the start.
        log: every look at the selection rows during training; likewise.
    """

    config: EncoderConfig
    model: MaskedModel
    scores: tuple[HeadScore, ...] = ()
    steps: int = 0
    best_step: int = 0
    log: tuple[TrainingLook, ...] = ()

    @property
    def encoder(self) -> StageOneEncoder:
        """Bars to embeddings."""
        return self.model.encoder

    @property
    def heads(self) -> MultiTaskHeads:
        """Embeddings to predictions."""
        return self.model.heads

    def arrays(self) -> dict[str, Float32Array]:
        """All weights by name, for an `.npz` file."""
        return {name: value.detach().numpy().copy() for name, value in self.model.state_dict().items()}

    def record(self) -> dict[str, Any]:
        """How it was trained and scored, as JSON: scores that are not known are null."""
        scores, looks = [asdict(score) for score in self.scores], [look._asdict() for look in self.log]
        document: dict[str, Any] = _replaced(
            {"scores": scores, "steps": self.steps, "best_step": self.best_step, "log": looks}, _null_if_unknown
        )
        return document

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, NDArray[Any]], config: EncoderConfig, record: Mapping[str, Any] | None = None
    ) -> "PretrainedEncoder":
        """The inverse of `arrays`, and of `record`.

        Args:
            arrays: weights by name.
            config: the one they were trained by.
            record: what `record` gave; None where nobody will ask.

        Raises:
            ShapeError: the weights do not fit the configuration.
        """
        model = MaskedModel(len(arrays["mask"]), config)
        try:
            model.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in arrays.items()})
        except RuntimeError as error:
            raise ShapeError(f"encoder weights do not fit the configuration: {str(error).splitlines()[-1]}") from error
        if record is None:
            return cls(config=config, model=model.eval())
        known = _replaced(dict(record), lambda value: np.nan if value is None else value)
        return cls(
            config=config,
            model=model.eval(),
            scores=tuple(HeadScore(**score) for score in known["scores"]),
            steps=known["steps"],
            best_step=known["best_step"],
            log=tuple(TrainingLook(**look) for look in known["log"]),
        )


def pretrain(
    series: Sequence[TrainingSeries],
    config: EncoderConfig,
    steps: int,
    seed: int,
    progress: Progress | None = None,
    linear_inputs: LinearInputs | None = None,
    checkpoints: Path | None = None,
    *,
    costly_baselines: bool = False,
) -> PretrainedEncoder:
    """Train encoder and heads on random chunks of the training rows and keep the weights that select best.

    Same series, configuration, steps, seed and number of torch threads give the same weights on a CPU, whether or not
    the training was interrupted and resumed on the way. Global random state and the SIGINT handler are left as they
    were.

    Args:
        series: the symbols' bars up to the fold's first test bar, targets that reach beyond it already NaN.
        config: network and training.
        steps: gradient steps, from the run profile.
        seed: of initial weights, chunks, masks and dropout.
        progress: called after every step; what it raises ends the training and is passed on.
        linear_inputs: features that the heads' linear parts read; None for all.
        checkpoints: directory for a checkpoint that a later call with the same arguments goes on from; None: none.
        costly_baselines: whether the heads are compared with GARCH and boosted trees too.

    Returns:
        The weights of the best of `config.evaluations` looks at the selection rows (or of the start), on the CPU,
        scored on the scoring rows.

    Raises:
        DataError: too few bars, no known return among the training rows, or a checkpoint of another training.
        ConfigError: the first horizon is not one bar, `steps` < 1, or the GPU has not the precision asked for.
        KeyboardInterrupt: as it came; nothing but the checkpoint has been written.
    """
    _require_trainable(series, config, steps)
    rows, device = purged_rows(series, config), training_device(config)
    checkpoint = None
    if checkpoints is not None:
        identity = training_identity(series, config, steps, seed, linear_inputs)
        checkpoint = TrainingCheckpoint(checkpoints / CHECKPOINT, identity)
    # Lightning takes seconds to import: only training pays for it.
    from agv2.models.training_loop import fit
    from agv2.models.training_task import PretrainingTask

    with torch.random.fork_rng(devices=device.forked):
        torch.manual_seed(seed)
        model = MaskedModel(series[0].features.shape[1], config)
        model.heads.start_at_baseline(unconditional_targets(series, [one.train for one in rows], config))
        # Made again on a resume: it takes seconds, and is the same to the bit.
        fit_linear_parts(model.heads, series, [one.train for one in rows], config, linear_inputs)
        fitted = fit(PretrainingTask(model, series, rows, config, steps, seed, progress, checkpoint), device)
    scores = score_heads(model, series, rows, config, seed=seed, costly_baselines=costly_baselines)
    return PretrainedEncoder(config, model.eval(), scores, fitted.steps, fitted.best_step, fitted.log)


def unconditional_targets(
    series: Sequence[TrainingSeries], train: Sequence[range], config: EncoderConfig
) -> UnconditionalTargets:
    """What the targets of the training rows were like, whatever the bar.

    Args:
        series: the symbols.
        train: the rows of each.
        config: quantile levels.

    Raises:
        DataError: no row knows its return over some horizon, and the quantile head has a weight.
    """
    taught = [(one, slice(part.start, part.stop)) for one, part in zip(series, train, strict=True)]
    future = np.concatenate([one.future[part] for one, part in taught])
    if np.isfinite(future).any(axis=0).all():
        quantiles = np.nanquantile(future, config.quantile_levels, axis=0).T
    elif config.head_weights.quantiles > 0.0:
        raise DataError("no forward return is known for some horizon among the training rows")
    else:  # nobody asks; of returns in their own volatility this is as near as one can get
        normal = [NormalDist().inv_cdf(level) for level in config.quantile_levels]
        quantiles = np.tile(normal, (len(config.horizons), 1))
    return UnconditionalTargets(
        quantiles=quantiles,
        regime_shares=class_shares(np.concatenate([one.regime[part] for one, part in taught])),
        pattern_shares=class_shares(np.concatenate([one.pattern[part] for one, part in taught])),
        turn_shares=turn_shares(np.concatenate([one.reacted[part] for one, part in taught])),
    )


def _replaced(document: Any, by: Callable[[Any], Any]) -> Any:
    """A JSON document with `by` applied to each of its values."""
    if isinstance(document, Mapping):
        return {key: _replaced(value, by) for key, value in document.items()}
    if isinstance(document, list):
        return [_replaced(value, by) for value in document]
    return by(document)


def _null_if_unknown(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _require_trainable(series: Sequence[TrainingSeries], config: EncoderConfig, steps: int) -> None:
    if steps < 1:
        raise ConfigError(f"encoder steps must be at least 1, got {steps}")
    if config.horizons[0] != 1:
        raise ConfigError(f"encoder horizons must begin with 1 bar (the baselines read it), got {config.horizons}")
    if not series:
        raise DataError("no series to train the encoder on")
    widths = {one.symbol: (one.features.shape[1], one.future.shape[1], one.reacted.shape[1]) for one in series}
    if len(set(widths.values())) != 1 or next(iter(widths.values()))[1:] != (len(config.horizons), LEVEL_BANDS):
        raise ShapeError(
            f"one number of features, {len(config.horizons)} horizons and {LEVEL_BANDS} bands expected, got {widths}"
        )
