"""One trade explained, as one HTML page that needs nothing but itself."""

from dataclasses import dataclass

from agv2.app.explain_page.chart import LEAD, trade_chart
from agv2.app.explain_page.words import (
    Compared,
    choices,
    headline,
    mattered,
    risk_rows,
    risk_sentences,
    signed,
    trust,
)
from agv2.app.explanation import Explanation
from agv2.backtest.report.assets import page_asset, page_environment
from agv2.backtest.report.numerals import Unit, format_number, format_stamp

__all__ = ["explain_page"]

_PACKAGE = "agv2.app.explain_page"
_WORTH_SAYING = 0.05  # of the log-odds


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar on either side of zero; in per cent of its track."""

    left: float
    width: float
    style: str
    text: str


def explain_page(explained: Explanation) -> str:
    """One HTML document; the same explanation gives the same text."""
    trade, heads = explained.trade, explained.heads
    told, why = headline(explained)
    return (
        page_environment(_PACKAGE)
        .get_template("explain.html.jinja")
        .render(
            style=page_asset("report.css") + page_asset("explain.css", _PACKAGE),
            title=f"{trade.symbol}, trade {explained.number} of {explained.n_trades}",
            run=explained.run_dir.name,
            told=told,
            why=why,
            tone="loss" if trade.net_pnl < 0 else "",
            figures=_figures(explained),
            chart=trade_chart(explained),
            further=_further(explained),
            groups=_rows(mattered(explained)),
            stretches=_rows(_stretches(explained)) if explained.remade.odds.reads_window else [],
            features=_features(explained),
            regimes=[(name, format_number(p, Unit.PERCENT), 100 * p) for name, p in heads.regime.items()],
            patterns=[(name, format_number(p, Unit.PERCENT), 100 * p) for name, p in heads.pattern.items()],
            quantile_levels=[format_number(level, Unit.PERCENT) for level in heads.levels],
            quantiles=[
                (horizon, [format_number(float(price), Unit.PRICE) for price in prices])
                for horizon, prices in zip(heads.horizons, heads.quantiles, strict=True)
            ],
            levels=_levels(explained),
            choices=choices(explained),
            risk=risk_rows(explained),
            risk_sentences=risk_sentences(explained),
            trust=trust(explained),
            decided=format_stamp(trade.decided_ns),
            facts=_facts(explained),
        )
    )


def _figures(explained: Explanation) -> list[tuple[str, str, str]]:
    trade = explained.trade
    held = explained.choices[0]
    position = {0: 0, 1: 1, -1: 2}[explained.remade.decision.action.side]
    return [
        ("Net result", format_number(trade.net_pnl, Unit.MONEY, signed=True), "after all costs"),
        ("In R", format_number(trade.r_multiple, Unit.R, signed=True), "of the initial risk"),
        ("Held", _bars_held(trade.bars_held), f"from {format_stamp(trade.opened_ns)}"),
        ("Probability", format_number(float(held[position]), Unit.PERCENT), "of this side, by the policy"),
        ("Log-odds", signed(explained.attribution.log_odds), "of this side against flat"),
        ("Policy's value", signed(explained.remade.decision.value), "discounted reward it expected"),
    ]  # fmt: skip


def _bars_held(count: int) -> str:
    return "1\u202fbar" if count == 1 else format_number(float(count), Unit.BARS)


def _stretches(explained: Explanation) -> list[Compared]:
    """Bars of the window, by how far back they lie."""
    per_bar = explained.attribution.window.sum(axis=1)[::-1]
    found = []
    for name, fall in explained.erased.by_stretch.items():
        ends = [int(text) for text in name.split("-")]
        label = f"{ends[0]} bar back" if ends[-1] == 1 else f"{name.replace('-', ' to ')} bars back"
        label = "the decision's bar" if ends[-1] == 1 else label
        if explained.rollout is not None:
            attended = float(explained.rollout[::-1][ends[0] - 1 : ends[-1]].sum())
            label += f" (attention {format_number(attended, Unit.PERCENT)})"
        found.append(Compared(label, float(per_bar[ends[0] - 1 : ends[-1]].sum()), fall))
    return found


def _rows(compared: list[Compared]) -> list[tuple[str, Bar, Bar]]:
    largest = max((abs(each) for one in compared for each in (one.share, one.erased)), default=0.0) or 1.0
    return [(one.name, _bar(one.share, largest), _bar(one.erased, largest)) for one in compared]


def _bar(value: float, largest: float) -> Bar:
    width = 50.0 * min(abs(value) / largest, 1.0)
    return Bar(50.0 if value >= 0 else 50.0 - width, width, "for" if value >= 0 else "against", signed(value))


def _features(explained: Explanation) -> list[tuple[str, str, str, str, Bar, str]]:
    shown = explained.features
    largest = max((abs(one.share) for one in shown), default=0.0) or 1.0
    return [
        (one.name, one.meaning, f"{one.value:.3g} {one.unit}", f"{signed(one.normalised)}\u202fsd",
         _bar(one.share, largest), signed(one.erased))
        for one in shown
    ]  # fmt: skip


def _levels(explained: Explanation) -> list[tuple[str, str, float]]:
    """Bands from the highest to the lowest: prices, probability of a turn, the same in per cent."""
    heads = explained.heads
    found = []
    for band in range(len(heads.turns) - 1, -1, -1):
        low, high = (format_number(float(heads.bands[band + k]), Unit.PRICE) for k in (0, 1))
        turn = float(heads.turns[band])
        found.append((f"{low} to {high}", format_number(turn, Unit.PERCENT), 100.0 * turn))
    return found


def _further(explained: Explanation) -> list[tuple[str, str]]:
    """Stretches of candles too far back for the picture."""
    return [
        (f"{near} to {far}", signed(float(fall)))
        for (near, far), fall in zip(explained.stretches, explained.candle_falls.tolist(), strict=True)
        if near > LEAD and abs(fall) > _WORTH_SAYING * abs(explained.attribution.log_odds)
    ]


def _facts(explained: Explanation) -> list[tuple[str, str]]:
    trade, remade = explained.trade, explained.remade
    source = next(one for one in explained.record.provenance["bars"] if one["symbol"] == trade.symbol)
    return [
        ("run", str(explained.run_dir)),
        ("fold", str(trade.fold)),
        ("decided at the close of", format_stamp(trade.decided_ns)),
        ("encoder", f"{remade.plan.settings.encoder.backbone}, window of {len(explained.attribution.window)} bars"),
        ("risk profile", remade.plan.settings.risk.profile),
        ("equity of the book", format_number(remade.equity, Unit.MONEY)),
        ("bars", f"{source['timeframe']}, SHA-256 {source['sha256'][:16]}"),
    ]
