"""What a trader looks like from a chair: a screen that keeps still on a terminal, plain lines anywhere else."""

from types import TracebackType
from typing import Self

import numpy as np
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agv2.core.account import Account, equity
from agv2.core.orders import FillReason
from agv2.decision.planner import PlanReason
from agv2.execution.broker_messages import BrokerFill
from agv2.execution.feed_watch import FeedHealth
from agv2.execution.trader_status import MadeDecision, TraderStatus

__all__ = ["TraderView", "attribution_table"]

_SIDES = {1: "long", -1: "short", 0: "flat"}
_LINES_EVERY = 100
_MOST_ROWS = 8
_LINES_BESIDE = 23  # of the screen, but for the rows of decisions
_STYLES = {"info": "", "warning": "yellow", "alarm": "bold red"}


class TraderView:
    """Shows one trader while the block lasts; its `tell` is what the trader calls.

    Args:
        console: where to.
        plain: lines even on a terminal.
        quiet: nothing.
    """

    def __init__(self, console: Console | None = None, *, plain: bool = False, quiet: bool = False) -> None:
        self._console = console or Console()
        self._quiet = quiet
        self._on_screen = self._console.is_terminal and not plain and not quiet
        self._status: TraderStatus | None = None
        self._live: Live | None = None
        self._bars_told = 0

    def __enter__(self) -> Self:
        if self._on_screen:
            self._live = Live(
                get_renderable=self._screen, console=self._console, refresh_per_second=4, transient=True
            )  # fmt: skip
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def begin(self, status: TraderStatus) -> None:
        """The trader is there and about to start."""
        self._status = status
        self._line(f"{status.mode} {status.symbol} {status.timeframe} at {status.broker}")

    def tell(self, status: TraderStatus, what: str) -> None:
        """Something changed: `bar`, `decision`, `fill`, `note` or `tick`."""
        self._status = status
        if self._on_screen or self._quiet:
            return
        if what == "note":
            level, text = status.news[-1]
            self._line(text if level == "info" else f"{level}: {text}")
        elif what == "fill":
            self._line(f"{_moment(status.fills[-1].filled_ns)}  {fill_words(status.fills[-1])}")
        elif what == "decision" and status.decisions[-1].record.plan.order.order_id:
            made = status.decisions[-1]
            self._line(f"{_moment(made.record.bar_ts_ns)}  {decision_words(made)}")
        if what in ("bar", "decision") and status.n_bars >= self._bars_told + _LINES_EVERY:
            self._bars_told = status.n_bars
            self._line(f"{status.n_bars} bars, {book_words(status)}")

    def _line(self, text: str) -> None:
        if not self._on_screen and not self._quiet:
            self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _screen(self) -> RenderableType:
        status = self._status
        rows = max(min(self._console.size.height - _LINES_BESIDE, _MOST_ROWS), 1)
        return Text("getting ready") if status is None else screen(status, rows)


def screen(status: TraderStatus, n_decisions: int = _MOST_ROWS) -> RenderableType:
    """Everything on one screen.

    Args:
        status: what is shown.
        n_decisions: the last so many.
    """
    top = Table.grid(padding=(0, 4))
    top.add_row(_book(status), _limits(status), _health(status))
    title = f"{status.mode} · {status.symbol} {status.timeframe} · {status.broker}"
    if status.switch.is_thrown:
        title += " · [bold red]KILL SWITCH THROWN[/]"
    parts: list[RenderableType] = [Panel(top, title=title, title_align="left"), _decisions(status, n_decisions)]
    if status.attribution is not None:
        parts.append(attribution_table(status))
    parts += [Text(text, style=_STYLES.get(level, "")) for level, text in list(status.news)[-3:]]
    parts.append(Text("Ctrl-C stops in good order · agv2 kill halts · agv2 flatten closes", style="dim"))
    return Group(*parts)


def attribution_table(status: TraderStatus) -> Table:
    """Where the money came from, as far as it goes."""
    found = status.attribution
    assert found is not None
    table = Table(title="Where the money came from", title_justify="left")
    for name in ("market", "timing", "costs", "against the model", "financing, other", "together"):
        table.add_column(name, justify="right")
    parts = (found.market, found.timing, found.costs, found.beyond_model, found.other, found.total)
    table.add_row(*(f"{each:+,.2f}" for each in parts))
    return table


def book_words(status: TraderStatus) -> str:
    """The book in a phrase."""
    book = status.book
    if book is None:
        return "no book yet"
    value = equity(book)
    change = f" ({value / status.first_equity - 1.0:+.2%})" if status.first_equity else ""
    return f"equity {value:,.2f}{change}, {position_words(book)}"


def position_words(book: Account) -> str:
    """What is held, in a phrase."""
    if book.units == 0.0:
        return "flat"
    side = "long" if book.units > 0.0 else "short"
    return f"{side} {abs(book.units):,.6g} at {book.entry_price:,.6g}, stop {book.stop_loss:,.6g}"


