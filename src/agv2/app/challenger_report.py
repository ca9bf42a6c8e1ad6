"""What a challenger came to beside its champion, as values and as `challenger.json`."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from agv2.app.policy_report import PolicySpan
from agv2.app.run_comparison import Lead, lead_of
from agv2.backtest.evaluation import MeasuredAccount
from agv2.risk.kelly import EdgeEstimate
from agv2.utils.seeding import spawn_generators

__all__ = ["ChallengerReport", "Contest", "contest"]

SCHEMA = 1
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Contest:
    """Both on the same held-out bars, day by day; intervals are of the annual ratio of mean to deviation.

    Attributes:
        difference: the challenger's returns less the champion's, of the same days.
        challenger: its returns, that is, what it earned over being flat.
        champion: the same of the champion.
    """

    difference: Lead
    challenger: Lead
    champion: Lead

    @property
    def finding(self) -> str:
        """`better` only where the intervals lie above zero over the champion and over being flat both."""
        found = self.difference.finding
        return "not shown" if found == "draw" or (found == "better" and self.challenger.finding != "better") else found

    @property
    def words(self) -> str:
        """The finding in a sentence."""
        lead, days = self.difference, self.difference.n_days
        if math.isnan(lead.low):
            return f"{days} days were held out: too few to tell champion and challenger apart"
        if lead.low == lead.high == 0.0:
            return f"On {days} days held out champion and challenger earned the same"
        interval = f"annual ratio 95 %: {lead.low:+.2f} to {lead.high:+.2f}"
        said = f"{lead.annual_return:+.1%} a year over the champion ({interval})"
        match self.finding:
            case "better":
                return f"Better on {days} days held out: {said}"
            case "worse":
                return f"Worse on {days} days held out: {said}"
            case _ if lead.finding == "better":
                return f"More than the champion on {days} days held out, {said}, but not shown to beat being flat"
            case _:
                return f"Not shown to be better on {days} days held out: {said}"


def contest(challenger: MeasuredAccount, champion: MeasuredAccount, seed: int, n_resamples: int) -> Contest:
    """Hold two accounts over the same days against each other and against being flat.

    Args:
        challenger: its account.
        champion: the other.
        seed: of the bootstrap.
        n_resamples: of the bootstrap.
    """
    days, own, other = np.intersect1d(challenger.days, champion.days, assume_unique=True, return_indices=True)
    first, second = challenger.returns[own], champion.returns[other]
    series = {"challenger over champion": first - second, "challenger": first, "champion": second}
    generators = spawn_generators(seed, *series)
    leads = [lead_of(name, days, each, generators[name], n_resamples, _LEVEL) for name, each in series.items()]
    return Contest(*leads)


@dataclass(frozen=True, slots=True)
class ChallengerReport:
    """Everything there is to show and to store."""

    spans: tuple[PolicySpan, ...]
    known_until_ns: int
    """Open of the last bar that the champion knows."""
    champion_digest: str
    challenger_digest: str
    profile: str
    seed: int
    steps: int
    """Environment steps asked for."""
    holdout_frac: float
    purge_bars: int
    goes_on: bool
    """Whether the challenger's policy began as the champion's."""
    facts: Mapping[str, float]
    looks: tuple[Mapping[str, float], ...]
    """At the validation block; the first is of the policy as it began."""
    champion: MeasuredAccount
    challenger: MeasuredAccount
    champion_edge: EdgeEstimate | None
    challenger_edge: EdgeEstimate | None
    contest: Contest
    notes: tuple[str, ...]
    runtime_s: Mapping[str, float]

    def document(self) -> dict[str, Any]:
        """The report as `challenger.json` holds it: null where a number is undefined, never NaN."""
        return {
            "schema": SCHEMA,
            "finding": self.contest.finding,
            "finding_text": self.contest.words,
            "spans": [asdict(span) for span in self.spans],
            "known_until_ns": self.known_until_ns,
            "champion": {
                "digest": self.champion_digest,
                "held_out": self.champion.report.values(),
                "edge": None if self.champion_edge is None else asdict(self.champion_edge),
            },
            "challenger": {
                "digest": self.challenger_digest,
                "held_out": self.challenger.report.values(),
                "edge": None if self.challenger_edge is None else asdict(self.challenger_edge),
                "began_as_the_champion": self.goes_on,
                **_plain(self.facts),
                "looks": [_plain(look) for look in self.looks],
            },
            "leads": [
                {name: _known(value) for name, value in lead._asdict().items()} | {"finding": lead.finding}
                for lead in (self.contest.difference, self.contest.challenger, self.contest.champion)
            ],
            "profile": self.profile,
            "seed": self.seed,
            "steps": self.steps,
            "holdout_frac": self.holdout_frac,
            "purge_bars": self.purge_bars,
            "notes": list(self.notes),
            "runtime_s": dict(self.runtime_s),
        }


def _plain(values: Mapping[str, float]) -> dict[str, float | None]:
    return {name: _known(value) for name, value in values.items()}


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
