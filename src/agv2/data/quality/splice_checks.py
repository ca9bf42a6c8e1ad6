"""Places at which one source ends and another goes on.

A source has habits: the grid of its prices, the scale of its volume, its spread, the hours it quotes, whether a bar
opens where the last one closed. One of them may change any day, since brokers change their servers. Two of them at
one place, for good, or a step of the price that no market makes, are another source.
"""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from agv2.core.arrays import FloatArray, IntArray
from agv2.core.bars import Bars
from agv2.data.parquet_columns import moment_text
from agv2.data.quality.config import QualityConfig
from agv2.data.quality.feed_traits import FOLLOWED, FOLLOWING, Trait, block_bars_of, block_levels, feed_traits
from agv2.data.quality.findings import Finding, Place, Severity, finding
from agv2.data.quality.spike_checks import typical_ranges

__all__ = ["check_splices"]

_WIDE = 20  # blocks on either side that say what a feed's habit is
_NEAR = 3  # blocks on either side within which a change of feed is complete
_LEAST_SIDE = 4  # blocks that a habit needs before it is one
_NEAR_SHARE = 0.8  # of a change that must be there within the near blocks
_NOISE = 4.0  # robust deviations of the blocks on either side
_TOGETHER = 2  # blocks within which changes count as one place
_SETTLED = 12  # bars on either side that say whether price stayed where it jumped to
_STAYED_SHARE = 0.6  # of the jump that must remain


class _Change(NamedTuple):
    block: int
    trait: Trait | None
    strength: float
    text: str


