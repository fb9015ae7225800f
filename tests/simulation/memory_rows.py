"""The rows of the in-memory store: what the database's tables hold, as plain objects."""

from datetime import datetime

from msgspec import UNSET, Struct, field, structs

from protocol.audit import AuditRecord
from protocol.facts import JobQueued, MemberRow
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.jobs import JobId, JobState, bridge_of
from protocol.resources import Attachment, ChannelInfo, Invite, MemberChange, Message, PublicProfile, Role


class UserRow(Struct):
    profile: PublicProfile
    is_deleted: bool = False


class ReactionRow(Struct, frozen=True):
    id: int
    code: str
    image_url: str | None = None
    is_deleted: bool = False


class FileRow(Struct):
    owner_id: UserId
    attachment: Attachment
    message_id: MessageId | None = None


class Membership(Struct):
    user_id: UserId
    role: Role
    read_seq: Seq
    joined_seq: Seq
    changed_seq: Seq
    joined_at: datetime
    left_at: datetime | None = None

    def row(self, profile: PublicProfile) -> MemberRow:
        return MemberRow(self.user_id, profile.username, self.role, self.joined_at, is_bot=profile.is_bot)

    def change(self, profile: PublicProfile) -> MemberChange:
        return MemberChange(profile, None if self.left_at else self.role, self.joined_at, self.left_at)


class InviteRow(Struct):
    invite: Invite
    is_revoked: bool = False


class ChannelRow(Struct):
    """`info` but for its `last_seq` and `member_count`, which are counted."""

    id: ChannelId
    info: ChannelInfo
    last_seq: Seq
    changed_seq: Seq
    join_code: str | None = None
    is_deleted: bool = False
    members: dict[UserId, Membership] = field(default_factory=dict)
    invites: dict[str, InviteRow] = field(default_factory=dict)

    @property
    def is_direct(self) -> bool:
        return self.info.kind == "direct"

    def present(self) -> list[Membership]:
        """Those who are in it now, in the order of joining."""
        here = [member for member in self.members.values() if member.left_at is None]
        return sorted(here, key=lambda member: (member.joined_seq, member.user_id))

    def current(self, user_id: UserId) -> Membership | None:
        member = self.members.get(user_id)
        return member if member is not None and member.left_at is None else None

    def shown(self) -> ChannelInfo:
        return structs.replace(self.info, last_seq=self.last_seq, member_count=len(self.present()))

    def read_by(self, user_id: UserId) -> Seq:
        member = self.members.get(user_id)
        return member.read_seq if member is not None else Seq(0)


class MessageRow(Struct):
    message: Message
    changed_seq: Seq

    def view(self, channel: ChannelRow) -> Message:
        """With `is_read` as the recipient's marker has it."""
        recipient_id = self.message.recipient_id
        if recipient_id is UNSET:
            return self.message
        return structs.replace(self.message, is_read=channel.read_by(recipient_id) >= self.message.seq)


class JobRow(Struct):
    id: JobId
    queued: JobQueued
    next_at: datetime
    updated_at: datetime
    state: JobState = "pending"
    attempts: int = 0
    error: str | None = None


NonceKey = tuple[UserId, str]


class Tables(Struct):
    """The whole database."""

    users: dict[UserId, UserRow] = field(default_factory=dict)
    channels: dict[ChannelId, ChannelRow] = field(default_factory=dict)
    messages: dict[MessageId, MessageRow] = field(default_factory=dict)
    nonces: dict[NonceKey, MessageId] = field(default_factory=dict)
    reactions: dict[str, ReactionRow] = field(default_factory=dict)
    audited: list[AuditRecord] = field(default_factory=list)
    jobs: dict[str, JobRow] = field(default_factory=dict)
    files: dict[int, FileRow] = field(default_factory=dict)
    last_message_id: int = 0
    last_job_id: int = 0

    def member_row(self, channel: ChannelRow, member: Membership) -> MemberRow:
        row = member.row(self.users[member.user_id].profile)
        if not channel.is_direct:
            return row
        said = [found.message for found in self.of_channel(channel.id)]
        vias = [message.via for message in said if message.sender_id == member.user_id]
        bridge = bridge_of(vias[-1]) if vias else None
        return structs.replace(row, read_seq=member.read_seq, bridge=bridge)

    def of_channel(self, channel_id: ChannelId) -> list[MessageRow]:
        return [row for row in self.messages.values() if row.message.channel_id == channel_id]
