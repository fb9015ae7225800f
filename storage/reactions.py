"""The emoji that messages can be reacted to with: those of the system, and those that people have uploaded.

A custom one that is deleted keeps its row without a picture. Messages that bear it keep it, as their history
does not change behind the back of those who have read it; nobody can add it any more.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from protocol.audit import Doer
from protocol.facts import Taken
from protocol.resources import ReactionKind
from storage.audit import record_act
from storage.engine import Database
from storage.tables import reactions

CUSTOM_MAX = 2000


class TooMany(Struct, frozen=True):
    """There are as many custom reactions as there may be."""


class Reactions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_kinds(
        self, *, before: int | None = None, skip: int = 0, limit: int = 50
    ) -> list[ReactionKind]:
        """Those that can be given, newest first, those before the cursor `before`."""
        query = select(reactions).where(_is_live()).order_by(reactions.c.id.desc()).offset(skip).limit(limit)
        if before is not None:
            query = query.where(reactions.c.id < before)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [kind_of(row) for row in rows]

    async def add(
        self, code: str, image_url: str, doer: Doer, now: datetime
    ) -> ReactionKind | Taken | TooMany:
        """A custom one; where one with this code was deleted, it is that one again, with another picture."""
        try:
            return await self._database.write(lambda c: _add(c, code, image_url, doer, now))
        except IntegrityError:
            # Somebody else was faster.
            return Taken()

    async def delete(self, reaction_id: int, doer: Doer, now: datetime) -> ReactionKind | None:
        """The custom one as it was; None when there is none such."""
        return await self._database.write(lambda connection: _delete(connection, reaction_id, doer, now))

    async def has_image(self, image_url: str) -> bool:
        """Whether a reaction that is not deleted looks like this."""
        query = select(reactions.c.id).where(reactions.c.image_url == image_url).limit(1)
        return await self._database.read(lambda connection: connection.execute(query).scalar()) is not None

    async def find_images(self, image_urls: Sequence[str]) -> set[str]:
        """Those of these pictures that a reaction has."""
        query = select(reactions.c.image_url).where(reactions.c.image_url.in_(image_urls))
        return set(await self._database.read(lambda connection: connection.execute(query).scalars().all()))


def load_kind(connection: Connection, code: str) -> ReactionKind | None:
    """Deleted ones too: who gave one may take it back."""
    row = connection.execute(select(reactions).where(reactions.c.code == code)).one_or_none()
    return None if row is None else kind_of(row)


def kind_of(row: Any) -> ReactionKind:
    return ReactionKind(row.id, row.code, row.is_system, row.image_url)


def _is_live() -> ColumnElement[bool]:
    return or_(reactions.c.is_system, reactions.c.image_url.is_not(None))


def _add(
    connection: Connection, code: str, image_url: str, doer: Doer, now: datetime
) -> ReactionKind | Taken | TooMany:
    earlier = connection.execute(
        select(reactions).where(reactions.c.code == code).with_for_update()
    ).one_or_none()
    if earlier is not None and not kind_of(earlier).is_deleted:
        return Taken()
    if _count_custom(connection) >= CUSTOM_MAX:
        return TooMany()
    values = {"image_url": image_url, "created_by": doer.user_id, "updated_at": now}
    if earlier is None:
        made = insert(reactions).values(code=code, is_system=False, created_at=now, **values)
        row = connection.execute(made.returning(*reactions.c)).one()
    else:
        revived = update(reactions).where(reactions.c.id == earlier.id).values(**values)
        row = connection.execute(revived.returning(*reactions.c)).one()
    record_act(connection, doer.did("reaction.created", "reaction", row.id, {"code": code}), now)
    return kind_of(row)


def _delete(connection: Connection, reaction_id: int, doer: Doer, now: datetime) -> ReactionKind | None:
    is_it = (reactions.c.id == reaction_id) & ~reactions.c.is_system & reactions.c.image_url.is_not(None)
    row = connection.execute(select(reactions).where(is_it).with_for_update()).one_or_none()
    if row is None:
        return None
    connection.execute(update(reactions).where(is_it).values(image_url=None, updated_at=now))
    record_act(connection, doer.did("reaction.deleted", "reaction", reaction_id, {"code": row.code}), now)
    return kind_of(row)


def _count_custom(connection: Connection) -> int:
    query = select(func.count()).select_from(reactions).where(reactions.c.image_url.is_not(None))
    return connection.execute(query).scalar_one()
