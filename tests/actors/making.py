"""Channels, people and commands for the tests of what is pure."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import UNSET

from actors.channel_commands import Ask, ChannelCommand, Identity, PostMessage, Result
from actors.channel_state import ChannelState
from protocol.facts import MemberRow, MessagePosted, Part
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import ChannelInfo, ChannelKind, Invite, Message, PublicProfile, Role

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
CHANNEL = ChannelId(7)
ANN, BOB, CID, DOT = (
    PublicProfile(UserId(n), name) for n, name in enumerate(("ann", "bob", "cid", "dot"), 1)
)

NAMES = {profile.id: profile.username for profile in (ANN, BOB, CID, DOT)}


def by(profile: PublicProfile, **fields: Any) -> Identity:
    return Identity(profile, **fields)


def invite(code: str, **fields: Any) -> Invite:
    return Invite(**({"join_code": code, "expires_at": None, "max_uses": None, "uses": 0} | fields))


def state(
    *,
    kind: ChannelKind = "channel",
    roles: dict[UserId, Role] | None = None,
    last_seq: int = 1,
    invites: tuple[Invite, ...] = (),
    **fields: Any,
) -> ChannelState:
    """Ann owns it, Bob is a member, unless `roles` says otherwise; a direct one is theirs."""
    is_direct = kind == "direct"
    usual: dict[UserId, Role] = {ANN.id: "member" if is_direct else "owner", BOB.id: "member"}
    present = usual if roles is None else roles
    values: dict[str, Any] = {
        "id": CHANNEL,
        "kind": kind,
        "name": None if is_direct else "one",
        "description": None,
        "conversation_id": "direct:1:2" if is_direct else None,
        "owner_id": next((user_id for user_id, role in present.items() if role == "owner"), None),
        "is_private": False,
        "is_archived": False,
        "member_count": len(present),
        "last_seq": Seq(last_seq),
        "created_at": NOW,
        "updated_at": NOW,
    }
    rows = {
        user_id: MemberRow(user_id, NAMES[user_id], role, NOW, Seq(0) if is_direct else UNSET)
        for user_id, role in present.items()
    }
    info = ChannelInfo(**(values | fields))
    names = {row.username: row.user_id for row in rows.values()}
    join_code = invites[0].join_code if invites else None
    return ChannelState(info, Seq(last_seq), rows, {i.join_code: i for i in invites}, join_code, names)


def message(message_id: int = 1, seq: int = 2, sender: PublicProfile = ANN, **fields: Any) -> Message:
    values: dict[str, Any] = {
        "id": MessageId(message_id),
        "channel_id": CHANNEL,
        "conversation_id": None,
        "seq": Seq(seq),
        "sender_id": sender.id,
        "user_id": sender.id,
        "content": f"text {message_id}",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Message(**(values | fields))


def posted(seq: int = 2, sender: PublicProfile = ANN, **fields: Any) -> MessagePosted:
    values: dict[str, Any] = {
        "at": NOW,
        "seq": Seq(seq),
        "sender_id": sender.id,
        "content": f"text {seq}",
        "nonce": None,
    }
    return MessagePosted(**(values | fields))


def part(expected: int, *seqs: int, channel_id: ChannelId = CHANNEL) -> Part:
    """Posts with these numbers."""
    return Part(channel_id, Seq(expected), Seq(expected + len(seqs)), tuple(posted(seq) for seq in seqs))


class Asker:
    """Somebody who asks and keeps the answers."""

    def __init__(self, profile: PublicProfile = ANN) -> None:
        self.profile = profile
        self.answers: list[Result] = []

    def ask(self, command: ChannelCommand) -> Ask:
        return Ask(by(self.profile), command, self.answers.append)

    def post(self, content: str = "text", nonce: str | None = None, **fields: Any) -> Ask:
        return self.ask(PostMessage(content=content, nonce=nonce, **fields))
