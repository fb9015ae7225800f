"""Attachments as rows: uploaded files, and links to what is elsewhere.

Whose they are, which message they were sent with, and who may have them.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select
from sqlalchemy.sql.dml import ReturningInsert

from protocol.ids import UserId
from protocol.resources import Attachment
from storage.engine import Database
from storage.message_rows import attachment
from storage.tables import attachments, channel_members, channels, messages, users

CHUNK_ROWS = 100


class NewAttachment(Struct, frozen=True, kw_only=True):
    """`size` in bytes; `sha256` in hexadecimal."""

    owner_id: UserId
    name: str
    content_type: str
    size: int
    sha256: str


class NewLink(Struct, frozen=True):
    """Something that is elsewhere: nothing is known of its bytes, and it is never fetched from here."""

    name: str
    content_type: str
    url: str


class Stored(Struct, frozen=True):
    """What somebody may download."""

    name: str
    content_type: str
    sha256: str


class TooMuchUnsent(Struct, frozen=True):
    """Refused: what its owner has uploaded and not sent would be more than it may be."""


class Attachments:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, new: NewAttachment, now: datetime, *, unsent_max_bytes: int
    ) -> Attachment | TooMuchUnsent:
        """`unsent_max_bytes` is what this user may have in files that no message has, with this one."""
        values = {name: getattr(new, name) for name in new.__struct_fields__}
        row = insert(attachments).values(**values, created_at=now, updated_at=now).returning(attachments.c.id)

        def transaction(connection: Connection) -> Attachment | TooMuchUnsent:
            if _unsent_bytes(connection, new.owner_id) + new.size > unsent_max_bytes:
                return TooMuchUnsent()
            added = connection.execute(row).scalar_one()
            return attachment(added, new.name, new.content_type, new.size)

        return await self._database.write(transaction)

    async def add_links(
        self, owner_id: UserId, links: Sequence[NewLink], now: datetime
    ) -> tuple[Attachment, ...]:
        """In their order. Those that no message is sent with are forgotten like unsent files."""
        rows = [_link_row(owner_id, link, now) for link in links]

        def transaction(connection: Connection) -> tuple[Attachment, ...]:
            ids = [connection.execute(row).scalar_one() for row in rows]
            named = zip(ids, links, strict=True)
            return tuple(attachment(each, link.name, link.content_type, 0, link.url) for each, link in named)

        return await self._database.write(transaction) if rows else ()

    async def find(self, attachment_id: int, user_id: UserId) -> Stored | None:
        """A file that is this user's, or that was sent where this user is a member now; never a link."""
        query = (
            select(attachments.c.name, attachments.c.content_type, attachments.c.sha256)
            .outerjoin(messages, messages.c.id == attachments.c.message_id)
            .outerjoin(channels, channels.c.id == messages.c.channel_id)
            .outerjoin(
                channel_members,
                and_(channel_members.c.channel_id == channels.c.id, channel_members.c.user_id == user_id),
            )
            .where(attachments.c.id == attachment_id, attachments.c.link.is_(None))
            .where(or_(attachments.c.owner_id == user_id, _is_shown()))
        )
        row = await self._database.read(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else Stored(*row)

    async def sweep_unsent(self, before: datetime, *, chunk_rows: int = CHUNK_ROWS) -> int:
        """Forget the files uploaded earlier that no message has (any more); how many there were.

        Each chunk is a transaction of its own, so that others get in.
        """
        swept = 0
        while count := await self._database.write(lambda c: _sweep_chunk(c, before, chunk_rows)):
            swept += count
        return swept

    async def find_kept(self, hashes: Sequence[str]) -> set[str]:
        """Those of these contents that a file has."""
        query = select(attachments.c.sha256).where(attachments.c.sha256.in_(hashes)).distinct()
        return set(await self._database.read(lambda connection: connection.execute(query).scalars().all()))


def _link_row(owner_id: UserId, link: NewLink, now: datetime) -> ReturningInsert[int]:
    row = insert(attachments).values(
        owner_id=owner_id,
        name=link.name,
        content_type=link.content_type,
        size=0,
        sha256="",
        link=link.url,
        created_at=now,
        updated_at=now,
    )
    return row.returning(attachments.c.id)


def _unsent_bytes(connection: Connection, owner_id: UserId) -> int:
    # One upload of a user at a time, so that two do not both find room for themselves.
    connection.execute(select(users.c.id).where(users.c.id == owner_id).with_for_update())
    is_unsent = attachments.c.message_id.is_(None) & (attachments.c.owner_id == owner_id)
    total = select(func.coalesce(func.sum(attachments.c.size), 0)).where(is_unsent)
    return int(connection.execute(total).scalar_one())


def _is_shown() -> ColumnElement[bool]:
    """To a member who has not left, in a message that is not deleted, of a channel that is not."""
    return and_(
        messages.c.deleted_at.is_(None),
        channels.c.deleted_at.is_(None),
        channel_members.c.user_id.is_not(None),
        channel_members.c.left_at.is_(None),
    )


def _sweep_chunk(connection: Connection, before: datetime, chunk_rows: int) -> int:
    is_stale = attachments.c.message_id.is_(None) & (attachments.c.created_at < before)
    oldest = select(attachments.c.id).where(is_stale).order_by(attachments.c.id).limit(chunk_rows)
    # Asked again by the deletion itself: somebody may send one of them meanwhile.
    gone = delete(attachments).where(attachments.c.id.in_(oldest.scalar_subquery()), is_stale)
    return connection.execute(gone).rowcount
