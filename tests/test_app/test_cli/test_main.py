import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer

from agv2.app.cli import main as main_module
from agv2.app.cli.main import main
from agv2.core.errors import DataError

HEAVY = ("numpy", "numba", "polars", "torch", "pydantic", "structlog", "gymnasium", "lightning")


def exit_code(*words: str) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(words)
    assert isinstance(leaving.value.code, int)
    return leaving.value.code


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The command with subcommands that fail in each way there is."""
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def expected() -> None:
        raise DataError("bars.parquet: row 3:\n  high < low")

    @app.command()
    def unexpected() -> None:
        raise ZeroDivisionError("postgresql://me:hunter2@host is to blame")

    @app.command()
    def run() -> None:
        raise KeyboardInterrupt

    @app.command()
    def demo() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main_module, "app", app)
    return app


@pytest.mark.parametrize("words", [("--help",), ("run", "--help"), ("demo", "-h"), ("data", "synth", "--help")])
def test_help_ends_well(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*words) == 0
    assert "Usage: agv2" in capsys.readouterr().out


@pytest.mark.parametrize("words", [("run",), ("run", "--bars"), ("rnu",), ("run", "--profile", "swift"), ("demo", "x")])
def test_wrong_usage_is_two(words: tuple[str, ...]) -> None:
    assert exit_code(*words) == 2


def test_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--version") == 0
    assert capsys.readouterr().out.startswith("agv2 0.")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from agv2.app.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('loaded', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "loaded []"


def test_help_answers_in_half_a_second() -> None:
    seconds = []
    for _ in range(5):  # the best of five: other tests run beside this one
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "agv2.app.cli.main", "--help"], capture_output=True, check=True)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < 0.5


def test_an_error_is_exactly_one_line_and_one(failing: typer.Typer, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("expected") == 1
    output = capsys.readouterr()
    assert output.err == "agv2: bars.parquet: row 3: high < low\n"
    assert output.out == ""


def test_a_fault_of_ours_is_one_line_that_names_a_log_without_secrets(
    failing: typer.Typer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("unexpected") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "unexpected ZeroDivisionError" in error
    log = Path(error.split("details in ")[1].strip())
    text = log.read_text(encoding="utf-8")
    log.unlink()
    assert "in unexpected" in text
    assert "hunter2" not in text + error


def test_debug_shows_the_traceback(
    failing: typer.Typer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGV2_DEBUG", "1")
    assert exit_code("expected") == 1
    error = capsys.readouterr().err
    assert "Traceback" in error
    assert error.splitlines()[-1] == "agv2: bars.parquet: row 3: high < low"


def test_an_interrupted_run_says_how_to_go_on(failing: typer.Typer, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("run") == 130
    assert capsys.readouterr().err == "agv2: interrupted; continue with the same command and --resume\n"


def test_another_interrupted_command_only_says_so(failing: typer.Typer, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("demo") == 130
    assert capsys.readouterr().err == "agv2: interrupted\n"


@pytest.mark.parametrize(
    "words",
    [
        ("run", "--bars", "x.parquet", "--out", "out"),
        ("demo", "--no-open", "--out", "out"),
        ("data", "synth", "--out", "out"),
    ],
)
def test_every_command_refuses_wrong_settings_before_it_starts(
    words: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own/cost.yaml").touch()
    assert exit_code(*words, "--config", "own") == 1
    assert "did you mean costs.yaml?" in capsys.readouterr().err
    assert exit_code(*words, "--set", "cots.default.half_spread_frac=1") == 1
    assert "did you mean costs?" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_module_runs_as_a_program(tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "agv2.app.cli.main", "run", "--bars", "none.parquet", "--out", "out", "--json"],
        cwd=tmp_path,
        env=os.environ | {"AGV2_DEBUG": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("agv2: none.parquet: ")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
