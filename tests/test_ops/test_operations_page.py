"""docs/operations.md: an answer to every alert, links that lead somewhere, commands that exist."""

import re
from pathlib import Path

import yaml
from typer.main import get_command

from agv2.app.cli.main import app
from tools.metrics_page import main as metrics_page

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
GROUPS = yaml.safe_load((ROOT / "ops/prometheus/alerts.yaml").read_text(encoding="utf-8"))["groups"]


def test_every_alert_has_its_heading_and_every_such_heading_its_alert() -> None:
    alerts = [rule["alert"] for group in GROUPS for rule in group["rules"]]
    assert sorted(re.findall(r"^### (\w+)$", TEXT.split("## Alerts")[1], re.MULTILINE)) == sorted(alerts)


def test_every_alert_is_told_what_to_do() -> None:
    for part in TEXT.split("## Alerts")[1].split("\n### ")[1:]:
        assert len(part.split("\n", 1)[1].strip()) > 10, part


def test_the_manual_covers_what_a_person_has_to_do() -> None:
    headings = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
    assert headings[:5] == ["Start", "Stop", "Upgrade", "Restore", "Change a token"]
    assert {"The kill switch is thrown", "The audit log does not verify", "A dead instance holds the lease"} <= {
        *headings
    }


def test_its_commands_of_agv2_exist() -> None:
    named = re.findall(r"(?:`|agv2 )agv2 ((?:[a-z]+ ?)+)", TEXT) + re.findall(r"--no-deps agv2 ((?:[a-z]+ ?)+)", TEXT)
    assert len(named) > 8
    for words in named:
        command = get_command(app)
        for word in words.split():
            if hasattr(command, "commands"):
                assert word in command.commands, words
                command = command.commands[word]


def test_its_settings_and_endpoints_exist() -> None:
    for key in re.findall(r"`deploy\.((?:\w+\.?)+)`", TEXT):
        found = yaml.safe_load((ROOT / "config/deploy.yaml").read_text(encoding="utf-8"))
        for part in key.split("."):
            assert part in found, key
            found = found[part]
    routes = (ROOT / "src/agv2/deploy/api/routes.py").read_text(encoding="utf-8")
    for method, path in re.findall(r"`(GET|POST) (/[\w/]+)`", TEXT):
        assert f'router.{method.lower()}("{path}"' in routes, path


def test_the_list_of_metrics_is_what_is_measured() -> None:
    assert metrics_page(["--check"]) == 0
