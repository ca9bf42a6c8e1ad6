"""What someone does with the official SDK; runs in an environment of its own and prints what the SDK said.

Usage: python sdk_session.py tour|lost|close-by-order|refused HOST
"""

import json
import sys
from typing import Any

from tradelocker import TLAPI  # type: ignore[import-not-found,unused-ignore]


def main(what: str, host: str) -> dict[str, Any]:
    api = TLAPI(
        environment=host,
        username="trader@example.com",
        password="a fake password",
        server="FAKE",
        acc_num=2,
        log_level="warning",
    )
    return {"tour": tour, "lost": lost, "close-by-order": close_by_order, "refused": refused}[what](api)


def rows(frame: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    # pandas writes 19-digit integers in full; strings keep them whole on the way.
    return [
        {name: str(value) if name.lower().endswith("id") else value for name, value in row.items()} for row in found
    ]


def tour(api: Any) -> dict[str, Any]:
    said: dict[str, Any] = {"account_id": api.account_id, "acc_num": api.acc_num, "account_name": api.account_name}
    said["accounts"] = rows(api.get_all_accounts())
    said["config"] = sorted(api.get_config())
    said["max_rows"] = api.max_price_history_rows()
    said["history_rate"] = api.get_price_history_rate_limit()
    said["trade_accounts"] = api.get_trade_accounts()
    said["instruments"] = rows(api.get_all_instruments())
    eth = said["eth"] = api.get_instrument_id_from_symbol_name("ETHUSD")
    said["info_route"], said["trade_route"] = api.get_info_route_id(eth), api.get_trade_route_id(eth)
    said["details"] = api.get_instrument_details(eth)
    said["session"] = api.get_session_details(int(said["details"]["tradeSessionId"]))
    said["session_status"] = api.get_session_status_details(int(said["details"]["tradeSessionStatusId"]))
    said["quotes"] = api.get_quotes(eth)
    said["asking"], said["bid"] = api.get_latest_asking_price(eth), api.get_latest_bid_price(eth)
    said["depth"] = api.get_market_depth(eth)
    said["daily_bar"] = api.get_daily_bar(eth, "BID")
    for resolution, lookback in (("1m", "2H"), ("1H", "1D"), ("1D", "3D")):
        said[f"history_{resolution}"] = rows(api.get_price_history(eth, resolution, lookback_period=lookback))
    said["no_history"] = rows(api.get_price_history(eth, "1m", start_timestamp=1_000_000, end_timestamp=2_000_000))

    low, high = round(said["bid"] * 0.5, 2), round(said["asking"] * 1.5, 2)
    pending = api.create_order(eth, 0.05, "buy", price=low, type_="limit", validity="GTC", strategy_id="sdk-limit")
    said["pending"] = str(pending)
    said["orders_before"] = rows(api.get_all_orders())
    said["modified"] = api.modify_order(pending, {"price": round(low + 1, 2), "qty": "0.07"})
    said["orders_after"] = rows(api.get_all_orders())
    said["cancelled"] = api.delete_order(pending)
    said["stop_order"] = str(
        api.create_order(eth, 0.01, "buy", type_="stop", validity="GTC", stop_price=high, strategy_id="x" * 32)
    )
    said["cancelled_all"] = api.delete_all_orders()
    said["no_orders"] = rows(api.get_all_orders())

    order = api.create_order(
        eth,
        0.3,
        "buy",
        stop_loss=low,
        stop_loss_type="absolute",
        take_profit=high,
        take_profit_type="absolute",
        strategy_id="sdk-market",
    )
    position = api.get_position_id_from_order_id(order)
    said["order"], said["position"] = str(order), str(position)
    said["positions"] = rows(api.get_all_positions())
    said["legs"] = rows(api.get_all_orders())
    said["moved"] = api.modify_position(position, {"stopLoss": round(low + 5, 2)})
    said["moved_legs"] = rows(api.get_all_orders())
    said["removed"] = api.modify_position(position, {"takeProfit": None})
    said["closed_part"] = api.close_position(position_id=position, close_quantity=0.1)
    said["smaller"] = rows(api.get_all_positions())
    said["state"] = api.get_account_state()
    # Asks for the order's 0.3 lots although 0.2 are left.
    said["closed_by_order_id"] = api.close_position(order_id=order)
    said["still_open"] = rows(api.get_all_positions())
    said["closed"] = api.close_position(position_id=position)
    api.create_order(eth, 0.01, "sell")
    said["closed_all"] = api.close_all_positions()
    said["flat"] = rows(api.get_all_positions())
    said["history"] = rows(api.get_all_orders(history=True))
    said["executions"] = rows(api.get_all_executions())
    said["end_state"] = api.get_account_state()
    access, refresh = api._access_token, api._refresh_token
    api.refresh_access_tokens()
    said["both_tokens_new"] = access != api._access_token and refresh != api._refresh_token
    said["after_refresh"] = api.get_quotes(eth)
    return said


def lost(api: Any) -> dict[str, Any]:
    """The first of two orders loses three acknowledgements, the second all four."""
    eth = api.get_instrument_id_from_symbol_name("ETHUSD")
    said: dict[str, Any] = {"order": str(api.create_order(eth, 0.01, "buy", strategy_id="lost-thrice"))}
    try:
        api.create_order(eth, 0.01, "buy", strategy_id="lost-for-good")
    except OSError as error:
        said["error"] = type(error).__name__
    return said


def close_by_order(api: Any) -> dict[str, Any]:
    """Closes a part, then by the order's id, where the venue is content to close what is left."""
    eth = api.get_instrument_id_from_symbol_name("ETHUSD")
    order = api.create_order(eth, 0.3, "buy")
    position = api.get_position_id_from_order_id(order)
    said = {"part": api.close_position(position_id=position, close_quantity=0.1)}
    said["rest"] = api.close_position(order)
    return said


def refused(api: Any) -> dict[str, Any]:
    """Orders that the venue does not want."""
    eth = api.get_instrument_id_from_symbol_name("ETHUSD")
    said: dict[str, Any] = {}
    orders: dict[str, dict[str, Any]] = {
        "step": {"quantity": 0.015},
        "minimum": {"quantity": 0.001},
        "stop_side": {"quantity": 0.01, "stop_loss": 1e6, "stop_loss_type": "absolute"},
        "long_id": {"quantity": 0.01, "strategy_id": "x" * 33, "_ignore_len_check": True},
    }
    for name, order in orders.items():
        try:
            said[name] = api.create_order(eth, side="buy", **order)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported
            said[name] = f"{type(error).__name__}: {error}"
    return said


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:]), default=str))
