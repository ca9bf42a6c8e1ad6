"""Encoders as pictures: how they learned, how they compare, and whether what they say comes true."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm

from agv2.app.encoder_report import HeadReliability, best_baseline
from agv2.core.arrays import FloatArray
from agv2.models.evidence.findings import HeadEvidence
from agv2.models.evidence.linear_probe import ProbeScore
from agv2.models.pretraining import PretrainedEncoder
from exploring.encoder import head_title
from exploring.style import COLOURS

__all__ = ["calibration", "comparison", "fan", "learning", "probe_bars", "reliability", "turn_map"]

FINDING_COLOURS = {"better": COLOURS["blue"], "draw": COLOURS["grey"], "worse": COLOURS["orange"]}


def learning(axes: Axes, head: str, encoders: Mapping[int, PretrainedEncoder]) -> None:
    """Loss of one head on the selection rows, look by look, and dashed on those that teach; a dot: the weights kept."""
    for (seed, each), colour in zip(encoders.items(), COLOURS.values(), strict=False):
        steps = [look.step for look in each.log]
        losses = [look.selection[head] for look in each.log]
        axes.plot(steps, losses, color=colour, label=f"seed {seed}")
        taught = [(look.step, look.train[head]) for look in each.log if head in look.train]
        axes.plot(*zip(*taught, strict=True), color=colour, linewidth=0.8, linestyle="--", alpha=0.7)
        axes.plot(each.best_step, losses[steps.index(each.best_step)], "o", color=colour, markersize=5)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.set_xlabel("gradient steps")


def comparison(axes: Axes, heads: Sequence[HeadEvidence]) -> None:
    """Each head's loss less that of its best baseline, per cent of the latter, with the interval over time."""
    rows = [(each, best) for each in heads if (best := best_baseline(each)) is not None]
    for place, (_, best) in enumerate(rows):
        per_cent = 100.0 / best.loss
        own, colour = best.difference, FINDING_COLOURS[best.finding]
        axes.plot((own.low * per_cent, own.high * per_cent), (place, place), color=colour, linewidth=2)
        axes.plot(own.mean * per_cent, place, "o", color=colour)
    for finding, colour in FINDING_COLOURS.items():
        axes.plot([], [], "o-", color=colour, label=finding)
    axes.axvline(0.0, color=COLOURS["black"], linewidth=0.8)
    axes.set_yticks(range(len(rows)), [f"{head_title(each)}\nagainst {best.baseline}" for each, best in rows])
    axes.invert_yaxis()
    axes.set_xlabel("loss against the best baseline, per cent; left of the line the head is better")


def fan(axes: Axes, quantiles: FloatArray, came: FloatArray, levels: Sequence[float]) -> None:
    """Quantiles as bands, and what came as points; the axis counts bars.

    Args:
        axes: where to draw.
        quantiles: (n_bars, n_levels) rising.
        came: (n_bars,) returns in the same unit.
        levels: of the quantiles.
    """
    x, middle = np.arange(len(came)), len(levels) // 2
    for low in range(middle):
        label = f"{levels[-1 - low] - levels[low]:.0%} of the returns expected here"
        axes.fill_between(
            x, quantiles[:, low], quantiles[:, -1 - low], color=COLOURS["blue"], alpha=0.18, linewidth=0, label=label
        )
    axes.plot(x, quantiles[:, middle], color=COLOURS["blue"], linewidth=0.8)
    left = (came < quantiles[:, 0]) | (came > quantiles[:, -1])
    for chosen, colour, label in ((~left, "black", "inside"), (left, "orange", "outside")):
        axes.plot(x[chosen], came[chosen], ".", color=COLOURS[colour], markersize=3.5, label=label)
    axes.set(xlim=(-1, len(came)))


