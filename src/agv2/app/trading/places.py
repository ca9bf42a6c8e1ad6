"""Where a trader's journal and kill switch are."""

from pathlib import Path
from urllib.parse import urlsplit

from agv2.core.errors import ConfigError
from agv2.execution.journal import Journal, JournalReader
from agv2.execution.kill_switch import KillSwitch, all_switches
from agv2.utils.clock import Clock
from agv2.utils.environment import Environment

__all__ = [
    "guards_file", "journal_location", "kill_switch", "kill_switches", "known_journals", "open_journal", "read_journal",
    "with_password",
]  # fmt: skip

_DATABASES = ("postgresql", "postgres")


def journal_location(environment: Environment, mode: str, symbol: str, timeframe: str, given: str | None) -> str:
    """The journal that is meant: a file, or `postgresql://…#NAME`.

    Args:
        environment: names the home, and the database if there is one.
        mode: `paper` or `live`.
        symbol: what is traded.
        timeframe: of its bars.
        given: what the user said; None: the database that the environment names, else a file under the home.
    """
    name = f"{mode}_{symbol}_{timeframe}"
    if given is None and environment.database_url is not None:
        given = environment.database_url.get_secret_value()
    if given is None:
        return str(environment.home / "journals" / f"{name}.sqlite")
    return f"{given}#{name}" if _is_database(given) and "#" not in given else given


def open_journal(location: str, run: str, clock: Clock) -> Journal:
    """The journal at `location`, for its one writer.

    Raises:
        DataError: it cannot be written, or another trader writes to it.
    """
    address, name = _parts(location)
    return Journal(address, run=run, name=name, clock=clock)


def read_journal(location: str, environment: Environment) -> JournalReader:
    """The journal at `location`, for reading; a database's password is the environment's where none is given.

    Raises:
        ConfigError: it is in a database, and which of its journals is not said.
        DataError: there is none.
    """
    if _is_database(location) and "#" not in location:
        raise ConfigError("a database has many journals: write postgresql://…#NAME, such as #paper_XAUUSD_1h")
    address, name = _parts(with_password(location, environment))
    return JournalReader(address, name=name)


def with_password(location: str, environment: Environment) -> str:
    """The location with the environment's credentials where it is the environment's database and has none."""
    if not _is_database(location) or environment.database_url is None or urlsplit(location).username:
        return location
    known = environment.database_url.get_secret_value()
    wanted, ours = urlsplit(location), urlsplit(known)
    is_same = (wanted.hostname, wanted.port, wanted.path) == (ours.hostname, ours.port, ours.path)
    return f"{known}#{wanted.fragment}" if is_same else location


def kill_switch(environment: Environment, journal: str, clock: Clock) -> KillSwitch:
    """The switch of the trader that writes `journal`."""
    return KillSwitch(_directory(environment), journal, clock)


def guards_file(switch: KillSwitch) -> Path:
    """Where the state of a trader's guards is kept; `heartbeat.json` of the same name beside it is its sign of life."""
    return switch.path.parents[1] / "guards" / f"{switch.path.name.partition('.')[0]}.json"


def kill_switches(environment: Environment, clock: Clock) -> list[KillSwitch]:
    """The switches of all traders that ever ran under this home."""
    return all_switches(_directory(environment), clock)


def known_journals(environment: Environment) -> list[Path]:
    """Journals in the usual place, in order of their names."""
    return sorted((environment.home / "journals").glob("*.sqlite"))


def _directory(environment: Environment) -> Path:
    return environment.home / "switches"


def _is_database(location: str) -> bool:
    return location.partition("://")[0] in _DATABASES and "://" in location


def _parts(location: str) -> tuple[str, str]:
    """Address, and the name of the journal in a database."""
    if not _is_database(location):
        return location, "trader"
    address, _, name = location.partition("#")
    return address, name