def check_splices(bars: Bars, rows: IntArray, settings: QualityConfig) -> list[Finding]:
    """Splices (errors) and places where a single habit changed (information).

    Args:
        bars: strictly rising stamps.
        rows: (n_bars,) their rows in the file.
        settings: `splice`.
    """
    limits = settings.splice
    if len(bars) < 3:
        return []
    size = block_bars_of(bars)
    deviations = _lasting_jumps(bars)
    changes = [
        change
        for trait in feed_traits(bars, limits.volume_ratio, limits.spread_ratio)
        for change in _changes(trait, size)
    ]
    order = np.argsort(-deviations, kind="stable")
    second = float(deviations[order[1]]) if order.size > 1 else 0.0
    places: dict[int, list[str]] = {}
    for i in order[:10]:
        z = float(deviations[i])
        text = f"price steps by {100 * abs(bars.open[i + 1] / bars.close[i] - 1):.2g} % and stays, {z:.0f} usual ranges"
        if z >= limits.jump_deviations and (i == order[0] and z >= limits.jump_ratio * second):
            places.setdefault(int(i) + 1, []).append(text)
        elif z >= limits.jump_with_trait:
            changes.append(_Change((int(i) + 1) // size, None, z, text))
    for group in _together(changes):
        if len(_independent(group)) >= limits.least_traits:
            bar = _boundary(bars, group, size, deviations)
            places.setdefault(bar, []).extend(change.text for change in group)
    found = []
    if places:
        spots = [Place(int(bars.ts_ns[bar]), "; ".join(texts), int(rows[bar])) for bar, texts in sorted(places.items())]
        evidence = f"the feed changes at {moment_text(spots[0].ts_ns)}: {spots[0].value}"
        found.append(finding("feed_splice", Severity.ERROR, len(spots), len(bars), spots, evidence))
    spliced = {bar // size for bar in places}
    single = [
        change
        for change in changes
        if change.trait is not None and not any(abs(change.block - block) <= _TOGETHER for block in spliced)
    ]
    if single:
        spots = [
            Place(int(bars.ts_ns[min(change.block * size, len(bars) - 1)]), change.text)
            for change in sorted(single, key=lambda change: -change.strength)
        ]
        found.append(finding("feed_change", Severity.INFO, len(single), len(bars), spots))
    return found


def _changes(trait: Trait, size: int) -> list[_Change]:
    """Blocks at which the level of a habit changes for good; the block itself may hold both."""
    level = block_levels(trait, size)
    n = level.size
    blocks = np.arange(_LEAST_SIDE, n - _LEAST_SIDE)
    if blocks.size == 0:
        return []
    old, old_noise = _medians(level, blocks - _WIDE, _WIDE)
    new, new_noise = _medians(level, blocks + 1, _WIDE)
    near_old, _ = _medians(level, blocks - _NEAR, _NEAR)
    near_new, _ = _medians(level, blocks + 1, _NEAR)
    change, noise = np.abs(new - old), np.maximum(old_noise, new_noise)
    with np.errstate(invalid="ignore"):
        abrupt = np.abs(near_new - near_old) >= _NEAR_SHARE * change
        abrupt &= ~(np.abs(level[blocks + 1] - level[blocks - 1]) < 0.5 * change)  # here, not a block or two away
        holds = (change >= trait.least_change) & (change >= _NOISE * noise) & abrupt
    strength = change / np.maximum(noise, 0.05 * trait.least_change)
    found: list[_Change] = []
    for i in sorted(np.flatnonzero(holds).tolist(), key=lambda i: (-strength[i], i)):
        block = int(blocks[i])
        if all(abs(block - kept.block) > _NEAR + 1 for kept in found):
            text = trait.describe(float(old[i]), float(new[i]))
            found.append(_Change(block, trait, float(strength[i]), text))
    return found


def _medians(level: FloatArray, starts: IntArray, width: int) -> tuple[FloatArray, FloatArray]:
    """Median and robust deviation of `width` levels from each start; NaN where none is known."""
    padded = np.concatenate([np.full(width, np.nan), level, np.full(width, np.nan)])
    windows = sliding_window_view(padded, width)[np.clip(starts, -width, level.size) + width]
    medians, noise = np.full(starts.size, np.nan), np.full(starts.size, np.nan)
    known = ~np.isnan(windows).all(axis=1)
    if known.any():
        medians[known] = np.nanmedian(windows[known], axis=1)
        noise[known] = 1.4826 * np.nanmedian(np.abs(windows[known] - medians[known, None]), axis=1)
    return medians, noise


def _lasting_jumps(bars: Bars) -> FloatArray:
    """(n_bars - 1,) step from each close to the next open in usual ranges, 0 where price came back.

    A step over a hole, or after bars in which nothing moved, is compared with what a market may move in the time,
    which grows with its root.
    """
    step = np.log(bars.open[1:] / bars.close[:-1])
    ranges = typical_ranges(bars, 101)
    elapsed = np.maximum(np.diff(bars.ts_ns) / bars.timeframe.nanoseconds, 1.0) + _flat_before(bars)[:-1]
    deviations = np.abs(step) / (np.maximum(ranges[1:], ranges[:-1]) * np.sqrt(elapsed))
    large = np.flatnonzero(deviations > 3.0)
    logs = np.log(bars.close)
    lasting = np.where(deviations > 3.0, 0.0, deviations)
    for i in large:
        before = float(np.median(logs[max(i + 1 - _SETTLED, 0) : i + 1]))
        after = float(np.median(logs[i + 1 : i + 1 + _SETTLED]))
        if (after - before) * np.sign(step[i]) >= _STAYED_SHARE * abs(step[i]):
            lasting[i] = deviations[i]
    return lasting


def _independent(group: list[_Change]) -> set[str]:
    """Families of habits that changed; a habit that follows from another one does not count beside it."""
    families = {change.trait.family if change.trait else "price" for change in group}
    if families & set(FOLLOWED):
        families.discard(FOLLOWING)
    return families


def _flat_before(bars: Bars) -> IntArray:
    """(n_bars,) how many bars up to and with each one have not moved at all."""
    flat = bars.high == bars.low
    index = np.arange(len(bars))
    moved = np.maximum.accumulate(np.where(flat, -1, index))
    count: IntArray = index - moved
    return count


def _together(changes: list[_Change]) -> list[list[_Change]]:
    """Changes grouped by place."""
    groups: list[list[_Change]] = []
    for change in sorted(changes, key=lambda one: one.block):
        if groups and change.block - groups[-1][0].block <= _TOGETHER:
            groups[-1].append(change)
        else:
            groups.append([change])
    return groups


def _boundary(bars: Bars, group: list[_Change], size: int, deviations: FloatArray) -> int:
    """The bar at which most of the group's habits change: the split that parts their values best."""
    low = max((min(change.block for change in group) - 1) * size, 1)
    high = min((max(change.block for change in group) + 2) * size, len(bars) - 1)
    score = np.zeros(high - low)
    for change in group:
        values = deviations[low - 1 : high] if change.trait is None else change.trait.values[low - 1 : high]
        if change.trait is None:
            score += 4.0 * (values[: high - low] == values[: high - low].max())
            continue
        known = np.where(np.isnan(values), np.nanmean(values) if not np.isnan(values).all() else 0.0, values)
        total = np.cumsum(known)
        count = np.arange(1, known.size + 1)
        left = total[:-1] / count[:-1]
        right = (total[-1] - total[:-1]) / (known.size - count[:-1])
        parted = np.abs(right - left) * np.sqrt(count[:-1] * (known.size - count[:-1])) / known.size
        score += parted[: high - low] / max(float(parted.max()), 1e-12)
    return low + int(np.argmax(score))
