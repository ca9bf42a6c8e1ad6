"""The table of what entries came from, and what it says all together."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from agv2.backtest.erasure import GroupedErasure
from agv2.backtest.input_shares import InputShares
from agv2.backtest.saliency import EntrySaliency, join_saliency, read_saliency, saliency_frame, write_saliency
from agv2.backtest.saliency_summary import spoke_most, summarise_saliency
from agv2.core.errors import DataError
from agv2.features.families import FAMILIES

FEATURES = ("log_return_1", "range", "session_asia", "log_return_1@4h")


def an_entry(ts_ns: int, last_row: tuple[float, ...], state: float = 0.0) -> EntrySaliency:
    window = np.zeros((3, len(FEATURES)))
    window[-1] = last_row
    families = dict.fromkeys(FAMILIES, 0.0)
    families |= {"returns": last_row[0] + last_row[3], "candle shape": last_row[1], "clock": last_row[2]}
    shares = InputShares(window, np.array([state]), log_odds=1.0 + sum(last_row) + state, baseline=1.0)
    erased = GroupedErasure(shares.log_odds, families, {"1": sum(last_row), "2-3": 0.0}, state)
    return EntrySaliency(1, "XAUUSD", ts_ns, 1, shares, erased)


def frame_of(*entries: EntrySaliency) -> pl.DataFrame:
    return saliency_frame(entries, FEATURES, ("side",), FAMILIES, window=3)


def test_the_table_comes_back_from_its_file_and_sums_to_the_log_odds(tmp_path: Path) -> None:
    frame = frame_of(an_entry(10**18, (0.5, -0.1, 0.2, 0.3), 0.1))
    write_saliency(frame, tmp_path / "saliency.parquet")
    found = read_saliency(tmp_path / "saliency.parquet")
    assert found.equals(frame)
    (row,) = found.rows(named=True)
    assert sum(row["bars"]) + sum(row["state"].values()) == pytest.approx(row["log_odds"] - row["baseline_log_odds"])
    assert sum(row["features"].values()) == pytest.approx(sum(row["bars"]))
    assert row["feature_sizes"]["range"] == pytest.approx(0.1)
    assert row["stretches_erased"]["1"] == pytest.approx(0.9)


def test_parts_are_of_all_sizes_and_groups_rank_alike() -> None:
    frame = frame_of(an_entry(10**18, (0.5, -0.1, 0.2, 0.3), 0.1), an_entry(2 * 10**18, (0.0, 0.0, 1.0, 0.0)))
    found = summarise_saliency(frame)
    assert found is not None
    assert found.n_entries == 2
    assert sum(found.shares.values()) == pytest.approx(1.0)
    assert found.shares["returns"] == pytest.approx((0.8 / 1.2 + 0.0) / 2)
    assert found.shares["clock"] == pytest.approx((0.2 / 1.2 + 1.0) / 2)
    assert found.agreement == pytest.approx(1.0)
    assert found.last_bar == pytest.approx(1.0)
    assert found.gap == pytest.approx(0.0, abs=1e-6)


def test_what_spoke_most_is_found_by_fold_symbol_and_decision() -> None:
    frame = frame_of(an_entry(10**18, (0.5, -0.1, 0.2, 0.3), 0.1))
    assert spoke_most(frame) == {(1, "XAUUSD", 10**18): "returns (67%)"}
    assert spoke_most(None) == {}


def test_without_an_entry_there_is_a_table_and_no_summary(tmp_path: Path) -> None:
    empty = frame_of()
    write_saliency(empty, tmp_path / "saliency.parquet")
    assert read_saliency(tmp_path / "saliency.parquet").height == 0
    assert summarise_saliency(empty) is None
    some = frame_of(an_entry(10**18, (0.5, 0.0, 0.0, 0.0)))
    assert join_saliency([empty, some]).equals(some)
    assert join_saliency([empty, empty]).height == 0


def test_another_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "saliency.parquet"
    pl.DataFrame({"fold": [1]}).write_parquet(path)
    with pytest.raises(DataError, match="no column symbol"):
        read_saliency(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DataError, match="not readable as Parquet"):
        read_saliency(path)
