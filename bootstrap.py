#!/usr/bin/env python3
"""Make AGV2 ready in `.venv`, then do a job: needs nothing but Python, and no network once installed.

    python bootstrap.py demo                     the pipeline on two synthetic markets, with reports
    python bootstrap.py test                     the test suite
    python bootstrap.py install                  nothing more
    python bootstrap.py test --with playwright   optional packages too; may be repeated
    python bootstrap.py demo -- --no-open        words after -- go to the job

It may be stopped and started again at any time; a second call finds everything in place and begins the job at once.
AGV2_TORCH_INDEX names a package index to take torch from; AGV2_VENV another directory than `.venv`.

This file is written so that a Python which is too old can read it and be told so: no f-strings, no annotations.
"""

from __future__ import print_function

import argparse
import hashlib
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys

PYTHON_FROM, PYTHON_BELOW = (3, 11), (3, 14)
DISK_GB, CUDA_DISK_GB = 5, 12
TORCH_GB, PACKAGES_GB = 0.7, 1.2
EXTRAS_GB = {
    "dev": 0.5,
    "docs": 0.1,
    "evidently": 0.2,
    "jupyterlab": 0.3,
    "mlflow": 0.3,
    "peers": 0.4,
    "playwright": 0.2,
    "ray": 0.2,
}  # those that add what a person would notice
JOBS = {
    "demo": ["-m", "agv2.app.cli.main", "demo"],
    "test": ["-m", "pytest", "-q", "-n", "2"],
    "install": [],
}  # type: dict[str, list[str]]
EXTRAS_OF_JOB = {"demo": [], "test": ["dev"], "install": []}  # type: dict[str, list[str]]
PINNED_FILES = ("pyproject.toml", "constraints.txt", "requirements.txt")
STAMP = "agv2-installed.json"
LOG = ".bootstrap.log"


class SetupError(Exception):
    """Something a person has to change first; its text says what and how."""


class Machine(object):
    """Everything outside this program, in one place, so that tests can stand in for it."""

    root = os.path.dirname(os.path.abspath(__file__))
    python = sys.executable
    version = tuple(sys.version_info[:3])
    system = platform.system()
    environ = os.environ

    def free_gb(self):
        # type: () -> float
        """Free space where the environment goes."""
        return shutil.disk_usage(self.root).free / 1e9

    def missing_module(self, *names):
        # type: (*str) -> str | None
        """First of `names` that this Python does not have."""
        for name in names:
            try:
                importlib.import_module(name)
            except ImportError:
                return name
        return None

    def say(self, text):
        # type: (str) -> None
        """One line for the person at the terminal."""
        print(text)
        sys.stdout.flush()

    def install(self, command, log):
        # type: (list[str], str) -> int
        """Run an installing command: its output goes to `log`, a line of progress to the terminal."""
        seen, width = 0, 0
        live = sys.stdout.isatty()
        with open(log, "a", encoding="utf-8") as record:
            record.write("\n$ %s\n" % " ".join(command))
            process = subprocess.Popen(
                command, cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True
            )
            for line in process.stdout or ():
                record.write(line)
                words = line.split()
                if words[:1] == ["Collecting"]:
                    seen += 1
                    note = "      %d packages found, now %s" % (seen, words[1].partition("==")[0])
                elif words[:2] == ["Installing", "collected"]:
                    note = "      installing them: this takes a minute or two"
                else:
                    continue
                if live:
                    print("\r" + note.ljust(width), end="")
                    width = len(note)
                elif seen % 20 == 0 or words[0] == "Installing":
                    self.say(note)
                sys.stdout.flush()
            if live and width:
                print()
            return process.wait()

    def output(self, command):
        # type: (list[str]) -> str | None
        """What a short command prints, or None if it fails."""
        try:
            return subprocess.check_output(command, cwd=self.root, stderr=subprocess.DEVNULL, universal_newlines=True)
        except (OSError, subprocess.CalledProcessError):
            return None

    def job(self, command):
        # type: (list[str]) -> int
        """Run the job itself, on this terminal."""
        return subprocess.call(command, cwd=self.root)


