"""An in-memory store that fits all ports of `actors/ports.py`, and can be slow, broken and unclear at will.

What it answers is held equal to the databases by `tests/contract/`. Every method passes `Weather` on its way
in and on its way out: a commit that fails on the way out was made, but nobody knows.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import UNSET

from protocol.facts import AnyFact, Changes, ChannelSnapshot, Part, PartResult, Written
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import (
    Attachment,
    Channel,
    ChannelInfo,
    Invite,
    MemberChange,
    Message,
    PublicProfile,
    ReadyChannel,
)
from tests.simulation.memory_commits import write_parts
from tests.simulation.memory_outbox import MemoryOutbox
from tests.simulation.memory_rows import (
    ChannelRow,
    FileRow,
    InviteRow,
    Membership,
    ReactionRow,
    Tables,
    UserRow,
)

CREATION_SEQ = Seq(1)


class Weather(Protocol):
    """What happens to calls of the store on their way there and back. Each may wait or raise."""

    def before(self, call: str) -> Awaitable[None]: ...
    def after(self, call: str) -> Awaitable[None]: ...


class Calm:
    """No waiting, no failures."""

    async def before(self, call: str) -> None:
        pass

    async def after(self, call: str) -> None:
        pass


class WrittenPart:
    """One part as it was committed, for whoever checks what was shown against what was stored."""

    __slots__ = ("message_ids", "part")

    def __init__(self, part: Part, written: Written) -> None:
        self.part = part
        self.message_ids = written.message_ids

    @property
    def facts(self) -> tuple[AnyFact, ...]:
        return self.part.facts


class MemoryStore(MemoryOutbox):
    """`Commits`, `Channels`, `Users` and `Jobs` in one. `now` is the clock that stamps what is made here."""

    def __init__(self, now: Callable[[], datetime], weather: Weather | None = None) -> None:
        self.tables = Tables()
        super().__init__(self.tables)
        self.written: list[WrittenPart] = []
        self.on_written: Callable[[WrittenPart], None] = lambda _: None
        self.on_made: Callable[[ChannelRow], None] = lambda _: None
        self._now = now
        self._weather: Weather = weather or Calm()

    # Making people and channels.

    def add_user(self, username: str, *, is_bot: bool = False) -> PublicProfile:
        profile = PublicProfile(UserId(len(self.tables.users) + 1), username, is_bot=is_bot)
        self.tables.users[profile.id] = UserRow(profile)
        return profile

    def add_reaction(self, code: str) -> None:
        self.tables.reactions[code] = ReactionRow(len(self.tables.reactions) + 1, code)

    def add_file(self, owner_id: UserId, name: str) -> Attachment:
        file_id = len(self.tables.files) + 1
        attachment = Attachment(file_id, name, "text/plain", 3, f"/files/{file_id}")
        self.tables.files[file_id] = FileRow(owner_id, attachment)
        return attachment

    def add_channel(
        self, owner_id: UserId, name: str, members: Sequence[UserId] = (), join_code: str | None = None
    ) -> ChannelId:
        """A channel that is made with these members; private when it has a `join_code`."""
        row = self._new_channel("channel", name, owner_id=owner_id, is_private=join_code is not None)
        self._add_member(row, owner_id, "owner")
        for user_id in members:
            self._add_member(row, user_id, "member")
        if join_code is not None:
            row.join_code = join_code
            invite = Invite(join_code=join_code, expires_at=None, max_uses=None, uses=0)
            row.invites[join_code] = InviteRow(invite)
        self.on_made(row)
        return row.id

    def _new_channel(
        self,
        kind: str,
        name: str | None,
        *,
        conversation_id: str | None = None,
        owner_id: UserId | None = None,
        is_private: bool = False,
    ) -> ChannelRow:
        channel_id, now = ChannelId(len(self.tables.channels) + 1), self._now()
        info = ChannelInfo(
            id=channel_id,
            kind="direct" if kind == "direct" else "channel",
            name=name,
            description=None,
            conversation_id=conversation_id,
            owner_id=owner_id,
            is_private=is_private,
            is_archived=False,
            member_count=0,
            last_seq=CREATION_SEQ,
            created_at=now,
            updated_at=now,
        )
        row = ChannelRow(channel_id, info, CREATION_SEQ, CREATION_SEQ)
        self.tables.channels[channel_id] = row
        return row

    def _add_member(self, row: ChannelRow, user_id: UserId, role: str) -> None:
        row.members[user_id] = Membership(
            user_id,
            "owner" if role == "owner" else "member",
            Seq(0),
            CREATION_SEQ,
            CREATION_SEQ,
            self._now(),
        )

    # Commits.

    async def commit(self, parts: Sequence[Part]) -> list[PartResult]:
        await self._weather.before("commit")
        results = write_parts(self.tables, parts, self._note)
        await self._weather.after("commit")
        return results

    def _note(self, part: Part, written: Written) -> None:
        noted = WrittenPart(part, written)
        self.written.append(noted)
        self.on_written(noted)

    # Channels.

    async def load_channel(self, channel_id: ChannelId) -> ChannelSnapshot | None:
        await self._weather.before("load_channel")
        row = self.tables.channels.get(channel_id)
        snapshot = None if row is None or row.is_deleted else snapshot_of(row, self.tables)
        await self._weather.after("load_channel")
        return snapshot

    async def load_messages(self, channel_id: ChannelId, ids: Sequence[MessageId]) -> list[Message]:
        await self._weather.before("load_messages")
        rows = (self.tables.messages.get(message_id) for message_id in ids)
        found = [self._view(row.message.id) for row in rows if row and row.message.channel_id == channel_id]
        await self._weather.after("load_messages")
        return found

    async def changes(self, channel_id: ChannelId, after: Seq, limit: int) -> Changes:
        await self._weather.before("changes")
        changes = self.changes_now(channel_id, after, limit)
        await self._weather.after("changes")
        return changes

    def changes_now(self, channel_id: ChannelId, after: Seq, limit: int) -> Changes:
        channel = self.tables.channels[channel_id]
        changed_messages = [row for row in self.tables.of_channel(channel_id) if row.changed_seq > after]
        changed_members = [row for row in channel.members.values() if row.changed_seq > after]
        changed_messages.sort(key=lambda row: row.changed_seq)
        changed_members.sort(key=lambda row: (row.changed_seq, row.user_id))
        seqs = sorted(
            [*(row.changed_seq for row in changed_messages), *(row.changed_seq for row in changed_members)]
        )
        end = None if len(seqs) <= limit else max(seqs[limit] - 1, seqs[0])
        to = channel.last_seq if end is None else Seq(end)
        return Changes(
            to=to,
            last_seq=channel.last_seq,
            messages=tuple(row.view(channel) for row in changed_messages if row.changed_seq <= to),
            members=tuple(self._member_change(row) for row in changed_members if row.changed_seq <= to),
            channel=channel.shown() if channel.changed_seq > after else None,
            more=end is not None,
        )

    def _member_change(self, row: Membership) -> MemberChange:
        return row.change(self.tables.users[row.user_id].profile)

    async def history(
        self, channel_id: ChannelId, before: Seq | None, after: Seq | None, limit: int
    ) -> list[Message]:
        await self._weather.before("history")
        found = [
            self._view(row.message.id)
            for row in self.tables.of_channel(channel_id)
            if (before is None or row.message.seq < before) and (after is None or row.message.seq > after)
        ]
        found.sort(key=lambda message: message.seq, reverse=after is None)
        await self._weather.after("history")
        return found[:limit]

    def _view(self, message_id: MessageId) -> Message:
        row = self.tables.messages[message_id]
        return row.view(self.tables.channels[row.message.channel_id])

    # Users.

    async def ready_channels(self, user_id: UserId) -> list[ReadyChannel]:
        await self._weather.before("ready_channels")
        lines = [self.ready_line(row, user_id) for row in self._channels_of(user_id)]
        await self._weather.after("ready_channels")
        return lines

    def _channels_of(self, user_id: UserId) -> list[ChannelRow]:
        rows = (row for row in self.tables.channels.values() if not row.is_deleted)
        return [row for row in rows if row.current(user_id) is not None]

    def ready_line(self, row: ChannelRow, user_id: UserId) -> ReadyChannel:
        member = row.members[user_id]
        peers = [other.read_seq for other in row.members.values() if other.user_id != user_id]
        return ReadyChannel(
            id=row.id,
            kind=row.info.kind,
            name=row.info.name,
            conversation_id=row.info.conversation_id,
            last_seq=row.last_seq,
            read_seq=member.read_seq,
            peer_read_seq=peers[0] if row.is_direct else UNSET,
            unread_count=self.unread(row, user_id),
            my_role=member.role,
        )

    def unread(self, row: ChannelRow, user_id: UserId) -> int:
        messages = (found.message for found in self.tables.of_channel(row.id))
        theirs = (m for m in messages if m.sender_id != user_id and m.deleted_at is None)
        return sum(message.seq > row.read_by(user_id) for message in theirs)

    async def open_direct(self, user_id: UserId, peer_id: UserId) -> ChannelId | None:
        await self._weather.before("open_direct")
        channel_id = self._direct(user_id, peer_id)
        await self._weather.after("open_direct")
        return channel_id

    def _direct(self, user_id: UserId, peer_id: UserId) -> ChannelId | None:
        low, high = sorted((user_id, peer_id))
        conversation_id = f"direct:{low}:{high}"
        for row in self.tables.channels.values():
            if row.info.conversation_id == conversation_id:
                return row.id
        users = [self.tables.users.get(user_id), self.tables.users.get(peer_id)]
        if any(user is None or user.is_deleted for user in users):
            return None
        row = self._new_channel("direct", None, conversation_id=conversation_id)
        for member_id in (user_id, peer_id):
            self._add_member(row, member_id, "member")
        self.on_made(row)
        return row.id

    async def find_invite(self, join_code: str) -> ChannelId | None:
        await self._weather.before("find_invite")
        rows = self.tables.channels.values()
        found = next((row.id for row in rows if join_code in row.invites), None)
        await self._weather.after("find_invite")
        return found

    async def find_reaction(self, code: str) -> ReactionRow | None:
        await self._weather.before("find_reaction")
        return self.tables.reactions.get(code)

    async def find_attachments(self, owner_id: UserId, ids: Sequence[int]) -> list[Attachment]:
        await self._weather.before("find_attachments")
        named = [row for file_id, row in sorted(self.tables.files.items()) if file_id in ids]
        return [row.attachment for row in named if row.owner_id == owner_id and row.message_id is None]

    async def has_posted(self, sender_id: UserId, nonce: str) -> bool:
        await self._weather.before("has_posted")
        return (sender_id, nonce) in self.tables.nonces

    async def view_channel(self, channel_id: ChannelId, user_id: UserId) -> Channel | None:
        await self._weather.before("view_channel")
        row = self.tables.channels.get(channel_id)
        if row is None or row.is_deleted:
            return None
        member = row.current(user_id)
        info = row.shown()
        values = {name: getattr(info, name) for name in ChannelInfo.__struct_fields__}
        sees_code = member is not None and member.role in ("owner", "admin")
        return Channel(
            **values,
            my_role=None if member is None else member.role,
            read_seq=Seq(0) if member is None else member.read_seq,
            unread_count=0 if member is None else self.unread(row, user_id),
            join_code=row.join_code if sees_code else UNSET,
        )

    async def load_profile(self, user_id: UserId) -> PublicProfile | None:
        await self._weather.before("load_profile")
        row = self.tables.users.get(user_id)
        return None if row is None or row.is_deleted else row.profile


def snapshot_of(row: ChannelRow, tables: Tables) -> ChannelSnapshot:
    live = (found.invite for found in row.invites.values() if not found.is_revoked)
    return ChannelSnapshot(
        info=row.shown(),
        join_code=row.join_code,
        members=tuple(tables.member_row(row, member) for member in row.present()),
        invites=tuple(live),
    )
