import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from agv2.app.watchdog import Watchdog
from agv2.app.watchdog_alerts import watchdog_alerts
from agv2.core.errors import ConfigError, DataError
from agv2.deploy.safeguards import Beat, Heartbeat
from agv2.utils.clock import ReplayClock, SystemClock
from tests.receivers import Receiver

S = 1_000_000_000
TRADER = """
import sys, time
from pathlib import Path
from agv2.deploy.safeguards import Beat, Heartbeat
number = 0
while True:
    number += 1
    Heartbeat(Path(sys.argv[1])).beat(Beat(number, 0, {pid}, "demo", False))
    time.sleep(0.1)
"""


def dog_of(folder: Path, action: list[str]) -> tuple[Watchdog, list[str]]:
    told: list[str] = []
    return Watchdog(folder / "heartbeat.json", 60.0, action, ReplayClock(0), ReplayClock(1000 * S), told.append), told


def touch(path: Path) -> list[str]:
    return [sys.executable, "-c", f"open({str(path)!r}, 'a').write('x')"]


def test_silence_latches_is_written_down_and_acted_on(tmp_path: Path) -> None:
    dog, told = dog_of(tmp_path, touch(tmp_path / "flat"))
    Heartbeat(dog.heartbeat).beat(Beat(1, 0, 42, "demo XAUUSD", False))
    found = dog.watch()
    assert found.flatten
    assert 60.0 < float(found.evidence["silent_s"]) <= 65.0
    assert (tmp_path / "flat").read_text() == "x"
    (record,) = [json.loads(line) for line in dog.records.read_text().splitlines()]
    assert (record["event"], record["guard"], record["level"], record["at_ns"]) == (
        "tripped", "heartbeat", "flatten", 1000 * S,
    )  # fmt: skip
    assert told[0] == "trader demo XAUUSD (process 42) lives"


def test_it_stays_tripped_through_a_restart_until_a_person_rearms_it(tmp_path: Path) -> None:
    dog, _ = dog_of(tmp_path, touch(tmp_path / "flat"))
    Heartbeat(dog.heartbeat).beat(Beat(1, 0, 42, "demo", False))
    dog.watch()
    again, _ = dog_of(tmp_path, touch(tmp_path / "flat"))
    with pytest.raises(ConfigError, match=r"tripped before.*--rearm NAME"):
        again.watch()
    with pytest.raises(ConfigError, match="name of a person"):
        again.rearm("", "")
    again.rearm("Ada", "machine replaced")
    last = json.loads(dog.records.read_text().splitlines()[-1])
    assert (last["event"], last["by"], last["note"]) == ("rearmed", "Ada", "machine replaced")
    assert not again.tripped().verdict().halted


def test_an_action_that_fails_is_tried_again(tmp_path: Path) -> None:
    script = f"import sys; p = {str(tmp_path / 'tries')!r}; open(p, 'a').write('x'); sys.exit(len(open(p).read()) < 3)"
    dog, told = dog_of(tmp_path, [sys.executable, "-c", script])
    Heartbeat(dog.heartbeat).beat(Beat(1, 0, 42, "demo", False))
    dog.watch()
    assert (tmp_path / "tries").read_text() == "xxx"
    assert sum("again in 5 s" in line for line in told) == 2


def test_a_heartbeat_that_turns_to_nonsense_is_silence(tmp_path: Path) -> None:
    dog, told = dog_of(tmp_path, touch(tmp_path / "flat"))
    heart = Heartbeat(dog.heartbeat)
    heart.beat(Beat(1, 0, 42, "demo", False))

    class Breaking(ReplayClock):
        def sleep_until(self, ts_ns: int) -> None:
            super().sleep_until(ts_ns)
            heart.path.write_text("{")

    Watchdog(dog.heartbeat, 60.0, dog.action, Breaking(0), ReplayClock(0), told.append).watch()
    assert sum("not a heartbeat" in line for line in told) == 1
    assert (tmp_path / "flat").is_file()


def test_a_latch_that_cannot_be_read_stops_it(tmp_path: Path) -> None:
    dog, _ = dog_of(tmp_path, touch(tmp_path / "flat"))
    dog.latch.write_text("{")
    with pytest.raises(DataError, match=r"heartbeat\.tripped\.json: cannot be read"):
        dog.watch()


def test_a_killed_trader_is_flattened_by_the_command(tmp_path: Path) -> None:
    heartbeat, flat = tmp_path / "heartbeat.json", tmp_path / "flat"
    trader = subprocess.Popen([sys.executable, "-c", TRADER.format(pid=os.getpid()), str(heartbeat)])
    clock = SystemClock()
    try:
        while not heartbeat.is_file():
            time.sleep(0.05)
        words = ["watchdog", "--heartbeat", str(heartbeat), "--silent", "3", "--", *touch(flat)]
        dog = subprocess.Popen([sys.executable, "-m", "agv2.app.cli.main", *words], stdout=subprocess.PIPE, text=True)
        assert dog.stdout is not None
        while "lives" not in dog.stdout.readline():
            pass
        time.sleep(4.0)
        assert not flat.exists(), "a living trader was flattened"
        trader.send_signal(signal.SIGKILL)
        killed_ns = clock.now_ns()
        output, _ = dog.communicate(timeout=60)
        assert dog.returncode == 1
        assert flat.is_file()
        assert "silent for" in output
        assert (clock.now_ns() - killed_ns) / S < 30.0  # 3 s of silence, a quarter of a second, and a slow machine
    finally:
        trader.kill()
        trader.wait()


def test_people_are_told_before_it_acts(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGV2_WEBHOOK_URL", receiver.url)
    heart = Heartbeat(tmp_path / "heartbeat.json")
    heart.beat(Beat(1, 0, 42, "demo", False))
    with watchdog_alerts(heart.path, None, ()) as alert:
        dog, _ = dog_of(tmp_path, touch(tmp_path / "flat"))
        replace(dog, alert=alert).watch()
    (told,) = [alert for heard in receiver.heard for alert in heard.json["alerts"]]
    assert (told["event"], told["source"]) == ("guard_tripped", "watchdog of heartbeat.json")
    assert "the trader (process 42) has been silent" in told["text"]
