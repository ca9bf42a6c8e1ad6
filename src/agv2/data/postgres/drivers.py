"""The optional packages that speak to PostgreSQL, loaded when first needed."""

import importlib
from types import ModuleType

from agv2.core.errors import ConfigError

__all__ = ["adbc_driver", "psycopg_driver"]

_REMEDY = (
    "PostgreSQL needs packages that are not installed ({missing}): `pip install agv2[postgres]`, or "
    "`python bootstrap.py install --with postgres` in a checkout"
)


def psycopg_driver() -> ModuleType:
    """The module `psycopg`, for everything but bulk.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module("psycopg")
    except ImportError as error:  # also where psycopg itself is there, but no libpq
        raise ConfigError(_REMEDY.format(missing="psycopg")) from error


def adbc_driver() -> ModuleType:
    """The module `adbc_driver_postgresql.dbapi`, for bars in and out as Arrow.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        importlib.import_module("pyarrow")  # the driver loads without it, and fails at the first row
        return importlib.import_module("adbc_driver_postgresql.dbapi")
    except ImportError as error:
        raise ConfigError(_REMEDY.format(missing="adbc-driver-postgresql, pyarrow")) from error
