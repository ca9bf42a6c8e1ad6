"""Tables as the wire carries them: values without keys, in the order that `/trade/config` states."""

from collections.abc import Mapping
from typing import Any

from agv2.tradelocker.fake.rules import VenueRules

__all__ = ["columns_of", "config_json", "row_of"]

_ORDER_COLUMNS = (
    "id tradableInstrumentId routeId qty side type status filledQty avgPrice price stopPrice validity expireDate "
    "createdDate lastModified isOpen positionId stopLoss stopLossType takeProfit takeProfitType strategyId"
)
_COLUMNS = {
    "positionsConfig": (
        "id tradableInstrumentId routeId side qty avgPrice stopLossId takeProfitId openDate unrealizedPl strategyId"
    ),
    "ordersConfig": _ORDER_COLUMNS,
    "ordersHistoryConfig": _ORDER_COLUMNS,
    "filledOrdersConfig": "id price side createdDate qty orderId positionId tradableInstrumentId",
    "accountDetailsConfig": (
        "balance projectedBalance availableFunds blockedBalance cashBalance unsettledCash withdrawalAvailable "
        "stocksValue optionValue initialMarginReq maintMarginReq marginWarningLevel blockedForStocks stockOrdersReq "
        "stopOutLevel warningMarginReq marginBeforeWarning todayGross todayNet todayFees todayVolume todayTradesCount "
        "openGrossPnL openNetPnL positionsCount ordersCount"
    ),
}
_EXTRA = "venueNote"
_ACCESS = ("orders", "ordersHistory", "filledOrders", "positions", "symbolInfo", "marketDepth")


def columns_of(table: str, rules: VenueRules) -> list[str]:
    """Column ids of `table`, such as `positionsConfig`, in wire order."""
    names = _COLUMNS[table].split()
    if rules.extra_columns:
        names.insert(len(names) // 2, _EXTRA)
    return names[::-1] if rules.reversed_columns else names


def row_of(table: str, values: Mapping[str, Any], rules: VenueRules) -> list[Any]:
    """`values` in the column order of `table`; a column without a value is null."""
    return [values.get(name) for name in columns_of(table, rules)]


def config_json(rules: VenueRules) -> dict[str, Any]:
    """`d` of `GET /trade/config`."""
    return {
        "customerAccess": dict.fromkeys(_ACCESS, True),
        **{
            table: {
                "id": table.removesuffix("Config"),
                "title": table.removesuffix("Config"),
                "columns": [{"id": name, "description": name} for name in columns_of(table, rules)],
            }
            for table in _COLUMNS
        },
        "rateLimits": [
            {"rateLimitType": each.name, "measure": "SECONDS", "intervalNum": each.seconds, "limit": each.limit}
            for each in rules.rate_limits
        ],
        "limits": [
            {"limitType": "QUOTES_HISTORY_BARS", "limit": rules.max_bars},
            {"limitType": "MAX_ORDERS_COUNT_IN_HISTORY", "limit": rules.max_orders_in_history},
        ],
    }
