"""From a file of windows to a plan: the last part of its bars is held out, the part before it teaches."""

import datetime
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from agv2.app.encoder_report import SymbolSpan
from agv2.app.encoder_training.holdout import hold_out, purge_bars
from agv2.app.encoder_training.plan import (
    EncoderPlan,
    EncoderRequest,
    budget_of,
    require_teachable,
)
from agv2.app.encoder_training.window_heads import config_with_labels
from agv2.app.encoder_training.window_series import require_horizons, series_of
from agv2.app.fold_training import linear_inputs
from agv2.app.settings import Settings
from agv2.backtest.walk_forward import Fold
from agv2.core.errors import ConfigError, DataError
from agv2.core.timeframes import Timeframe
from agv2.data.price_action_dataset import WindowDataset, read_windows
from agv2.features.feature_spec import FeatureColumn
from agv2.features.pipeline import feature_columns
from agv2.models.config import ASSET_CLASSES, EncoderConfig
from agv2.models.normalizer import Normalizer
from agv2.models.training_rows import TrainingSeries
from agv2.utils.config import config_digest

__all__ = ["plan_from_windows"]

_BY_BAR = ("ts_ns", "features", "sigma", "future", "regime", "pattern", "reacted", "level_distance")
_MINUTE_NS = 60_000_000_000
_NEED_EVERY_RETURN = frozenset({"EWMA", "HAR", "GARCH-t"})


def plan_from_windows(request: EncoderRequest, settings: Settings) -> EncoderPlan:
    """Check the file and the settings, and make what encoders learn from; nothing is written.

    A head whose column is missing is left out, unless its weight was asked for.

    Raises:
        ConfigError: a setting or an option is wrong.
        DataError: the file cannot be used, a head that was asked for has no labels, or there are too few windows.
    """
    assert request.windows is not None
    if request.symbols or request.accept_defects:
        option = "--symbol" if request.symbols else "--accept-defects"
        raise ConfigError(f"{option} belongs to --bars; a file of windows is taken as it is")
    budget, config = budget_of(request, settings)
    dataset = _read(request.windows, config, settings.encoder.window)
    every = _series(dataset, settings, config)
    config, notes = config_with_labels(dataset, every, config, request.overrides)
    settings = replace(settings, encoder=config)
    lead = config.window - 1
    names = [f"{dataset.path}: {one.symbol}" for one in every]
    folds = hold_out([one.ts_ns for one in every], [lead] * len(every), names, settings, request.holdout_frac)
    normalizer = _normalizer(dataset, every, folds)
    if dataset.header is None or dataset.header.scaling is None:
        every = [replace(one, features=normalizer.transform(one.features)) for one in every]
    whole = [_cut(one, 0, fold.test_hi) for one, fold in zip(every, folds, strict=True)]
    fit = [_taught(one, fold) for one, fold in zip(whole, folds, strict=True)]
    score_rows = tuple(range(fold.test_lo, fold.test_hi) for fold in folds)
    notes += require_teachable(fit, whole, score_rows, config, "give more windows")
    if dataset.header is not None and dataset.header.scaling is not None and dataset.header.known_until is None:
        notes.append(
            "the features of this file were scaled by all its bars, those held out among them; export --raw, or with "
            "--until, for a scaling that saw only earlier bars"
        )
    stride = 1 if dataset.header is None else dataset.header.stride
    if stride > 1:
        notes.append(
            f"windows lie {stride} bars apart: one bar in {stride} has labels, and the baselines "
            f"{', '.join(sorted(_NEED_EVERY_RETURN))}, which need the return of every bar, cannot be "
            "computed; export with --stride 1 to have them"
        )
    ours = _our_columns(dataset)
    lookbacks = [column.lookback for column in ours] or [0] * dataset.n_features
    features = tuple(zip(dataset.feature_names, lookbacks, strict=True))
    digest = _content_digest(every)
    return EncoderPlan(
        config=config,
        budget=budget,
        fit=tuple(fit),
        whole=tuple(whole),
        fit_rows=tuple(range(fold.train_lo, fold.train_hi) for fold in folds),
        score_rows=score_rows,
        normalizer=normalizer,
        features=features,
        data_digest=digest,
        linear_inputs=linear_inputs(ours) if ours else None,
        spans=tuple(_span(one, fold, dataset) for one, fold in zip(whole, folds, strict=True)),
        holdout_frac=request.holdout_frac,
        purge_bars=purge_bars(settings),
        notes=tuple(notes),
        identity={
            "--data": digest,
            "asset classes": [one.asset_class for one in every],
            "features": [list(each) for each in features],
            "settings": config_digest({"encoder": config.in_effect}),
            "--profile": [budget.profile, budget.steps],
            "--seed or --seeds": list(budget.seeds),
            "--holdout": request.holdout_frac,
        },
        unusable_baselines=_NEED_EVERY_RETURN if stride > 1 else frozenset(),
    )


