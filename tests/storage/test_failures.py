"""Which errors mean that trying again later may help."""

import sqlite3

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from protocol.errors import Unavailable
from storage.failures import is_unavailable, translated


class DriverError(Exception):
    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("driver")
        self.sqlstate = sqlstate


def sqlite_error(code: int) -> OperationalError:
    cause = sqlite3.OperationalError("sqlite")
    cause.sqlite_errorcode = code
    return OperationalError("SELECT", None, cause)


@pytest.mark.parametrize(
    "error",
    [
        sqlite_error(sqlite3.SQLITE_BUSY),
        sqlite_error(sqlite3.SQLITE_IOERR | 10 << 8),
        sqlite_error(sqlite3.SQLITE_FULL),
        DBAPIError("SELECT", None, DriverError("57P01")),
        DBAPIError("SELECT", None, DriverError("40P01")),
        DBAPIError("SELECT", None, DriverError("25006")),
        DBAPIError("SELECT", None, DriverError(None), connection_invalidated=True),
        InterfaceError("SELECT", None, DriverError(None)),
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.InterfaceError("closed"),
        PoolTimeout(),
        ConnectionRefusedError(),
        TimeoutError(),
    ],
)
def test_what_may_pass_is_unavailable(error: Exception) -> None:
    with pytest.raises(Unavailable), translated():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        sqlite_error(sqlite3.SQLITE_ERROR),
        OperationalError("SELECT", None, sqlite3.OperationalError("no code")),
        DBAPIError("SELECT", None, DriverError("23505")),
        DBAPIError("SELECT", None, DriverError(None)),
        asyncpg.InvalidPasswordError("wrong"),
        LookupError(),
    ],
)
def test_what_will_not_pass_comes_through(error: Exception) -> None:
    assert not is_unavailable(error)
    with pytest.raises(type(error)), translated():
        raise error
