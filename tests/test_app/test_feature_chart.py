"""The page of features shows what was known at each bar, and opens anywhere."""

import base64
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agv2.app.feature_chart.drawing import feature_chart
from agv2.app.feature_chart.heat_image import heat_image
from agv2.app.feature_chart.page import feature_page
from agv2.core.arrays import IntArray
from agv2.features.pipeline import FEATURES, compute_features
from tests.markets import UTC_DAYS, gappy_bars

BARS = gappy_bars(1_900)
FEATURES_OF_BARS = compute_features(BARS, UTC_DAYS)
SHOWN = 120


def pixels(address: str) -> IntArray:
    """Indices of the image, by the rules of PNG."""
    packed = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    assert packed[:8] == b"\x89PNG\r\n\x1a\n"
    chunks, at = {}, 8
    while at < len(packed):
        (length,) = struct.unpack(">I", packed[at : at + 4])
        kind, content = packed[at + 4 : at + 8], packed[at + 8 : at + 8 + length]
        assert struct.unpack(">I", packed[at + 8 + length : at + 12 + length]) == (zlib.crc32(kind + content),)
        chunks[kind], at = content, at + 12 + length
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 3, 0, 0, 0]
    assert len(chunks[b"PLTE"]) == 768
    assert len(chunks[b"tRNS"]) == 256
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), dtype=np.uint8).reshape(height, width + 1)
    assert (rows[:, 0] == 0).all()
    return rows[:, 1:].astype(np.int64)


def test_an_image_has_a_pixel_for_each_value_and_none_where_nothing_is_known() -> None:
    values = np.array([[0.0, 1.0, 2.0], [4.0, np.nan, 8.0]])
    assert pixels(heat_image(values, 4.0)).tolist() == [[0, 64, 128], [255, 0, 255]]


def test_the_heat_map_is_drawn_at_its_prices_and_in_volatilities() -> None:
    chart = feature_chart(BARS, FEATURES_OF_BARS, SHOWN)
    names = FEATURES_OF_BARS.names
    heat = FEATURES_OF_BARS.values[-SHOWN:, [names.index(f"heatmap_{j:02d}") for j in range(32)]].astype(np.float64)
    expected = np.round(255.0 * heat.T[::-1] / heat.max())
    assert [strip.timeframe for strip in chart.strips] == ["1h", "4h", "1d"]
    assert np.abs(pixels(chart.strips[0].image) - expected).max() <= 1
    at_prices = pixels(chart.price_heat)
    last = BARS.slice(len(BARS) - SHOWN, len(BARS))
    room = 0.12 * (last.high.max() - last.low.min())
    top, step = last.high.max() + room, (last.high.max() - last.low.min() + 2.0 * room) / len(at_prices)
    for t in (0, SHOWN // 2, SHOWN - 1):
        edges = last.close[t] * np.exp(np.arange(-16, 17) * FEATURES_OF_BARS.sigma[t - SHOWN])
        for row in range(0, len(at_prices), 7):
            price = top - (row + 0.5) * step
            inside = [heat[t, j] for j in range(32) if edges[j] <= price < edges[j + 1]]
            assert abs(at_prices[row, t] - 255.0 * sum(inside) / heat.max()) <= 1.0


def test_every_other_feature_has_a_panel_with_a_line_for_each_timeframe() -> None:
    chart = feature_chart(BARS, FEATURES_OF_BARS, SHOWN)
    columns = [line.column for panel in chart.panels for line in panel.lines]
    assert sorted(columns) == sorted(name for name in FEATURES_OF_BARS.names if not name.startswith("heatmap_"))
    assert [panel.name for panel in chart.panels] == [
        spec.name for spec in FEATURES if not spec.name.startswith("heatmap_")
    ]
    assert set(chart.hover["values"]) == set(columns)
    shown = FEATURES_OF_BARS.values[-SHOWN:, FEATURES_OF_BARS.names.index("log_return_3@4h")]
    assert chart.hover["values"]["log_return_3@4h"] == pytest.approx(shown, abs=6e-4)


def test_levels_are_dashes_at_their_prices() -> None:
    chart = feature_chart(BARS, FEATURES_OF_BARS, SHOWN)
    column = FEATURES_OF_BARS.names.index("level_above")
    there = (FEATURES_OF_BARS.values[-SHOWN:, [column, column + 1]] < 16.0).sum()
    assert 0 < sum(path.count("M") for path in chart.levels) <= there


def test_the_page_is_the_same_text_each_time_and_holds_all_it_needs() -> None:
    page = feature_page(BARS, FEATURES_OF_BARS, SHOWN)
    assert page == feature_page(BARS, FEATURES_OF_BARS, SHOWN)
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert "TEST 1h: what is known at each close" in page
    assert len(page) < 500_000


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_a_browser_shows_it_offline_and_reads_a_bar(browser: Any, tmp_path: Path, scheme: str, width: int) -> None:
    path = tmp_path / "page.html"
    path.write_text(feature_page(BARS, FEATURES_OF_BARS, SHOWN), encoding="utf-8")
    context = browser.new_context(offline=True, color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    page.locator(".charts").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    stamp = str(np.datetime64(int(BARS.ts_ns[-2]), "ns").astype("datetime64[m]")).replace("T", " ")
    assert page.locator(".when").inner_text().startswith(f"{stamp} UTC")
    value = FEATURES_OF_BARS.values[-2, FEATURES_OF_BARS.names.index("range@1d")]
    assert page.locator('output[data-column="range@1d"]').inner_text() == f"{value:.2f}"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".price .plot").bounding_box()["width"] > 0.7 * width - 60
    assert complaints == []
    context.close()
