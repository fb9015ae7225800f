"""Sessions of a tenant's people: opened, prolonged, ended, and never opened again by an old token."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from msgspec import structs
from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from protocol.errors import Unavailable
from protocol.ids import UserId
from storage.engine import Database
from storage.sessions import Sessions
from storage.tables import sessions, users
from storage.tenant_sessions import Admitted, TenantSessions, TenantToken, buried, bury

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TOKEN = TenantToken(
    subject="auth0|1", line="web", device="Auth0 web", issued_at=NOW, expires_at=NOW + timedelta(hours=1)
)


def later(token: TenantToken, seconds: int) -> TenantToken:
    """One that was issued some seconds later."""
    after = seconds * SECOND
    return structs.replace(token, issued_at=token.issued_at + after, expires_at=token.expires_at + after)


async def add_user(database: Database, subject: str = "auth0|1", **values: object) -> UserId:
    row: dict[str, object] = {"username": subject.replace("|", "-"), "email": f"{subject}@example.org"}
    row |= {"auth0_id": subject, "created_at": NOW, "updated_at": NOW} | values
    query = insert(users).values(**row).returning(users.c.id)
    return UserId(await database.write(lambda connection: connection.execute(query).scalar_one()))


async def change_user(database: Database, user_id: UserId, **values: object) -> None:
    def transaction(connection: Connection) -> None:
        connection.execute(update(users).where(users.c.id == user_id).values(**values))

    await database.write(transaction)


async def admitted(tenants: TenantSessions, token: TenantToken, now: datetime = NOW) -> Admitted:
    found = await tenants.admit(token, now)
    assert isinstance(found, Admitted)
    return found


@pytest.fixture
def tenants(database: Database) -> TenantSessions:
    return TenantSessions(database)


async def test_the_first_token_opens_a_session_and_others_find_it(
    database: Database, tenants: TenantSessions
) -> None:
    user_id = await add_user(database)
    first = await admitted(tenants, TOKEN)
    assert first.profile.id == user_id
    assert await admitted(tenants, later(TOKEN, 60), NOW + 60 * SECOND) == first
    assert await admitted(tenants, TOKEN, NOW + 61 * SECOND) == first
    other = await admitted(tenants, structs.replace(TOKEN, line="phone"))
    assert other.session_id != first.session_id


async def test_a_session_lasts_as_long_as_the_newest_token_of_it(
    database: Database, tenants: TenantSessions
) -> None:
    user_id = await add_user(database)
    session_id = (await admitted(tenants, TOKEN)).session_id
    assert await Sessions(database).find_ended([session_id], TOKEN.expires_at) == {session_id}
    await admitted(tenants, later(TOKEN, 60), NOW + 60 * SECOND)
    assert await Sessions(database).find_ended([session_id], TOKEN.expires_at) == set()
    listed = await Sessions(database).list_sessions(user_id, NOW)
    assert [(each.device_info, each.expires_at) for each in listed] == [
        ("Auth0 web", TOKEN.expires_at + 60 * SECOND)
    ]


async def test_a_known_token_writes_nothing(
    database: Database, tenants: TenantSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_user(database)
    await admitted(tenants, TOKEN)

    async def refuse(*_: object, **__: object) -> None:
        raise AssertionError("nothing is to be written")

    monkeypatch.setattr(database, "write", refuse)
    await admitted(tenants, TOKEN, NOW + 60 * SECOND)


async def test_somebody_unknown_or_disabled_is_not_admitted(
    database: Database, tenants: TenantSessions
) -> None:
    assert await tenants.admit(TOKEN, NOW) == "unknown"
    user_id = await add_user(database, is_active=False)
    assert await tenants.admit(TOKEN, NOW) == "disabled"
    await change_user(database, user_id, is_active=True, deleted_at=NOW, auth0_id=None)
    assert await tenants.admit(TOKEN, NOW) == "unknown"


async def test_an_ended_session_refuses_every_token_until_its_end(
    database: Database, tenants: TenantSessions
) -> None:
    user_id = await add_user(database)
    first = await admitted(tenants, TOKEN)
    await Sessions(database).end(user_id, first.session_id, NOW + 10 * SECOND)
    for seconds in (0, 5, 10):
        assert await tenants.admit(later(TOKEN, seconds), NOW + 11 * SECOND) == "ended"
    second = await admitted(tenants, later(TOKEN, 11), NOW + 11 * SECOND)
    assert second.session_id != first.session_id
    assert await tenants.admit(TOKEN, NOW + 12 * SECOND) == "ended"


async def test_what_was_ended_stays_so_through_any_number_of_sessions(
    database: Database, tenants: TenantSessions
) -> None:
    user_id = await add_user(database)
    for number in range(4):
        token, now = later(TOKEN, 10 * number), NOW + 10 * number * SECOND
        session_id = (await admitted(tenants, token, now)).session_id
        await Sessions(database).end(user_id, session_id, now + SECOND)
    for number in range(4):
        assert await tenants.admit(later(TOKEN, 10 * number + 1), NOW + 60 * SECOND) == "ended"
    await admitted(tenants, later(TOKEN, 60), NOW + 60 * SECOND)
    count = select(func.count()).select_from(sessions)
    assert await database.read(lambda connection: connection.execute(count).scalar_one()) == 2


async def test_a_token_from_a_clock_ahead_of_ours_ends_with_its_session(
    database: Database, tenants: TenantSessions
) -> None:
    user_id = await add_user(database)
    await admitted(tenants, TOKEN)
    ahead = later(TOKEN, 5)
    session_id = (await admitted(tenants, ahead)).session_id
    await Sessions(database).end(user_id, session_id, NOW + SECOND)
    assert await tenants.admit(ahead, NOW + 2 * SECOND) == "ended"


async def test_a_deleted_users_tokens_are_known_for_what_they_are(
    database: Database, tenants: TenantSessions
) -> None:
    user_id = await add_user(database)
    await admitted(tenants, TOKEN)
    for _ in range(2):
        kept = await database.write(partial(bury, user_id=user_id))
        assert kept == buried("auth0|1")
        await change_user(database, user_id, auth0_id=kept, deleted_at=NOW + 10 * SECOND, is_active=False)
        assert await tenants.admit(TOKEN, NOW + 11 * SECOND) == "ended"
        assert await tenants.admit(structs.replace(TOKEN, line="phone"), NOW + 11 * SECOND) == "ended"
        user_id = await add_user(database, username=f"again-{user_id}", email=f"{user_id}@again.example")
        again = await admitted(tenants, later(TOKEN, 11), NOW + 11 * SECOND)
        assert [each.id for each in await Sessions(database).list_sessions(user_id, NOW)] == [
            again.session_id
        ]


async def test_whoever_has_no_subject_has_none_to_keep(database: Database) -> None:
    user_id = await add_user(database, auth0_id=None)
    assert await database.write(lambda connection: bury(connection, user_id)) is None


async def test_many_first_tokens_at_once_open_one_session(
    database: Database, tenants: TenantSessions
) -> None:
    await add_user(database)
    found = await asyncio.gather(*(admitted(tenants, TOKEN) for _ in range(8)))
    assert len({each.session_id for each in found}) == 1


async def test_an_endless_race_is_given_up(
    database: Database, tenants: TenantSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_user(database)

    async def lose(*_: object, **__: object) -> None:
        raise IntegrityError("", {}, ValueError())

    monkeypatch.setattr(database, "write", lose)
    with pytest.raises(Unavailable):
        await tenants.admit(TOKEN, NOW)
