"""Studies in SQLite and in a real PostgreSQL: the same trials, claims that die with their process."""

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from agv2.app.tuning.report import TuningReport
from agv2.app.tuning.storage import open_storage
from agv2.core.errors import AGV2Error, ConfigError
from tests.studies import FoldFormula, Watched, studied

HOLD = """
import sys, time
from pathlib import Path
from agv2.app.tuning.storage import open_storage
kept = open_storage(sys.argv[1], Path(sys.argv[2]), "study")
print(kept.claims.claim(3), flush=True)
time.sleep(60)
"""


def trials(report: TuningReport) -> list[tuple[object, ...]]:
    return [(one.number, one.state, one.score, dict(one.parameters)) for one in report.trials]


def test_postgresql_keeps_the_same_study_and_goes_on_with_it(
    monkeypatch: pytest.MonkeyPatch, market_files: dict[str, Path], postgres_url: str, tmp_path: Path
) -> None:
    bars = market_files["TREND"]
    _, here = studied(monkeypatch, bars, tmp_path / "one", FoldFormula(), Watched(), n_trials=5, storage="sqlite")
    studied(monkeypatch, bars, tmp_path / "two", FoldFormula(), Watched(), n_trials=3, storage=postgres_url)
    watched = Watched()
    _, there = studied(monkeypatch, bars, tmp_path / "three", FoldFormula(), watched, n_trials=5, storage=postgres_url)
    assert trials(there) == trials(here)
    assert watched.ended_trials == [3, 4], "another machine went on with the study"
    assert there.storage.startswith("PostgreSQL at ")
    assert "@" not in there.storage
    with psycopg.connect(postgres_url) as connection:
        schemas = connection.execute(
            "SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_name = 'trials'"
        ).fetchall()
    assert schemas == [("agv2_studies",)]


def test_the_environments_database_is_used_unless_sqlite_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, postgres_url: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    for wanted, shown in (("", "PostgreSQL at "), ("sqlite", str(tmp_path))):
        kept = open_storage(wanted, tmp_path, "study")
        assert kept.shown.startswith(shown)
        kept.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_a_killed_process_claimed_is_free_again(kind: str, postgres_url: str, tmp_path: Path) -> None:
    wanted = "sqlite" if kind == "sqlite" else postgres_url
    kept = open_storage(wanted, tmp_path, "study")
    other = subprocess.Popen([sys.executable, "-c", HOLD, wanted, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not kept.claims.claim(3)
        assert kept.claims.claim(4)
        other.kill()
        other.wait()
        until = time.monotonic() + 20.0
        while not (is_free := kept.claims.claim(3)) and time.monotonic() < until:
            time.sleep(0.1)
        assert is_free
    finally:
        other.kill()
        other.wait()
        if other.stdout is not None:
            other.stdout.close()
        kept.close()


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ("mysql://me:secret@host/db", "--storage: write sqlite, or postgresql://"),
        ("postgresql://me:sec/ret@127.0.0.1:1/db", "DATABASE_URL is not an address of PostgreSQL"),
        ("postgresql://me:secret@127.0.0.1:1/db", "127.0.0.1:1/db cannot be reached"),
    ],
)
def test_a_storage_that_cannot_be_used_is_one_line_without_its_password(
    wanted: str, problem: str, tmp_path: Path
) -> None:
    with pytest.raises(AGV2Error, match=problem) as refused:
        open_storage(wanted, tmp_path, "study")
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_home_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made"):
        open_storage("sqlite", tmp_path / "file/studies", "study")