def decision_words(made: MadeDecision) -> str:
    """A decision in a phrase."""
    plan = made.record.plan
    words = f"{_SIDES[plan.side]}: order for {plan.order.units:+,.6g}, {_reason(plan.reason)}"
    if plan.order.units == 0.0:
        words = f"{_SIDES[plan.side]}: what waits is withdrawn, {_reason(plan.reason)}"
    return words + (f" ({made.restraint})" if made.restraint else "") + _outcome_words(made.outcome)


def fill_words(fill: BrokerFill) -> str:
    """A fill in a phrase."""
    side = "bought" if fill.side > 0 else "sold"
    reason = "" if fill.reason == FillReason.NONE else f", {fill.reason_name.replace('_', ' ')}"
    return f"{side} {fill.units:,.6g} at {fill.price:,.6g}{reason}"


def _book(status: TraderStatus) -> Table:
    table = _facts("book")
    book = status.book
    if book is None or status.bar is None:
        table.add_row("", "no bar yet")
        return table
    table.add_row("equity", book_words(status).partition(",  ")[0].split(", ")[0].removeprefix("equity "))
    table.add_row("position", position_words(book).split(", stop")[0])
    if book.units:
        table.add_row("stop, target", f"{book.stop_loss:,.6g}, {book.take_profit:,.6g}")
        table.add_row("bars held", str(book.bars_held))
    table.add_row("last close", f"{status.bar.close:,.6g} at {_moment(status.bar.ts_ns)}")
    table.add_row("bars, orders, fills", f"{status.n_bars}, {status.n_orders}, {status.n_fills}")
    return table


def _limits(status: TraderStatus) -> Table:
    table = _facts("limits used")
    risk, params, book = status.risk, status.params, status.book
    if risk is None or params is None or book is None:
        return table
    daily = 1.0 - risk.last_equity / risk.day_start_equity if risk.day_start_equity else 0.0
    drawdown = 1.0 - risk.last_equity / risk.peak_equity if risk.peak_equity else 0.0
    exposure = abs(book.units) * book.close_price / risk.last_equity if risk.last_equity > 0.0 else 0.0
    for name, used, most in (
        ("daily loss", max(daily, 0.0), params.daily_loss_frac),
        ("drawdown", drawdown, params.drawdown_frac),
    ):
        table.add_row(name, f"{used:.2%} of {most:.2%}", _meter(used / most))
    table.add_row("exposure", f"{exposure:.2f} of {params.max_exposure:.2f}", _meter(exposure / params.max_exposure))
    if status.ramp:
        table.add_row("size", status.ramp, _meter(params.size_share))
    return table


def _health(status: TraderStatus) -> Table:
    table = _facts("health")
    style = "green" if status.health is FeedHealth.FRESH else "yellow"
    table.add_row("feed", Text(f"{status.health}, {status.age_s:,.0f} s", style=style))
    if status.skew_s:
        table.add_row("clocks", f"{status.skew_s:+.1f} s")
    table.add_row("venue", Text(status.doubt or "in order", style="yellow" if status.doubt else "green"))
    switch = "thrown" if status.switch.is_thrown else "armed"
    table.add_row("kill switch", Text(switch, style="bold red" if status.switch.is_thrown else "green"))
    for line in status.tripped:
        table.add_row("guard", Text(line, style="bold red"))
    if status.restraint:
        table.add_row("opens nothing", Text(status.restraint, style="yellow"))
    return table


def _decisions(status: TraderStatus, n_decisions: int) -> Table:
    table = Table(title="Last decisions", title_justify="left")
    for name, justify in (("bar", "left"), ("side", "left"), ("order", "right"), ("why", "left"),
                          ("entropy", "right"), ("outcome", "left")):  # fmt: skip
        table.add_column(name, justify=justify)  # type: ignore[arg-type]  # rich's own literal
    for made in list(reversed(status.decisions))[:n_decisions]:
        plan = made.record.plan
        order = f"{plan.order.units:+,.6g}" if plan.order.order_id else ""
        why = _reason(plan.reason) + (f" ({made.restraint})" if made.restraint else "")
        table.add_row(
            _moment(made.record.bar_ts_ns),
            _SIDES[plan.side],
            order,
            why,
            f"{made.record.entropy:.2f}",
            made.outcome.partition(":")[0] if not _outcome_words(made.outcome) else made.outcome,
        )
    return table


def _facts(title: str) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_row(Text(title, style="bold"))
    return table


def _meter(share: float) -> Text:
    filled = min(max(round(10 * share), 0), 10)
    style = "red" if share >= 0.8 else "yellow" if share >= 0.5 else "green"
    return Text("█" * filled + "░" * (10 - filled), style=style)


def _outcome_words(outcome: str) -> str:
    """What became of an order, where it is not just on its way."""
    return "" if not outcome or outcome.startswith(("reached", "waiting")) else f" → {outcome}"


def _reason(number: int) -> str:
    return PlanReason(number).name.lower().replace("_", " ")


def _moment(ts_ns: int) -> str:
    return str(np.datetime64(ts_ns, "ns").astype("datetime64[m]")).replace("T", " ")
