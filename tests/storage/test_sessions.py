"""Sessions: opened, checked, renewed once, ended, and seen to end by every process."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from protocol.ids import SessionId, UserId
from storage.accounts import Accounts
from storage.engine import Database
from storage.server_state import ServerState
from storage.sessions import Refused, Reused, Rotated, Sessions
from storage.tables import refresh_tokens, users
from storage.tables import sessions as session_table
from tests.storage.people import EXPIRY, LATER, NOW, add_user, open_session

LATER_EXPIRY = LATER + timedelta(days=7)


@pytest.fixture
def sessions(database: Database) -> Sessions:
    return Sessions(database)


@pytest.fixture
async def ann(database: Database) -> UserId:
    return (await add_user(database, "ann", full_name="Ann")).id


async def test_a_session_says_who_holds_it(sessions: Sessions, ann: UserId) -> None:
    holder = await sessions.find_holder(await open_session(sessions, ann))
    assert holder is not None
    assert (holder.profile.id, holder.profile.username, holder.profile.full_name) == (ann, "ann", "Ann")
    assert (holder.is_active, holder.is_superuser, holder.ended) == (True, False, False)
    assert holder.expires_at == EXPIRY


async def test_nobody_holds_a_session_that_is_not_there(
    database: Database, sessions: Sessions, ann: UserId
) -> None:
    session_id = await open_session(sessions, ann)
    assert await sessions.find_holder(SessionId(404)) is None
    gone = update(users).values(deleted_at=LATER)
    await database.write(lambda connection: connection.execute(gone).rowcount)
    assert await sessions.find_holder(session_id) is None


async def test_a_refresh_token_is_good_once(sessions: Sessions, ann: UserId) -> None:
    session_id = await open_session(sessions, ann)
    renewed = await sessions.rotate_refresh_token("refresh one", "refresh two", LATER_EXPIRY, LATER)
    assert isinstance(renewed, Rotated)
    assert (renewed.session_id, renewed.user.id) == (session_id, ann)
    holder = await sessions.find_holder(session_id)
    assert holder is not None
    assert holder.expires_at == LATER_EXPIRY
    again = await sessions.rotate_refresh_token("refresh two", "refresh three", LATER_EXPIRY, LATER)
    assert isinstance(again, Rotated)


async def test_a_second_use_ends_the_whole_session(
    database: Database, sessions: Sessions, ann: UserId
) -> None:
    session_id = await open_session(sessions, ann)
    await sessions.rotate_refresh_token("refresh one", "refresh two", LATER_EXPIRY, LATER)
    before = await ServerState(database).revocations()
    stolen = await sessions.rotate_refresh_token("refresh one", "refresh x", LATER_EXPIRY, LATER)
    assert stolen == Reused(session_id, ann)
    assert await ServerState(database).revocations() == before + 1
    holder = await sessions.find_holder(session_id)
    assert holder is not None
    assert holder.ended
    rightful = await sessions.rotate_refresh_token("refresh two", "refresh y", LATER_EXPIRY, LATER)
    assert rightful == Refused("ended")
    assert await sessions.rotate_refresh_token("refresh one", "z", LATER_EXPIRY, LATER) == stolen
    assert await ServerState(database).revocations() == before + 1


async def test_of_two_uses_at_once_one_is_a_reuse(sessions: Sessions, ann: UserId) -> None:
    await open_session(sessions, ann)
    outcomes = await asyncio.gather(
        *(sessions.rotate_refresh_token("refresh one", f"new {n}", LATER_EXPIRY, LATER) for n in range(2))
    )
    assert {type(outcome) for outcome in outcomes} == {Rotated, Reused}


async def test_a_refresh_token_is_refused_with_the_reason(
    database: Database, sessions: Sessions, ann: UserId
) -> None:
    async def rotate(token: str, when: object = None) -> object:
        now = EXPIRY if when else LATER
        return await sessions.rotate_refresh_token(token, f"after {token}", LATER_EXPIRY, now)

    assert await rotate("never made") == Refused("unknown")
    await open_session(sessions, ann, "old")
    assert await rotate("refresh old", EXPIRY) == Refused("expired")
    ended = await open_session(sessions, ann, "ended")
    await sessions.end(ann, ended, NOW)
    assert await rotate("refresh ended") == Refused("ended")
    await open_session(sessions, ann, "disabled")
    await Accounts(database).disable(ann, NOW)
    assert await rotate("refresh disabled") == Refused("disabled")


async def test_a_token_of_a_deleted_user_is_refused(
    database: Database, sessions: Sessions, ann: UserId
) -> None:
    await open_session(sessions, ann)
    gone = update(users).values(deleted_at=LATER)
    await database.write(lambda connection: connection.execute(gone).rowcount)
    refused = await sessions.rotate_refresh_token("refresh one", "two", LATER_EXPIRY, LATER)
    assert refused == Refused("disabled")


async def test_live_sessions_are_listed_newest_first(sessions: Sessions, ann: UserId) -> None:
    ids = [await open_session(sessions, ann, name) for name in ("one", "two", "three")]
    await sessions.end(ann, ids[1], NOW)
    found = await sessions.list_sessions(ann, NOW, current=ids[0])
    assert [(session.id, session.current) for session in found] == [(ids[2], False), (ids[0], True)]
    assert (found[0].device_info, found[0].ip_address) == ("a phone", "192.0.2.1")
    assert (found[0].created_at, found[0].last_used_at, found[0].expires_at) == (NOW, NOW, EXPIRY)
    assert [session.id for session in await sessions.list_sessions(ann, NOW, before=ids[2])] == [ids[0]]
    assert await sessions.list_sessions(ann, EXPIRY) == []


async def test_only_ones_own_live_session_can_be_ended(
    database: Database, sessions: Sessions, ann: UserId
) -> None:
    bob = (await add_user(database, "bob")).id
    session_id = await open_session(sessions, ann)
    before = await ServerState(database).revocations()
    assert not await sessions.end(bob, session_id, LATER)
    assert await ServerState(database).revocations() == before
    assert await sessions.end(ann, session_id, LATER)
    assert await ServerState(database).revocations() == before + 1
    assert not await sessions.end(ann, session_id, LATER)


async def test_all_sessions_end_or_all_but_one(sessions: Sessions, ann: UserId) -> None:
    ids = [await open_session(sessions, ann, name) for name in ("one", "two", "three")]
    assert await sessions.end_all(ann, LATER, keep=ids[1]) == [ids[0], ids[2]]
    assert await sessions.end_all(ann, LATER) == [ids[1]]
    assert await sessions.end_all(ann, LATER) == []


async def test_sessions_that_let_nobody_in_are_told_apart(
    database: Database, sessions: Sessions, ann: UserId
) -> None:
    bob = (await add_user(database, "bob")).id
    live = await open_session(sessions, ann, "live")
    ended = await open_session(sessions, ann, "ended")
    disabled = await open_session(sessions, bob, "disabled")
    await sessions.end(ann, ended, NOW)
    disable = update(users).where(users.c.id == bob).values(is_active=False)
    await database.write(lambda connection: connection.execute(disable).rowcount)
    asked = [live, ended, disabled, SessionId(404)]
    assert await sessions.find_ended(asked, NOW) == {ended, disabled, SessionId(404)}
    assert await sessions.find_ended([live], EXPIRY) == {live}
    assert await sessions.find_ended([], NOW) == set()


async def test_uses_are_gathered_and_never_go_back(
    database: Database, sessions: Sessions, ann: UserId
) -> None:
    one, two = [await open_session(sessions, ann, name) for name in ("one", "two")]
    sessions.note_use(one, NOW + timedelta(seconds=5))
    sessions.note_use(one, LATER)
    sessions.note_use(two, NOW - timedelta(seconds=5))
    assert await last_uses(database) == {one: NOW, two: NOW}
    await sessions.flush_uses()
    assert await last_uses(database) == {one: LATER, two: NOW}
    await sessions.flush_uses()


async def last_uses(database: Database) -> dict[int, object]:
    query = select(session_table.c.id, session_table.c.last_used_at)
    return await database.read(lambda c: {row.id: row.last_used_at for row in c.execute(query)})


async def test_only_hashes_are_kept(database: Database, sessions: Sessions, ann: UserId) -> None:
    await open_session(sessions, ann)
    stored = await database.read(lambda c: list(c.scalars(select(refresh_tokens.c.token))))
    assert stored == ["refresh one"]


async def test_the_epoch_stays_while_the_database_lives(database: Database) -> None:
    state = ServerState(database)
    assert await state.epoch() == await state.epoch()
    assert len(await state.epoch()) == 32
