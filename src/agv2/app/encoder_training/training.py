"""From bars or windows to trained encoders and the evidence of what they are worth.

Stages: read and check → one encoder a seed → evidence → linear probe → ablation, if asked for → page. Nothing is
written before every input has been checked, and each encoder is on disk before the next begins.
"""

import hashlib
import json
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from agv2.app.encoder_page.page import evidence_page
from agv2.app.encoder_report import AblatedHead, EncoderReport, TrainedSeed
from agv2.app.encoder_store import plain_name
from agv2.app.encoder_training.bars_plan import plan_from_bars
from agv2.app.encoder_training.one_encoder import keep_encoder, stage_label, trained_encoder
from agv2.app.encoder_training.plan import EncoderPlan, EncoderRequest
from agv2.app.encoder_training.scoring import ablated_heads, head_reliability, held_out_losses
from agv2.app.encoder_training.windows_plan import plan_from_windows
from agv2.app.progress import RunProgress, StageWork, waiting
from agv2.app.run_log import job_log
from agv2.app.run_store import RunStore, require_fresh_directory
from agv2.app.settings import Settings, load_settings, require_known_symbols
from agv2.app.tracking.server import open_tracker
from agv2.app.training_tracking import ENCODER_EXPERIMENT
from agv2.backtest.atomic_files import write_atomically
from agv2.core.errors import ConfigError
from agv2.data.bars_file import symbol_of
from agv2.models.baseline_rows import COSTLY_BASELINES
from agv2.models.evidence.findings import HeadEvidence
from agv2.models.evidence.head_evidence import head_evidence
from agv2.models.evidence.linear_probe import linear_probe
from agv2.models.masked_model import MaskedModel
from agv2.models.pass_deviation import pass_deviation
from agv2.models.pretraining import PretrainedEncoder
from agv2.models.threads import torch_threads
from agv2.utils.clock import SystemClock
from agv2.utils.config import save_config
from agv2.utils.environment import load_environment

__all__ = ["EncoderOutcome", "train_encoders"]

_STEPS_PER_S = 8.0  # only to lay out the progress bar
_EVIDENCE_S, _COSTLY_S = 20.0, 90.0


@dataclass(frozen=True, slots=True)
class EncoderOutcome:
    """What training left."""

    out: Path
    report: EncoderReport


def train_encoders(request: EncoderRequest) -> EncoderOutcome:
    """Train an encoder a seed on the first part of the bars, and judge them on the rest.

    Leaves the encoders in the project home, and in the output directory `evidence.html`, `evidence.json`, the encoder's
    settings, and what an interrupted training goes on from.

    Args:
        request: files, seeds, profile and settings.

    Raises:
        ConfigError: a setting, an option or the output directory is wrong.
        DataError: a file cannot be used, a head has no labels, or there are too few bars.
    """
    if (len(request.bars) > 0) == (request.windows is not None):
        raise ConfigError("give either --bars FILE... or --data FILE")
    if request.out is not None:
        require_fresh_directory(request.out, request.resume)
    settings = load_settings(request.config_dir, request.overrides)
    with waiting("reading, checking, computing features and labels", quiet=request.quiet):
        tracker = open_tracker(load_environment(), SystemClock(), ENCODER_EXPERIMENT, wanted=request.mlflow)
        plan = replace(_plan(request, settings), tracker=tracker)
    if request.ablate and len(plan.heads) < 2:
        raise ConfigError(f"--ablate: without head {plan.heads[0]} nothing is left to train; leave the option out")
    out = request.out or _home_directory(plan)
    if request.out is None:
        require_fresh_directory(out, request.resume)
    _require_home(load_environment().encoders)
    store = RunStore(out)
    with store.locked():
        store.open_state(plan.identity, {})
        save_config(plan.config, _made(out / "config") / "encoder.yaml")
        log = job_log(out / "training.log", "training", _digest(plan), dict(plan.identity))
        stages = _stages(plan, request.ablate)
        with log, torch_threads(1), RunProgress(stages, quiet=request.quiet) as progress:
            for note in plan.notes:
                progress.note(note)
            report = _trained_and_judged(plan, request, store, progress)
            for note in report.notes[len(plan.notes) :]:
                progress.note(note)
            with progress.stage("page"):
                write_atomically(out / "evidence.json", json.dumps(report.document(), indent=1, allow_nan=False))
                write_atomically(out / "evidence.html", evidence_page(report))
    return EncoderOutcome(out, report)


def _plan(request: EncoderRequest, settings: Settings) -> EncoderPlan:
    if request.windows is not None:
        return plan_from_windows(request, settings)
    require_known_symbols(request.overrides, request.symbols or [symbol_of(path) for path in request.bars])
    return plan_from_bars(request, settings)


def _home_directory(plan: EncoderPlan) -> Path:
    """A directory of the project home whose name says what is trained: the same training has the same one."""
    symbols = "-".join(plain_name(span.symbol) for span in plan.spans[:4])
    return load_environment().home / "models" / "trainings" / f"{symbols}_{plan.config.backbone}_{_digest(plan)[:8]}"


