"""The journal as its users meet it, on both stores."""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import psycopg
import pytest

from agv2.core.account import open_account
from agv2.core.errors import DataError, InvariantError
from agv2.core.orders import NO_ORDER
from agv2.decision.actions import Action
from agv2.decision.planner import Plan
from agv2.execution.broker_messages import BracketChange, BrokerFill, BrokerPosition, WriteOutcome, WriteReply
from agv2.execution.journal import Journal, JournalReader
from agv2.execution.journal_records import (
    RECORD_KINDS,
    BarSeen,
    BracketIntended,
    BrokerSaved,
    DecisionMade,
    FillSeen,
    GuardChanged,
    InputsSeen,
    IntentMade,
    JournalRecord,
    Killed,
    Noted,
    OrderMoved,
    PositionEnded,
    PositionSeen,
    RampSaved,
    Rearmed,
    ReplyReceived,
    RequestSent,
    RiskSaved,
    Started,
    Stopped,
    record_of_json,
    record_to_json,
)
from agv2.execution.order_states import OrderEvent, OrderState
from agv2.execution.order_track import IntentKind
from agv2.risk.level_stop import NearLevels
from agv2.risk.limits import fresh_risk_state
from agv2.risk.position_sizer import AccountView
from agv2.utils.clock import ReplayClock
from tests.factories import a_bar

ODD = 0.1 + 0.2
ROW = np.array([0.1, np.nan], dtype=np.float32)

ONE_OF_EACH: list[JournalRecord] = [
    Started("paper", "sim", ("ETHUSD",), "0.1.0+abc", "c0ffee", "b0b", {"timeframe": "1m", "seed": 7}),
    BarSeen("ETHUSD", "1m", a_bar(close=ODD, volume=float("nan"))),
    InputsSeen("ETHUSD", 5, 1e-3, NearLevels(99.0, float("nan")), InputsSeen.packed_row(ROW),
               AccountView(100_000.0, 0.0, 0)),
    DecisionMade("ETHUSD", 5, "ab" * 32, Action(1, 0.5, 1.5, 3.0), Plan(NO_ORDER, 1, 99.0, 0.0, 1.0, 0.0, 1), 0.5,
                 float("-inf"), open_account(100_000.0, 100.5)),
    RiskSaved("account", 5, fresh_risk_state(100_000.0, 20_000)),
    RampSaved("ETHUSD", 1, 0.25, 3, "a clean day", {"day": 20_000, "band": None}),
    IntentMade("agv2-abc-1", IntentKind.OPEN, "ETHUSD", -ODD, 101.0, 97.0, 3, 1, 5),
    RequestSent("agv2-abc-1", "submit"),
    ReplyReceived("agv2-abc-1", "submit", WriteReply(WriteOutcome.UNKNOWN, None, "no answer", 0.5)),
    OrderMoved("agv2-abc-1", "ETHUSD", OrderState.SENT, OrderEvent.DOUBT, OrderState.UNKNOWN, 0.0, None, None, None),
    BracketIntended(BracketChange("ETHUSD", "77", 99.0, 0.0, 5, True)),
    FillSeen(BrokerFill("f1", "ETHUSD", -1, ODD, 100.1, 9, "8", "77", "agv2-abc-1", None, None, 1, 5)),
    PositionSeen(BrokerPosition("77", "ETHUSD", -ODD, 100.1, 101.0, 97.0, "agv2-abc-1", 9, -0.3), True),
    PositionEnded("77", "ETHUSD", True),
    BrokerSaved({"books": [1, 2.5, None]}),
    Noted("alarm", "ein fremder Auftrag: 123 €", "ETHUSD"),
    Killed("daily loss", "risk"),
    Rearmed("looked into it", "anna"),
    GuardChanged("ETHUSD", "tripped", "drift", "halt", "a feature is astray", {"column": "gap", "limit_share": ODD}),
    Stopped("asked to"),
]  # fmt: skip


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "deep" / "journal.db")
    return str(request.getfixturevalue("postgres_url"))


def texts(journal: JournalReader) -> list[str]:
    return [f"{entry.record.kind} {record_to_json(entry.record)}" for entry in journal.entries()]


def test_every_kind_of_record_is_in_the_list() -> None:
    assert [record.kind for record in ONE_OF_EACH] != []
    assert {record.kind for record in ONE_OF_EACH} == set(RECORD_KINDS)


@pytest.mark.parametrize("record", ONE_OF_EACH, ids=lambda record: record.kind)
def test_a_record_comes_back_as_it_was_written(record: JournalRecord) -> None:
    text = record_to_json(record)
    again = record_of_json(record.kind, text)
    assert type(again) is type(record)
    assert repr(again) == repr(record)  # NaN is not equal to itself; its text is
    assert record_to_json(again) == text


