"""PostgreSQL: a pool for everybody and one connection kept free for the journal."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, event, text
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from storage.failures import translated

T = TypeVar("T")

CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 10.0
POOL_SIZE = 8
POOL_TIMEOUT_S = 5.0


class PostgresqlBackend:
    """A read sees the database as it was when its transaction began, whatever is written meanwhile.

    Connections that the server closed never leave the pool, so one that was restarted is found again at once.
    """

    def __init__(self, url: URL) -> None:
        self._engine = _engine(url, POOL_SIZE)
        self._journal = _engine(url, 1)
        self._reading = self._engine.execution_options(
            isolation_level="REPEATABLE READ", postgresql_readonly=True
        )

    def write(self, transaction: Callable[[Connection], T], *, urgent: bool) -> Awaitable[T]:
        return asyncio.ensure_future(_transact(self._journal if urgent else self._engine, transaction))

    async def read(self, transaction: Callable[[Connection], T]) -> T:
        return await _transact(self._reading, transaction)

    async def ping(self) -> None:
        await self.read(lambda connection: connection.execute(text("SELECT 1")).scalar_one())

    async def close(self) -> None:
        await self._engine.dispose()
        await self._journal.dispose()


async def _transact(engine: AsyncEngine, transaction: Callable[[Connection], T]) -> T:
    with translated():
        async with engine.begin() as connection:
            return await connection.run_sync(transaction)


def _engine(url: URL, size: int) -> AsyncEngine:
    connect_args: dict[str, Any] = {
        "timeout": CONNECT_TIMEOUT_S,
        "command_timeout": COMMAND_TIMEOUT_S,
        # Compiling a statement to machine code takes longer than any of ours runs.
        "server_settings": {"application_name": "parley", "jit": "off"},
    }
    engine = create_async_engine(
        url,
        pool_size=size,
        max_overflow=0,
        pool_timeout=POOL_TIMEOUT_S,
        hide_parameters=True,
        connect_args=connect_args,
    )

    @event.listens_for(engine.sync_engine, "checkout")
    def replace_closed(connection: Any, _record: object, _proxy: object) -> None:
        # The driver notices when the server hangs up; SQLAlchemy's ping would cost three round trips.
        if connection.driver_connection.is_closed():
            raise DisconnectionError

    return engine
