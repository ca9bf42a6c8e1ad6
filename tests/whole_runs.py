"""Fixtures: small whole runs, shared by the tests of a session because each takes some ten seconds.

The pipeline is imported where it is used: every other test would pay seconds for it.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

RunSmall = Callable[..., Path]


@pytest.fixture(scope="session")
def market_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two markets of 3,000 hourly bars."""
    from agv2.data.bars_file import write_bars
    from agv2.data.synthetic import synthetic_bars

    folder = tmp_path_factory.mktemp("bars")
    files = {}
    for symbol, kind, seed in (("TREND", "trend", 7), ("XAUUSD", "noise", 8)):
        files[symbol] = folder / f"{symbol}_1h.parquet"
        write_bars(synthetic_bars(kind, 3_000, seed, symbol=symbol), files[symbol])
    return files


@pytest.fixture(scope="session")
def run_small(tmp_path_factory: pytest.TempPathFactory) -> RunSmall:
    """Do a whole run at the smallest size, with a trial ledger of its own."""

    def start(*bars: Path, seed: int = 7, out: Path | None = None, home: Path | None = None) -> Path:
        from agv2.app.run import run
        from agv2.app.run_plan import RunRequest

        target = out or tmp_path_factory.mktemp("run") / "out"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AGV2_SMOKE", "1")
            patch.setenv("AGV2_HOME", str(home or tmp_path_factory.mktemp("home")))
            return run(RunRequest(bars=bars, out=target, seed=seed, quiet=True, resume=out is not None)).out

    return start


@pytest.fixture(scope="session")
def finished_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project home whose ledger has counted `finished_run`."""
    return tmp_path_factory.mktemp("finished_home")


@pytest.fixture(scope="session")
def finished_run(run_small: RunSmall, market_files: dict[str, Path], finished_home: Path) -> Path:
    """A finished run of one market; tests only read it."""
    return run_small(market_files["TREND"], home=finished_home)


@pytest.fixture
def copy_of_run(finished_run: Path, tmp_path: Path) -> Path:
    """A finished run to be changed."""
    return Path(shutil.copytree(finished_run, tmp_path / "run"))
