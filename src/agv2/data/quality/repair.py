"""What is left out or changed so that rows become bars, each kind counted."""

from dataclasses import dataclass, replace

import numpy as np

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.data.quality.granularity import Granularity, granularity_of
from agv2.data.quality.price_rules import usable_prices
from agv2.data.quality.stamp_rules import repeated_stamps
from agv2.data.raw_bars import COLUMNS, RawBars

__all__ = ["Cleaned", "cleaned", "repaired"]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """Rows that are bars, and what was done to get them."""

    raw: RawBars
    """Stamps strictly rising, prices possible, volume and spread unknown where they cannot be."""
    rows: IntArray
    """(n_rows,) their rows in the file."""
    granularity: Granularity
    done: tuple[str, ...]
    """One phrase each on what was left out or changed, with its count."""

    def bars(self) -> Bars:
        """As closed bars of the commonest length; rows of another length stay among them."""
        return Bars(
            self.raw.symbol,
            self.granularity.timeframe,
            self.raw.ts_ns,
            *(np.ascontiguousarray(getattr(self.raw, name)) for name in COLUMNS),
        )

    def majority(self) -> "Cleaned":
        """Only the rows of the commonest bar length."""
        keep = ~self.granularity.minority
        if keep.all():
            return self
        raw = self.raw.take(keep)
        length = self.granularity.timeframe.name
        done = (*self.done, f"{int((~keep).sum())} rows of another bar length than {length} cut out")
        return Cleaned(raw, self.rows[keep], granularity_of(raw.ts_ns), done)


def cleaned(raw: RawBars) -> Cleaned:
    """The bars among the rows: sorted, the first usable row of each stamp, nothing else changed.

    The order of the rules: rows with unusable prices go; the rest is sorted by stamp, rows of one stamp staying in
    the order of the file; of each stamp the first row stays.

    Raises:
        DataError: no two bars are left, or they are not whole minutes apart; the text is without a file's name.
    """
    done: list[str] = []
    rows = np.flatnonzero(usable_prices(raw))
    if rows.size < len(raw):
        done.append(f"{len(raw) - rows.size} rows with missing, non-positive or impossible prices left out")
    falls = int((np.diff(raw.ts_ns) < 0).sum())
    if falls:
        done.append(f"{falls} rows out of order: sorted by ts")
        rows = rows[np.argsort(raw.ts_ns[rows], kind="stable")]
    table = raw.take(rows)
    repeated = repeated_stamps(table)
    identical = int(repeated.identical.sum())
    if identical:
        done.append(f"{identical} rows repeated the row before them: dropped")
    different = int((repeated.repeats & ~repeated.identical).sum())
    if different:
        done.append(
            f"{different} rows contradicted the first row of their stamp ({repeated.conflicting.size} stamps): the "
            "first was kept"
        )
    keep = ~repeated.repeats
    table, rows = table.take(keep), rows[keep]
    volume, spread = _known(table.volume, "volume", done), _known(table.spread, "spread", done)
    table = replace(table, volume=volume, spread=spread)
    return Cleaned(table, rows, granularity_of(table.ts_ns), tuple(done))


def repaired(raw: RawBars) -> Cleaned:
    """`cleaned` rows of the commonest bar length alone.

    Raises:
        DataError: as `cleaned`.
    """
    return cleaned(raw).majority()


def _known(values: FloatArray, name: str, done: list[str]) -> FloatArray:
    """`values` with NaN where they cannot be."""
    with np.errstate(invalid="ignore"):
        impossible = (values < 0.0) | np.isinf(values)
    if not impossible.any():
        return values
    done.append(f"{name} is negative or infinite in {int(impossible.sum())} rows: taken as unknown there")
    known: FloatArray = np.where(impossible, np.nan, values)
    return known
