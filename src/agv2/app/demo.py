"""`agv2 demo`: the main job on two markets made here, one with an edge to find and one without; then paper trading."""

import asyncio
import os
import sys
import webbrowser
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from agv2.app.results import RunOutcome
from agv2.app.run import run
from agv2.app.run_plan import RunRequest
from agv2.app.run_store import STATE, require_fresh_directory
from agv2.app.trading.closing import show_outcome
from agv2.app.trading.log import trading_log
from agv2.app.trading.request import TradingRequest
from agv2.app.trading.session import trade
from agv2.app.trading.view import TraderView
from agv2.core.errors import ConfigError
from agv2.data.bars_file import read_bars, write_bars
from agv2.data.synthetic import synthetic_bars
from agv2.utils.config import Override

__all__ = ["demo"]

_BARS = 15_000
_PAPER_BARS = 240
_SMOKE_PAPER_BARS = 12
_MARKETS = {
    "trend": ("TREND", "an edge is planted: drift that persists for days at a time"),
    "noise": ("NOISE", "nothing is planted: any profit is luck"),
}


def demo(
    out: Path,
    seed: int = 7,
    open_report: bool = True,
    config_dir: Path | None = None,
    overrides: Sequence[Override] = (),
    command: tuple[str, ...] = (),
) -> dict[str, RunOutcome]:
    """Make both markets, run the whole pipeline on each, show what was found.

    A demo that was interrupted goes on where it stopped; one that is finished is only shown again.

    Args:
        out: gets `bars/`, `trend/`, `noise/` and `paper/`.
        seed: of the markets and of the training.
        open_report: show the reports in a browser, where there is a screen.
        config_dir: settings that differ from the shipped ones.
        overrides: single settings.
        command: as typed, for the provenance.

    Returns:
        Kind of market → what its run found.

    Raises:
        ConfigError: a setting is wrong, or `out` belongs to a demo with other settings.
    """
    console = Console()
    for kind in _MARKETS:
        target = out / kind
        begun = (target / STATE).is_file()
        require_fresh_directory(target, resume=begun)
        if begun and not _bars_file(out, kind, seed).is_file():
            raise ConfigError(f"--out {out}: holds a demo with another seed; choose another directory")
    outcomes: dict[str, RunOutcome] = {}
    for kind, (symbol, plant) in _MARKETS.items():
        console.print(f"[bold]{kind}[/bold]: {_BARS:,} hourly bars, seed {seed}; {plant}")
        bars = _bars_file(out, kind, seed)
        if not bars.exists():
            bars.parent.mkdir(parents=True, exist_ok=True)
            write_bars(synthetic_bars(kind, _BARS, seed, timeframe="1h", symbol=symbol), bars)
        target = out / kind
        outcomes[kind] = run(
            RunRequest(
                bars=(bars,),
                out=target,
                profile="demo",
                seed=seed,
                resume=(target / STATE).is_file(),
                config_dir=config_dir,
                overrides=tuple(overrides),
                command=command,
            )
        )
    _trade_on_paper(console, out, seed)
    _show(console, outcomes)
    has_screen = os.name == "nt" or sys.platform == "darwin" or bool(os.environ.get("DISPLAY"))
    if open_report and has_screen and sys.stdout.isatty():
        for outcome in outcomes.values():
            webbrowser.open(outcome.report.resolve().as_uri())
    return outcomes


def _trade_on_paper(console: Console, out: Path, seed: int) -> None:
    """The last bars of the market with an edge, traded as paper and live trade: bar by bar, journal and all."""
    kind, journal = "trend", out / "paper" / "trend.sqlite"
    if journal.exists():
        console.print(f"paper trading: done before; {journal}")
        return
    n_bars = _SMOKE_PAPER_BARS if os.environ.get("AGV2_SMOKE") == "1" else _PAPER_BARS
    bars = _bars_file(out, kind, seed)
    console.print(f"[bold]paper[/bold]: the last {n_bars} bars of {kind}, as if they came now; Ctrl-C ends it")
    request = TradingRequest(
        mode="paper",
        bundle=out / kind / "bundle",
        feed=bars,
        first=int(read_bars(bars).bars.ts_ns[-n_bars]),
        journal=str(journal),
    )
    with trading_log(request), TraderView(console, quiet=not console.is_terminal) as view:
        outcome = asyncio.run(trade(request, view.tell, view.begin))
    show_outcome(outcome, console)
    console.print(
        f"the same decisions again from that journal: agv2 replay all --journal {journal}",
        highlight=False,
        soft_wrap=True,
    )


def _bars_file(out: Path, kind: str, seed: int) -> Path:
    return out / "bars" / f"{_MARKETS[kind][0]}_1h__seed{seed}.parquet"


def _show(console: Console, outcomes: dict[str, RunOutcome]) -> None:
    table = Table(title="Out of sample, after costs", title_justify="left")
    for heading, justify in (("market", "left"), ("net return", "right"), ("Sharpe", "right"), ("drawdown", "right"),
                             ("trades", "right"), ("verdict", "left")):  # fmt: skip
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]  # rich's own literal
    for kind, outcome in outcomes.items():
        measures = outcome.measures
        table.add_row(
            kind,
            f"{measures['net_return']:+.1%}",
            "–" if measures["sharpe"] is None else f"{measures['sharpe']:+.2f}",
            f"{measures['max_drawdown']:.1%}",
            f"{measures['trades']}",
            outcome.verdict,
        )
    console.print(table)
    reports = "\n".join(f"{kind}: {outcome.report}" for kind, outcome in outcomes.items())
    console.print(Panel(reports, title="Open the reports", title_align="left", expand=False))