def _require_home(encoders: Path) -> None:
    """Refuse before any training what would otherwise fail after all of it: encoders are kept there."""
    try:
        encoders.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=encoders):
            pass
    except OSError as error:
        raise ConfigError(
            f"{encoders}: encoders cannot be kept there ({error.strerror}); set AGV2_HOME to a directory to write in"
        ) from error


def _digest(plan: EncoderPlan) -> str:
    return hashlib.sha256(json.dumps(plan.identity, sort_keys=True).encode()).hexdigest()


def _stages(plan: EncoderPlan, ablate: bool) -> list[StageWork]:
    one = plan.budget.steps / _STEPS_PER_S + 5.0
    heads = plan.heads if ablate else ()
    return [
        *(StageWork(stage_label(seed), one) for seed in plan.budget.seeds),
        StageWork("evidence", _EVIDENCE_S + (_COSTLY_S if plan.budget.costly else 0.0)),
        StageWork("linear probe", _EVIDENCE_S),
        *(StageWork(stage_label(seed, head), one) for head in heads for seed in plan.budget.seeds),
        StageWork("page", 1.0),
    ]


def _trained_and_judged(
    plan: EncoderPlan, request: EncoderRequest, store: RunStore, progress: RunProgress
) -> EncoderReport:
    trained = [trained_encoder(plan, plan.config, seed, "", store, progress) for seed in plan.budget.seeds]
    models = [each.model for each in trained]
    bars = plan.whole, plan.fit_rows, plan.score_rows, plan.config
    first = plan.budget.seeds[0]
    with progress.stage("evidence"):
        found = head_evidence(models, *bars, costly=plan.budget.costly, seed=first, report=progress.update)
        reliability = head_reliability(plan, models)
    with progress.stage("linear probe"):
        probes = linear_probe(models, *bars, seed=first, report=progress.update)
    ablation = _ablation(plan, models, store, progress) if request.ablate else []
    return EncoderReport(
        spans=plan.spans,
        profile=plan.budget.profile,
        backbone=plan.config.backbone,
        window=plan.config.window,
        quantile_levels=plan.config.quantile_levels,
        steps=plan.budget.steps,
        holdout_frac=plan.holdout_frac,
        purge_bars=plan.purge_bars,
        seeds=tuple(
            TrainedSeed(seed, each.steps, each.best_step, each.log, keep_encoder(plan, seed, each).name)
            for seed, each in zip(plan.budget.seeds, trained, strict=True)
        ),
        heads=_usable(found, plan.unusable_baselines),
        probes=probes,
        reliability=tuple(reliability),
        ablation=tuple(ablation),
        notes=(*plan.notes, *_notes(plan, trained)),
        runtime_s={label: round(seconds, 1) for label, seconds in progress.seconds.items()},
    )


def _ablation(
    plan: EncoderPlan, models: list[MaskedModel], store: RunStore, progress: RunProgress
) -> list[AblatedHead]:
    """Encoders of the same seeds trained again, each time with one head switched off."""
    whole = held_out_losses(plan, models, plan.heads)
    found: list[AblatedHead] = []
    for without in plan.heads:
        weights = plan.config.head_weights.model_copy(update={without: 0.0})
        config = plan.config.model_copy(update={"head_weights": weights})
        others = [trained_encoder(plan, config, seed, without, store, progress).model for seed in plan.budget.seeds]
        heads = [head for head in plan.heads if head != without]
        found += ablated_heads(plan, whole, without, held_out_losses(plan, others, heads))
    return found


def _usable(found: tuple[HeadEvidence, ...], unusable: frozenset[str]) -> tuple[HeadEvidence, ...]:
    return tuple(
        replace(
            each,
            comparisons=tuple(one for one in each.comparisons if one.baseline not in unusable),
            baseline_measures={name: own for name, own in each.baseline_measures.items() if name not in unusable},
        )
        for each in found
    )


def _notes(plan: EncoderPlan, trained: list[PretrainedEncoder]) -> list[str]:
    notes = [plan.budget.note] if plan.budget.note else []
    if not plan.budget.costly:
        costly = " and ".join(dict.fromkeys(COSTLY_BASELINES.values()))
        notes.append(f"profile {plan.budget.profile}: {costly} were not computed; --profile standard computes them")
    if len(trained) == 1:
        notes.append("one seed; another seed may give another result")
    if not plan.config.exact_in_one_pass:
        for one in plan.whole:
            encoder = trained[0]
            generator = np.random.default_rng(plan.budget.seeds[0])
            found = pass_deviation(encoder.encoder, encoder.heads, one.features, generator, one.asset_class)
            notes.append(
                f"{one.symbol}: embeddings of a history lie up to {found.embedding:.3g} from those of single windows, "
                f"return quantiles up to {found.quantiles:.3g} sigma, over {found.bars} bars looked at"
            )
    return notes


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory
