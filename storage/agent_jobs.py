"""How far the answer to a message got, in its job's payload: the model's completions, what tools changed.

Whoever writes here holds the job: an attempt that has lost it to a later one changes nothing any more.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, select, update

from protocol.agents import CallKey, Completion, Progress, Spender, Used
from protocol.errors import Unavailable
from protocol.ids import UserId
from protocol.jobs import Job, JobId
from storage.agent_usage import spend_tokens, tokens_spent
from storage.engine import Database
from storage.tables import outbox

T = TypeVar("T")


class AgentJobs:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def progress(self, job: Job) -> Progress:
        """What earlier attempts got done."""
        return await self._database.read(lambda connection: _progress(connection, job.id))

    async def add_completion(self, job: Job, completion: Completion, spender: Spender, now: datetime) -> None:
        """Write down the model's next completion, before anything is done about it, and what it cost."""

        def transaction(connection: Connection) -> None:
            payload = _hold(connection, job.id, job.attempt)
            payload["completions"] = [*payload.get("completions", ()), msgspec.to_builtins(completion)]
            _keep(connection, job.id, payload, now)
            spend_tokens(connection, spender, completion.used, now)

        await self._database.write(transaction)

    async def charge(self, spender: Spender, used: Used, now: datetime) -> None:
        """Write down what a completion has cost that came to no end."""
        await self._database.write(lambda connection: spend_tokens(connection, spender, used, now))

    async def spent(self, user_id: UserId, now: datetime) -> int:
        """How many tokens a user has spent today, in UTC, with all agents."""
        return await self._database.read(lambda connection: tokens_spent(connection, user_id, now))


def once(
    connection: Connection, call: CallKey | None, kind: type[T], now: datetime, act: Callable[[], T | None]
) -> T | None:
    """What `act` makes, or made when this very call was made before; without a call, it just acts.

    To be called in the transaction of the change. What makes nothing, None, is tried anew every time.
    """
    if call is None:
        return act()
    payload = _hold(connection, call.job_id, call.attempt)
    results = payload.get("results", {})
    if str(call.number) in results:
        return msgspec.convert(results[str(call.number)], kind)
    result = act()
    if result is not None:
        payload["results"] = {**results, str(call.number): msgspec.to_builtins(result)}
        _keep(connection, call.job_id, payload, now)
    return result


def _progress(connection: Connection, job_id: JobId) -> Progress:
    payload = connection.execute(select(outbox.c.payload).where(outbox.c.id == job_id)).scalar()
    written = () if payload is None else payload.get("completions", ())
    return msgspec.convert({"completions": written}, Progress)


def _hold(connection: Connection, job_id: JobId, attempt: int) -> dict[str, Any]:
    """The payload, locked. Raises Unavailable for an attempt that does not have the job any more."""
    is_held = (outbox.c.id == job_id) & (outbox.c.state == "sending") & (outbox.c.attempts == attempt)
    payload = connection.execute(select(outbox.c.payload).where(is_held).with_for_update()).scalar()
    if payload is None:
        raise Unavailable("the job is in other hands")
    return dict(payload)


def _keep(connection: Connection, job_id: JobId, payload: dict[str, Any], now: datetime) -> None:
    connection.execute(update(outbox).where(outbox.c.id == job_id).values(payload=payload, updated_at=now))
