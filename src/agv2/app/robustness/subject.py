"""A finished run taken up again: its plan from its own files, and the models of each of its folds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agv2.app.fold_training import FoldEncoder
from agv2.app.policy_vote import voted_policy
from agv2.app.run_plan import RunPlan, RunRequest, make_plan
from agv2.app.run_store import RunStore
from agv2.backtest.provenance import source_digest
from agv2.backtest.walk_forward import Fold
from agv2.core.errors import DataError
from agv2.models.policy import PolicyNetwork
from agv2.risk.kelly import EdgeEstimate

__all__ = ["FoldModels", "Subject", "open_run"]


@dataclass(frozen=True, slots=True)
class FoldModels:
    """What one fold trained, and where."""

    number: int
    """From 1."""
    folds: tuple[Fold, ...]
    """Of each market."""
    encoder: FoldEncoder
    policies: tuple[PolicyNetwork, ...]
    """One a seed."""
    policy: PolicyNetwork
    """All of them as one: what traded."""
    edge: EdgeEstimate | None


@dataclass(frozen=True, slots=True)
class Subject:
    """A run whose folds are all trained."""

    plan: RunPlan
    store: RunStore
    notes: tuple[str, ...] = ()
    """What makes a second look differ from the first."""

    def models(self, number: int) -> FoldModels:
        """The models of a fold, from disk: one fold at a time is in memory.

        Args:
            number: from 1.

        Raises:
            DataError: the run lacks them.
        """
        plan, key = self.plan, str(number)
        encoder = self.store.load_encoder(key, plan.settings.encoder)
        stored = [self.store.load_policy(key, seed) for seed in range(plan.profile.seeds)]
        known = [one for one in stored if one is not None]
        edge = self.store.load_edge(key)
        if encoder is None or len(known) < len(stored) or (plan.kelly_fraction > 0.0 and edge is None):
            raise DataError(f"{self.store.folder(key)}: lacks the models of the fold; run again")
        policies = tuple(policy for policy, _ in known)
        policy = voted_policy(policies, [facts for _, facts in known])
        folds = tuple(folds[number - 1] for folds in plan.folds)
        return FoldModels(number, folds, encoder, policies, policy, edge)

    @property
    def n_folds(self) -> int:
        """Folds that were traded."""
        return self.plan.profile.folds


def open_run(directory: Path, bars: Sequence[Path] = (), *, quiet: bool = False) -> Subject:
    """Take up a finished run.

    Args:
        directory: of the run.
        bars: its files, where they are no longer where the run found them; in the order of its symbols.
        quiet: show no progress.

    Raises:
        DataError: there is no finished run, or its bars are missing or are others now.
        ConfigError: its settings cannot be read.
    """
    provenance = _provenance(directory)
    sources = provenance["bars"]
    paths = tuple(bars) or tuple(Path(one["path"]) for one in sources)
    if len(paths) != len(sources):
        wanted = ", ".join(one["symbol"] for one in sources)
        raise DataError(f"--bars: {len(paths)} files, the run has {len(sources)} markets: {wanted}, in this order")
    missing = next((path for path in paths if not path.is_file()), None)
    if missing is not None:
        raise DataError(f"{missing}: the run's bars are not there; say where they are with --bars FILE...")
    request = RunRequest(
        bars=paths,
        out=directory,
        symbols=tuple(one["symbol"] for one in sources),
        profile=provenance["profile"],
        seed=provenance["seed"],
        config_dir=directory / "config",
        quiet=quiet,
        accept_defects=any(one.get("accepted_defects") for one in sources),
    )
    plan = make_plan(request)
    if plan.profile_name != provenance["profile"]:
        raise DataError(
            f"{directory}: a run of profile {provenance['profile']}, but AGV2_SMOKE=1 makes every run a rehearsal; "
            "unset it"
        )
    if plan.trial.data_hash != provenance["data_digest"]:
        raise DataError(
            f"{', '.join(map(str, paths))}: not the bars that the run was made on (their contents differ); name those "
            "with --bars FILE..."
        )
    notes = []
    if source_digest() != provenance.get("code", {}).get("sources"):
        notes.append("the run was made by another version of AGV2")
    return Subject(plan, RunStore(directory), tuple(notes))


def _provenance(directory: Path) -> dict[str, Any]:
    path = directory / "provenance.json"
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = [document[key] for key in ("bars", "profile", "seed", "data_digest")]
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(f"{path}: missing; name the --out directory of a finished run") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not what a run writes ({error}); run again") from None
    assert found
    return document
