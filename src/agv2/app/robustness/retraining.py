"""The last fold trained anew with something changed: slower, and what a change of settings would really do.

One policy a variant and at most two blocks of cross-fitting, the unchanged settings among the variants; those with
another seed say how large a difference chance alone makes.
"""

import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agv2.app.fold_tapes import traded_rows, unseen_tapes
from agv2.app.fold_walk import train_fold, training_works
from agv2.app.policy_sizing import sized
from agv2.app.progress import RunProgress, StageWork
from agv2.app.robustness.ablation import ablations, said_of
from agv2.app.robustness.measured import compared_rows, measures
from agv2.app.robustness.subject import Subject
from agv2.app.run_plan import RunPlan
from agv2.app.run_store import RunStore
from agv2.app.settings import changed_settings
from agv2.backtest.evaluation import Evaluation, evaluate
from agv2.backtest.provenance import source_digest
from agv2.core.errors import ConfigError
from agv2.utils.config import parse_override
from agv2.utils.seeding import spawn_generators

__all__ = ["Retrained", "retrained_results", "retrained_works", "retrainings"]

_MOST_BLOCKS = 2
_UNCHANGED = "as it is"
_SEEDS = ("another seed", "a third seed")


@dataclass(frozen=True, slots=True)
class Retrained:
    """One training of the last fold.

    Attributes:
        name: unique among them.
        said: what its row says.
        plan: how it is trained.
        own_encoder: whether the encoder is another one, too.
    """

    name: str
    said: dict[str, Any]
    plan: RunPlan
    own_encoder: bool


def retrainings(subject: Subject, check: str) -> list[Retrained]:
    """What is trained anew for a check, the unchanged settings first.

    Args:
        subject: the run.
        check: `ablation` or `sensitivity`.
    """
    plan = subject.plan
    blocks = min(plan.profile.cross_fit_blocks, _MOST_BLOCKS)
    profile = plan.profile.model_copy(update={"seeds": 1, "cross_fit_blocks": blocks, "costly_baselines": False})
    plain = replace(plan, profile=profile, tracker=None)
    found = [Retrained(_UNCHANGED, {}, plain, own_encoder=True)]
    for further, name in enumerate(_SEEDS, start=1):
        request = replace(plan.request, seed=plan.request.seed + further)
        said = {
            "name": name,
            "parameter": "seed",
            "setting": name,
            "kind": "seed",
            "meaning": "nothing but chance differs",
        }
        found.append(Retrained(name, said, replace(plain, request=request), own_encoder=True))
    if check == "ablation":
        for one in ablations(plan.markets[0].features.columns):
            own = replace(plain, erased=one.erasure)
            found.append(Retrained(one.name, said_of(one), own, own_encoder=bool(one.erasure.features)))
        return found
    for text in _changed_settings(plan):
        settings = changed_settings(
            plan.settings, plan.request.config_dir, plan.request.overrides, [parse_override(text)]
        )
        parameter, _, value = text.partition("=")
        said = {"parameter": parameter, "setting": value}
        own = replace(plain, settings=settings)
        found.append(Retrained(text, said, own, own_encoder=text.startswith("encoder.")))
    return found


def retrained_works(subject: Subject, check: str) -> list[StageWork]:
    """The stages of `retrained_results` in order, with their weights for the progress bar."""
    folds = [own[-1] for own in subject.plan.folds]
    works = []
    for one in retrainings(subject, check):
        works += [*training_works(one.plan, _label(check, one), folds), StageWork(_traded(check, one), 5.0)]
    return works


def retrained_results(subject: Subject, check: str, progress: RunProgress) -> dict[str, Any]:
    """The `retrained` part of a check's file; trainings that are on disk are not done again.

    Args:
        subject: the run.
        check: `ablation` or `sensitivity`.
        progress: with the stages of `retrained_works`.
    """
    accounts = {one.name: _account(subject, check, one, progress) for one in retrainings(subject, check)}
    named = [(one.said, accounts[one.name]) for one in retrainings(subject, check) if one.said]
    name = f"retrained {check}"
    rng = spawn_generators(subject.plan.request.seed, name)[name]
    base = accounts[_UNCHANGED]
    return {"fold": subject.n_folds, "base": measures(base), "rows": compared_rows(named, base, rng)}


