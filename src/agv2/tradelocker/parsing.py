"""From the venue's JSON to `messages`; whatever the JSON, the result is a value or a VenueError."""

from decimal import Decimal
from typing import Any

import numpy as np

from agv2.core.errors import FinalVenueError
from agv2.tradelocker.envelope import unwrap
from agv2.tradelocker.json_values import LAST_MS, Record, list_of, listed, mapping_of, records_of
from agv2.tradelocker.messages import (
    AccountRules,
    DailyBar,
    Depth,
    InstrumentDetails,
    PriceBand,
    PriceHistory,
    Quote,
    SessionStatus,
    VenueAccount,
    VenueConfig,
    VenueInstrument,
    VenueTable,
)
from agv2.tradelocker.rate_limiter import Call, RateLimit

__all__ = [
    "parse_account_rules",
    "parse_accounts",
    "parse_config",
    "parse_daily_bar",
    "parse_depth",
    "parse_details",
    "parse_instruments",
    "parse_price_history",
    "parse_quote",
    "parse_session_status",
]

_NS_PER_MS = 1_000_000
_MEASURES_S = {"SECONDS": 1, "MINUTES": 60}


def parse_config(data: Any) -> VenueConfig:
    """`d` of `/trade/config`. Limits of calls that we do not make, or in units we do not know, are passed over."""
    where = "/trade/config"
    tables = mapping_of(data, where)
    columns = {
        table: tuple(Record(mapping_of(each, table), table).text("id") for each in listed(tables[table], "columns"))
        for table in VenueTable
        if tables.get(table) is not None
    }
    for table, names in columns.items():
        if len(set(names)) < len(names):
            raise FinalVenueError(f"{where}: {table} lists a column twice: {', '.join(names)}")
    limits: dict[str, int] = {}
    for record in records_of(tables.get("limits"), f"{where}: limits"):
        size = record.whole_or_none("limit")
        if size is not None and size > 0:
            limits[record.text("limitType")] = size
    rates = records_of(tables.get("rateLimits"), f"{where}: rateLimits")
    return VenueConfig(columns, tuple(rate for record in rates if (rate := _rate_limit(record)) is not None), limits)


def parse_accounts(answer: Any) -> list[VenueAccount]:
    """The whole answer of `/auth/jwt/all-accounts`, which has no envelope."""
    accounts = listed(mapping_of(answer, "accounts"), "accounts")
    found = []
    for record in records_of(accounts, "account"):
        found.append(
            VenueAccount(
                account_id=record.id("id"),
                acc_num=record.whole("accNum"),
                name=record.text_or_none("name"),
                currency=record.text_or_none("currency"),
                status=record.text_or_none("status"),
                balance=record.decimal_or_none("accountBalance"),
            )
        )
    return found


def parse_account_rules(data: Any, account_id: str) -> AccountRules:
    """`d` of `/trade/accounts`: an object, or a list in which the account is looked up."""
    where = "/trade/accounts"
    entries = [mapping_of(each, where) for each in (data if isinstance(data, list) else [data])]
    named = [entry for entry in entries if Record(entry, where).id_or_none("id") == account_id]
    chosen = named or entries
    if len(chosen) != 1:
        raise FinalVenueError(f"{where}: expected account {account_id}, found {len(entries)} others")
    return AccountRules(
        trading=mapping_of(chosen[0].get("tradingRules") or {}, f"{where}: tradingRules"),
        risk=mapping_of(chosen[0].get("riskRules") or {}, f"{where}: riskRules"),
    )


def parse_instruments(data: Any, account_id: str) -> list[VenueInstrument]:
    """`d` of an account's `/instruments`."""
    found = []
    for record in records_of(listed(data, "instruments"), "instrument"):
        routes = records_of(record.values.get("routes"), f"routes of {record.text('name')}")
        kinds = [(route.text("type"), route.id("id")) for route in routes]
        found.append(
            VenueInstrument(
                account_id=account_id,
                instrument_id=record.id("tradableInstrumentId"),
                name=record.text("name"),
                description=record.text_or_none("description"),
                kind=record.text_or_none("type"),
                bar_source=record.text_or_none("barSource"),
                info_routes=tuple(route for kind, route in kinds if kind == "INFO"),
                trade_routes=tuple(route for kind, route in kinds if kind == "TRADE"),
            )
        )
    return found


def parse_details(data: Any, instrument_id: str) -> InstrumentDetails:
    """`d` of `/trade/instruments/{id}`."""
    record = Record(mapping_of(data, "instrument details"), f"details of instrument {instrument_id}")
    return InstrumentDetails(
        instrument_id=instrument_id,
        lot_size=record.decimal_or_none("lotSize"),
        min_lot=record.decimal_or_none("minLot"),
        lot_step=record.decimal_or_none("lotStep"),
        max_lot=record.decimal_or_none("maxLot"),
        tick_sizes=_bands(record, "tickSize"),
        tick_costs=_bands(record, "tickCost"),
        base_currency=record.text_or_none("baseCurrency"),
        quote_currency=record.text_or_none("quotingCurrency"),
        leverage=record.decimal_or_none("leverage"),
        bar_source=record.text_or_none("barSource"),
        symbol_status=record.text_or_none("symbolStatus"),
        session_id=record.id_or_none("tradeSessionId"),
        session_status_id=record.id_or_none("tradeSessionStatusId"),
        last_trade_date=record.text_or_none("lastTradeDate"),
    )


