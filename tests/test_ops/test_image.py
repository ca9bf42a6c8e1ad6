"""The image: slim, nobody's root, and its command is one that exists and works with what is installed in it."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from typer.main import get_command

from agv2.app.cli.main import app
from tests.test_deploy.conftest import Serve
from tests.untrained_bundles import ToldBars

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
STEPS = [tuple(line.split(maxsplit=1)) for line in DOCKERFILE.splitlines() if re.match(r"[A-Z]+ ", line)]
INSTALLED = {
    line
    for line in (ROOT / "ops/service-requirements.txt").read_text(encoding="utf-8").split("\n")
    if line and not line.startswith("#")
}


def steps(kind: str, target: str = "service") -> list[str]:
    """Arguments of the target's steps of a kind, in order."""
    found, stage = [], ""
    for name, rest in STEPS:
        if name == "FROM":
            stage = rest.rpartition(" AS ")[2]
        if name == kind and stage == target:
            found.append(rest)
    return found


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_base_is_a_stage_or_an_image_with_its_version() -> None:
    stages = {rest.rpartition(" AS ")[2] for name, rest in STEPS if name == "FROM"}
    for rest in [rest for name, rest in STEPS if name == "FROM"]:
        base = rest.partition(" AS ")[0]
        assert base in stages or re.fullmatch(r"python:3\.1[123]\.\d+-slim-\w+", base), base


@pytest.mark.parametrize("target", ["service", "mlflow"])
def test_it_runs_as_a_user_without_rights_by_number(target: str) -> None:
    (user,) = steps("USER", target)
    assert int(user.partition(":")[0]) >= 1000


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignored = [
        line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] not in "#"
    ]
    assert ignored[0] == "*", "everything stays out that is not named"
    kept = {line[1:].strip("/") for line in ignored[1:] if line.startswith("!")}
    for name, rest in STEPS:
        if name == "COPY" and "--from=" not in rest:
            *sources, _ = [word for word in rest.split() if not word.startswith("--")]
            for source in sources:
                assert (ROOT / source).exists(), source
                assert any(source.strip("/") == each or source.startswith(f"{each}/") for each in kept), source
    assert not {each for each in kept if each.startswith((".env", "runs", "data"))}


def test_versions_come_from_the_constraints_alone() -> None:
    installs = [
        part for _, rest in STEPS for part in re.split(r"&&|;", rest) if re.search(r"\bpip (install|wheel)", part)
    ]
    assert len(installs) >= 3
    for each in installs:
        assert "constraints.txt" in each or "--no-deps" in each, each
        assert "==" not in each
    pinned = {normal(line.partition("==")[0]) for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()}
    assert {normal(name) for name in INSTALLED} <= pinned


def test_no_secret_is_in_a_layer() -> None:
    for name, rest in STEPS:
        if name in ("ENV", "ARG"):
            assert not re.search(r"(?i)password|token|secret|redis_url|database_url", rest), rest
        assert not re.search(r"https?://(?!127\.0\.0\.1)", rest), rest


def test_its_command_is_one_of_agv2_with_options_that_exist() -> None:
    entry, command = json.loads(steps("ENTRYPOINT")[0]), json.loads(steps("CMD")[0])
    assert entry == ["agv2"]
    words = [*entry, *command][1:]
    serve = get_command(app).commands[words[0]]  # type: ignore[attr-defined]  # a group
    options = {option for parameter in serve.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options
    context = serve.make_context("serve", words[1:])
    assert context.params["host"] == "0.0.0.0"
    assert context.params["port"] == 8321
    assert context.params["insecure"], "in a container the way from outside ends at a loopback port"


def test_its_health_check_passes_at_a_service_and_fails_without(serve: Serve) -> None:
    (check,) = steps("HEALTHCHECK")
    words = json.loads(check.partition(" CMD ")[2])
    assert "127.0.0.1:8321/health" in words[-1]
    served = serve(ready=False)
    words = [sys.executable, *(word.replace("http://127.0.0.1:8321", served.url) for word in words[1:])]
    assert subprocess.run(words, check=False, timeout=30.0).returncode == 0
    serve.stop(served)  # type: ignore[attr-defined]
    assert subprocess.run(words, check=False, timeout=30.0, stderr=subprocess.DEVNULL).returncode != 0


def with_what_they_need(names: set[str]) -> set[str]:
    """The packages that pip installs where it is asked for `names`."""
    found: set[str] = set()
    while names:
        found |= names
        needed = [Requirement(each) for name in names for each in requires_if_there(name)]
        names = {normal(each.name) for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})}
        names -= found
    return found


def requires_if_there(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # of another platform
        return []


LEAN = """
import importlib.abc, json, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"{{name}} is not in the image", name=name)
sys.meta_path.insert(0, Absent())
from pathlib import Path
import agv2.app.serving, agv2.app.service_watching
import agv2.app.cli.token, agv2.app.cli.audit, agv2.deploy.audit_chain, redis
from agv2.app.cli.main import main
from agv2.deploy.account_switch import Killed
from agv2.deploy.decision_engine import load_engine
from agv2.deploy.messages import DecideIn
from agv2.deploy.settings import Runtime
engine = load_engine(Path({bundle!r}), (), Runtime.ONNX, None, ())
asked = DecideIn.model_validate(json.loads(sys.stdin.read()))
print(engine.decide(asked, 1_900_000_000 * 10**9, killed=Killed.NO).answer["side"])
from agv2.deploy.open_hours import OpenHours
from agv2.deploy.time_asked import TimeAsked
print([OpenHours(calendar).problem(1_900_000_000 * 10**9) for calendar in ("24/7", "fx", "metals", "index")])
"""


def test_it_decides_with_nothing_of_our_dependencies_but_what_is_installed(
    untrained_bundle: Path, told_bars: ToldBars
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [each for group in project["optional-dependencies"].values() for each in group]
    ours = {normal(Requirement(each).name) for each in [*project["dependencies"], *extras]} - {"agv2"}
    out = ours - with_what_they_need({normal(name) for name in INSTALLED})
    assert {"torch", "lightning", "stable-baselines3", "scikit-learn"} <= out
    absent = {
        module
        for module, owners in packages_distributions().items()
        if {normal(owner) for owner in owners} <= out and not module.startswith("_")
    }
    code = LEAN.format(absent=absent, bundle=str(untrained_bundle))
    question = json.dumps(told_bars.question(2_900))
    done = subprocess.run([sys.executable, "-c", code], input=question, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    side, hours = done.stdout.splitlines()
    assert side in ("long", "short", "flat"), shlex.quote(done.stdout)
    assert hours == "['', '', '', '']", "open hours of every calendar are known in the image"
