"""compose.yaml, as far as a machine without a container engine can judge it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from agv2.app.cli.main import app
from agv2.deploy.settings import DeploySettings
from agv2.utils.config import load_config, parse_override
from agv2.utils.environment import Environment, load_environment

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
KNOWN = {"build", "image", "command", "environment", "secrets", "ports", "volumes", "tmpfs", "read_only", "depends_on"}
KNOWN |= {"healthcheck", "restart", "stop_grace_period", "cap_drop", "security_opt"}
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::\?[^}]*|:-)?\}")


def example() -> tuple[list[str], list[str]]:
    """Keys of `.env.example`: AGV2's own, and those for containers alone."""
    ours, _, containers = (ROOT / ".env.example").read_text(encoding="utf-8").partition("# --- Containers")
    find = re.compile(r"^(\w+)=", re.MULTILINE)
    return find.findall(ours), find.findall(containers)


def words(service: str) -> list[str]:
    return [VARIABLE.sub("example", word) for word in SERVICES[service]["command"]]


def test_it_has_what_the_service_needs_around_it_and_no_key_that_compose_does_not_know() -> None:
    assert set(SERVICES) == {"agv2", "redis", "postgres", "mlflow", "prometheus", "grafana", "otel-collector"}
    assert set(COMPOSE) == {"name", "services", "volumes", "secrets"}
    for name, service in SERVICES.items():
        assert set(service) <= KNOWN, name
        assert all(isinstance(value, str) for value in service.get("environment", {}).values()), name


@pytest.mark.parametrize("name", SERVICES)
def test_an_image_is_built_here_or_has_its_version(name: str) -> None:
    service = SERVICES[name]
    if "build" in service:
        dockerfile = (ROOT / service["build"]["context"] / "Dockerfile").read_text(encoding="utf-8")
        assert f" AS {service['build']['target']}\n" in dockerfile
    else:
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+(\.\d+)?(-[a-z]+)?", service["image"]), "a version, not latest"


@pytest.mark.parametrize("name", SERVICES)
def test_ports_are_published_to_this_machine_alone(name: str) -> None:
    for port in SERVICES[name]["ports"]:
        assert re.fullmatch(r"127\.0\.0\.1:(\d+):\1", port)


def test_no_port_is_taken_twice() -> None:
    ports = [port for service in SERVICES.values() for port in service["ports"]]
    assert len(set(ports)) == len(ports)


@pytest.mark.parametrize("name", SERVICES)
def test_what_is_mounted_exists_and_every_volume_is_declared(name: str) -> None:
    for volume in SERVICES[name]["volumes"]:
        source = VARIABLE.sub("", volume).split(":")[0]
        if source.startswith("./"):
            assert (ROOT / source).exists(), source
            assert volume.endswith(":ro")
        elif source:
            assert source in COMPOSE["volumes"], source


