"""`agv2 kill`, `flatten` and `rearm` where nobody trades, or not what was named."""

from pathlib import Path

import pytest

from agv2.execution.kill_switch import KillSwitch
from agv2.utils.clock import SystemClock
from tests.command_line import called


@pytest.mark.parametrize("command", ["kill", "flatten", "rearm"])
def test_a_journal_that_no_trader_wrote_is_an_error_and_not_a_halt(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AGV2_HOME", str(tmp_path))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    real = KillSwitch(tmp_path / "switches", str(tmp_path / "live.sqlite"), SystemClock())
    real.register()
    said = called(capsys, command, "--journal", tmp_path / "elsewhere" / "live.sqlite", "--reason", "a slip")
    assert said.code == 1
    assert f"no trader ever wrote it; there are: {tmp_path / 'live.sqlite'}" in said.err
    assert not real.state().is_thrown
    named = called(capsys, "kill", "--journal", tmp_path / "live.sqlite", "--reason", "meant")
    assert (named.code, real.state().is_thrown) == (0, True)
