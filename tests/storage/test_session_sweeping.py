"""Sessions and refresh tokens go when they have been over for long, and nothing else does."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from protocol.ids import SessionId, UserId
from storage.engine import Database
from storage.session_sweeping import sweep_sessions
from storage.sessions import Reused, Rotated, Sessions
from storage.tables import refresh_tokens
from storage.tables import sessions as session_table
from tests.storage.people import EXPIRY, NOW, add_user, open_session

LONG_AFTER = EXPIRY + timedelta(days=30)


@pytest.fixture
def sessions(database: Database) -> Sessions:
    return Sessions(database)


@pytest.fixture
async def ann(database: Database) -> UserId:
    return (await add_user(database, "ann")).id


async def left(database: Database) -> tuple[list[SessionId], list[str]]:
    """The sessions and tokens that are there."""
    ids = select(session_table.c.id).order_by(session_table.c.id)
    tokens = select(refresh_tokens.c.token).order_by(refresh_tokens.c.id)
    return await database.read(lambda c: (list(c.scalars(ids)), list(c.scalars(tokens))))


async def test_what_ended_or_expired_long_ago_goes_with_its_tokens(
    database: Database, sessions: Sessions, ann: UserId
) -> None:
    ended = await open_session(sessions, ann, "ended")
    lately = await open_session(sessions, ann, "lately")
    live = await open_session(sessions, ann, "live")
    await sessions.end(ann, ended, NOW)
    await sessions.end(ann, lately, NOW + timedelta(days=2))
    day_after = NOW + timedelta(days=1)
    assert await sweep_sessions(database, day_after) == 1
    assert await left(database) == ([lately, live], ["refresh lately", "refresh live"])
    assert await sweep_sessions(database, day_after) == 0
    assert await sweep_sessions(database, EXPIRY) == 1
    assert await left(database) == ([live], ["refresh live"])
    await sweep_sessions(database, EXPIRY + timedelta(seconds=1))
    assert await left(database) == ([], [])


async def test_a_used_token_is_kept_for_as_long_as_using_it_again_may_tell_of_a_theft(
    database: Database, sessions: Sessions, ann: UserId
) -> None:
    session_id = await open_session(sessions, ann)
    renewed = await sessions.rotate_refresh_token("refresh one", "two", LONG_AFTER, NOW)
    assert isinstance(renewed, Rotated)
    await sweep_sessions(database, EXPIRY)
    assert await left(database) == ([session_id], ["refresh one", "two"])
    await sweep_sessions(database, EXPIRY + timedelta(seconds=1))
    assert await left(database) == ([session_id], ["two"])
    assert isinstance(await sessions.rotate_refresh_token("two", "three", LONG_AFTER, NOW), Rotated)
    assert isinstance(await sessions.rotate_refresh_token("two", "four", LONG_AFTER, NOW), Reused)


@pytest.mark.parametrize("chunk_rows", [1, 3, 100])
async def test_chunks_of_any_size_leave_the_same(
    database: Database, sessions: Sessions, ann: UserId, chunk_rows: int
) -> None:
    ids = [await open_session(sessions, ann, str(n)) for n in range(10)]
    for session_id in ids[::2]:
        await sessions.end(ann, session_id, NOW)
    assert await sweep_sessions(database, NOW + timedelta(days=1), chunk_rows=chunk_rows) == 5
    assert (await left(database))[0] == ids[1::2]
