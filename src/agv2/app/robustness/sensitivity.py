"""How the account would have fared under other costs and limits, with the policies as they were trained."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from agv2.app.market_preparation import PreparedMarket
from agv2.app.robustness.measured import compared_rows, measures
from agv2.app.robustness.subject import FoldModels, Subject
from agv2.app.robustness.variants import AS_IT_WAS, Tapes, Variant, largest_difference, trade_variants
from agv2.backtest.tape import MarketTape
from agv2.sim.costs import Costs
from agv2.utils.seeding import spawn_generators

__all__ = ["sensitivity_results"]

_COST_MULTIPLES = (0.0, 0.5, 1.0, 2.0, 3.0)
_VOLATILITY_MULTIPLES = (0.5, 1.0, 1.5, 2.0)
_PARTS = ("half_spread_frac", "slippage_frac", "commission_frac", "commission_per_lot")


class _Change(NamedTuple):
    """One end of one parameter."""

    parameter: str
    setting: str
    """What it is set to, in words."""
    tape: Callable[[MarketTape], MarketTape]


def sensitivity_results(
    subject: Subject, report: Callable[[float, str], None], tell: Callable[[str], None]
) -> dict[str, Any]:
    """What `robustness/sensitivity.json` holds of the policies as they were trained, nothing trained anew.

    Args:
        subject: the run.
        report: told the share done and what is traded.
        tell: told of trouble with the disk.

    Returns:
        `rows`, one a changed parameter, and `grid`: the Sharpe ratio over multiples of all costs and of the targeted
        volatility.
    """
    changes = list(_changes(subject.plan.markets))
    every = [(cost, volatility) for cost in _COST_MULTIPLES for volatility in _VOLATILITY_MULTIPLES]
    cells = [cell for cell in every if cell != (1.0, 1.0)]
    variants = [
        AS_IT_WAS,
        *(Variant(f"{one.parameter}: {one.setting}", _on_each(one.tape)) for one in changes),
        *(Variant(_cell(*cell), _on_each(_scaled_by(*cell))) for cell in cells),
    ]
    accounts = trade_variants(subject, variants, report, tell)
    base = accounts[AS_IT_WAS.name].account
    named = [
        ({"parameter": one.parameter, "setting": one.setting}, accounts[f"{one.parameter}: {one.setting}"].account)
        for one in changes
    ]
    rng = spawn_generators(subject.plan.request.seed, "sensitivity")["sensitivity"]
    found = {cell: accounts[_cell(*cell)].account for cell in cells} | {(1.0, 1.0): base}
    return {
        "base": measures(base),
        "largest_difference": largest_difference(subject, base),
        "rows": compared_rows(named, base, rng),
        "grid": {
            "cost_multiples": list(_COST_MULTIPLES),
            "volatility_multiples": list(_VOLATILITY_MULTIPLES),
            "sharpe": [[measures(found[c, v])["sharpe"] for v in _VOLATILITY_MULTIPLES] for c in _COST_MULTIPLES],
        },
    }


def _changes(markets: Sequence[PreparedMarket]) -> Iterator[_Change]:
    """What is changed, of the parameters that mean something in this run."""
    params = markets[0].params

    def costs_something(name: str) -> bool:
        return any(getattr(market.costs, name) != 0.0 for market in markets)

    for words, name in (("half spread", _PARTS[0]), ("slippage", _PARTS[1]), ("commission", _PARTS[2])):
        if costs_something(name):
            for multiple in (0.5, 2.0):
                yield _Change(words, f"× {multiple:g}", _dearer((name,), multiple))
    financing = ("financing_long_frac_per_night", "financing_short_frac_per_night")
    if any(map(costs_something, financing)):
        for multiple in (0.0, 2.0):
            yield _Change("financing", f"× {multiple:g}", _dearer(financing, multiple))
    yield _Change("latency", "1 bar more", _costs(lambda c: c._replace(latency_bars=c.latency_bars + 1)))
    yield _Change("fills", "half of an order an open", _costs(lambda c: c._replace(fill_frac=0.5 * c.fill_frac)))
    for words, name in (
        ("daily loss limit", "daily_loss_frac"),
        ("drawdown breaker", "drawdown_frac"),
        ("exposure cap", "max_exposure"),
    ):
        for multiple in (0.5, 2.0):
            yield _Change(words, f"× {multiple:g}", _limit_times(name, multiple))
    for words, name, values in (
        ("minimum hold", "min_hold_bars", (4, 24)),
        ("cooldown", "cooldown_bars", (4, 24)),
        ("trailing stop", "trailing_units", (3.0, 6.0)),
        ("stop beyond a level, at most", "level_stop_max_units", (3.5,)),
    ):
        for value in values:
            if getattr(params, name) != value:
                unit = "bars" if name.endswith("bars") else "volatilities"
                yield _Change(words, f"{value:g} {unit}", _limit_of(name, value))


def _costs(change: Callable[[Costs], Costs]) -> Callable[[MarketTape], MarketTape]:
    return lambda tape: replace(tape, costs=change(tape.costs))


def _dearer(names: Sequence[str], multiple: float) -> Callable[[MarketTape], MarketTape]:
    """These costs times so much; with the half spread go the spreads that bars bring along."""

    def changed(tape: MarketTape) -> MarketTape:
        costs = tape.costs._replace(**{name: multiple * getattr(tape.costs, name) for name in names})
        bars = tape.bars
        if _PARTS[0] in names:
            bars = bars.copy()
            bars["spread"] *= multiple
        return replace(tape, bars=bars, costs=costs)

    return changed


def _limit_times(name: str, multiple: float) -> Callable[[MarketTape], MarketTape]:
    """A limit times so much; a fraction is at most 1."""

    def changed(tape: MarketTape) -> MarketTape:
        value: Any = multiple * getattr(tape.params, name)
        return replace(tape, params=tape.params._replace(**{name: min(value, 1.0) if "frac" in name else value}))

    return changed


def _limit_of(name: str, value: Any) -> Callable[[MarketTape], MarketTape]:
    return lambda tape: replace(tape, params=tape.params._replace(**{name: value}))


def _scaled_by(cost: float, volatility: float) -> Callable[[MarketTape], MarketTape]:
    """Everything that a fill costs, and the volatility that is aimed at."""

    def changed(tape: MarketTape) -> MarketTape:
        aim = volatility * tape.params.target_volatility
        return replace(_dearer(_PARTS, cost)(tape), params=tape.params._replace(target_volatility=aim))

    return changed


def _on_each(change: Callable[[MarketTape], MarketTape]) -> Callable[[Subject, FoldModels, Tapes], Tapes]:
    return lambda _, __, tapes: [change(tape) for tape in tapes]


def _cell(cost: float, volatility: float) -> str:
    return f"costs × {cost:g}, volatility × {volatility:g}"
