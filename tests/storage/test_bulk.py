"""Users in bulk: all of a batch or none, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from storage.bulk import BulkUser, create_users
from storage.engine import Database
from storage.sessions import Sessions
from storage.tables import users

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def batch(count: int, prefix: str = "u") -> list[BulkUser]:
    names = [f"{prefix}{number}" for number in range(count)]
    return [
        BulkUser(username=name, email=f"{name}@example.invalid", hashed_password=None, session_token=name)
        for name in names
    ]


async def test_each_user_gets_a_session_of_their_own(database: Database) -> None:
    made = await create_users(database, batch(300), NOW + timedelta(hours=1), NOW)
    assert [user.username for user in made] == [user.username for user in batch(300)]
    assert len({user.session_id for user in made}) == 300
    for user in (made[0], made[150], made[299]):
        holder = await Sessions(database).find_holder(user.session_id)
        assert holder is not None
        assert (holder.profile.id, holder.profile.username) == (user.user_id, user.username)
        assert (holder.ended, holder.expires_at) == (False, NOW + timedelta(hours=1))


async def test_a_taken_name_leaves_nothing_of_the_batch(database: Database) -> None:
    await create_users(database, batch(1, "u5"), NOW, NOW)
    with pytest.raises(IntegrityError):
        await create_users(database, batch(100), NOW, NOW)
    count = select(func.count()).select_from(users).where(users.c.email.like("%@example.invalid"))
    assert await database.read(lambda connection: connection.execute(count).scalar_one()) == 1
