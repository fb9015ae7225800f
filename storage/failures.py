"""Which errors of a driver mean that the database cannot be reached now, rather than that we are wrong."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from protocol.errors import Unavailable

_SQLITE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_NOTADB,
    }
)

# Classes of SQLSTATE (PostgreSQL, appendix A): connection, rolled back, resources, operator, system.
_POSTGRESQL_CLASSES = ("08", "40", "53", "57", "58")
_LOCK_NOT_AVAILABLE = "55P03"
_READ_ONLY_TRANSACTION = "25006"  # the primary has become a standby


@contextmanager
def translated() -> Iterator[None]:
    """Raise `Unavailable` in place of a driver's word for it; every other error passes."""
    try:
        yield
    except Exception as error:
        if not is_unavailable(error):
            raise
        raise Unavailable(f"{type(error).__name__}: {error}") from error


def is_unavailable(error: BaseException) -> bool:
    match error:
        case PoolTimeout() | OSError() | TimeoutError() | InterfaceError() | asyncpg.InterfaceError():
            return True
        case DBAPIError(connection_invalidated=True):
            return True
        case DBAPIError(orig=sqlite3.Error() as cause):
            return _primary_code(cause) in _SQLITE
        case DBAPIError(orig=BaseException() as cause):
            return _is_postgresql_state(getattr(cause, "sqlstate", None))
        case sqlite3.Error():
            return _primary_code(error) in _SQLITE
        case asyncpg.PostgresError(sqlstate=state):
            return _is_postgresql_state(state)
        case _:
            return False


def _primary_code(error: sqlite3.Error) -> int:
    # The low byte: extended codes say more than is asked here.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _is_postgresql_state(state: str | None) -> bool:
    if state is None:
        return False
    return state.startswith(_POSTGRESQL_CLASSES) or state in {_LOCK_NOT_AVAILABLE, _READ_ONLY_TRANSACTION}
