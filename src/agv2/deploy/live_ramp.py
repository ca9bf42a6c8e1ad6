"""The ramp of live trading: the size of new positions grows by steps while results stay in the backtest's band.

Its state is a fold of the journal: what was decided, what the account was worth, when trading was halted. A trading day
is judged once the first bar of the next is known, and what came of it is written down before a position of another
size is opened.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import structlog

from agv2.core.errors import DataError
from agv2.deploy.golive_config import RampConfig
from agv2.deploy.pnl_band import PnlBand, PnlState
from agv2.execution.journal import Journal, JournalReader
from agv2.execution.journal_records import (
    DecisionMade,
    JournalRecord,
    Killed,
    Noted,
    RampSaved,
    Rearmed,
    RiskSaved,
    Started,
)  # fmt: skip

__all__ = ["LiveRamp", "RampState", "saved_ramp"]

_FOLDED: tuple[type[JournalRecord], ...] = (Started, DecisionMade, RiskSaved, Killed, Rearmed)
_RUIN = 1e-9


@dataclass(frozen=True, slots=True)
class RampState:
    """Everything that a ramp remembers."""

    model: str = ""
    """Digest of the bundle that trades; another one begins at the first step."""
    step: int = 0
    clean_days: int = 0
    """Trading days at this step in the band and without a halt."""
    day: int = -1
    """Trading day under way; -1 before the first bar."""
    has_decided: bool = False
    """Whether a decision of that day was free to open a position."""
    is_halted: bool = False
    """Whether trading is halted now."""
    was_halted: bool = False
    """Whether it was at any moment of that day."""
    held_share: float = 1.0
    """Of the permitted size, at which what is held was opened."""
    equity: float = 0.0
    """Of the account at the last bar; 0 before the first."""
    full_equity: float = 1.0
    """What it would have grown to from 1, had every position had its permitted size."""
    band: PnlState | None = None
    reason: str = "the first day"
    """What the last finished day brought."""

    def as_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back bit by bit."""
        return asdict(self) | {"band": None if self.band is None else self.band.as_json()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "RampState":
        """The inverse of `as_json`.

        Raises:
            DataError: it is something else.
        """
        try:
            band = document["band"]
            return cls(**{**document, "band": None if band is None else PnlState.from_json(band)})
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"the ramp's state in the journal cannot be read ({error}); upgrade AGV2") from error


def saved_ramp(journal: JournalReader, symbol: str) -> tuple[RampState, int]:
    """The state that was written down last, and its number in the journal; fresh and 0 where there is none."""
    entry = journal.newest(RampSaved, symbol)
    if entry is None or not isinstance(entry.record, RampSaved):
        return RampState(), 0
    return RampState.from_json(entry.record.memory), entry.seq


