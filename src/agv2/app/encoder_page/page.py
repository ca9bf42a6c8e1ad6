"""The evidence on an encoder as one HTML page that needs nothing but itself."""

from dataclasses import dataclass

from agv2.app.encoder_page.calibration import quantile_figures, reliability_figures
from agv2.app.encoder_page.curves import curve_panels
from agv2.app.encoder_page.forest import forests
from agv2.app.encoder_page.words import HEAD_WORDS, PROBE_WORDS, headline, interval_text, of_baseline
from agv2.app.encoder_report import AblatedHead, EncoderReport
from agv2.backtest.report.assets import page_asset, page_environment
from agv2.backtest.report.numerals import format_stamp

__all__ = ["evidence_page"]

_PACKAGE = "agv2.app.encoder_page"


@dataclass(frozen=True, slots=True)
class AblationRow:
    """What one head loses when the head of each column is not trained."""

    head: str
    cells: tuple[tuple[str, str], ...]
    """Difference and interval; of the head itself nothing."""


def evidence_page(report: EncoderReport) -> str:
    """One HTML document; the same report gives the same text."""
    without = list(dict.fromkeys(each.without for each in report.ablation))
    return (
        page_environment(_PACKAGE)
        .get_template("evidence.html.jinja")
        .render(
            style=page_asset("report.css") + page_asset("evidence.css", _PACKAGE),
            report=report,
            symbols=[one.symbol for one in report.spans],
            spans=[
                (
                    one,
                    *(format_stamp(ns) for ns in (one.first_ns, one.fit_until_ns, one.score_from_ns, one.last_ns)),
                )
                for one in report.spans
            ],
            headline=headline(report),
            forests=forests(report.heads),
            quantiles=quantile_figures(report.heads, report.quantile_levels),
            reliability=reliability_figures(report.reliability),
            curves=curve_panels(report.seeds),
            ablated=[HEAD_WORDS[name][0] for name in without],
            ablation=_ablation_rows(report, without),
            probes=[
                (
                    each,
                    PROBE_WORDS[each.target],
                    of_baseline(each.difference.mean, each.features_loss),
                    interval_text(each.difference, each.features_loss),
                )
                for each in report.probes
            ],
        )
    )


def _change(ablated: AblatedHead | None) -> tuple[str, str]:
    if ablated is None:
        return "", ""
    return of_baseline(ablated.change.mean, ablated.loss), interval_text(ablated.change, ablated.loss)


def _ablation_rows(report: EncoderReport, without: list[str]) -> list[AblationRow]:
    found = {(each.head, each.without): each for each in report.ablation}
    heads = dict.fromkeys(each.head for each in report.ablation)
    return [
        AblationRow(
            HEAD_WORDS[head][0],
            tuple(_change(found.get((head, name))) for name in without),
        )
        for head in heads
    ]