def _read(path: Path, config: EncoderConfig, usual: int) -> WindowDataset:
    """The file, whose windows are as long as what the encoder reads, or longer; `usual` where it is silent."""
    try:
        dataset = read_windows(path)
    except DataError:  # such as a file of another tool, which does not say how long its windows are
        dataset = read_windows(path, usual)
    if dataset.window < config.window:
        raise DataError(
            f"{path}: windows of {dataset.window:,} bars are shorter than the {config.window:,} that the encoder "
            f"reads; export with --window {config.window}, or train one that reads fewer with --set encoder.window"
        )
    require_horizons(dataset, config.horizons)
    return dataset


def _series(dataset: WindowDataset, settings: Settings, config: EncoderConfig) -> list[TrainingSeries]:
    """Every symbol of the file, features as they are there, from the first window to where labels end."""
    header = dataset.header
    step_ns = _MINUTE_NS if header is None else Timeframe.parse(header.timeframe).nanoseconds
    names = dataset.symbols()
    if len(names) > 1 and "ts" not in dataset.column_names:
        raise DataError(f"{dataset.path}: windows of {len(names)} symbols and no column ts: nothing says which is when")
    every = [
        series_of(
            name or dataset.path.stem,
            dataset.series(name),
            dataset.feature_names,
            None if header is None else header.scaling,
            n_horizons=len(config.horizons),
            label_reach=settings.label_reach,
            asset_class=ASSET_CLASSES.index(settings.markets.entry(name or "")[0].asset_class),
            step_ns=step_ns,
        )
        for name in names or (None,)
    ]
    # Of a window longer than what the encoder reads, the first bars are of no use: no label is theirs.
    found = [_cut(one, dataset.window - config.window, len(one)) for one in every]
    if header is None or header.known_until is None:
        return found
    until_ns = int(datetime.datetime.fromisoformat(header.known_until).timestamp()) * 1_000_000_000
    return [_cut(one, 0, int(np.searchsorted(one.ts_ns + step_ns, until_ns, side="right"))) for one in found]


def _normalizer(dataset: WindowDataset, series: Sequence[TrainingSeries], folds: Sequence[Fold]) -> Normalizer:
    """What the file was scaled by, or one fitted on the bars that teach."""
    scaling = None if dataset.header is None else dataset.header.scaling
    if scaling is not None:
        return Normalizer(np.array(scaling.mean), np.array(scaling.scale), scaling.clip)
    taught = [one.features[fold.train_lo : fold.train_hi] for one, fold in zip(series, folds, strict=True)]
    return Normalizer.fit(np.concatenate(taught))


def _taught(one: TrainingSeries, fold: Fold) -> TrainingSeries:
    """The bars that teach; those whose labels may look beyond the last of them have none."""
    cut = _cut(one, 0, fold.train_hi)
    late = np.arange(len(cut)) >= len(cut) - one.label_reach
    return replace(
        cut,
        future=np.where(late[:, None], np.nan, cut.future),
        regime=np.where(late, -1, cut.regime),
        pattern=np.where(late, -1, cut.pattern),
        reacted=np.where(late[:, None], -1, cut.reacted).astype(np.int8),
    )


def _cut(one: TrainingSeries, start: int, stop: int) -> TrainingSeries:
    return replace(one, **{name: getattr(one, name)[start:stop] for name in _BY_BAR})


def _our_columns(dataset: WindowDataset) -> tuple[FeatureColumn, ...]:
    """The features as this version computes them; none where the file has others."""
    if dataset.header is None:
        return ()
    columns = feature_columns(Timeframe.parse(dataset.header.timeframe))
    return columns if tuple(column.name for column in columns) == dataset.feature_names else ()


def _content_digest(series: Sequence[TrainingSeries]) -> str:
    digest = hashlib.sha256()
    for one in series:
        digest.update(one.symbol.encode())
        for name in _BY_BAR:
            digest.update(np.ascontiguousarray(getattr(one, name)).data)
    return digest.hexdigest()


def _span(one: TrainingSeries, fold: Fold, dataset: WindowDataset) -> SymbolSpan:
    return SymbolSpan(
        symbol=one.symbol,
        asset_class=ASSET_CLASSES[one.asset_class],
        timeframe="" if dataset.header is None else dataset.header.timeframe,
        n_fit=fold.train_hi - fold.train_lo,
        n_score=fold.test_hi - fold.test_lo,
        first_ns=int(one.ts_ns[fold.train_lo]),
        fit_until_ns=int(one.ts_ns[fold.train_hi - 1]),
        score_from_ns=int(one.ts_ns[fold.test_lo]),
        last_ns=int(one.ts_ns[fold.test_hi - 1]),
    )
