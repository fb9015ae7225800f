"""Threads that run transactions on SQLite: a whole transaction costs one hop there and one back.

Every call into SQLite lets go of the interpreter and must win it back from a busy event loop. Hopping for
each statement was measured to cost four to eight times as much as hopping for each transaction.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, Engine

from protocol.errors import Unavailable
from storage.failures import translated

T = TypeVar("T")


Begin = Callable[[Connection], sqlite3.Connection]
"""Begins a transaction; the driver's connection, to end it on."""


class _Job(NamedTuple):
    run: Callable[[Connection], Any]
    answer: "asyncio.Future[Any]"
    loop: asyncio.AbstractEventLoop


class TransactionThreads:
    """`count` threads, each with a connection of its own, behind one queue with two lanes."""

    def __init__(self, engine: Engine, begin: Begin, *, name: str, count: int, waiting_max: int) -> None:
        self._engine = engine
        self._begin = begin
        self._waiting_max = waiting_max
        self._urgent: SimpleQueue[_Job | None] = SimpleQueue()
        self._ordinary: SimpleQueue[_Job | None] = SimpleQueue()
        self._tickets: SimpleQueue[None] = SimpleQueue()
        self._is_open = True
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def run(self, transaction: Callable[[Connection], T], *, urgent: bool = False) -> "asyncio.Future[T]":
        """What `transaction` returns, once it is committed. Urgent ones overtake all others that wait.

        It is in the queue when this returns. Cancelling takes it out again; one that has begun is finished.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        if not self._is_open:
            answer.set_exception(Unavailable("the database is closed"))
        elif not urgent and self._ordinary.qsize() >= self._waiting_max:
            answer.set_exception(Unavailable("too many transactions are waiting"))
        else:
            self._put(self._urgent if urgent else self._ordinary, _Job(transaction, answer, loop))
        return answer

    async def close(self) -> None:
        """Returns when all that was waiting is done and the connections are closed."""
        self._is_open = False
        for _ in self._threads:
            self._put(self._ordinary, None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)

    def _put(self, lane: "SimpleQueue[_Job | None]", job: _Job | None) -> None:
        lane.put(job)
        self._tickets.put(None)

    def _take(self) -> _Job | None:
        self._tickets.get()
        try:
            return self._urgent.get_nowait()
        except Empty:
            return self._ordinary.get_nowait()

    def _work(self) -> None:
        session = _Session(self._engine, self._begin)
        while (job := self._take()) is not None:
            if not job.answer.cancelled():
                _answer(session, job)
        session.close()


class _Session:
    """One thread's connection, made when it is needed and made anew after the database was unavailable."""

    def __init__(self, engine: Engine, begin: Begin) -> None:
        self._engine = engine
        self._begin = begin
        self._connection: Connection | None = None

    def run(self, transaction: Callable[[Connection], T]) -> T:
        try:
            with translated():
                return self._transact(transaction)
        except Unavailable:
            self.close()
            raise

    def close(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def _transact(self, transaction: Callable[[Connection], T]) -> T:
        """Begin and commit on the driver's own connection: SQLAlchemy only sees what runs in between."""
        if self._connection is None:
            self._connection = self._engine.connect()
        connection, driver = self._connection, self._begin(self._connection)
        try:
            result = transaction(connection)
            driver.execute("COMMIT")
        except BaseException:
            driver.rollback()
            raise
        finally:
            if connection.in_transaction():
                connection.rollback()
        return result


def _answer(session: _Session, job: _Job) -> None:
    try:
        result, error = session.run(job.run), None
    except BaseException as raised:  # it belongs to whoever asked, who is on another thread
        result, error = None, raised
    # A loop that was closed meanwhile has nobody left who waits; the thread goes on for the others.
    with suppress(RuntimeError):
        job.loop.call_soon_threadsafe(_settle, job.answer, result, error)


def _settle(answer: "asyncio.Future[Any]", result: object, error: BaseException | None) -> None:
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
