"""Dashboards: every expression is about series that exist, and Prometheus' own parser reads it."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from agv2.deploy.metrics import ServiceMetrics
from tests.promql import promtool, unknown_names

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "ops/grafana"
SERIES: dict[str, tuple[str, ...]] = {"up": ()}
for _note in ServiceMetrics().notes:
    SERIES |= _note.series
BOARDS = {
    path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted((HOME / "dashboards").glob("*.json"))
}
TARGETS: list[tuple[str, dict[str, Any]]] = [
    (f"{name}: {panel['title']}", target)
    for name, board in BOARDS.items()
    for panel in board["panels"]
    for target in panel["targets"]
]


def expression(target: dict[str, Any]) -> str:
    return str(target["expr"]).replace("[$__rate_interval]", "[1m]")


def test_there_are_dashboards_with_names_of_their_own() -> None:
    assert BOARDS
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)
    for board in BOARDS.values():
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@pytest.mark.parametrize(("where", "target"), TARGETS, ids=[f"{where} {each['refId']}" for where, each in TARGETS])
def test_every_series_and_label_of_a_panel_exists(where: str, target: dict[str, Any]) -> None:
    text = expression(target)
    assert unknown_names(text, SERIES) == [], where
    grouping = re.search(r"\bby \(([^)]*)\)", text)
    named = [name for name in SERIES if re.search(rf"\b{name}\b", text)]
    labels = {"instance", "job"}.union(*(SERIES[name] for name in named))
    kept = labels if grouping is None else set(re.findall(r"\w+", grouping[1]))
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept, where


def test_every_metric_is_on_a_dashboard() -> None:
    text = " ".join(expression(target) for _, target in TARGETS)
    assert [note.name for note in ServiceMetrics().notes if not re.search(rf"\b{note.name}", text)] == []


def test_variables_are_of_series_that_exist_and_all_that_are_used() -> None:
    for board in BOARDS.values():
        variables = {each["name"]: each["query"]["query"] for each in board["templating"]["list"]}
        for query in variables.values():
            metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", query).groups()  # type: ignore[union-attr]
            assert label in {*SERIES[metric], "instance"}
        used = set(
            re.findall(r"\$(\w+)", " ".join(each["expr"] for panel in board["panels"] for each in panel["targets"]))
        )
        assert used - {"__rate_interval"} == set(variables)


def test_panels_do_not_lie_on_each_other() -> None:
    for board in BOARDS.values():
        taken: set[tuple[int, int]] = set()
        for panel in board["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            assert at["x"] + at["w"] <= 24
            assert not cells & taken, panel["title"]
            taken |= cells


def test_prometheus_own_parser_reads_every_expression(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": expression(each)} for number, (_, each) in enumerate(TARGETS)]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}), encoding="utf-8")
    words = [promtool(), "check", "rules", "--lint=none", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60.0)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_provisioned_source_is_the_one_that_panels_ask() -> None:
    sources = yaml.safe_load((HOME / "provisioning/datasources/prometheus.yaml").read_text(encoding="utf-8"))
    (source,) = sources["datasources"]
    asked = {each["datasource"]["uid"] for _, each in TARGETS}
    asked |= {panel["datasource"]["uid"] for board in BOARDS.values() for panel in board["panels"]}
    asked |= {each["datasource"]["uid"] for board in BOARDS.values() for each in board["templating"]["list"]}
    assert asked == {source["uid"]}
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    host, _, port = source["url"].removeprefix("http://").partition(":")
    assert services[host]["ports"] == [f"127.0.0.1:{port}:{port}"]
    (provider,) = yaml.safe_load((HOME / "provisioning/dashboards/agv2.yaml").read_text(encoding="utf-8"))["providers"]
    mounted = {volume.split(":")[1] for volume in services["grafana"]["volumes"]}
    assert provider["options"]["path"] in mounted