def calibration(coverage: Axes, pit: Axes, heads: Sequence[HeadEvidence], levels: Sequence[float]) -> None:
    """How much of what came lay within each central interval and between neighbouring quantiles, horizon by horizon."""
    own = [each for each in heads if each.head == "quantiles"]
    nominal = sorted(int(name.removeprefix("coverage_")) for name in own[0].measures if name.startswith("coverage_"))
    widths = np.diff([0.0, *levels, 1.0])
    bar = 0.8 / len(own)
    for place, (each, colour) in enumerate(zip(own, COLOURS.values(), strict=False)):
        shift = (place - (len(own) - 1) / 2) * bar
        found = [each.measures[f"coverage_{share}"] for share in nominal]
        coverage.bar(np.arange(len(nominal)) + shift, found, bar, color=colour, label=f"{each.horizon} ahead")
        ratio = [each.measures[f"pit_{k}"] / width for k, width in enumerate(widths)]
        pit.bar(np.arange(len(widths)) + shift, ratio, bar, color=colour)
    for k, share in enumerate(nominal):
        coverage.hlines(share / 100.0, k - 0.45, k + 0.45, color=COLOURS["black"], linewidth=1.2)
    coverage.set_xticks(range(len(nominal)), [f"{share} %" for share in nominal])
    coverage.set(ylabel="share of the returns inside", xlabel="central interval; the line is what was said")
    pit.axhline(1.0, color=COLOURS["black"], linewidth=1.2)
    edges = ["0", *(f"{level:g}" for level in levels), "1"]
    pit.set_xticks(range(len(widths)), [f"{low} to\n{high}" for low, high in pairwise(edges)])
    pit.set(ylabel="share, over the share expected", xlabel="between the quantiles")


def reliability(axes: Axes, curves: Sequence[HeadReliability]) -> None:
    """How often events came against how probable they were said to be; on the diagonal both agree."""
    reach = 1.08 * max(max(point.predicted, point.happened) for each in curves for point in each.points)
    axes.plot((0.0, reach), (0.0, reach), color=COLOURS["grey"], linewidth=0.8)
    for each, colour in zip(curves, COLOURS.values(), strict=False):
        said, happened, _ = zip(*each.points, strict=True)
        axes.plot(said, happened, "o-", color=colour, markersize=4, label=each.event)
    axes.set(xlabel="said", ylabel="happened", xlim=(0.0, reach), ylim=(0.0, reach), aspect="equal")
    axes.legend()


def turn_map(axes: Axes, turns: FloatArray, usual: FloatArray) -> None:
    """By how much a turn at each band around the close is more probable than usual there; the axis counts bars.

    Args:
        axes: where to draw.
        turns: (n_bars, n_bands) probabilities.
        usual: (n_bands,) share of turns in the past.
    """
    above = turns - usual
    half, widest = turns.shape[1] / 2, max(float(np.abs(above).max()), 1e-6)
    image = axes.imshow(
        above.T,
        cmap="PuOr_r",
        norm=TwoSlopeNorm(0.0, -widest, widest),
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        extent=(-0.5, len(turns) - 0.5, -half, half),
    )
    axes.axhline(0.0, color=COLOURS["black"], linewidth=0.8)
    axes.set_ylabel("band, volatilities from the close")
    axes.grid(visible=False)
    plt.colorbar(image, ax=axes, label="probability above usual", pad=0.01)


def probe_bars(axes: Axes, scores: Sequence[ProbeScore]) -> None:
    """Loss of each linear probe, per cent of that of a probe that reads nothing."""
    targets = list(dict.fromkeys(each.target for each in scores))
    kinds = ("the bar's own features", "the embedding", "both")
    for place, target in enumerate(targets):
        own = {each.inputs: each for each in scores if each.target == target}
        one = own["embedding"]
        losses = (one.features_loss, one.loss, own["both"].loss)
        for k, (loss, name, tone) in enumerate(zip(losses, kinds, ("grey", "blue", "green"), strict=True)):
            share = 100.0 * (loss / one.constant_loss - 1.0)
            axes.barh(place + 0.26 * (k - 1), share, 0.24, color=COLOURS[tone], label=name if place == 0 else None)
    axes.axvline(0.0, color=COLOURS["black"], linewidth=0.8)
    axes.set_yticks(range(len(targets)), [target.replace("_", " ") for target in targets])
    axes.invert_yaxis()
    axes.set_xlabel("loss against a probe that reads nothing, per cent; further left is better")
