"""Alert rules: read by Prometheus' own tool, about series that exist, silent in quiet times, and each one heard."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from agv2.deploy.metrics import ServiceMetrics
from tests.promql import promtool, unknown_names

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / "ops/prometheus"
SERIES: dict[str, tuple[str, ...]] = {"up": ()}
for _note in ServiceMetrics().notes:
    SERIES |= _note.series
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((HOME / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
NAMES = [alert["alert"] for alert in ALERTS]
TRIAL_FILES = sorted(Path(__file__).parent.glob("alerts_*test.yaml"))
TRIALS = [trial for path in TRIAL_FILES for trial in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]]


def test_the_notes_are_what_is_served() -> None:
    metrics = ServiceMetrics()
    families = {family.name: family for family in metrics.registry.collect()}
    assert len(families) == len(metrics.notes)
    for note in metrics.notes:
        family = families[note.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (note.kind, note.meaning)


@pytest.mark.parametrize("alert", ALERTS, ids=NAMES)
def test_every_series_and_label_of_an_alert_exists(alert: dict[str, Any]) -> None:
    assert unknown_names(alert["expr"], SERIES) == []
    shown = re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"])
    grouping = re.search(r"\bby \(([^)]*)\)", alert["expr"])
    kept = {"instance", "job"} if grouping is None else set(re.findall(r"\w+", grouping[1]))
    assert set(shown) <= kept, "a label that the expression drops would be shown empty"


@pytest.mark.parametrize(
    ("expression", "unknown"),
    [
        ("agv2_redy == 0", ["agv2_redy"]),
        ('agv2_requests_total{code="500"}', ["agv2_requests_total{code}"]),
        ("sum by (symbol) (agv2_ready)", ["by (symbol)"]),
        ("agv2_decide_seconds", ["agv2_decide_seconds"]),
        ("sum by (le) (rate(agv2_decide_seconds_bucket[5m]))", []),
    ],
)
def test_what_does_not_exist_is_named(expression: str, unknown: list[str]) -> None:
    assert unknown_names(expression, SERIES) == unknown


def test_what_is_not_promql_is_refused() -> None:
    with pytest.raises(ValueError, match="not PromQL from"):
        unknown_names("agv2_ready ! 0", SERIES)


def test_every_alert_has_a_severity_and_its_place_in_the_manual() -> None:
    assert len(set(NAMES)) == len(NAMES)
    for alert in ALERTS:
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"]["runbook"] == f"docs/operations.md#{alert['alert'].lower()}"


def test_every_alert_is_heard_in_a_trial() -> None:
    heard = {case["alertname"] for trial in TRIALS for case in trial["alert_rule_test"] if case.get("exp_alerts")}
    assert heard == set(NAMES)
    silent = {case["alertname"] for trial in TRIALS for case in trial["alert_rule_test"] if not case.get("exp_alerts")}
    assert silent == set(NAMES)


@pytest.mark.parametrize(
    "words",
    [
        ["check", "rules", str(HOME / "alerts.yaml")],
        ["check", "config", "--syntax-only", str(HOME / "prometheus.yaml")],
        ["test", "rules", *(str(path) for path in TRIAL_FILES)],
    ],
    ids=["rules", "config", "trials"],
)
def test_promtool_agrees(words: list[str]) -> None:
    done = subprocess.run([promtool(), *words], capture_output=True, text=True, check=False, timeout=60.0)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_asks_with_a_token_from_a_file_and_reads_the_alerts() -> None:
    config = yaml.safe_load((HOME / "prometheus.yaml").read_text(encoding="utf-8"))
    assert all((HOME / name).is_file() for name in config["rule_files"])
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert set(jobs["agv2"]["authorization"]) == {"type", "credentials_file"}
    named = {name for alert in ALERTS for name in re.findall(r'job="([^"]+)"', alert["expr"])}
    assert named <= set(jobs)
