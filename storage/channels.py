"""Channels as people find, make and list them; what happens inside them goes through commits."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Select, insert, select, tuple_
from sqlalchemy.exc import IntegrityError

from protocol.facts import Taken
from protocol.ids import ChannelId, UserId
from protocol.resources import (
    Attachment,
    Channel,
    Invite,
    Member,
    PublicProfile,
    ReactionKind,
    ReadyChannel,
)
from storage.channel_facts import add_invite
from storage.channel_names import is_any_taken, name_key
from storage.channel_rows import OWN_VIEWS, VIEW, VIEWS, load_ready, load_view, view_of
from storage.direct import CREATION_SEQ, add_member, find_direct, make_direct
from storage.engine import Database
from storage.message_rows import attachment
from storage.reactions import load_kind
from storage.tables import attachments, channel_members, channels, invites, messages, users
from storage.user_rows import PROFILE_COLUMNS, load_profile, profile_of


class NewChannel(Struct, frozen=True, kw_only=True):
    """A private channel is made with a `join_code`, its standing invite."""

    owner_id: UserId
    name: str
    description: str | None = None
    join_code: str | None = None


class Channels:
    """`now` is the server's clock."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def create(self, new: NewChannel) -> Channel | Taken:
        """A channel whose one member is its owner."""
        now = self._now()
        try:
            return await self._database.write(lambda connection: _create(connection, new, now))
        except IntegrityError:
            if await self._database.read(lambda connection: is_any_taken(connection, [new.name])):
                return Taken()
            raise

    async def open_direct(self, user_id: UserId, peer_id: UserId) -> ChannelId | None:
        """The channel of these two, made if need be; None when there is no such peer. Safe to race."""
        found = await self._database.read(lambda connection: find_direct(connection, user_id, peer_id))
        if found is not None:
            return found
        now = self._now()
        return await self._database.write(lambda connection: make_direct(connection, user_id, peer_id, now))

    async def view_channel(self, channel_id: ChannelId, user_id: UserId) -> Channel | None:
        """The channel as this user sees it; None when it does not exist."""
        return await self._database.read(lambda connection: load_view(connection, channel_id, user_id))

    async def ready_channels(self, user_id: UserId) -> list[ReadyChannel]:
        """The channels the user is a member of, with markers and unread counts, by id."""
        return await self._database.read(lambda connection: load_ready(connection, user_id))

    async def list_own(
        self, user_id: UserId, *, before: ChannelId | None = None, skip: int = 0, limit: int = 50
    ) -> list[Channel]:
        """The user's channels without the direct ones, newest first."""
        query = OWN_VIEWS.where(channels.c.kind == "channel")
        return await self._list(user_id, query, before, skip, limit)

    async def list_public(
        self,
        user_id: UserId,
        *,
        q: str | None = None,
        before: ChannelId | None = None,
        skip: int = 0,
        limit: int = 50,
    ) -> list[Channel]:
        """Public channels that are not archived, newest first; `q` is the beginning of their names."""
        is_open = ~channels.c.is_private & ~channels.c.is_archived
        query = VIEWS.where(channels.c.kind == "channel", is_open)
        if q is not None:
            query = query.where(channels.c.name_key.startswith(name_key(q), autoescape=True))
        return await self._list(user_id, query, before, skip, limit)

    async def list_members(
        self,
        channel_id: ChannelId,
        *,
        before: tuple[datetime, UserId] | None = None,
        skip: int = 0,
        limit: int = 50,
    ) -> list[Member]:
        """Those who joined last come first; the cursor `before` is a member's (joined_at, id)."""
        member = channel_members.c
        query = select(*PROFILE_COLUMNS, member.role, member.joined_at).join(
            channel_members, member.user_id == users.c.id
        )
        query = query.where(member.channel_id == channel_id, member.left_at.is_(None))
        if before is not None:
            query = query.where(tuple_(member.joined_at, member.user_id) < before)
        query = query.order_by(member.joined_at.desc(), member.user_id.desc()).offset(skip).limit(limit)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [Member(profile_of(row), row.role, row.joined_at) for row in rows]

    async def find_invite(self, join_code: str) -> ChannelId | None:
        """The channel of an invite, live or not; None when the code never existed."""
        query = select(invites.c.channel_id).where(invites.c.code == join_code)
        return await self._database.read(lambda connection: connection.execute(query).scalar())

    async def find_reaction(self, code: str) -> ReactionKind | None:
        """Deleted ones too: who gave one may take it back."""
        return await self._database.read(lambda connection: load_kind(connection, code))

    async def find_attachments(self, owner_id: UserId, ids: Sequence[int]) -> list[Attachment]:
        """Those of `ids` that this user uploaded and that no message has yet."""
        is_free = (attachments.c.owner_id == owner_id) & attachments.c.message_id.is_(None)
        query = select(attachments).where(attachments.c.id.in_(ids), is_free).order_by(attachments.c.id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [attachment(row.id, row.name, row.content_type, row.size, row.link) for row in rows]

    async def has_posted(self, sender_id: UserId, nonce: str) -> bool:
        """Whether this user has sent a message with this nonce, in whatever channel."""
        is_it = (messages.c.sender_id == sender_id) & (messages.c.nonce == nonce)
        query = select(messages.c.id).where(is_it)
        return await self._database.read(lambda connection: connection.execute(query).scalar()) is not None

    async def load_profile(self, user_id: UserId) -> PublicProfile | None:
        return await self._database.read(lambda connection: load_profile(connection, user_id))

    async def _list(
        self, user_id: UserId, query: Select[Any], before: ChannelId | None, skip: int, limit: int
    ) -> list[Channel]:
        if before is not None:
            query = query.where(channels.c.id < before)
        query = query.order_by(channels.c.id.desc()).offset(skip).limit(limit)
        rows = await self._database.read(lambda c: c.execute(query, {"user_id": user_id}).all())
        return [view_of(row) for row in rows]


def _create(connection: Connection, new: NewChannel, now: datetime) -> Channel:
    row = insert(channels).values(
        kind="channel",
        name=new.name,
        name_key=name_key(new.name),
        description=new.description,
        owner_id=new.owner_id,
        is_private=new.join_code is not None,
        join_code=new.join_code,
        last_seq=CREATION_SEQ,
        changed_seq=CREATION_SEQ,
        created_at=now,
        updated_at=now,
    )
    channel_id = ChannelId(connection.execute(row.returning(channels.c.id)).scalar_one())
    add_member(connection, channel_id, new.owner_id, "owner", now)
    if new.join_code is not None:
        standing = Invite(join_code=new.join_code, expires_at=None, max_uses=None, uses=0)
        add_invite(connection, channel_id, standing, new.owner_id, now)
    return view_of(connection.execute(VIEW, {"channel_id": channel_id, "user_id": new.owner_id}).one())
