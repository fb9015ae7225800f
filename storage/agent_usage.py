"""Tokens that people spend with agents, by day in UTC."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from protocol.agents import Spender, Used
from protocol.ids import UserId
from storage.tables import agent_usage

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def spend_tokens(connection: Connection, spender: Spender, used: Used, now: datetime) -> None:
    """Add what a completion has cost to the day's account."""
    row = _INSERT[connection.dialect.name](agent_usage).values(
        user_id=spender.user_id,
        agent_id=spender.agent_id,
        day=now.astimezone(UTC).date(),
        tokens_in=used.tokens_in,
        tokens_out=used.tokens_out,
        created_at=now,
        updated_at=now,
    )
    added = row.on_conflict_do_update(
        index_elements=["user_id", "agent_id", "day"],
        set_={
            "tokens_in": agent_usage.c.tokens_in + row.excluded.tokens_in,
            "tokens_out": agent_usage.c.tokens_out + row.excluded.tokens_out,
            "updated_at": now,
        },
    )
    connection.execute(added)


def tokens_spent(connection: Connection, user_id: UserId, now: datetime) -> int:
    """Of one user, today, with all agents."""
    both = func.coalesce(func.sum(agent_usage.c.tokens_in + agent_usage.c.tokens_out), 0)
    day = now.astimezone(UTC).date()
    query = select(both).where(agent_usage.c.user_id == user_id, agent_usage.c.day == day)
    return int(connection.execute(query).scalar_one())
