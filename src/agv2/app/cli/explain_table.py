"""A trade explained, and the trades there are to explain, in the terminal."""

import json
import math
from pathlib import Path

import rich.box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agv2.app.explain_page.words import choices, headline, mattered, risk_rows, risk_sentences, signed
from agv2.app.explanation import Explanation, trades_of
from agv2.backtest.report.numerals import Unit, format_number, format_stamp
from agv2.backtest.report.reading import read_run
from agv2.backtest.report.words import in_words
from agv2.backtest.saliency_summary import spoke_most

__all__ = ["explanation_json", "print_explanation", "print_trades"]

_WIDTH = 140  # where no terminal says how wide it is


def print_trades(run: Path, *, as_json: bool) -> None:
    """The trades of a run with their numbers, and what each came from where that is stored; standard output."""
    record = read_run(run)
    trades, spoke = trades_of(record), spoke_most(record.saliency)
    if as_json:
        rows = [
            {
                "trade": number, "symbol": trade.symbol, "fold": trade.fold, "side": trade.side,
                "decided_ns": trade.decided_ns, "opened_ns": trade.opened_ns, "closed_ns": trade.closed_ns,
                "net_pnl": trade.net_pnl, "r": None if math.isnan(trade.r_multiple) else trade.r_multiple,
                "spoke_most": spoke.get((trade.fold, trade.symbol, trade.decided_ns)),
            }
            for number, trade in enumerate(trades, start=1)
        ]  # fmt: skip
        print(json.dumps(rows, indent=1))  # noqa: T201
        return
    console = _console()
    if not trades:
        console.print(f"{run}: no trades, so there is nothing to explain")
        return
    table = _table(f"Trades of {run}", "trade", ("symbol", "entered (UTC)", "side", "result", "in R", "how it ended"))
    table.add_column("spoke most for it")
    for number, trade in enumerate(trades, start=1):
        table.add_row(
            str(number), trade.symbol, format_stamp(trade.opened_ns), "long" if trade.side > 0 else "short",
            format_number(trade.net_pnl, Unit.MONEY, signed=True), format_number(trade.r_multiple, Unit.R, signed=True),
            in_words(trade.exit_reason), spoke.get((trade.fold, trade.symbol, trade.decided_ns), "–"),
        )  # fmt: skip
    console.print(table)
    console.print(f"agv2 explain {run} --trade N explains one", soft_wrap=True)


def print_explanation(explained: Explanation) -> None:
    """The trade, what mattered, what was wished and permitted; standard output."""
    console = _console()
    told, why = headline(explained)
    console.print(Text(told, "bold"), soft_wrap=True)
    console.print(why, soft_wrap=True)
    groups = _table("What mattered, in log-odds", "", ("share", "lost when erased"))
    for one in sorted(mattered(explained), key=lambda each: -abs(each.share)):
        groups.add_row(one.name, signed(one.share), signed(one.erased))
    console.print(groups)
    features = _table("Single features", "", ("value", "from its mean", "share", "lost when erased"))
    for feature in explained.features[:6]:
        features.add_row(
            feature.name, f"{feature.value:.3g} {feature.unit}", f"{signed(feature.normalised)} sd",
            signed(feature.share), signed(feature.erased),
        )  # fmt: skip
    console.print(features)
    likely = [
        f"{choice.name} {label} ({p:.0%})" for choice in choices(explained) for label, p, on in choice.options if on
    ]
    console.print(f"wished: {', '.join(likely)}", soft_wrap=True)
    risk = _table("What risk changed", "", ("wished", "permitted", ""))
    for name, wished, permitted, differs in risk_rows(explained):
        risk.add_row(name, wished, permitted, "changed" if differs else "")
    console.print(risk)
    for sentence in risk_sentences(explained):
        console.print(sentence, soft_wrap=True)


def explanation_json(explained: Explanation) -> str:
    """The same for programs."""
    trade, shares = explained.trade, explained.attribution
    document = {
        "trade": explained.number,
        "symbol": trade.symbol,
        "side": trade.side,
        "fold": trade.fold,
        "decided_ns": trade.decided_ns,
        "net_pnl": trade.net_pnl,
        "log_odds": shares.log_odds,
        "baseline_log_odds": shares.baseline,
        "gap": shares.gap,
        "groups": {one.name: {"share": one.share, "erased": one.erased} for one in mattered(explained)},
        "features": {
            one.name: {"value": one.value, "normalised": one.normalised, "share": one.share, "erased": one.erased}
            for one in explained.features
        },
        "rows_erased": explained.erased.by_stretch,
        "candles": [
            {"from_back": near, "to_back": far, "lost": float(fall)}
            for (near, far), fall in zip(explained.stretches, explained.candle_falls, strict=True)
        ],
        "regime": dict(explained.heads.regime),
        "risk": {
            name: {"wished": wished, "permitted": permitted, "changed": differs}
            for name, wished, permitted, differs in risk_rows(explained)
        },
    }
    return json.dumps(document, indent=1, allow_nan=False)


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDTH)


def _table(title: str, first: str, columns: tuple[str, ...]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=rich.box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right")
    return table
