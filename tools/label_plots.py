"""Draw the figures of docs/labels.md from a synthetic market whose truth is known.

    pip install -c constraints.txt matplotlib
    python -m tools.label_plots                  # writes docs/figures/labels/*.svg

For maintainers: after a change to a label or to the levels. The same code draws the same bytes.
"""

import argparse
import itertools
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.colors import LinearSegmentedColormap

from agv2.core.arrays import BoolArray, FloatArray
from agv2.data.config import MarketsConfig
from agv2.data.synthetic_markets.market import REGIMES, InstrumentMarket, MarketRequest, instrument_market
from agv2.features.bar_volatility import bar_volatility
from agv2.features.labels.regime import regime_labels
from agv2.features.support_resistance import HALF_WIDTH_SIGMAS, HEATMAP_BINS, level_density
from agv2.utils.config import load_config
from tools.label_truth import near, peaks_of, true_map

OUT = Path(__file__).resolve().parents[1] / "docs/figures/labels"
REGIME_COLOURS = ("#1b7f79", "#d9d9d9", "#c8553d")
INK, FAINT, TRUTH = "#222222", "#8a8a8a", "#1f4fa3"
HEAT = LinearSegmentedColormap.from_list("heat", ["#ffffff", "#fbd9a5", "#e8833a", "#8c2d04"])
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "labels",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": FAINT,
    "figure.facecolor": "white",
}


def market(symbol: str, edge: str, strength: float, n_bars: int = 12_000) -> InstrumentMarket:
    """A market that set no constant."""
    config = load_config(MarketsConfig, "markets").entry(symbol)[0]
    return instrument_market(MarketRequest(symbol, edge, strength, n_bars=n_bars, seed=1), config)


def draw_regimes(path: Path) -> None:
    """Closes, and below them the regimes that made them and those that the labels found."""
    shown = slice(4200, 5700)
    made = market("XAUUSD", "momentum", 4.5)
    labels = regime_labels(made.bars.close, bar_volatility(made.bars.close))
    figure, (price, *strips) = plt.subplots(
        3, 1, figsize=(8.0, 3.6), sharex=True, height_ratios=(6, 1, 1), layout="constrained"
    )
    bars = np.arange(shown.start, shown.stop)
    price.plot(bars, made.bars.close[shown], color=INK, linewidth=0.8)
    price.set_ylabel("close")
    for strip, name, classes in zip(strips, ("truth", "label"), (made.regime, labels), strict=True):
        bounds = np.flatnonzero(np.diff(classes[shown], prepend=-2, append=-2))
        for start, stop in itertools.pairwise(bounds):
            strip.axvspan(bars[start], bars[0] + stop, color=REGIME_COLOURS[classes[shown][start]], linewidth=0)
        strip.set_yticks([0.5], [name])
        strip.tick_params(left=False)
        strip.spines[:].set_visible(False)
    strips[-1].set_xlabel("bar (1h)")
    strips[-1].set_xlim(bars[0], bars[-1])
    patches = [plt.Rectangle((0, 0), 1, 1, color=colour) for colour in REGIME_COLOURS]
    figure.legend(patches, REGIMES, loc="outside upper right", ncols=3, frameon=False)
    save(figure, path)


def draw_levels(path: Path) -> None:
    """The heat map in the colours of its strength over price, with the levels that price turns at."""
    shown = np.arange(7200, 7680)
    made = market("XAUUSD", "levels", 4.5)
    bars, sigma = made.bars, bar_volatility(made.bars.close)
    density = level_density(bars.high, bars.low, bars.close, sigma)[shown]
    log_low, log_high = np.log(bars.low[shown].min()), np.log(bars.high[shown].max())
    margin = 0.15 * (log_high - log_low)
    grid = np.linspace(log_low - margin, log_high + margin, 160)
    heat = np.array(
        [on_prices(*row, grid) for row in zip(density, np.log(bars.close[shown]), sigma[shown], strict=True)]
    )
    figure, axes = plt.subplots(figsize=(8.0, 3.8), layout="constrained")
    extent = (shown[0] - 0.5, shown[-1] + 0.5, np.exp(grid[0]), np.exp(grid[-1]))
    image = axes.imshow(heat.T, origin="lower", aspect="auto", extent=extent, cmap=HEAT, vmax=6.0, interpolation="none")
    axes.plot(shown, bars.close[shown], color=INK, linewidth=0.8, label="close")
    label = "true level, while it stands"
    for level, first, end in zip(made.levels.price, made.levels.first_bar, made.levels.end_bar, strict=True):
        if first <= shown[-1] and end > shown[0] and extent[2] < level < extent[3]:
            axes.hlines(level, max(first, shown[0]), min(end, shown[-1]), color=TRUTH, linewidth=1.2, label=label)
            label = ""
    axes.set_ylim(extent[2], extent[3])
    axes.set_xlabel("bar (1h)")
    axes.set_ylabel("price")
    figure.legend(loc="outside upper right", ncols=2, frameon=False)
    figure.colorbar(image, ax=axes, pad=0.01).set_label("density, in weights of a fresh pivot", labelpad=12)
    save(figure, path)


def on_prices(row: FloatArray, log_close: float, sigma: float, grid: FloatArray) -> FloatArray:
    """The density of one bar at given log prices; 0 beyond its reach."""
    places = (np.arange(HEATMAP_BINS) + 0.5) * 2.0 * HALF_WIDTH_SIGMAS / HEATMAP_BINS - HALF_WIDTH_SIGMAS
    return np.interp(grid, log_close + places * sigma, row, left=0.0, right=0.0)


def draw_precision(path: Path) -> None:
    """Precision of the strongest drawn levels against how many of all hits they are."""
    figure, axes = plt.subplots(figsize=(5.2, 3.4), layout="constrained")
    for edge, strength, colour in (("levels", 4.5, "#8c2d04"), ("none", 0.0, "#e8833a")):
        made = market("XAUUSD", edge, strength)
        bars, sigma = made.bars, bar_volatility(made.bars.close)
        density = level_density(bars.high, bars.low, bars.close, sigma)
        rows = np.flatnonzero(~np.isnan(density[:, 0]))
        density, is_true = density[rows], near(true_map(made.levels, bars.close, sigma)[rows])
        peaks = peaks_of(density)
        other = np.random.default_rng(1).permutation(rows.size)
        axes.plot(*curve(density[peaks], is_true[peaks]), color=colour, label=f"edge {edge}")
        axes.plot(
            *curve(density[peaks], is_true[other][peaks]), color=colour, linestyle=":", label=f"edge {edge}, by chance"
        )
    axes.set_xlim(0.0, 1.0)
    axes.set_ylim(0.0, 1.0)
    axes.set_xlabel("share of all hits found, the strongest first")
    axes.set_ylabel("share of drawn levels that are true")
    axes.legend(frameon=False)
    save(figure, path)


def curve(strength: FloatArray, is_hit: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Share of hits found and precision so far, at a hundred places."""
    hits = np.cumsum(is_hit[np.argsort(-strength, kind="stable")])
    at = np.unique(np.geomspace(20, hits.size, 100).astype(np.int64)) - 1
    return hits[at] / hits[-1], hits[at] / (at + 1)


def save(figure: Any, path: Path) -> None:
    """Write without the date."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Draw all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    out: Path = parser.parse_args().out
    mpl.use("svg")
    mpl.rcParams.update(STYLE)
    draw_regimes(out / "regimes.svg")
    draw_levels(out / "levels.svg")
    draw_precision(out / "levels_precision.svg")


if __name__ == "__main__":
    main()
