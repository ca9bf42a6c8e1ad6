"""A truth study as one HTML page that needs nothing but itself."""

from dataclasses import dataclass

from agv2.app.truth.study import CellRates, TruthStudy
from agv2.backtest.report.assets import page_asset, page_environment
from agv2.backtest.report.numerals import Unit, format_number
from agv2.backtest.rule_rates import Rate
from agv2.backtest.verdict import WEAK_PROBABILITY

__all__ = ["LEVEL", "TruthRow", "headline", "rate_text", "truth_page", "truth_rows"]

LEVEL = 1.0 - WEAK_PROBABILITY
"""False alarms that the rule allows itself against one benchmark."""


@dataclass(frozen=True, slots=True)
class TruthRow:
    """One kind of market; places in per cent of the scale."""

    meaning: str
    finding: str
    """Class in the style sheet: worse where false alarms are surely too many, better where an edge is mostly found."""
    dot: float
    left: float
    wide: float
    markets: str
    weak: str
    interval: str
    strong: str
    sharpe: str


def truth_page(study: TruthStudy) -> str:
    """One HTML document; the same study gives the same text."""
    return (
        page_environment("agv2.app.truth")
        .get_template("truth.html.jinja")
        .render(
            style=page_asset("report.css") + page_asset("evidence.css", "agv2.app.encoder_page"),
            study=study,
            headline=headline(study),
            level=100.0 * LEVEL,
            groups=[
                ("Nothing to be found", "share of false alarms", truth_rows(study, has_edge=False)),
                ("An edge", "share of edges found", truth_rows(study, has_edge=True)),
            ],
            ticks=[5, 25, 50, 75],
        )
    )


def headline(study: TruthStudy) -> str:
    """What came of it, in a sentence."""
    silent = [each for each in study.rates if not each.cell.has_edge]
    edges = [each for each in study.rates if each.cell.has_edge]
    parts = []
    if silent:
        worst = max(silent, key=lambda each: each.weak.rate)
        parts.append(f"False alarms on at most {rate_text(worst.weak)} of markets")
    if edges:
        found = [each.weak.rate for each in edges]
        parts.append(f"edges found on {_percent(min(found))} to {_percent(max(found))}, by kind")
    text = "; ".join(parts)
    return text[:1].upper() + text[1:]


def truth_rows(study: TruthStudy, *, has_edge: bool) -> list[TruthRow]:
    """The kinds of market with an edge, or those without."""
    return [_row(each) for each in study.rates if each.cell.has_edge == has_edge]


def rate_text(rate: Rate) -> str:
    """`3.2 % (1.5 to 6.4 %)`."""
    return f"{_percent(rate.rate)} ({100 * rate.low:.1f} to {_percent(rate.high)})"


def _row(each: CellRates) -> TruthRow:
    weak = each.weak
    if each.cell.has_edge:
        finding = "better" if weak.low > 0.5 else "draw"
    else:
        finding = "worse" if weak.low > LEVEL else "better"
    return TruthRow(
        meaning=each.cell.meaning,
        finding=finding,
        dot=100.0 * weak.rate,
        left=100.0 * weak.low,
        wide=100.0 * (weak.high - weak.low),
        markets=f"{weak.n_samples:,}",
        weak=_percent(weak.rate),
        interval=f"{100 * weak.low:.1f} to {_percent(weak.high)}",
        strong=_percent(each.strong.rate),
        sharpe=format_number(each.median_sharpe, Unit.RATIO, signed=True),
    )


def _percent(value: float) -> str:
    return f"{100 * value:.1f}\u202f%"