def test_every_volume_secret_and_dependency_is_used_and_declared() -> None:
    mounted = {volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert set(COMPOSE["volumes"]) <= mounted
    assert {secret for service in SERVICES.values() for secret in service.get("secrets", [])} == set(COMPOSE["secrets"])
    for service in SERVICES.values():
        after = service.get("depends_on", {})
        for other in after:
            assert other in SERVICES
            if isinstance(after, dict):
                assert after[other] == {"condition": "service_healthy"}
                assert "healthcheck" in SERVICES[other], f"{other} would never be healthy"


def test_each_has_a_health_check_but_the_image_without_a_shell() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    stages = re.split(r"^FROM ", dockerfile, flags=re.MULTILINE)
    in_image = {
        name
        for name, service in SERVICES.items()
        if "build" in service
        and any(f"AS {service['build']['target']}\n" in each and "HEALTHCHECK" in each for each in stages)
    }
    assert {name for name in SERVICES if "healthcheck" in SERVICES[name]} | in_image == set(SERVICES) - {
        "otel-collector"
    }


def test_variables_are_keys_of_the_example_and_none_has_a_value_here() -> None:
    ours, containers = example()
    named = set(VARIABLE.findall(TEXT)) | {secret["environment"] for secret in COMPOSE["secrets"].values()}
    alerts = {key for key in ours if key.startswith(("AGV2_TELEGRAM", "AGV2_WEBHOOK"))}
    assert named == set(containers) | alerts
    assert alerts == set(re.findall(r"\$\{(\w+):-\}", TEXT)), "what nobody must have is empty where it is not set"
    assert not re.search(r"\$\{\w+:-[^}]", TEXT), "a default password is a known password"
    assert set(ours) == {name.upper() for name in Environment.model_fields}
    for key, value in (
        (key, value) for each in SERVICES.values() for key, value in each.get("environment", {}).items()
    ):
        if re.search(r"PASSWORD|TOKEN|SECRET|AUTH", key):
            assert VARIABLE.fullmatch(value), key


def test_what_the_service_is_told_are_keys_that_it_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(SERVICES["agv2"]["environment"]) <= {name.upper() for name in Environment.model_fields}
    told = {key: VARIABLE.sub("x1", value) for key, value in SERVICES["agv2"]["environment"].items()}
    for key, value in told.items():
        monkeypatch.setenv(key, value)
    read = load_environment(tmp_path)
    assert read.redis_url is not None
    hosts = re.findall(r"//(?:[^@/]*@)?([\w-]+):", " ".join(told.values()))
    assert hosts
    assert set(hosts) <= set(SERVICES)


def test_the_command_is_one_of_agv2_and_its_settings_are_accepted() -> None:
    group = get_command(app)
    given = words("agv2")
    context = group.commands[given[0]].make_context(given[0], given[1:])  # type: ignore[attr-defined]
    settings = load_config(
        DeploySettings, "deploy", None, [parse_override(text) for text in context.params["overrides"]]
    )
    assert settings.allowed_hosts == ("agv2",), "the name by which Prometheus calls, and no page from elsewhere"
    assert f"127.0.0.1:{context.params['port']}:{context.params['port']}" in SERVICES["agv2"]["ports"]
    targets = yaml.safe_load((ROOT / "ops/prometheus/prometheus.yaml").read_text("utf-8"))["scrape_configs"]
    asked = {target for job in targets for static in job["static_configs"] for target in static["targets"]}
    assert f"agv2:{context.params['port']}" in asked
    assert {target.split(":")[0] for target in asked} <= {*SERVICES, "127.0.0.1"}


def test_the_collector_takes_traces_where_the_service_is_told_to_send_them() -> None:
    collector = yaml.safe_load((ROOT / "ops/otel/collector.yaml").read_text(encoding="utf-8"))
    address = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    assert SERVICES["agv2"]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"].endswith(address.rpartition(":")[2])
    for pipeline in collector["service"]["pipelines"].values():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= set(collector[part])


@pytest.mark.slow
def test_mlflow_knows_the_options_of_its_command() -> None:
    pytest.importorskip("mlflow")
    given = words("mlflow")
    code = f"from mlflow.cli import cli; print([(p.opts, p.envvar) for p in cli.commands[{given[0]!r}].params])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120.0)
    known = set(re.findall(r"'([\w-]+)'", done.stdout))
    assert {word for word in given if word.startswith("--")} <= known
    assert set(SERVICES["mlflow"]["environment"]) <= known


def has_compose() -> bool:
    """Whether this machine could judge it by itself; a client without the plugin could not."""
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0


def test_compose_accepts_it_or_the_manual_says_that_no_engine_has_run_it() -> None:
    if has_compose():
        environment = {**os.environ, **dict.fromkeys(example()[1], "x1")}
        words = ["docker", "compose", "config", "-q"]
        assert subprocess.run(words, cwd=ROOT, env=environment, check=False, timeout=60.0).returncode == 0
    else:
        text = " ".join((ROOT / "docs/operations.md").read_text(encoding="utf-8").split())
        assert "No container engine has run" in text