class LiveRamp:
    """The ramp of one symbol's live trader; a `SizeRamp`.

    A day at a step counts if a decision could open a position, trading was not halted, and results are in the band;
    so many in a row, and the next step begins. A day out of the band goes back one step and begins the band anew; a
    halt, whoever threw it, begins the step's count anew. Results are counted as if every position had had its permitted
    size, or a tenth of it would hide ten times the band's limit.

    Args:
        journal: of the trader, open for writing.
        symbol: what is traded.
        config: steps.
        band: of the bundle's backtest; or why there is none: then the ramp stays where it is.
    """

    def __init__(self, journal: Journal, symbol: str, config: RampConfig, band: PnlBand | str) -> None:
        self._journal, self._symbol, self._config, self._band = journal, symbol, config, band
        self._state, self._read_to = saved_ramp(journal, symbol)

    @property
    def state(self) -> RampState:
        """After the last look at the journal."""
        return self._state

    def share(self) -> float:
        """Of the permitted size, that a position decided now may have; what changed is in the journal.

        Raises:
            DataError: the journal cannot be read or written.
        """
        before = self._state
        for entry in self._journal.entries(self._read_to, kinds=_FOLDED):
            self._state = self._after(self._state, entry.record)
            self._read_to = entry.seq
        if (self._state.day, self._state.model) != (before.day, before.model):
            self._read_to = self._save(before)
        return self._config.shares[self._step]

    def words(self) -> str:
        """Share, step and day, for a person."""
        state, shares = self._state, self._config.shares
        words = f"{shares[self._step]:.0%}, step {self._step + 1} of {len(shares)}"
        if self._step + 1 == len(shares):
            return words
        if isinstance(self._band, str):
            return f"{words}, and stays: {self._band}"
        return f"{words}, {state.clean_days} of {self._config.days_per_step} days"

    @property
    def _step(self) -> int:
        """The settings may have fewer steps than those under which it was reached."""
        return min(self._state.step, len(self._config.shares) - 1)

    def _save(self, before: RampState) -> int:
        state = self._state
        records: list[JournalRecord] = [
            RampSaved(
                self._symbol, self._step, self._config.shares[self._step], state.clean_days, state.reason,
                state.as_json(),
            )
        ]  # fmt: skip
        if state.step != before.step or state.model != before.model:
            level = "warning" if state.step < before.step else "info"
            text = f"size of new positions: {self.words()}; {state.reason}"
            records.append(Noted(level, text, self._symbol))
            structlog.get_logger().log(30 if level == "warning" else 20, text, symbol=self._symbol)
        return self._journal.append(*records)

    # ------------------------------------------------------------------------------------------------ the fold

    def _after(self, state: RampState, record: JournalRecord) -> RampState:
        match record:
            case Started() if record.bundle_digest and record.bundle_digest != state.model:
                # What is held was opened at the share of then, whoever chose it.
                halted, share = state.is_halted, state.held_share
                return RampState(record.bundle_digest, is_halted=halted, was_halted=halted, held_share=share)
            case Killed():
                return replace(state, is_halted=True, was_halted=True)
            case Rearmed():
                return replace(state, is_halted=False)
            case DecisionMade() if record.symbol == self._symbol:
                return self._after_decision(state, record)
            case RiskSaved():
                return self._after_equity(state, record.state.day, record.state.last_equity)
            case _:
                return state

    def _after_decision(self, state: RampState, made: DecisionMade) -> RampState:
        opens = made.plan.side != 0 and made.plan.order.units != 0.0
        return replace(
            state,
            has_decided=state.has_decided or not made.held_back,
            held_share=made.size_share if opens else state.held_share,
        )

    def _after_equity(self, state: RampState, day: int, equity: float) -> RampState:
        if state.equity > 0.0:
            grown = 1.0 + (equity / state.equity - 1.0) / state.held_share
            state = replace(state, full_equity=max(state.full_equity * grown, _RUIN))
        state = replace(state, equity=equity)
        if isinstance(self._band, str):
            return replace(state, day=max(day, state.day), reason=self._band)
        band = self._band.observe(state.band or self._band.fresh(), day, state.full_equity)
        finished = state.day >= 0 and day > state.day
        state = replace(state, band=band, day=max(day, state.day))
        return self._judged(state, self._band) if finished else state

    def _judged(self, state: RampState, band: PnlBand) -> RampState:
        """After a finished day."""
        assert state.band is not None  # observed before
        finding, last = band.finding(state.band), len(self._config.shares) - 1
        step, clean_days, memory = min(state.step, last), state.clean_days, state.band
        if finding.halted:
            step, clean_days, memory = max(step - 1, 0), 0, band.forgotten(memory)
            reason = f"out of the band: {finding.reason}"
        elif state.was_halted:
            clean_days, reason = 0, "trading was halted: the step begins anew"
        elif not state.has_decided:
            reason = "no decision was free to open a position: the day does not count"
        else:
            clean_days, reason = clean_days + 1, "in the band, no halt"
            if step < last and clean_days >= self._config.days_per_step:
                step, clean_days, reason = step + 1, 0, f"{clean_days} such days: the next step"
        return replace(
            state, step=step, clean_days=clean_days, band=memory, reason=reason, has_decided=False,
            was_halted=state.is_halted,
        )  # fmt: skip
