"""What went wrong at a server: whether another attempt may help, and one line for a person."""

import re
from collections.abc import Sequence

from agv2.core.errors import AGV2Error, ConfigError, DataError
from agv2.data.postgres.address import PostgresAddress

__all__ = ["connection_refusal", "is_passing", "statement_refusal"]

# Lost or closing connections, a server that starts or stops, a deadlock's victim. Statements are whole transactions
# here, and every one may be repeated.
_PASSING = re.compile(r"08...|57P0[1-5]|40001|40P01")
_STARTING = ("starting up", "shutting down", "in recovery mode", "not yet accepting connections")


def is_passing(error: Exception) -> bool:
    """Whether a driver's error on an open connection may vanish on a new one."""
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate is not None:
        return _PASSING.fullmatch(sqlstate) is not None
    # Neither driver has a code for a connection that broke; they call it an operational error of their own.
    return type(error).__name__ in ("OperationalError", "InterfaceError")


def connection_refusal(error: Exception, address: PostgresAddress) -> tuple[AGV2Error, bool]:
    """The error to raise for a connection that could not be made, and whether waiting may help.

    libpq has no code for these, only the server's words.
    """
    text = _words(error)
    # The server's own words come last; those before them name the addresses that were tried.
    words = text.rpartition("FATAL:")[2].strip()
    where = f"PostgreSQL at {address.shown}"
    for found, problem in (
        (("password authentication failed", "no password supplied", "authentication failed"),
         f"refused the password of user {address.user}; correct DATABASE_URL"),
        (("no pg_hba.conf entry",), f"does not admit user {address.user} from this machine; add a line to its "
                                    "pg_hba.conf"),
        (("role ",), f"has no user {address.user}; correct DATABASE_URL or create the user"),
        (("database ",), "has no such database; create it (`createdb`) or correct DATABASE_URL"),
        (("permission denied for database",), f"does not let user {address.user} connect; GRANT CONNECT ON DATABASE"),
    ):  # fmt: skip
        named = [each for each in found if each in words]
        if named and (not named[0].endswith(" ") or "does not exist" in words):
            return ConfigError(f"{where} {problem}"), False
    if "resolve host" in text or "translate host name" in text:
        return ConfigError(f"{where}: there is no host of this name; correct DATABASE_URL"), False
    if any(each in words for each in _STARTING):
        return DataError(f"{where} is starting or stopping; try again in a moment"), True
    if "timeout expired" in text:
        problem = "does not answer"
    elif "refused" in text or "No such file" in text:
        problem = "cannot be reached: nothing listens there"
    else:
        problem = f"cannot be reached ({words or type(error).__name__})"
    return DataError(f"{where} {problem}; start the server, or correct or remove DATABASE_URL"), False


def statement_refusal(error: Exception, address: PostgresAddress) -> AGV2Error:
    """The error to raise for a statement that the server would not carry out."""
    sqlstate = getattr(error, "sqlstate", None) or ""
    where, words = f"PostgreSQL at {address.shown}", _message(error)
    if sqlstate == "42501":
        return DataError(f"{where} does not let user {address.user} do this ({words}); use a user that may, or GRANT")
    if sqlstate == "25006":
        return DataError(f"{where} takes no writes ({words}); give the address of the primary server")
    if sqlstate in ("42P01", "3F000", "42703", "42883"):
        return DataError(f"{where} holds no archive that this AGV2 knows ({words}); `agv2 data sync` sets it up")
    if sqlstate == "55P03":
        return DataError(f"{where}: another process keeps this series locked; wait for it to end, or end it")
    if sqlstate.startswith("53"):
        return DataError(f"{where} is out of resources ({words}); free some and run the command again")
    return DataError(f"{where} refused a statement ({words}, SQLSTATE {sqlstate or 'unknown'})")


def _words(error: Exception) -> str:
    return " ".join(str(error).split())


def _message(error: Exception) -> str:
    """The server's own sentence, without a driver's words around it and without the statement."""
    lines: Sequence[str] = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rpartition("ERROR:")[2].strip().removesuffix(".")
