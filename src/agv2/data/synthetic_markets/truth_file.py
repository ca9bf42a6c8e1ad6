"""A synthetic market on disk: its bars, and beside them what nobody could see."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.errors import DataError
from agv2.data.bars_file import write_bars
from agv2.data.store.durable_files import replace_by_parquet, replace_durably
from agv2.data.synthetic_markets.market import REGIMES, InstrumentMarket
from agv2.data.synthetic_markets.oracle import SIDE_COST_FRAC, oracle_sharpe

__all__ = ["MarketTruth", "market_files", "read_truth", "write_market"]

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class MarketTruth:
    """What `write_market` recorded."""

    ts_ns: IntArray
    """(n_bars,) opens, nanoseconds UTC, as in the bars."""
    regime: IntArray
    """(n_bars,) index into `REGIMES`."""
    direction: IntArray
    """(n_bars,) sign of the trend; 0 outside trends."""
    drift: FloatArray
    """(n_bars,) planted mean of each bar's log return."""
    sigma: FloatArray
    """(n_bars,) standard deviation of each bar's log return given the hidden volatility."""
    parameters: dict[str, Any]
    """Everything in the JSON but the levels."""
    levels: tuple[dict[str, Any], ...]
    """Each with `price`, `from` (open of the first bar that knows it), `to` (of the first that no longer does; None:
    it stands), `strength` (drift of an hour in the zone, in standard deviations of an hour), `kind`, `broken`."""


def market_files(path: Path) -> tuple[Path, Path, Path]:
    """Bars, truth by bar and parameters of the market that `path` names."""
    return path, path.with_name(f"{path.stem}.truth.parquet"), path.with_name(f"{path.stem}.truth.json")


def write_market(market: InstrumentMarket, path: Path) -> dict[str, Any]:
    """Write `market` to `path` and the truth beside it; the bars come last, so that bars without truth never exist.

    Returns:
        The parameters written, the oracle's Sharpe ratio among them.
    """
    bars, request = market.bars, market.request
    stamps = [f"{text}Z" for text in np.datetime_as_string(bars.ts_ns.astype("datetime64[ns]").astype("datetime64[m]"))]
    parameters: dict[str, Any] = {
        "format": _FORMAT,
        "symbol": bars.symbol,
        "timeframe": bars.timeframe.name,
        "first_bar": stamps[0],
        "last_bar": stamps[-1],
        "bars": len(bars),
        "seed": request.seed,
        "edge": request.edge,
        "strength": request.strength,
        "amplitude": market.amplitude,
        "oracle_sharpe_annual": round(oracle_sharpe(market), 4) if len(bars) > 1 else None,
        "oracle_side_cost_frac": SIDE_COST_FRAC,
    }
    found = market.levels
    strength = market.amplitude if request.edge == "levels" else 0.0
    levels = [
        {
            "price": float(f"{price:.8g}"),
            "from": stamps[first],
            "to": stamps[end] if end < len(bars) else None,
            "strength": strength,
            "kind": "support" if is_support else "resistance",
            "broken": bool(broken),
        }
        for price, first, end, is_support, broken in zip(*(column.tolist() for column in found), strict=True)
    ]
    table = pl.DataFrame(
        {
            "ts": pl.Series((bars.ts_ns // 1000).astype("datetime64[us]")).dt.replace_time_zone("UTC"),
            "regime": pl.Series(np.asarray(REGIMES)[market.regime]),
            "direction": pl.Series(market.direction, dtype=pl.Int8),
            "drift": market.drift,
            "sigma": market.sigma,
        }
    )
    _, truth_path, parameters_path = market_files(path)
    text = json.dumps({**parameters, "levels": levels}, indent=1) + "\n"
    replace_durably(parameters_path, lambda part: part.write_text(text, encoding="utf-8"))
    replace_by_parquet(truth_path, table)
    write_bars(bars, path)
    return parameters


def read_truth(path: Path) -> MarketTruth:
    """The truth of the market whose bars are at `path`.

    Raises:
        DataError: there is none, or it is of another format.
    """
    _, truth_path, parameters_path = market_files(path)
    try:
        parameters = json.loads(parameters_path.read_text(encoding="utf-8"))
        levels = tuple(parameters.pop("levels"))
        table = pl.read_parquet(truth_path)
        regime = np.array([REGIMES.index(name) for name in table["regime"].to_list()], dtype=np.int64)
        ts_ns = table["ts"].dt.timestamp("us").to_numpy() * 1000
        columns = [table[name].to_numpy() for name in ("direction", "drift", "sigma")]
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: its truth {Path(error.filename or truth_path).name} is missing; make it anew"
        ) from None
    except (ValueError, KeyError, AttributeError, TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{truth_path}: not the truth of a synthetic market ({error}); make it anew") from error
    if parameters.get("format") != _FORMAT:
        raise DataError(f"{parameters_path}: format {parameters.get('format')}, expected {_FORMAT}; make it anew")
    return MarketTruth(ts_ns, regime, columns[0].astype(np.int64), columns[1], columns[2], parameters, levels)