def parse_quote(data: Any, received_ns: int) -> Quote:
    """`d` of `/trade/quotes`; a price that is missing or not above zero is no quote."""
    record = Record(mapping_of(data, "quote"), "quote")
    bid, ask = record.decimal("bp"), record.decimal("ap")
    if min(bid, ask) <= 0:
        raise FinalVenueError(f"quote: expected prices above zero, found bid {bid} and ask {ask}")
    return Quote(bid, ask, record.decimal_or_none("bs"), record.decimal_or_none("as"), received_ns)


def parse_depth(data: Any) -> Depth:
    """`d` of `/trade/depth`."""

    def offers(name: str) -> tuple[tuple[Decimal, Decimal], ...]:
        pairs = [list_of(each, f"depth: {name}") for each in listed(data, name)]
        rows = [Record(dict(zip(("price", "size"), pair, strict=False)), f"depth: {name}") for pair in pairs]
        return tuple((row.decimal("price"), row.decimal("size")) for row in rows)

    return Depth(bids=offers("bids"), asks=offers("asks"))


def parse_daily_bar(data: Any) -> DailyBar:
    """`d` of `/trade/dailyBar`."""
    bar = Record(mapping_of(data, "daily bar"), "daily bar")
    return DailyBar(bar.decimal("o"), bar.decimal("h"), bar.decimal("l"), bar.decimal("c"), bar.decimal_or_none("v"))


def parse_price_history(answer: Any) -> PriceHistory:
    """The whole answer of `/trade/history`, which says `no_data` in its envelope."""
    where = "price history"
    envelope = mapping_of(answer, where)
    earlier_ns: int | None = None
    if envelope.get("s") == "no_data":
        bars: list[Any] = []
        earlier_ns = Record(envelope, where).time_ns_or_none("nb")
    else:
        bars = listed(unwrap(answer, where), "barDetails")
    if not _are_plain(bars):
        bars = [_plain_bar(record) for record in records_of(bars, "bar")]
    ts_ns = np.array([bar["t"] for bar in bars], dtype=np.int64) * _NS_PER_MS
    table = np.empty((len(bars), 5))
    for column, name in enumerate("ohlcv"):
        table[:, column] = [bar[name] for bar in bars]
    order = np.argsort(ts_ns, kind="stable")
    opens, highs, lows, closes, volumes = (np.ascontiguousarray(table[order, i]) for i in range(5))
    return PriceHistory(ts_ns[order], opens, highs, lows, closes, volumes, earlier_ns)


def parse_session_status(data: Any) -> SessionStatus:
    """`d` of `/trade/sessionStatuses/{id}`."""

    def flags(name: str) -> tuple[bool, ...]:
        places = [Record({"flag": each}, name) for each in listed(data, name)]
        return tuple(place.whole("flag") != 0 for place in places)

    return SessionStatus(flags("allowedOperations"), flags("allowedOrderTypes"))


def _are_plain(bars: list[Any]) -> bool:
    """Whether every bar is numbers alone, as nearly all are: then twenty thousand need no look at each cell."""
    names = tuple("ohlcv")
    return all(
        type(bar) is dict
        and type(bar.get("t")) is int
        and 0 <= bar["t"] < LAST_MS
        and all(type(bar.get(name)) in (int, Decimal) for name in names)
        for bar in bars
    )


def _plain_bar(bar: Record) -> dict[str, Any]:
    volume = bar.decimal_or_none("v")
    prices = {name: bar.decimal(name) for name in "ohlc"}
    return {"t": bar.time_ns("t") // _NS_PER_MS, "v": np.nan if volume is None else volume} | prices


def _rate_limit(record: Record) -> RateLimit | None:
    call, measure = record.text("rateLimitType"), record.text_or_none("measure")
    count, interval = record.whole_or_none("limit"), record.whole_or_none("intervalNum")
    seconds = _MEASURES_S.get(measure or "")
    if call not in Call.__members__ or seconds is None or not count or not interval or min(count, interval) < 1:
        return None
    # Bounds so that no venue can make us remember, or wait for, millions.
    return RateLimit(Call(call), min(count, 1000), min(interval * seconds, 86_400))


def _bands(record: Record, name: str) -> tuple[PriceBand, ...]:
    where = f"{record.where}: {name}"
    bands = [
        PriceBand(band.decimal_or_none("leftRangeLimit") or Decimal(0), band.decimal(name))
        for band in records_of(record.values.get(name), where)
    ]
    return tuple(sorted(bands, key=_band_start))


def _band_start(band: PriceBand) -> Decimal:
    return band.from_price
