from hypothesis import given, settings
from hypothesis import strategies as st

from agv2.risk.position_sizer import AccountView, evidenced_units, permitted_units, target_units
from tests.tapes import ANY_LOT, limits

money = st.floats(0.0, 1e7)
price = st.floats(0.01, 1e5)
volatility = st.floats(1e-5, 0.2)


def test_a_full_position_moves_by_the_targeted_volatility() -> None:
    units = target_units(100_000.0, 50.0, 0.01, limits(target_volatility=0.002))
    assert units * 50.0 * 0.01 == 0.002 * 100_000.0


@settings(deadline=None)  # the first example may have to compile
@given(money, price, volatility, st.floats(1.0, 100.0))
def test_size_never_rises_with_volatility(equity: float, at: float, sigma: float, factor: float) -> None:
    calm, wild = (target_units(equity, at, each, limits()) for each in (sigma, sigma * factor))
    assert wild <= calm
    view = AccountView(equity, 0.0, 0)
    assert permitted_units(wild, equity, at, view, limits(), ANY_LOT) <= permitted_units(
        calm, equity, at, view, limits(), ANY_LOT
    )


@settings(deadline=None)
@given(st.floats(-1e7, 1e7), money, price, money, st.floats(0.1, 50.0), st.floats(0.1, 50.0))
def test_size_never_exceeds_the_wish_nor_a_cap(
    wanted: float, equity: float, at: float, elsewhere: float, exposure: float, leverage: float
) -> None:
    view = AccountView(equity + 10.0, elsewhere, 1)
    market = ANY_LOT._replace(leverage=leverage)
    units = permitted_units(wanted, equity, at, view, limits(max_exposure=exposure), market)
    slack = 1.0 + 1e-9
    assert abs(units) <= abs(wanted) * slack + 1e-12
    assert units * wanted >= 0.0
    # the lot grid forgives a billionth of a step
    grid = 1e-9 * market.lot_step * at + 1e-9
    assert abs(units) * at <= max(exposure * view.equity - elsewhere, 0.0) * slack + grid
    assert abs(units) * at <= leverage * equity * slack + grid


def test_nothing_is_bought_without_equity() -> None:
    assert target_units(0.0, 100.0, 0.01, limits()) == 0.0
    assert target_units(-5.0, 100.0, 0.01, limits()) == 0.0
    assert permitted_units(10.0, -5.0, 100.0, AccountView(-5.0, 0.0, 0), limits(), ANY_LOT) == 0.0


@settings(deadline=None)
@given(st.floats(-1e7, 1e7), money, price, volatility, st.floats(0.0, 0.1), st.floats(0.0, 1.0))
def test_evidence_only_ever_cuts(
    wanted: float, equity: float, at: float, sigma: float, cap: float, scale: float
) -> None:
    params = limits(kelly_volatility=cap, evidence_scale=scale)
    units = evidenced_units(wanted, equity, at, sigma, params)
    assert units * wanted >= 0.0
    assert abs(units) <= abs(wanted) * scale
    assert abs(units) * at * sigma <= cap * equity * (1.0 + 1e-9) + 1e-12
    assert evidenced_units(wanted, max(equity, 1.0), at, sigma, limits()) == wanted
