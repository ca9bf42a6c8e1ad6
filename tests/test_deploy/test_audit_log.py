import json
import os
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from agv2.core.errors import ConfigError, DataError, StateError
from agv2.deploy.audit_chain import AuditKind, ChainHead, read_records, record_line, verify_chain
from agv2.deploy.audit_log import AuditLog
from agv2.deploy.audit_table import export_audit
from agv2.utils.clock import ReplayClock

NOON_NS = 1_800_000_000 * 10**9


def a_decision(number: int) -> dict[str, object]:
    return {
        "symbol": "XAUUSD",
        "model": "ab" * 32,
        "probabilities": {"position": [0.5, 0.25, 0.25]},
        "bar_ts_ns": number,
    }


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """Six records: the opening one and five decisions."""
    path = tmp_path / "audit" / "decisions.jsonl"
    with AuditLog(path, ReplayClock(NOON_NS)) as log:
        for number in range(5):
            log.append(AuditKind.DECISION, a_decision(number))
    return path


def test_an_untouched_chain_is_whole(chain: Path) -> None:
    report = verify_chain(chain)
    assert (report.records, report.problem, report.torn_bytes, report.anchored) == (6, "", 0, True)
    assert [record.number for record in read_records(chain)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("place", [1, 3, 6])
def test_a_changed_byte_is_named_by_its_record(chain: Path, place: int) -> None:
    lines = chain.read_bytes().splitlines(keepends=True)
    lines[place - 1] = lines[place - 1].replace(b'"body"', b'"bodi"')
    chain.write_bytes(b"".join(lines))
    report = verify_chain(chain)
    assert (report.first_bad, report.records) == (place, place - 1)
    assert report.problem.startswith(f"record {place} ")


def test_every_single_byte_counts(chain: Path) -> None:
    content = bytearray(chain.read_bytes())
    for at in range(0, len(content), 37):
        changed = bytearray(content)
        changed[at] ^= 1
        chain.write_bytes(changed)
        line = bytes(content[:at]).count(b"\n") + 1
        report = verify_chain(chain)
        assert report.first_bad == line or (report.torn_bytes and line == 6), at


def test_a_record_that_was_changed_together_with_its_hash_is_betrayed_by_the_next(chain: Path) -> None:
    lines = chain.read_bytes().splitlines(keepends=True)
    old = json.loads(lines[2])
    lines[2], _ = record_line(3, old["ts_ns"], old["kind"], {"symbol": "OTHER"}, old["prev"])
    chain.write_bytes(b"".join(lines))
    assert verify_chain(chain).first_bad == 4


def test_a_removed_and_an_exchanged_record_are_named(chain: Path) -> None:
    lines = chain.read_bytes().splitlines(keepends=True)
    chain.write_bytes(b"".join(lines[:3] + lines[4:]))
    assert "record 4 is missing" in verify_chain(chain).problem
    chain.write_bytes(b"".join([*lines[:2], lines[3], lines[2], *lines[4:]]))
    assert verify_chain(chain).first_bad == 3


def test_an_end_that_was_cut_off_is_noticed_by_the_head_beside_it(chain: Path, tmp_path: Path) -> None:
    lines = chain.read_bytes().splitlines(keepends=True)
    chain.write_bytes(b"".join(lines[:4]))
    report = verify_chain(chain)
    assert report.problem == "records 5 to 6 are missing: the end was cut off"
    assert report.first_bad == 5
    with pytest.raises(StateError, match="records 5 to 6 are missing"):
        AuditLog(chain, ReplayClock(NOON_NS))


def test_who_cuts_the_head_as_well_is_caught_only_by_a_head_kept_elsewhere(chain: Path) -> None:
    noted = verify_chain(chain).head
    lines = chain.read_bytes().splitlines(keepends=True)
    chain.write_bytes(b"".join(lines[:4]))
    chain.with_name(chain.name + ".head").unlink()
    report = verify_chain(chain)
    assert (report.problem, report.anchored) == ("", False), "said honestly: nothing can be told without an anchor"
    assert verify_chain(chain, [noted]).first_bad == 5
    assert ChainHead.parse(str(noted)) == noted


def test_a_chain_written_anew_is_caught_by_a_head_kept_elsewhere(chain: Path) -> None:
    noted = verify_chain(chain).head
    for name in (chain, chain.with_name(chain.name + ".head")):
        name.unlink()
    with AuditLog(chain, ReplayClock(NOON_NS)) as log:
        for number in range(5):
            log.append(AuditKind.DECISION, a_decision(number))
    assert verify_chain(chain).problem == ""
    assert verify_chain(chain, [noted]).first_bad == 6


def test_a_torn_last_line_is_put_aside_and_the_chain_goes_on(chain: Path) -> None:
    whole = chain.read_bytes()
    chain.write_bytes(whole + b'{"body":{"symbol":"XAU')
    assert verify_chain(chain).torn_bytes == 22
    with AuditLog(chain, ReplayClock(NOON_NS)) as log:
        log.append(AuditKind.STOPPED, {})
    report = verify_chain(chain)
    assert (report.records, report.problem, report.torn_bytes) == (7, "", 0)
    assert chain.with_name(chain.name + ".torn-7").read_bytes() == b'{"body":{"symbol":"XAU'


def test_a_head_that_lags_after_a_power_cut_does_not_stop_the_chain(chain: Path) -> None:
    head = chain.with_name(chain.name + ".head")
    third = [record.head for record in read_records(chain)][2]
    head.write_text(f"{third}\n")
    assert verify_chain(chain).problem == ""
    with AuditLog(chain, ReplayClock(NOON_NS)) as log:
        assert log.head.number == 6
    assert ChainHead.parse(head.read_text()).number == 6


def test_an_unreadable_head_is_said_and_not_taken_for_a_proof(chain: Path) -> None:
    chain.with_name(chain.name + ".head").write_text("nonsense")
    report = verify_chain(chain)
    assert "unreadable" in report.problem
    assert (report.records, report.first_bad, report.anchored) == (6, 0, False)


def test_two_processes_never_write_one_chain(chain: Path) -> None:
    with AuditLog(chain, ReplayClock(NOON_NS)), pytest.raises(StateError, match="another process writes"):
        AuditLog(chain, ReplayClock(NOON_NS))


def test_a_record_that_did_not_reach_the_disk_ends_the_chain(chain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(chain, ReplayClock(NOON_NS))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space left"):
        log.append(AuditKind.DECISION, a_decision(9))
    monkeypatch.undo()
    with pytest.raises(StateError, match="an earlier record"):
        log.append(AuditKind.DECISION, a_decision(10))
    log.close()


def test_killed_while_it_writes_it_has_lost_nothing_that_it_had_confirmed(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    program = (
        "import sys, pathlib\n"
        "from agv2.deploy.audit_chain import AuditKind\n"
        "from agv2.deploy.audit_log import AuditLog\n"
        "from agv2.utils.clock import SystemClock\n"
        "log = AuditLog(pathlib.Path(sys.argv[1]), SystemClock())\n"
        "while True:\n"
        "    print(log.append(AuditKind.DECISION, {'fill': 'x' * 5000}).number, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    confirmed = [process.stdout.readline() for _ in range(20)]
    time.sleep(0.02)
    process.kill()
    confirmed += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    last = max(int(line) for line in confirmed if line.endswith("\n"))
    report = verify_chain(path)
    assert report.problem == ""
    assert report.records >= last
    with AuditLog(path, ReplayClock(NOON_NS)) as log:
        assert log.append(AuditKind.STOPPED, {}).number == report.records + 1


def test_the_table_has_every_record(chain: Path, tmp_path: Path) -> None:
    out = tmp_path / "audit.parquet"
    assert export_audit(chain, out) == 6
    frame = pl.read_parquet(out)
    assert frame["kind"].to_list() == ["opened"] + ["decision"] * 5
    assert frame["p_position"].to_list()[1:] == [[0.5, 0.25, 0.25]] * 5
    assert frame["ts"].dtype == pl.Datetime("us", "UTC")
    assert json.loads(frame["body"][3])["symbol"] == "XAUUSD"
    with pytest.raises(ConfigError, match="is there already"):
        export_audit(chain, out)


def test_a_changed_chain_is_not_exported(chain: Path, tmp_path: Path) -> None:
    chain.write_bytes(chain.read_bytes().replace(b"XAUUSD", b"XAUEUR", 1))
    with pytest.raises(DataError, match="record 2 was changed"):
        export_audit(chain, tmp_path / "audit.parquet")
    with pytest.raises(DataError, match="record 2 was changed"):
        list(read_records(chain))
    assert not (tmp_path / "audit.parquet").exists()
