"""What each family of features, each head and the encoder as a whole are worth to the trained policy."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from agv2.app.erasure import EMBEDDING, Erasure
from agv2.app.fold_tapes import as_policy_sees, unseen_tapes
from agv2.app.fold_training import FoldEncoder
from agv2.app.policy_sizing import sized
from agv2.app.robustness.measured import compared_rows, measures
from agv2.app.robustness.subject import FoldModels, Subject
from agv2.app.robustness.variants import AS_IT_WAS, Tapes, Variant, largest_difference, trade_variants
from agv2.features.feature_spec import FeatureColumn
from agv2.utils.seeding import spawn_generators

__all__ = ["Ablated", "ablation_results", "ablations", "said_of"]

HEADS = ("quantiles", "regime", "pattern", "levels")
_FAMILIES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("returns and gaps", "log returns and opening gaps", ("log_return_", "opening_gap")),
    ("shape of the bar", "range and wicks", ("range", "upper_wick", "lower_wick")),
    (
        "volatility",
        "volatility against its yardstick",
        ("realized_", "parkinson_", "average_true_", "usual_volatility"),
    ),
    ("clock", "sessions, time of day and weekday", ("session_", "time_of_day_", "day_of_week_")),
    ("levels", "nearest support and resistance, and swings", ("level_", "swing_")),
    ("heat map", "density of levels around the close", ("heatmap_",)),
)


class Ablated(NamedTuple):
    """One thing to do without."""

    name: str
    kind: str
    """`features`, `head` or `encoder`."""
    meaning: str
    erasure: Erasure


def ablations(columns: Sequence[FeatureColumn]) -> list[Ablated]:
    """Everything that is taken away in turn.

    Args:
        columns: of the run's features.

    Returns:
        Families of features on all timeframes, each context timeframe, each head, all heads, the embedding, and all
        that the encoder says.
    """
    found = []
    for name, meaning, beginnings in _FAMILIES:
        own = tuple(place for place, column in enumerate(columns) if column.spec.name.startswith(beginnings))
        found.append(Ablated(name, "features", f"{meaning}: {len(own)} columns at their training mean", Erasure(own)))
    base = columns[0].timeframe
    for timeframe in dict.fromkeys(column.timeframe for column in columns if column.timeframe != base):
        own = tuple(place for place, column in enumerate(columns) if column.timeframe == timeframe)
        meaning = f"everything of the bars of {timeframe}: {len(own)} columns at their training mean"
        found.append(Ablated(f"context {timeframe}", "features", meaning, Erasure(own)))
    for head in HEADS:
        meaning = "its predictions are always those of the mean training bar"
        found.append(Ablated(f"head {head}", "head", meaning, Erasure(inputs=(head,))))
    found.append(
        Ablated("all heads", "head", "all predictions are those of the mean training bar", Erasure(inputs=HEADS))
    )
    found.append(Ablated("embedding", "encoder", "the embedding is zero", Erasure(inputs=(EMBEDDING,))))
    off = "the embedding is zero, predictions are the mean ones: the policy sees its book alone"
    found.append(Ablated("encoder off", "encoder", off, Erasure(inputs=(EMBEDDING, *HEADS))))
    return found


def ablation_results(
    subject: Subject, report: Callable[[float, str], None], tell: Callable[[str], None]
) -> dict[str, Any]:
    """What `robustness/ablation.json` holds of the policy as it was trained, nothing trained anew.

    Args:
        subject: the run.
        report: told the share done and what is traded.
        tell: told of trouble with the disk.
    """
    taken = ablations(subject.plan.markets[0].features.columns)
    variants = [AS_IT_WAS, *(Variant(one.name, _without(one.erasure, tell)) for one in taken)]
    accounts = trade_variants(subject, variants, report, tell)
    base = accounts[AS_IT_WAS.name].account
    rng = spawn_generators(subject.plan.request.seed, "ablation")["ablation"]
    return {
        "base": measures(base),
        "largest_difference": largest_difference(subject, base),
        "reads_embedding": subject.plan.settings.rl_policy.read_embedding,
        "rows": compared_rows(((said_of(one), accounts[one.name].account) for one in taken), base, rng),
    }


def said_of(one: Ablated) -> dict[str, Any]:
    """What a row says of itself."""
    return {"name": one.name, "kind": one.kind, "meaning": one.meaning}


def _without(erasure: Erasure, tell: Callable[[str], None]) -> Callable[[Subject, FoldModels, Tapes], Tapes]:
    def changed(subject: Subject, models: FoldModels, tapes: Tapes) -> Tapes:
        if erasure.features:
            blind = FoldEncoder(models.encoder.normalizer.erasing(erasure.features), models.encoder.pretrained)
            tests = unseen_tapes(subject.plan, models.folds, blind, tell)
            return sized(tests, models.edge, subject.plan.kelly_fraction)
        plan = replace(subject.plan, erased=erasure)
        return as_policy_sees(plan, models.folds, models.encoder, tapes, tell)

    return changed
