"""An account recomputed from fills and bars alone, by other means than the simulator's."""

from pathlib import Path

import numpy as np
import polars as pl

__all__ = ["disagreements"]


def disagreements(run: Path, bars: dict[str, Path]) -> list[str]:
    """Where a run's books differ from what its fills and the bars say; empty when they agree."""
    fills, equity = (pl.read_parquet(run / "oos" / f"{name}.parquet") for name in ("fills", "equity"))
    found: list[str] = []
    for symbol, path in bars.items():
        book = equity.filter(pl.col("symbol") == symbol).sort("ts")
        own = fills.filter(pl.col("symbol") == symbol)
        history = pl.read_parquet(path).select("ts", "open", "high", "low", "close")
        span = history.filter(pl.col("ts").is_between(book["ts"][0], book["ts"][-1]))
        if span["ts"].to_list() != book["ts"].to_list():
            found.append(f"{symbol}: equity rows are not one a bar")
        flow = own.group_by("ts").agg(
            bought=(pl.col("side") * pl.col("units")).sum(),
            paid=(pl.col("side") * pl.col("units") * pl.col("price")).sum() + pl.col("commission").sum(),
        )
        table = book.join(flow, on="ts", how="left").join(history, on="ts", how="left").fill_null(0.0)
        units = np.cumsum(table["bought"].to_numpy())
        if not np.allclose(units, table["units"].to_numpy(), rtol=1e-9, atol=1e-9):
            found.append(f"{symbol}: units do not follow the fills")
        cash = table["cash"][0] - np.cumsum((table["paid"] + table["financing"]).to_numpy())
        if not np.allclose(cash, table["cash"].to_numpy(), rtol=1e-9, atol=0.005):
            found.append(f"{symbol}: cash does not follow the fills")
        value = table["cash"] + table["units"] * table["close"]
        if not np.allclose(value.to_numpy(), table["equity"].to_numpy(), rtol=1e-12, atol=0.005):
            found.append(f"{symbol}: equity is not cash plus open value")
        priced = own.join(history, on="ts", how="left")
        checks = {
            "outside their bar": (pl.col("mid") < pl.col("low") * (1 - 1e-9))
            | (pl.col("mid") > pl.col("high") * (1 + 1e-9)),
            "better than mid": pl.col("side") * (pl.col("price") - pl.col("mid")) < -1e-9 * pl.col("mid"),
            "not later than their decision": pl.col("decided_ts") >= pl.col("ts"),
            "at market, not at the open": pl.col("reason").is_in(["entry", "exit", "reverse", "risk"])
            & ((pl.col("mid") - pl.col("open")).abs() > 1e-9 * pl.col("open")),
        }
        found += [f"{symbol}: fills {what}" for what, wrong in checks.items() if priced.filter(wrong).height]
    return found
