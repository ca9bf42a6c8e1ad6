"""The gate as a user meets it, on a bundle that trades at random: looked at, kept, and asked for by live trading."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from agv2.app.cli.main import main
from agv2.app.golive.examination import GateRequest, GateVerdict, examine
from agv2.app.golive.gate_log import GateLog
from agv2.app.golive.permit import live_permit
from agv2.app.trading.request import LivePermit, TradingRequest
from agv2.core.errors import BundleError, ConfigError, DataError
from agv2.core.orders import NO_ORDER
from agv2.execution.journal import Journal, JournalReader
from agv2.execution.journal_records import (
    BarSeen,
    DecisionMade,
    Killed,
    Rearmed,
    RiskSaved,
    Started,
)  # fmt: skip
from agv2.models.array_bytes import npz_bytes
from agv2.models.bundle import ModelBundle
from agv2.models.bundle_manifest import manifest_bytes
from agv2.models.live_reference import LiveReference
from agv2.risk.limits import fresh_risk_state
from agv2.utils.clock import ReplayClock
from agv2.utils.environment import Environment, load_environment
from tests.command_line import called
from tests.untrained_bundles import ToldBars

Command = Callable[..., tuple[int, str, str]]
NS_PER_HOUR = 3_600_000_000_000
NS_PER_DAY = 24 * NS_PER_HOUR
TOUCHED = ("TL_ENVIRONMENT", "TL_EMAIL", "TL_PASSWORD", "TL_SERVER", "TL_ACC_NUM", "DATABASE_URL")


def with_results(bundle: Path, to: Path) -> Path:
    """The bundle in a directory of its own, with 400 days out of sample in its reference."""
    shutil.copytree(bundle, to)
    loaded = ModelBundle.load(to)
    returns = 0.0005 + 0.01 * np.random.default_rng(0).standard_normal(400)
    reference = replace(loaded.reference(), daily_returns={"TREND": returns})
    assert isinstance(reference, LiveReference)
    (to / "reference.npz").write_bytes(npz_bytes(reference.arrays()))
    names = (path for path in to.iterdir() if path.name != "manifest.json")
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in names}
    (to / "manifest.json").write_bytes(manifest_bytes(loaded.manifest, hashes))
    return to


@dataclass(frozen=True, slots=True)
class Shown:
    """A bundle, and the journal of weeks on paper: the last day as it was traded, those before as if they had been."""

    bundle: Path
    home: Path
    now_ns: int

    @property
    def environment(self) -> Environment:
        return load_environment().model_copy(update={"agv2_home": self.home, "database_url": None})

    def clock(self, hours_later: float = 0.0) -> ReplayClock:
        return ReplayClock(self.now_ns + round(hours_later * NS_PER_HOUR))


def as_if_live(recorded: Path, to: Path, n_days: int) -> int:
    """Make a journal over a recording into one over `n_days` live days more; returns when it ends."""
    with JournalReader(recorded) as reader:
        entries = list(reader.entries())
    clock, is_traded = ReplayClock(0), False
    first_ns = next(each.record.bar_ts_ns for each in entries if isinstance(each.record, DecisionMade))
    with Journal(to, clock=clock) as journal:
        for entry in entries:
            record = entry.record
            if isinstance(record, Started):
                journal.append(replace(record, settings=record.settings | {"feed": None}))
                continue
            if isinstance(record, BarSeen) and first_ns - n_days * NS_PER_DAY <= record.bar.ts_ns < first_ns:
                ts_ns, state = record.bar.ts_ns, fresh_risk_state(100_000.0, record.bar.day)
                clock.sleep_until(ts_ns + NS_PER_HOUR)
                journal.append(record, RiskSaved("sim", ts_ns, state))
                template = next(each.record for each in entries if isinstance(each.record, DecisionMade))
                if ts_ns % NS_PER_DAY < 23 * NS_PER_HOUR:  # the last bar of each day came late
                    plan = template.plan._replace(order=NO_ORDER, side=0)
                    journal.append(replace(template, bar_ts_ns=ts_ns, number=0, plan=plan, held_back=""))
                if ts_ns == first_ns - 26 * NS_PER_HOUR:
                    journal.append(Killed("drill", "anna"), Rearmed("over", "anna"))
                continue
            if is_traded := is_traded or (isinstance(record, BarSeen) and record.bar.ts_ns >= first_ns):
                clock.sleep_until(entry.ts_ns)
            journal.append(record)
    return clock.now_ns()


@pytest.fixture(scope="module")
def shown(
    untrained_bundle: Path, told_bars: ToldBars, market_files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Shown:
    folder = tmp_path_factory.mktemp("golive")
    home = folder / "home"
    bundle = with_results(untrained_bundle, folder / "run" / "bundle")
    midnight = int(told_bars.bars.ts_ns[2_500]) // NS_PER_DAY + 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AGV2_HOME", str(home))
        for name in TOUCHED:
            patch.delenv(name, raising=False)
        with pytest.raises(SystemExit) as leaving:
            main([
                "paper", "--bundle", str(bundle), "--feed", str(market_files["TREND"]), "--bars", "25", "--json",
                "--from", str(np.datetime64(midnight, "D")), "--journal", str(folder / "recorded.sqlite"),
            ])  # fmt: skip
        assert not leaving.value.code
    now_ns = as_if_live(folder / "recorded.sqlite", home / "journals" / "paper_TREND_1h.sqlite", 31)
    return Shown(bundle, home, now_ns)


def test_a_model_that_has_shown_everything_passes_and_may_trade_live_for_a_week(shown: Shown, tmp_path: Path) -> None:
    verdict = examine(GateRequest(shown.bundle), shown.environment, shown.clock())
    assert verdict.missing == (), verdict.requirements
    evidence = {each.name: each.evidence for each in verdict.requirements}
    assert "no difference in 24 decisions" in evidence["replay"]
    assert evidence["paper trading"].startswith("32 of 30 trading days")

    environment = shown.environment.model_copy(update={"agv2_home": tmp_path})
    asked: list[GateVerdict] = []

    def permit(hours_later: float = 0.0, override: str | None = None, **changes: object) -> LivePermit | None:
        request = TradingRequest(mode="live", bundle=shown.bundle)
        request = dataclasses.replace(request, **changes)  # type: ignore[arg-type]  # passed through
        return live_permit(request, override, "anna", environment, shown.clock(hours_later), asked.append)

    with pytest.raises(ConfigError, match="agv2 golive never looked at it"):
        permit()
    assert "paper trading" in asked.pop().missing, "the journal is not in this home"
    record = GateLog(environment, shown.clock()).note_verdict(verdict, "anna")
    assert permit(160.0) == LivePermit(
        str(record.head), f"the go-live gate was passed: record {record.number} of go-live.jsonl"
    )
    with pytest.raises(ConfigError, match="it passed the go-live gate 8 days ago, and 7 are the most"):
        permit(190.0)
    from agv2.utils.config import parse_override

    with pytest.raises(ConfigError, match="looked at it under other limits"):
        permit(overrides=(parse_override("risk.profile=conservative"),))

    live_traded(environment, verdict, str(record.head), shown.now_ns + 20 * NS_PER_DAY)
    failed = replace(verdict, requirements=(replace(verdict.requirements[0], is_met=False),))
    GateLog(environment, shown.clock(1.0)).note_verdict(failed, "anna")
    assert permit(22 * 24.0) is not None, "what is live need not go on with paper"
    with pytest.raises(ConfigError, match="it has not passed the go-live gate"):
        permit(30 * 24.0)

    found = permit(30 * 24.0, "my own money")
    assert found is not None
    assert found.is_override
    assert "passed over by anna: my own money; missing: paper trading" in found.words
    with pytest.raises(ConfigError, match="wants a reason"):
        permit(override=" ")
    log = GateLog(environment, shown.clock()).path
    assert json.loads(log.read_text().splitlines()[-1])["body"]["reason"] == "my own money"
    log.write_text(log.read_text().replace("my own", "not my"))
    with pytest.raises(DataError, match="was changed"):
        permit()


def live_traded(environment: Environment, verdict: GateVerdict, permit: str, until_ns: int) -> None:
    """A journal of live trading under a permit."""
    path = environment.home / "journals" / "live_TREND_1h.sqlite"
    with Journal(path, clock=ReplayClock(until_ns)) as journal:
        journal.append(
            Started("live", "venue", ("TREND",), "0", "", verdict.bundle, {"permit": permit}),
            RiskSaved("venue", until_ns, fresh_risk_state(1e5, 1)),
        )


def test_a_damaged_bundle_or_no_journal_shows_nothing(shown: Shown, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(shown.bundle, tmp_path / "broken"))
    (broken / "policy.onnx").write_bytes(b"x")
    found = examine(GateRequest(broken), shown.environment, shown.clock())
    assert len(found.missing) == 8
    assert "policy.onnx: differs from what the manifest says" in found.requirements[0].evidence
    request = TradingRequest(mode="live", bundle=broken)
    with pytest.raises(BundleError):
        live_permit(request, None, "anna", shown.environment, shown.clock(), lambda verdict: None)
    named = dataclasses.replace(request, symbol="TREND", timeframe="1h")
    assert live_permit(named, None, "anna", shown.environment, shown.clock(), lambda verdict: None) is None
    nowhere = examine(GateRequest(shown.bundle, journal=str(tmp_path / "none")), shown.environment, shown.clock())
    assert nowhere.missing[0] == "paper trading"
    assert "there is no journal" in nowhere.requirements[1].evidence


@pytest.fixture
def agv2(shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    monkeypatch.setenv("AGV2_HOME", str(shutil.copytree(shown.home, tmp_path / "home")))
    for name in TOUCHED:
        monkeypatch.delenv(name, raising=False)

    return partial(called, capsys)


def test_the_command_names_what_is_missing_keeps_its_verdict_and_live_refuses(agv2: Command, shown: Shown) -> None:
    """By the clock of the wall the days on paper are long ago."""
    code, out, err = agv2("golive", "--bundle", shown.bundle)
    assert code == 1
    assert "2 of 8 requirements are not met: paper trading, kill switch; the table says what to do" in err
    assert "→ while agv2 paper runs: agv2 kill --reason drill" in " ".join(out.split())
    assert "kept as record 2 of the log go-live" in out
    code, out, _ = agv2("golive", "--bundle", shown.bundle, "--json")
    found = json.loads(out)
    assert (code, found["ok"], found["missing"]) == (1, False, ["paper trading", "kill switch"])
    assert found["record"].startswith("3:")
    assert "3 records" in agv2("audit", "verify", "--account", "go-live")[1]

    code, out, err = agv2("live", "--bundle", shown.bundle)
    assert (code, out) == (1, "")
    assert "6 of 8 shown for TREND" in err
    assert "may not trade real money: it has not passed the go-live gate (missing: paper trading, kill switch)" in err
    code, _, err = agv2("live", "--bundle", shown.bundle, "--risk-real-money-without-gate", "my own money")
    assert code == 1
    assert "REAL MONEY WITHOUT THE GATE: go-live gate passed over by" in err
    assert "not set: TL_ENVIRONMENT" in err
    assert "4 records" in agv2("audit", "verify", "--account", "go-live")[1]