def main(words=None, machine=None):
    # type: (list[str] | None, Machine | None) -> int
    """Install what is missing, do the job, and return its exit code."""
    machine = Machine() if machine is None else machine
    words = list(sys.argv[1:]) if words is None else words
    job_words = words[words.index("--") + 1 :] if "--" in words else []
    options = parse(words[: words.index("--")] if "--" in words else words)
    try:
        python = prepare(machine, EXTRAS_OF_JOB[options.job] + options.extras)
        if not JOBS[options.job]:
            return 0
        return machine.job([python] + JOBS[options.job] + job_words)
    except SetupError as problem:
        print("bootstrap: %s" % problem, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbootstrap: interrupted; the same command continues", file=sys.stderr)
        return 130


def prepare(machine, extras):
    # type: (Machine, list[str]) -> str
    """Make the environment hold the pinned packages and `extras`; returns its Python."""
    require_python(machine)
    venv = os.path.join(machine.root, machine.environ.get("AGV2_VENV") or ".venv")
    python = os.path.join(venv, "Scripts", "python.exe") if machine.system == "Windows" else venv + "/bin/python"
    stamp, pins = os.path.join(venv, STAMP), fingerprint(machine)
    installed_pins, installed_extras = read_stamp(stamp)
    if installed_pins == pins and set(extras) <= installed_extras and os.path.exists(python):
        return python

    extras = sorted(installed_extras.union(extras))
    require_room(machine)
    log = os.path.join(machine.root, LOG)
    packages_gb = PACKAGES_GB + sum(EXTRAS_GB.get(extra, 0.0) for extra in extras)
    size = "about %.1f GB to install%s" % (TORCH_GB + packages_gb, _with(extras))
    machine.say("AGV2: %s, %s. Details go to %s." % (venv, size, LOG))
    machine.say("[1/3] environment")
    if machine.output([python, "-m", "pip", "--version"]) is None:  # absent, or left half-made
        _require_success(machine.install([machine.python, "-m", "venv", "--clear", venv], log), "making %s" % venv, log)
    machine.say("[2/3] torch, about %.1f GB" % TORCH_GB)
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    _require_success(machine.install(pip + torch_source(machine, python), log), "installing torch", log)
    machine.say("[3/3] everything else, about %.1f GB" % packages_gb)
    here = "." + ("[%s]" % ",".join(extras) if extras else "")
    _require_success(machine.install(pip + ["-r", "requirements.txt", "-e", here], log), "installing the packages", log)
    with open(stamp, "w") as record:
        json.dump({"pins": pins, "extras": extras}, record)
    return python


def require_python(machine):
    # type: (Machine) -> None
    """Refuse a Python that the pins do not support, or that cannot make environments."""
    if not PYTHON_FROM <= tuple(machine.version[:2]) < PYTHON_BELOW:
        raise SetupError(
            "this is Python %s; AGV2 needs 3.11, 3.12 or 3.13. Install one and start this again with it, "
            "such as `python3.11 bootstrap.py demo`." % ".".join(str(part) for part in machine.version)
        )
    missing = machine.missing_module("venv", "ensurepip")
    if missing:
        raise SetupError(
            "this Python lacks its module %s. On Debian and Ubuntu: `apt-get install python%d.%d-venv`; "
            "elsewhere install Python from its own installer." % (missing, machine.version[0], machine.version[1])
        )


def require_room(machine, needed_gb=DISK_GB):
    # type: (Machine, int) -> None
    """Refuse to start what the disk cannot hold."""
    free_gb = machine.free_gb()
    if free_gb < needed_gb:
        raise SetupError(
            "%.1f GB are free in %s and %d GB are needed. Make room, or put the environment elsewhere "
            "with AGV2_VENV=/path/to/environment." % (free_gb, machine.root, needed_gb)
        )


def fingerprint(machine):
    # type: (Machine) -> str
    """Changes when the pins or the Python do."""
    digest = hashlib.sha256(repr((machine.version, machine.environ.get("AGV2_TORCH_INDEX"))).encode())
    for name in PINNED_FILES:
        with open(os.path.join(machine.root, name), "rb") as pinned:
            digest.update(pinned.read())
    return digest.hexdigest()


def read_stamp(path):
    # type: (str) -> tuple[str, set[str]]
    """Pins and extras of the last complete installation; empty where there was none."""
    try:
        with open(path) as record:
            stamp = json.load(record)
    except (OSError, ValueError):
        return "", set()
    return stamp["pins"], set(stamp["extras"])


def torch_source(machine, python):
    # type: (Machine, str) -> list[str]
    """Arguments that install the pinned torch; says so first when that would be the large CUDA build."""
    pinned = "torch==%s" % _pin(machine, "torch")
    index = machine.environ.get("AGV2_TORCH_INDEX")
    if index:
        return ["--index-url", index, "--no-deps", pinned]
    wanted = ["-c", "constraints.txt", pinned]
    if machine.system == "Linux" and is_cuda_build(machine, python, pinned):
        machine.say(
            "      pip would take the CUDA build: about 3 GB more to download and 6 GB more on disk. AGV2 does not\n"
            "      need a GPU. To take the small build, stop now (Ctrl-C), set AGV2_TORCH_INDEX to the address of\n"
            "      an index of CPU builds (PyTorch's own installation page names it) and start again."
        )
        require_room(machine, CUDA_DISK_GB)
    return wanted


def is_cuda_build(machine, python, pinned):
    # type: (Machine, str, str) -> bool
    """Whether the torch that pip would choose here asks for NVIDIA's libraries; False when pip cannot say."""
    look = [python, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--no-deps", "--report", "-"]
    report = machine.output(look + [pinned])
    if not report:
        return False
    needs = [need for item in json.loads(report)["install"] for need in item["metadata"].get("requires_dist", [])]
    return any(need.startswith("nvidia-") for need in needs)


def _pin(machine, name):
    # type: (Machine, str) -> str
    with open(os.path.join(machine.root, "constraints.txt")) as constraints:
        pins = dict(line.strip().split("==") for line in constraints if "==" in line)
    return pins[name]


def _require_success(code, doing, log):
    # type: (int, str, str) -> None
    if code:
        with open(log, encoding="utf-8") as record:
            last = [line.strip() for line in record if line.strip()][-1]
        raise SetupError("%s failed: %s. The whole story is in %s; the same command tries again." % (doing, last, log))


def _with(extras):
    # type: (list[str]) -> str
    return " with %s" % ", ".join(extras) if extras else ""


def parse(words):
    # type: (list[str]) -> argparse.Namespace
    """What the command line asks for; a wrong one ends the program with the usage."""
    parser = argparse.ArgumentParser(
        prog="python bootstrap.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("job", choices=sorted(JOBS), help="what to do once everything is installed")
    parser.add_argument("--with", dest="extras", action="append", default=[], metavar="NAME", help="an extra")
    return parser.parse_args(words)


if __name__ == "__main__":
    sys.exit(main())