def _account(subject: Subject, check: str, one: Retrained, progress: RunProgress) -> Evaluation:
    plan, number = one.plan, subject.n_folds
    folds, key = [own[-1] for own in plan.folds], str(subject.n_folds)
    store = _open_store(subject, one)
    if not one.own_encoder:
        _borrow_encoder(subject, store, key)
    encoder, policy, facts = train_fold(plan, store, progress, _label(check, one), key, folds)
    with progress.stage(_traded(check, one)):
        tapes = sized(unseen_tapes(plan, folds, encoder, progress.note), facts.edge, plan.kelly_fraction)
        money = {market.bars.symbol: plan.initial_equity for market in plan.markets}
        rows = traded_rows(plan, number, tapes, policy, money, progress.update)
    return evaluate(rows, {market.bars.symbol: market.instrument.calendar for market in plan.markets})


def _open_store(subject: Subject, one: Retrained) -> RunStore:
    """What is kept of a training; of one by other settings or sources nothing is."""
    plan, folder = one.plan, _folder(subject, one)
    symbols = [market.bars.symbol for market in plan.markets]
    identity = {
        "settings": plan.settings.digest(symbols, plan.profile_name),
        "seed": plan.request.seed,
        "erased": [list(plan.erased.features), list(plan.erased.inputs)],
        "AGV2 sources": source_digest(),
    }
    try:
        RunStore(folder).open_state(identity, {})
    except ConfigError:
        shutil.rmtree(folder)
        RunStore(folder).open_state(identity, {})
    return RunStore(folder)


def _borrow_encoder(subject: Subject, store: RunStore, key: str) -> None:
    """Take over what the unchanged settings trained before the policy."""
    source = RunStore(_folder(subject, Retrained(_UNCHANGED, {}, subject.plan, own_encoder=True))).folder(key)
    target = store.folder(key)
    if not (target / "encoder.json").is_file():
        ignored = shutil.ignore_patterns("policy_*", "edge.json", "oos", "encoder.json")
        shutil.copytree(source, target, ignore=ignored, dirs_exist_ok=True)
        for block in source.glob("block_*"):
            shutil.copy2(block / "encoder.json", target / block.name / "encoder.json")
        shutil.copy2(source / "encoder.json", target / "encoder.json")  # last: it says that the rest is there


def _folder(subject: Subject, one: Retrained) -> Path:
    name = re.sub(r"[^0-9a-z]+", "_", one.name.lower()).strip("_")
    return subject.plan.request.out / "robustness" / "retrained" / name


def _label(check: str, one: Retrained) -> str:
    return f"{check}, trained anew {one.name}"


def _traded(check: str, one: Retrained) -> str:
    return f"{_label(check, one)}: traded"


def _changed_settings(plan: RunPlan) -> Sequence[str]:
    """A few settings of encoder and policy, each moved by about as much as a person would try."""
    encoder, policy = plan.settings.encoder, plan.settings.rl_policy
    wide = [2 * units for units in policy.net_arch]
    tried: Iterable[tuple[str, object, object]] = (
        ("encoder.dropout", encoder.dropout, 0.3),
        ("encoder.learning_rate", encoder.learning_rate, round(encoder.learning_rate / 3.0, 8)),
        ("encoder.channels", encoder.channels, encoder.channels // 2),
        ("rl_policy.gamma", policy.gamma, 0.9),
        ("rl_policy.gamma", policy.gamma, 0.99),
        ("rl_policy.reward.lambda_drawdown", policy.reward.lambda_drawdown, 0.0),
        ("rl_policy.reward.lambda_drawdown", policy.reward.lambda_drawdown, 1.0),
        ("rl_policy.net_arch", list(policy.net_arch), wide),
    )
    return [f"{name}={value}" for name, now, value in tried if value != now]
