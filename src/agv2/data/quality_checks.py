"""All checks of a table of bars, one report."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from agv2.core.bars import Bars
from agv2.core.errors import DataError
from agv2.core.timeframes import Timeframe
from agv2.data.config import MarketConfig
from agv2.data.quality.config import QualityConfig
from agv2.data.quality.coverage_checks import check_coverage, coverage_of
from agv2.data.quality.findings import Finding, Severity, finding
from agv2.data.quality.granularity import check_granularity
from agv2.data.quality.habit_checks import check_habits, closed_hours
from agv2.data.quality.price_rules import check_prices
from agv2.data.quality.repair import Cleaned, cleaned
from agv2.data.quality.spike_checks import check_spikes
from agv2.data.quality.splice_checks import check_splices
from agv2.data.quality.spread_rules import check_spreads
from agv2.data.quality.stale_checks import check_stale
from agv2.data.quality.stamp_rules import check_stamps
from agv2.data.quality.zone_checks import check_zone
from agv2.data.raw_bars import RawBars
from agv2.data.sessions import Sessions, market_sessions, sessions_of

__all__ = ["QualityReport", "check_bars"]

_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True, slots=True)
class QualityReport:
    """What all checks found in one table, errors first, and the bars that they looked at."""

    symbol: str
    findings: tuple[Finding, ...]
    n_rows: int
    bars: Bars | None
    """Usable bars of the commonest length; None where nothing could be read or used."""
    sessions: Sessions | None
    """What gaps were measured against; None without bars."""

    @classmethod
    def unreadable(cls, symbol: str, problem: str) -> "QualityReport":
        """Of a file that could not be read at all."""
        return cls(symbol, (finding("unreadable", Severity.ERROR, 1, 1, [], problem),), 0, None, None)

    @property
    def timeframe(self) -> Timeframe | None:
        """Commonest length of the bars."""
        return None if self.bars is None else self.bars.timeframe

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """Findings of one severity, the gravest first."""
        return tuple(each for each in self.findings if each.severity is severity)


def check_bars(table: RawBars | Bars, market: MarketConfig, settings: QualityConfig) -> QualityReport:
    """Every check of this package on one table.

    Rows that no run can use are reported first; what concerns the market (gaps, stale stretches, spikes, clock,
    splices) is judged on the usable rows of the commonest bar length.

    Args:
        table: rows as a file has them, or bars.
        market: whose calendar, class and currency say what is usual.
        settings: thresholds.
    """
    raw = RawBars.of(table) if isinstance(table, Bars) else table
    findings = [finding("assumption", Severity.INFO, 1, 1, [], note) for note in raw.notes]
    findings += check_prices(raw) + check_stamps(raw) + check_spreads(raw)
    try:
        usable = cleaned(raw)
        findings += check_granularity(usable.raw.ts_ns, usable.granularity, usable.rows)
        usable = usable.majority()
    except DataError as error:
        findings.append(finding("unreadable", Severity.ERROR, 1, 1, [], str(error)))
        return QualityReport(raw.symbol, _sorted(findings), len(raw), None, None)
    bars = usable.bars()
    sessions, coverage_findings = _coverage(bars, market, settings)
    findings += coverage_findings + _market_findings(bars, usable, market, settings)
    return QualityReport(raw.symbol, _sorted(findings), len(raw), bars, sessions)


def _market_findings(bars: Bars, usable: Cleaned, market: MarketConfig, settings: QualityConfig) -> list[Finding]:
    return [
        *check_stale(bars, usable.rows, settings),
        *check_spikes(bars, usable.rows, settings),
        *check_zone(bars, market.asset_class, market.currency, settings),
        *check_splices(bars, usable.rows, settings),
    ]


def _coverage(bars: Bars, market: MarketConfig, settings: QualityConfig) -> tuple[Sessions, list[Finding]]:
    """Sessions of the market or of the file, and what is missing in them."""
    sessions, why = sessions_of(market.calendar, bars)
    findings = check_coverage(bars, coverage_of(bars, sessions), settings)
    calendar = None
    if market.calendar != "inferred":
        calendar = market_sessions(market.calendar, int(bars.ts_ns[0]), int(bars.close_ns[-1]))
        if why is not None:
            findings += closed_hours(bars, calendar)
    findings += check_habits(bars, calendar, settings)
    text = f"gaps are measured against the sessions: {sessions.name}" + (f"; {why}" if why else "")
    findings.append(finding("sessions", Severity.INFO, 1, 1, [], text))
    return sessions, _merged(findings)


def _merged(findings: Iterable[Finding]) -> list[Finding]:
    """One finding an id: absent sessions come from several checks."""
    merged: dict[str, Finding] = {}
    for each in findings:
        known = merged.get(each.id)
        if known is None:
            merged[each.id] = each
            continue
        merged[each.id] = Finding(
            each.id,
            each.severity,
            known.count + each.count,
            min(known.share + each.share, 1.0),
            (*known.places[:2], *each.places[:3]),
            f"{known.evidence}; {each.evidence}",
        )
    return list(merged.values())


def _sorted(findings: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda each: (_ORDER[each.severity], -_gravity(each))))


def _gravity(each: Finding) -> float:
    """Within a severity: findings about the whole file first, then by the share of it."""
    whole_file = each.id in ("unreadable", "wrong_zone", "feed_splice", "mixed_granularity")
    return (2.0 if whole_file else 0.0) + float(np.clip(each.share, 0.0, 1.0))
