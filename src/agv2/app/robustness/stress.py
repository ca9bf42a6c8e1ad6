"""The run's policy and risk layer through crises, by the shared decision path."""

import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from agv2.app.fold_training import market_outputs, observation_layout
from agv2.app.policy_sizing import sized
from agv2.app.robustness.stress_scenes import CrisisMarket, StressScene, history_markets, replayed_scene, shock_scenes
from agv2.app.robustness.subject import FoldModels, Subject
from agv2.backtest.replay import replay
from agv2.backtest.run_files import RunRows
from agv2.backtest.stitching import fold_rows
from agv2.backtest.stress_shapes import CRISES, Crisis
from agv2.backtest.tape import MarketTape
from agv2.core.arrays import FloatArray
from agv2.core.errors import DataError
from agv2.rl.policy_adapter import TorchPolicy

__all__ = ["stress_results"]

_POINTS = 200  # of a curve that is kept for the report
_STOPS = ("stop_loss", "trailing")


def stress_results(subject: Subject, files: Sequence[Path], report: Callable[[float, str], None]) -> dict[str, Any]:
    """What `robustness/stress.json` holds: each crisis, how it was made, and what every way through it did.

    Args:
        subject: the run.
        files: further bars of its symbols in which crises may be found.
        report: told the share done and which crisis it is.

    Raises:
        DataError: a file cannot be used.
    """
    histories = history_markets(subject.plan, files)
    scenarios, left_out = [], []
    for number, crisis in enumerate(CRISES):
        report(number / len(CRISES), crisis.title)
        try:
            real = replayed_scene(subject, histories, crisis)
            scenes = [real] if real is not None else shock_scenes(subject, crisis)
        except DataError as error:
            left_out.append({"name": crisis.name, "title": crisis.title, "reason": str(error)})
            continue
        paths = []
        for done, scene in enumerate(scenes):
            report((number + done / len(scenes)) / len(CRISES), crisis.title)
            paths.append(_lived_through(subject, scene))
        scenarios.append(_scenario(crisis, "replayed" if real is not None else "shock path", scenes, paths))
    return {"scenarios": scenarios, "left_out": left_out}


