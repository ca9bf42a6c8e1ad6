"""The latch: what has tripped stays so, through restarts, until a person re-arms it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from agv2.core.errors import ConfigError, DataError
from agv2.deploy.verdicts import GuardLevel, GuardRecord, GuardVerdict

__all__ = ["Latched", "Tripwires"]


class Latched(NamedTuple):
    """The tripwires after an event, and what to write down about it."""

    tripwires: "Tripwires"
    records: tuple[GuardRecord, ...]


@dataclass(frozen=True, slots=True)
class Tripwires:
    """Everything that has tripped and was not re-armed; a value, saved by whoever holds it before it is acted on."""

    tripped: Mapping[str, GuardVerdict] = field(default_factory=dict)
    """By guard."""

    def verdict(self) -> GuardVerdict:
        """The strictest of all, the oldest among equals; clear where nothing has tripped."""
        return max(self.tripped.values(), key=lambda one: (one.level, -one.since_ns), default=GuardVerdict.clear())

    def observed(self, findings: Iterable[GuardVerdict], now_ns: int) -> Latched:
        """Latch what guards find now.

        A guard that finds nothing any more stays tripped, and the evidence stays that of the moment at which it
        tripped; only a stricter finding takes its place.

        Args:
            findings: of any guards; clear ones change nothing.
            now_ns: nanoseconds since 1970, UTC.
        """
        tripped, records = dict(self.tripped), []
        for found in findings:
            held = tripped.get(found.guard)
            if found.level == GuardLevel.CLEAR or (held is not None and held.level >= found.level):
                continue
            tripped[found.guard] = replace(found, since_ns=now_ns)
            records.append(GuardRecord("tripped" if held is None else "raised", now_ns, tripped[found.guard]))
        return Latched(Tripwires(tripped), tuple(records)) if records else Latched(self, ())

    def rearmed(self, guard: str, by: str, note: str, now_ns: int) -> Latched:
        """Forget that `guard` tripped. A cause that is still there trips it again at the next look.

        Args:
            guard: its name.
            by: who takes the responsibility; never empty.
            note: why.
            now_ns: nanoseconds since 1970, UTC.

        Raises:
            ConfigError: nobody is named, or the guard has not tripped; names those that have.
        """
        if not by.strip():
            raise ConfigError(f"re-arming {guard} needs the name of a person")
        if guard not in self.tripped:
            open_ones = ", ".join(sorted(self.tripped)) or "nothing has"
            raise ConfigError(f"guard {guard} has not tripped; tripped: {open_ones}")
        tripped = {name: held for name, held in self.tripped.items() if name != guard}
        return Latched(Tripwires(tripped), (GuardRecord("rearmed", now_ns, self.tripped[guard], by.strip(), note),))

    def as_json(self) -> dict[str, Any]:
        """Plain values that `from_json` reads back."""
        return {"tripped": [held.as_json() for held in self.tripped.values()]}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Tripwires":
        """The inverse of `as_json`.

        Raises:
            DataError: it is something else. A latch that cannot be read must not be taken for an open one.
        """
        try:
            held = [GuardVerdict.from_json(one) for one in document["tripped"]]
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise DataError(f"the state of the guards cannot be read ({error}): restore it, or begin anew") from error
        return cls({one.guard: one for one in held})