def test_whoever_listens_hears_of_what_is_safe(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    heard: list[tuple[str, int]] = []

    def listening(record: JournalRecord) -> None:
        with JournalReader(path) as reader:
            heard.append((record.kind, reader.last_seq()))

    with Journal(path) as journal:
        journal.append(Killed("before", "anna"))
        journal.listen(listening)
        journal.append(Rearmed("one", "anna"), Stopped("two"))
        with pytest.raises(TypeError):
            journal.append(Started("paper", "sim", (), "", "", "", {"no": object()}))
    assert heard == [("rearm", 3), ("stopped", 3)]


def test_a_market_row_survives_bit_for_bit() -> None:
    row = np.random.default_rng(0).normal(size=300).astype(np.float32)
    record = InputsSeen("X", 1, 0.1, NearLevels(1.0, 2.0), InputsSeen.packed_row(row), AccountView(1.0, 0.0, 0))
    again = record_of_json("inputs", record_to_json(record))
    assert isinstance(again, InputsSeen)
    assert again.row().tobytes() == row.tobytes()


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [("tomorrow", "{}", "does not know"), ("kill", '{"reason":"x"}', "by"), ("kill", '{"rea', "cannot be read")],
)
def test_a_record_that_cannot_be_read_says_so(kind: str, body: str, says: str) -> None:
    with pytest.raises(DataError, match=says):
        record_of_json(kind, body)


def test_what_was_written_is_read_in_order_and_numbered_without_a_hole(location: str) -> None:
    clock = ReplayClock(1_000)
    with Journal(location, run="r1", clock=clock) as journal:
        assert journal.last_seq() == 0
        assert journal.append(*ONE_OF_EACH[:3]) == 3
        clock.advance_to(2_000)
        assert journal.append() == 3
        assert journal.append(*ONE_OF_EACH[3:]) == len(ONE_OF_EACH)
        identity = journal.identity
    with Journal(location, run="r2") as journal:
        assert journal.append(ONE_OF_EACH[0]) == len(ONE_OF_EACH) + 1
        assert journal.identity == identity
        entries = list(journal.entries())
    assert [entry.seq for entry in entries] == list(range(1, len(ONE_OF_EACH) + 2))
    assert [repr(entry.record) for entry in entries] == [repr(record) for record in [*ONE_OF_EACH, ONE_OF_EACH[0]]]
    assert [entry.ts_ns for entry in entries[:4]] == [1_000, 1_000, 1_000, 2_000]
    assert [entry.run for entry in entries[-2:]] == ["r1", "r2"]


def test_records_are_found_by_kind_symbol_and_place(location: str) -> None:
    with Journal(location) as journal:
        journal.append(*(Noted("info", str(number), "AB"[number % 2]) for number in range(2_500)), ONE_OF_EACH[0])
        assert sum(1 for _ in journal.entries()) == 2_501
        assert [entry.seq for entry in journal.entries(2_498)] == [2_499, 2_500, 2_501]
        assert [entry.seq for entry in journal.entries(2_490, kinds=[Noted, Killed], symbol="A")] == list(
            range(2_491, 2_501, 2)
        )
        newest = journal.newest(Noted, "A")
        assert newest is not None
        assert newest.seq == 2_499
        assert journal.newest(Noted) is not None
        assert journal.newest(Killed) is None
        assert journal.newest(Noted, "C") is None


def test_readers_see_what_is_written_while_it_is_written(location: str) -> None:
    with Journal(location) as journal, JournalReader(location) as reader:
        for number in range(5):
            journal.append(Noted("info", str(number)))
            assert reader.last_seq() == number + 1
        assert reader.identity == journal.identity


def test_a_second_trader_is_kept_out_until_the_first_is_gone(location: str) -> None:
    first = Journal(location)
    with pytest.raises(DataError, match="another trader writes"):
        Journal(location)
    first.append(ONE_OF_EACH[0])
    first.close()
    with Journal(location) as second:
        assert second.append(ONE_OF_EACH[0]) == 2


def test_a_reader_does_not_make_a_journal(location: str) -> None:
    with pytest.raises(DataError, match="at its first start"):
        JournalReader(location)


