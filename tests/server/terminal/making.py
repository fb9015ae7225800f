"""Events as a server would send them."""

from datetime import UTC, datetime
from typing import Any

from protocol.events import Limits as ReadyLimits
from protocol.events import MemberJoined, NewMessage, Ready, SyncPage
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import Channel, MemberChange, Message, PublicProfile, ReadyChannel

NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
ALICE = PublicProfile(UserId(1), "alice")
BOB = PublicProfile(UserId(2), "bob")
GENERAL = ChannelId(7)


def message(seq: int, content: str | None = None, sender: PublicProfile = BOB, **more: Any) -> Message:
    values: dict[str, Any] = {
        "id": MessageId(100 + seq),
        "channel_id": GENERAL,
        "conversation_id": None,
        "seq": Seq(seq),
        "sender_id": sender.id,
        "user_id": sender.id,
        "content": content or f"message {seq}",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Message(**(values | more))


def posted(seq: int, content: str | None = None, sender: PublicProfile = BOB) -> NewMessage:
    return NewMessage(channel_id=GENERAL, seq=Seq(seq), message=message(seq, content, sender))


def joined(seq: int, user: PublicProfile = BOB) -> MemberJoined:
    return MemberJoined(channel_id=GENERAL, seq=Seq(seq), user=user, role="member")


def ready_channel(last_seq: int = 0, channel_id: ChannelId = GENERAL, name: str = "general") -> ReadyChannel:
    return ReadyChannel(
        id=channel_id,
        kind="channel",
        name=name,
        conversation_id=None,
        last_seq=Seq(last_seq),
        read_seq=Seq(0),
        unread_count=0,
        my_role="member",
    )


def ready(*channels: ReadyChannel, epoch: str = "e1") -> Ready:
    limits = ReadyLimits(
        frame_bytes=65536, content_chars=16000, commands_per_s=None, burst=None, unsent_bytes=1
    )
    return Ready(
        connection_id="c", epoch=epoch, user=ALICE, channels=channels, heartbeat_ms=25000, limits=limits
    )


def channel(last_seq: int = 0, channel_id: ChannelId = GENERAL, **more: Any) -> Channel:
    values: dict[str, Any] = {
        "id": channel_id,
        "kind": "channel",
        "name": "general",
        "description": None,
        "conversation_id": None,
        "owner_id": ALICE.id,
        "is_private": False,
        "is_archived": False,
        "member_count": 2,
        "last_seq": Seq(last_seq),
        "created_at": NOW,
        "updated_at": NOW,
        "my_role": "member",
        "read_seq": Seq(0),
        "unread_count": 0,
    }
    return Channel(**(values | more))


def page(
    from_: int, to: int, *messages: Message, members: tuple[MemberChange, ...] = (), more: bool = False
) -> SyncPage:
    return SyncPage(
        channel_id=GENERAL,
        from_=Seq(from_),
        to=Seq(to),
        messages=messages,
        members=members,
        channel=None,
        more=more,
    )
