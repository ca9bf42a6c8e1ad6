"""The leak check of all that a run computes on its way from bars to an order."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from agv2.app.leakcheck_stages import first_decision, fold_stages, short_window
from agv2.app.market_preparation import market_of
from agv2.app.settings import Settings
from agv2.backtest.leakcheck import Stage, check_leaks
from agv2.backtest.leakcheck_report import LeakReport, PassedCheck
from agv2.backtest.leakcheck_rows import check_rows
from agv2.backtest.leakcheck_stages import coarse_turns, feature_stages, remembered
from agv2.core.bars import Bars
from agv2.core.errors import LeakError
from agv2.core.timeframes import SessionCalendar, Timeframe
from agv2.features.pipeline import FeatureMatrix, compute_features
from agv2.models.threads import torch_threads

__all__ = ["bars_needed", "leak_sentence", "leakcheck", "require_no_leak"]

_FEWEST = 80
"""Bars with a whole window, beside two horizons: no run does with fewer, even at the shortest window."""


class _Extent(NamedTuple):
    """How much is checked."""

    bars: int
    """With a whole window; those before, and two horizons, come on top."""
    cuts: int
    rows: int
    """Of the features, all over the history."""


_FULL, _QUICK = _Extent(1_200, 10, 400), _Extent(160, 3, 120)
_MOST_BARS = 60_000
"""Whose features are computed for the sake of the check alone."""

Progress = Callable[[int, int], None]
"""Told the perturbed histories done and how many there are."""


def leakcheck(
    bars: Bars,
    settings: Settings,
    seed: int,
    *,
    quick: bool = False,
    features: FeatureMatrix | None = None,
    progress: Progress | None = None,
) -> LeakReport:
    """Check rows all over the features, and every stage on the last bars.

    Stages are features, coarse bars, normaliser, training, embedding, observation, decision, account and payoff.

    Bars too few for the encoder's window are checked with a shorter one; those too few for that, as far as features
    have values. Either is said in the notes.

    Args:
        bars: of one symbol; only the last few thousand are changed.
        settings: as a run reads them.
        seed: of rows, cuts, perturbations and network weights.
        quick: few rows, cuts and bars, a narrow network with a short window and no fit of an encoder, in seconds.
        features: of `bars`, as a run uses them, wherever it has them from; None: computed here, of the last 60,000.
        progress: told how far it is.

    Raises:
        DataError: too few bars for any feature.
    """
    extent = _QUICK if quick else _FULL
    calendar = settings.markets.instrument(bars.symbol, bars.ts_ns)[0].calendar
    if features is None:
        bars = bars.slice(max(0, len(bars) - _MOST_BARS), len(bars))
        features = compute_features(bars, calendar)
    rows = check_rows(bars, features, lambda bars: compute_features(bars, calendar), extent.rows, seed)
    report = _check_stages(bars, settings, calendar, seed, quick, progress)
    return report._replace(stages=(*report.stages, rows)) if rows.comparisons else report


def _check_stages(
    bars: Bars, settings: Settings, calendar: SessionCalendar, seed: int, quick: bool, progress: Progress | None
) -> LeakReport:
    extent = _QUICK if quick else _FULL
    if quick:
        settings = replace(settings, encoder=short_window(settings.encoder))
    needed, notes = bars_needed(bars.timeframe, settings), list[str]()
    if len(bars) < needed:
        short = replace(settings, encoder=short_window(settings.encoder))
        if len(bars) < bars_needed(bars.timeframe, short):
            return _features_alone(bars, settings, calendar, extent.cuts, seed, progress)
        note = (
            f"{len(bars):,} bars of {bars.timeframe.name} are too few for the encoder's window of "
            f"{settings.encoder.window}, which needs {needed:,}: checked with a window of {short.encoder.window}"
        )
        settings, needed, notes = short, bars_needed(bars.timeframe, short), [note]
    bars = bars.slice(max(0, len(bars) - (needed - _FEWEST + extent.bars)), len(bars))
    with torch_threads(1):
        stages = fold_stages(bars, settings, seed, fit=not quick)
        return _noted(_checked(bars, calendar, stages, extent.cuts, seed, progress), notes)


def require_no_leak(bars: Bars, settings: Settings, seed: int, features: FeatureMatrix | None = None) -> PassedCheck:
    """The quick check, which passes or stops whoever calls it.

    Any bars that a run accepts are enough for all of it.

    Args:
        bars: of one symbol.
        settings: as a run reads them.
        seed: as for `leakcheck`.
        features: as for `leakcheck`.

    Returns:
        What was checked.

    Raises:
        LeakError: something moved; names the first column, and how many others.
    """
    report = leakcheck(bars, settings, seed, quick=True, features=features)
    if report.leaks:
        raise LeakError(f"{bars.symbol}: {leak_sentence(report)}")
    stages = tuple(stage.name for stage in report.stages)
    return PassedCheck(bars.symbol, seed, stages, report.columns, report.comparisons, report.notes)


def leak_sentence(report: LeakReport) -> str:
    """One line on the leaks of a report that has some."""
    n_columns = sum(len(stage.leaking_columns) for stage in report.stages)
    others = f", and {n_columns - 1} more column{'s' if n_columns > 2 else ''}" if n_columns > 1 else ""
    return f"something sees the future: {report.leaks[0]}{others}; nothing learned from it can be trusted"


def bars_needed(timeframe: Timeframe, settings: Settings) -> int:
    """Bars without which not every stage has something to compare.

    Args:
        timeframe: of the bars.
        settings: the encoder's window, and how far labels look ahead.
    """
    return first_decision(timeframe, settings.encoder) + 2 * settings.label_reach + _FEWEST


def _features_alone(
    bars: Bars, settings: Settings, calendar: SessionCalendar, n_cuts: int, seed: int, progress: Progress | None
) -> LeakReport:
    """The features whose lookback leaves half of the bars to compare, and nothing that comes after features."""
    features_of = remembered(lambda bars: market_of(bars, settings).features)
    stages = feature_stages(bars.timeframe, calendar, features_of, longest=len(bars) // 2)
    report = _checked(bars, calendar, stages, n_cuts, seed, progress)
    rest = bars_needed(bars.timeframe, replace(settings, encoder=short_window(settings.encoder)))
    note = (
        f"{len(bars):,} bars of {bars.timeframe.name} are too few for a decision, which needs {rest:,}: "
        f"{report.columns} columns of features and coarse bars that look back no more than {len(bars) // 2:,} bars "
        "were checked"
    )
    return _noted(report, [note])


def _checked(
    bars: Bars, calendar: SessionCalendar, stages: Sequence[Stage], n_cuts: int, seed: int, progress: Progress | None
) -> LeakReport:
    turns = coarse_turns(bars, calendar)
    return check_leaks(bars, stages, n_cuts, seed, zones=[calendar.roll_zone], turns=turns, progress=progress)


def _noted(report: LeakReport, notes: Sequence[str]) -> LeakReport:
    return report._replace(notes=(*notes, *report.notes))
