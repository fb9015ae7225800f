"""The database as the rest of storage uses it: a transaction is a plain function of a connection."""

import time
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol, Self, TypeVar, cast

from sqlalchemy import Connection

from storage.postgresql import PostgresqlBackend
from storage.sqlite import SqliteBackend
from storage.urls import driver_url

T = TypeVar("T")

Dialect = Literal["sqlite", "postgresql"]


class Backend(Protocol):
    def write(self, transaction: Callable[[Connection], T], *, urgent: bool) -> Awaitable[T]: ...
    async def read(self, transaction: Callable[[Connection], T]) -> T: ...
    async def ping(self) -> None: ...
    async def close(self) -> None: ...


class Database:
    """Runs transactions, each whole or not at all, on SQLite or PostgreSQL.

    Raises `protocol.errors.Unavailable` for whatever may pass: try again later. After a failed `write` it is
    unknown whether a PostgreSQL that went away had still committed. Other errors of SQLAlchemy, such as
    `IntegrityError`, come through.
    """

    def __init__(self, backend: Backend, dialect: Dialect) -> None:
        self._backend = backend
        self.dialect = dialect

    @classmethod
    async def open(cls, url: str) -> Self:
        """Connects to nothing yet: a database that is down is found when it is used, and so is its return."""
        driver = driver_url(url)
        dialect = cast("Dialect", driver.get_backend_name())
        return cls(SqliteBackend(driver) if dialect == "sqlite" else PostgresqlBackend(driver), dialect)

    async def close(self) -> None:
        await self._backend.close()

    def write(self, transaction: Callable[[Connection], T], *, urgent: bool = False) -> Awaitable[T]:
        """What `transaction` returns, once committed. Urgent ones, the journal's, wait for nobody else.

        It is on its way when this returns, awaited or not.
        """
        return self._backend.write(transaction, urgent=urgent)

    async def read(self, transaction: Callable[[Connection], T]) -> T:
        """What `transaction` returns, from one moment's state of the database."""
        return await self._backend.read(transaction)

    async def ping(self) -> float:
        """How long one real round trip took, in milliseconds."""
        began = time.perf_counter()
        await self._backend.ping()
        return (time.perf_counter() - began) * 1000
