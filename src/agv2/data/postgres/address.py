"""Where a PostgreSQL database is, in a form that can be shown without its password."""

from dataclasses import dataclass, field

from agv2.core.errors import ConfigError
from agv2.data.postgres.drivers import psycopg_driver

__all__ = ["PostgresAddress"]

_FORM = (
    "DATABASE_URL is not an address of PostgreSQL; write postgresql://HOST:PORT/DATABASE with USER:PASSWORD@ before "
    "HOST, and @ : / ? # % of the password as %40 %3A %2F %3F %23 %25"
)
# A peer that vanished without a word is noticed within a minute, not after the system's two hours.
_DEFAULTS = {
    "connect_timeout": "10",
    "keepalives_idle": "20",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "application_name": "agv2",
    "client_encoding": "utf8",
}


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """Address and login of one database."""

    conninfo: str = field(repr=False)
    """For libpq; holds the password."""
    shown: str
    """`host:port/database`, fit for a message."""
    user: str

    @classmethod
    def parse(cls, url: str) -> "PostgresAddress":
        """Read `postgresql://…`, or `host=… dbname=…`.

        Raises:
            ConfigError: the text is no address. No part of it is quoted: a password with an @ or a / in it makes
                other parts hold pieces of the password.
        """
        psycopg = psycopg_driver()
        try:
            parts = {key: str(value) for key, value in psycopg.conninfo.conninfo_to_dict(url).items()}
            conninfo = psycopg.conninfo.make_conninfo(**(_DEFAULTS | parts))
        except (psycopg.Error, TypeError, ValueError):
            raise ConfigError(_FORM) from None
        host = parts.get("host") or parts.get("hostaddr") or "localhost"
        port, database, user = parts.get("port") or "5432", parts.get("dbname") or "", parts.get("user") or ""
        if not url.strip() or "@" in host + database + user or not all(each.isdigit() for each in port.split(",")):
            raise ConfigError(_FORM)
        return cls(conninfo, f"{host}:{port}/{database or user}", user)