def _scenario(
    crisis: Crisis, how: str, scenes: Sequence[StressScene], paths: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    worst = min(range(len(paths)), key=lambda each: paths[each]["net_return"])
    curves = paths[worst]["curves"]
    return {
        "name": crisis.name,
        "title": crisis.title,
        "how": how,
        "basis": crisis.basis if how == "shock path" else f"bars of {crisis.first_day} to {crisis.last_day}",
        "loudness": crisis.loudness if how == "shock path" else None,
        "spread_factor": crisis.spread_factor if how == "shock path" else None,
        "fold": scenes[0].fold,
        "unseen": all(scene.is_unseen for scene in scenes),
        "symbols": [one.market.bars.symbol for one in scenes[0].markets],
        "paths": [{key: value for key, value in path.items() if key != "curves"} for path in paths],
        "worst_path": worst,
        "curves": curves,
    }


def _lived_through(subject: Subject, scene: StressScene) -> dict[str, Any]:
    """One path, from its first bar; what is measured begins with the last close before the crisis."""
    models, plan = subject.models(scene.fold), subject.plan
    tapes = _tapes(subject, scene, models)
    money = [plan.settings.backtest.initial_equity / len(tapes)] * len(tapes)
    result = replay(tapes, TorchPolicy(models.policy), money)
    rows = fold_rows(0, result, {tape.symbol: np.zeros((tape.bars.size, 3)) for tape in tapes})
    return _measured(scene, rows)


def _tapes(subject: Subject, scene: StressScene, models: FoldModels) -> list[MarketTape]:
    tapes = []
    for market, first, _ in scene.markets:
        stop = len(market.bars)
        rows = market_outputs(market, stop, models.encoder).rows()
        tapes.append(market.tape(stop, rows).slice(first, stop))
    assert tapes[0].market_rows.shape[1] == observation_layout(subject.plan.settings.encoder).market_size
    return sized(tapes, models.edge, subject.plan.kelly_fraction)


def _measured(scene: StressScene, rows: RunRows) -> dict[str, Any]:
    symbols = [one.market.bars.symbol for one in scene.markets]
    account = "ACCOUNT" if len(symbols) > 1 else symbols[0]
    curve = rows.equity.filter(pl.col("symbol") == account).sort("ts")
    stamps, equity = curve["ts"].dt.epoch("ns").to_numpy(), curve["equity"].to_numpy()
    begins = int(np.searchsorted(stamps, scene.begins_ns))
    meets = max(begins - 1, 0)  # the last close before it
    lived = equity[meets:]
    fall = 1.0 - lived / np.maximum.accumulate(lived)
    since = pl.col("ts") >= datetime.datetime.fromtimestamp(scene.begins_ns / 1e9, datetime.UTC)
    exits = rows.fills.filter(since)["reason"].to_list()
    moves = [_furthest(one) for one in scene.markets]
    first = scene.markets[0]
    reasons = rows.decisions.filter(since)
    return {
        "begins": datetime.datetime.fromtimestamp(scene.begins_ns // 1_000_000_000, datetime.UTC).isoformat(),
        "direction": scene.direction,
        "position": {symbol: _side_at(rows, symbol, int(stamps[meets])) for symbol in symbols},
        "market_move": float(np.mean(moves)),
        "net_return": float(lived[-1] / lived[0] - 1.0),
        "max_drawdown": float(fall.max()),
        "stops_hit": sum(reason in _STOPS for reason in exits),
        "closed_by_limits": exits.count("risk"),
        "trades": sum(reason in ("entry", "reverse") for reason in exits),
        "daily_loss_halts": _onsets(reasons, "daily_loss"),
        "drawdown_halts": _onsets(reasons, "drawdown"),
        "halted_frac": float(curve["halted"].to_numpy()[begins:].mean()),
        "curves": {
            "account": _kept(_gain(lived)),
            "market": _kept(_extremes(first, scene.direction)),
            "n_bars": int(lived.size - 1),
        },
    }


def _furthest(one: CrisisMarket) -> float:
    """Furthest that price went from the last close before the crisis, up or down."""
    bars, before = one.market.bars, one.market.bars.close[one.begins - 1]
    low, high = bars.low[one.begins :].min() / before - 1.0, bars.high[one.begins :].max() / before - 1.0
    return float(low if -low > high else high)


def _extremes(one: CrisisMarket, direction: str) -> FloatArray:
    """Each bar's low where price falls, its high where it rises, since the last close: a flash is in no close."""
    bars, before = one.market.bars, one.market.bars.close[one.begins - 1]
    shown = (bars.low if direction == "down" else bars.high)[one.begins :]
    return np.concatenate([[0.0], shown / before - 1.0])


def _gain(values: FloatArray) -> FloatArray:
    gain: FloatArray = values / values[0] - 1.0
    return gain


def _kept(values: FloatArray) -> list[float]:
    """At most so many points, the furthest of all among them: a flash is not to fall between two."""
    places = np.unique(np.linspace(0, values.size - 1, _POINTS).astype(int))
    furthest = int(np.abs(values).argmax())
    places[int(np.abs(places - furthest).argmin())] = furthest
    return [round(float(value), 6) for value in values[places]]


def _side_at(rows: RunRows, symbol: str, stamp_ns: int) -> int:
    book = rows.equity.filter(pl.col("symbol") == symbol).sort("ts")
    at = int(np.searchsorted(book["ts"].dt.epoch("ns").to_numpy(), stamp_ns, side="right")) - 1
    return int(np.sign(book["units"][max(at, 0)]))


def _onsets(decisions: pl.DataFrame, reason: str) -> int:
    """How often the account came under a halt of this kind; all books of an account are halted together."""
    halted = decisions.group_by("ts").agg((pl.col("reason") == reason).any()).sort("ts")["reason"].to_numpy()
    return int(np.count_nonzero(np.diff(halted.astype(np.int8), prepend=0) == 1))