def test_nothing_that_was_written_can_be_changed(tmp_path: Path, postgres_url: str) -> None:
    for where in (str(tmp_path / "j.db"), postgres_url):
        with Journal(where) as journal:
            journal.append(*ONE_OF_EACH[:2])
    with sqlite3.connect(tmp_path / "j.db") as connection:
        for statement in ("UPDATE entries SET body = '{}'", "DELETE FROM entries"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
    connection.close()
    with psycopg.connect(postgres_url, autocommit=True) as server:
        for statement in ("UPDATE agv2_journal.entries SET body = ''", "DELETE FROM agv2_journal.entries",
                          "TRUNCATE agv2_journal.entries"):  # fmt: skip
            with pytest.raises(psycopg.errors.RaiseException, match="append-only"):
                server.execute(statement.encode())


def _open_writer(where: str | Path) -> None:
    Journal(where)


def _open_reader(where: str | Path) -> None:
    JournalReader(where)


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path, postgres_url: str) -> None:
    path = tmp_path / "j.db"
    Journal(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    Journal(postgres_url).close()
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute("INSERT INTO agv2_journal.schema_migrations VALUES ('0099_later', '')")
    for open_it in (_open_writer, _open_reader):
        with pytest.raises(DataError, match="newer AGV2"):
            open_it(path)
    with pytest.raises(DataError, match="does not know"):
        Journal(postgres_url)


@pytest.mark.parametrize("content", [b"not a database, but long enough to look like a file of some kind" * 20, b"PNG"])
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "j.db"
    path.write_bytes(content)
    for open_it in (_open_writer, _open_reader):
        with pytest.raises(DataError):
            open_it(path)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE letters (text)")
    connection.close()
    with pytest.raises(DataError, match="no journal of AGV2"):
        Journal(path)


def test_two_journals_of_one_database_know_nothing_of_each_other(postgres_url: str) -> None:
    with Journal(postgres_url, name="a") as first, Journal(postgres_url, name="b") as second:
        first.append(ONE_OF_EACH[0])
        assert second.last_seq() == 0
        assert first.identity != second.identity


def test_a_writer_whose_server_was_lost_goes_on_without_a_hole_or_a_repeat(postgres_url: str) -> None:
    with Journal(postgres_url) as journal:
        journal.append(ONE_OF_EACH[0])
        with psycopg.connect(postgres_url, autocommit=True) as server:
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                           "AND pid <> pg_backend_pid()")  # fmt: skip
        assert journal.append(ONE_OF_EACH[1]) == 2
        assert [entry.seq for entry in journal.entries()] == [1, 2]


def test_a_writer_that_was_replaced_while_its_connection_was_lost_stops(postgres_url: str) -> None:
    with Journal(postgres_url) as old:
        old.append(ONE_OF_EACH[0])
        with psycopg.connect(postgres_url, autocommit=True) as server:
            server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                           "AND pid <> pg_backend_pid()")  # fmt: skip
        with Journal(postgres_url) as new:
            new.append(ONE_OF_EACH[1])
            with pytest.raises(InvariantError, match="taken over"):
                old.append(ONE_OF_EACH[2])
            assert new.last_seq() == 2


@pytest.mark.parametrize("cut", [1, 100, 2_000, 4_100])
def test_a_torn_last_record_is_gone_and_all_before_it_are_there(tmp_path: Path, cut: int) -> None:
    source = tmp_path / "j.db"
    journal = Journal(source)
    for number in range(20):
        journal.append(Noted("info", "x" * 200 + str(number)))
    torn = tmp_path / "torn" / "j.db"
    torn.parent.mkdir()
    torn.write_bytes(source.read_bytes())
    log = (tmp_path / "j.db-wal").read_bytes()
    journal.close()
    (tmp_path / "torn" / "j.db-wal").write_bytes(log[:-cut])
    with Journal(torn) as again:
        kept = again.last_seq()
        assert 18 <= kept <= 19
        assert [entry.seq for entry in again.entries()] == list(range(1, kept + 1))
        assert again.append(Noted("info", "on")) == kept + 1


WRITER = """
import sys
from agv2.execution.journal import Journal
from agv2.execution.journal_records import Noted
journal = Journal(sys.argv[1])
number = journal.last_seq()
while True:
    number += 1
    assert journal.append(Noted("info", str(number))) == number
    print(number, flush=True)
"""


def test_whatever_was_acknowledged_survives_sigkill(location: str) -> None:
    told = 0
    for _ in range(3):
        with subprocess.Popen([sys.executable, "-c", WRITER, location], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            for _ in range(25):
                told = int(child.stdout.readline())
            child.send_signal(signal.SIGKILL)
            rest = [int(line) for line in child.stdout.read().split()]
            told = max([told, *rest])
        with JournalReader(location) as reader:
            kept = [entry.record for entry in reader.entries()]
        assert [record.text for record in kept if isinstance(record, Noted)] == [
            str(number) for number in range(1, len(kept) + 1)
        ]
        assert told <= len(kept) <= told + 1


def test_a_full_disk_is_one_clear_line_and_loses_nothing(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.db") as journal:
        journal.append(Noted("info", "first"))
        journal._store._connection.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]  # SQLite's own way to be full
        with pytest.raises(DataError, match="full"):
            journal.append(Noted("info", "x" * 2_000_000))
        journal._store._connection.execute("PRAGMA max_page_count = 100000")  # type: ignore[attr-defined]
        assert journal.append(Noted("info", "second")) == 2


def test_a_commit_is_on_the_disk_before_it_returns(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.db") as journal:
        ask = journal._store._connection.execute  # type: ignore[attr-defined]  # what SQLite itself says it does
        assert ask("PRAGMA journal_mode").fetchone() == ("wal",)
        assert ask("PRAGMA synchronous").fetchone() == (2,)  # FULL
