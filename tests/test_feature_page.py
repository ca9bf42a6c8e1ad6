"""docs/features.md and its pictures say what the features are, and none is missing."""

import re

import pytest

from agv2.features.pipeline import FEATURES
from tools import feature_page
from tools.feature_page import DRAWN, FAMILIES, PAGE, PICTURES

TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.compile(r"<!-- from the sources: (\w+) (\w+) -->.*?<!-- end -->", re.DOTALL)


def test_the_tables_and_quotes_are_those_of_the_sources() -> None:
    assert feature_page.up_to_date(TEXT) == TEXT, "run: python -m tools.feature_page"
    assert [name for kind, name in BLOCKS.findall(TEXT) if kind == "table"] == list(FAMILIES)


def test_a_changed_feature_makes_the_page_stale() -> None:
    row = next(line for line in TEXT.splitlines() if line.startswith("| `range` |"))
    for stale in (row.replace("0 to 20", "0 to 10"), row.replace("sigma", "percent"), row.replace("257", "256"), ""):
        assert feature_page.up_to_date(TEXT.replace(row, stale)) == TEXT


def test_every_feature_is_in_one_family_and_described_by_hand() -> None:
    assert [name for names in FAMILIES.values() for name in names] == [spec.name for spec in FEATURES]
    by_hand = BLOCKS.sub("", TEXT)
    described = [
        name for line in re.findall(r"^- (`.*?):", by_hand, re.MULTILINE) for name in re.findall(r"`(\w+)`", line)
    ]
    heat = [spec.name for spec in FEATURES if spec.name.startswith("heatmap_")]
    assert described == [spec.name for spec in FEATURES if spec.name not in heat[1:-1]]


@pytest.mark.parametrize("name", [*DRAWN, "trading_day"])
def test_a_picture_shows_the_features_as_they_are(name: str) -> None:
    picture = (PICTURES / f"{name}.svg").read_text(encoding="utf-8")
    assert f"(figures/features/{name}.svg)" in TEXT
    assert len(picture.encode()) < 120_000
    assert "<dc:date>" not in picture
    assert re.search(r'id="patch_1">\s*<path [^>]*style="fill: #ffffff', picture), "white behind everything"
    if name in DRAWN:
        drawn_from = feature_page.drawn_values(name)
        assert f"values {drawn_from}<" in picture, "run: python -m tools.feature_plots"
    texts = " ".join(re.findall(r">([^<>\n]+)<", picture))
    for column in DRAWN.get(name, ()):
        assert column in texts or name == "heatmap"
    assert name != "heatmap" or "heatmap_00 .. heatmap_31" in texts


def test_no_picture_is_left_over() -> None:
    assert {path.stem for path in PICTURES.iterdir()} == {*DRAWN, "trading_day"}
