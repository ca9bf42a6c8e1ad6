"""A finished run opened again: its plan from its own settings and bars, its models from its folds."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agv2.app.fold_training import FoldEncoder
from agv2.app.policy_sizing import sized
from agv2.app.policy_vote import voted_policy
from agv2.app.run_plan import RunPlan, RunRequest, make_plan
from agv2.app.run_store import RunStore
from agv2.backtest.report.reading import RunRecord
from agv2.backtest.tape import MarketTape
from agv2.core.errors import AGV2Error, ConfigError, DataError
from agv2.models.policy import PolicyNetwork

__all__ = ["fold_models", "reopen", "sized_as_traded"]


def reopen(run_dir: Path, record: RunRecord, bars: Sequence[Path] = ()) -> RunPlan:
    """The plan of a finished run, made again from the settings it left and the bars it read.

    Args:
        run_dir: of the run.
        record: what it wrote down.
        bars: where its bars are now, one file a symbol, in their order unless the files are
            the same to the byte; none: where they were.

    Raises:
        ConfigError: another number of files than symbols.
        DataError: a file is gone, or holds other bars than the run read.
    """
    sources: list[dict[str, Any]] = record.provenance["bars"]
    symbols = [source["symbol"] for source in sources]
    if bars and len(bars) != len(sources):
        raise ConfigError(f"--bars: the run has {len(sources)} symbols ({', '.join(symbols)}), name a file for each")
    paths = list(bars) or [Path(source["path"]) for source in sources]
    for path, source in zip(paths, sources, strict=True):
        if not path.is_file():
            raise DataError(
                f"{path}: the bars of {source['symbol']} that {run_dir} was made from are not there; say where they "
                "are now with --bars FILE"
            )
    found = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in paths}
    if all(source["sha256"] in found for source in sources):  # whatever their order
        paths = [found[source["sha256"]] for source in sources]
    known = {source["sha256"] for source in sources}
    others = [str(path) for digest, path in found.items() if digest not in known]
    request = RunRequest(
        bars=tuple(paths),
        out=run_dir,
        symbols=tuple(symbols),
        profile=record.provenance["profile"],
        seed=record.provenance["seed"],
        config_dir=run_dir / "config",
        accept_defects=any(source["accepted_defects"] for source in sources),
        quiet=True,
    )
    try:
        plan = make_plan(request, again=True)
    except AGV2Error as error:
        raise (_changed(run_dir, others) if others else error) from error
    if plan.trial.data_hash != record.provenance["data_digest"]:
        raise _changed(run_dir, others or [str(path) for path in paths])
    return plan


def fold_models(run_dir: Path, plan: RunPlan, number: int) -> tuple[FoldEncoder, PolicyNetwork]:
    """The encoder and the policy, or its vote, that traded a fold.

    Args:
        run_dir: of the run.
        plan: from `reopen`.
        number: of the fold, from 1.

    Raises:
        DataError: the models of the fold are gone or damaged.
    """
    store, key = RunStore(run_dir), str(number)
    folder = run_dir / "folds" / key
    try:
        encoder = store.load_encoder(key, plan.settings.encoder) if folder.is_dir() else None
        stored = [store.load_policy(key, seed) for seed in range(plan.profile.seeds)] if folder.is_dir() else []
    except ConfigError as error:
        raise DataError(f"{folder}: the models of fold {key} are damaged, so its trades cannot be explained") from error
    found = [one for one in stored if one is not None]
    if encoder is None or len(found) < plan.profile.seeds:
        raise DataError(f"{folder}: the models of fold {key} are not there, so its trades cannot be explained")
    return encoder, voted_policy([network for network, _ in found], [facts for _, facts in found])


def sized_as_traded(run_dir: Path, plan: RunPlan, number: int, tapes: Sequence[MarketTape]) -> list[MarketTape]:
    """Tapes of a fold with the limits that its policy's evidence left it."""
    edge = RunStore(run_dir).load_edge(str(number)) if plan.kelly_fraction > 0.0 else None
    return sized(tapes, edge, plan.kelly_fraction)


def _changed(run_dir: Path, paths: Sequence[str]) -> DataError:
    return DataError(
        f"{', '.join(paths)}: not the bars that {run_dir} was made from (their SHA-256 is another); name the file as "
        "it was with --bars FILE, or run again"
    )
