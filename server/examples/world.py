"""The world of the examples: two people, their channel, their conversation, and what they do there."""

from datetime import UTC, datetime
from typing import Final

from msgspec import structs

from protocol.ids import ChannelId, MessageId, Seq, SessionId, UserId
from protocol.resources import (
    Attachment,
    Channel,
    ChannelInfo,
    Conversation,
    Edit,
    Invite,
    Member,
    MemberChange,
    Message,
    PublicProfile,
    Reaction,
    ReactionKind,
    ReadyChannel,
    Report,
    Session,
    User,
    UserRole,
)

NOON: Final = datetime(2026, 1, 2, 12, 0, 0, 123000, tzinfo=UTC)
LATER: Final = datetime(2026, 1, 2, 12, 5, tzinfo=UTC)
TOMORROW: Final = datetime(2026, 1, 3, 12, 0, tzinfo=UTC)
ALICE_ID, BOB_ID, AGENT_ID = UserId(1), UserId(2), UserId(3)
GENERAL_ID, PAIR_ID = ChannelId(7), ChannelId(9)
HELLO_ID, REPLY_ID = MessageId(42), MessageId(43)
ACCESS: Final = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"
REFRESH: Final = "mW3pGqIhYkV0w9dZ7tQxTg"
JOIN_CODE: Final = "k7Qm2xWd"
CONVERSATION: Final = "direct:1:2"
NONCE: Final = "5f0c1e6a"
STREAM: Final = "agent-43"

ALICE: Final = PublicProfile(ALICE_ID, "alice", full_name="Alice Liddell", bio="Down the rabbit hole.")
BOB: Final = PublicProfile(BOB_ID, "bob", full_name="Bob")
ASSISTANT: Final = PublicProfile(AGENT_ID, "assistant", full_name="Assistant", is_bot=True)
BOB_ONLINE: Final = structs.replace(BOB, presence="online")
ALICES_ACCOUNT: Final = User(
    id=ALICE_ID,
    username="alice",
    email="alice@example.org",
    full_name="Alice Liddell",
    bio="Down the rabbit hole.",
    phone_number="+4930123456",
    picture=None,
    is_active=True,
    is_superuser=False,
    is_bot=False,
    roles=("moderator",),
    created_at=NOON,
    updated_at=NOON,
)
ROLE: Final = UserRole(4, "moderator", "Looks after the public channels.")
SESSION: Final = Session(
    id=SessionId(5),
    device_info="parley chat",
    ip_address="203.0.113.7",
    created_at=NOON,
    last_used_at=LATER,
    expires_at=TOMORROW,
    current=True,
)

GENERAL: Final = ChannelInfo(
    id=GENERAL_ID,
    kind="channel",
    name="general",
    description="What concerns everybody.",
    conversation_id=None,
    owner_id=ALICE_ID,
    is_private=False,
    is_archived=False,
    member_count=2,
    last_seq=Seq(187),
    created_at=NOON,
    updated_at=LATER,
)
ALICES_GENERAL: Final = Channel(
    **structs.asdict(GENERAL), my_role="owner", read_seq=Seq(185), unread_count=1, join_code=None
)
READY_CHANNELS: Final = (
    ReadyChannel(
        id=GENERAL_ID,
        kind="channel",
        name="general",
        conversation_id=None,
        last_seq=Seq(187),
        read_seq=Seq(185),
        unread_count=1,
        my_role="owner",
    ),
    ReadyChannel(
        id=PAIR_ID,
        kind="direct",
        name=None,
        conversation_id=CONVERSATION,
        last_seq=Seq(3),
        read_seq=Seq(3),
        peer_read_seq=Seq(2),
        unread_count=0,
        my_role="member",
    ),
)
MEMBER: Final = Member(BOB_ONLINE, "member", NOON)
MEMBERSHIP: Final = MemberChange(BOB, "member", NOON)
INVITE: Final = Invite(join_code=JOIN_CODE, expires_at=TOMORROW, max_uses=10, uses=1)

ATTACHMENT: Final = Attachment(5, "minutes.txt", "text/plain", 1280, "/files/5")
REACTION: Final = Reaction(1, "heart", None, 1, (BOB_ID,))
PARROT: Final = ReactionKind(
    12,
    "party_parrot",
    is_system=False,
    image_url="/reactions/images/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08.gif",
)
HELLO: Final = Message(
    id=HELLO_ID,
    channel_id=GENERAL_ID,
    conversation_id=None,
    seq=Seq(186),
    sender_id=ALICE_ID,
    user_id=ALICE_ID,
    content="Hello, @bob!",
    mentions=(BOB_ID,),
    reactions=(REACTION,),
    attachments=(ATTACHMENT,),
    nonce=NONCE,
    created_at=NOON,
    updated_at=NOON,
)
DIRECT: Final = Message(
    id=REPLY_ID,
    channel_id=PAIR_ID,
    conversation_id=CONVERSATION,
    seq=Seq(3),
    sender_id=BOB_ID,
    user_id=BOB_ID,
    recipient_id=ALICE_ID,
    content="Hello, Alice!",
    is_read=True,
    created_at=NOON,
    updated_at=NOON,
)
EDIT: Final = Edit("Helo, @bob!", LATER)
ALICES_CONVERSATION: Final = Conversation(
    conversation_id=CONVERSATION,
    channel_id=PAIR_ID,
    user=BOB_ONLINE,
    last_message=DIRECT,
    unread_count=0,
    updated_at=NOON,
)
REPORT: Final = Report(
    id=3,
    reporter_id=ALICE_ID,
    title="Spam in #general",
    content="The same advertisement, ten times.",
    status="resolved",
    comment="The account is disabled.",
    resolved_at=LATER,
    resolved_by=BOB_ID,
    created_at=NOON,
    updated_at=LATER,
)
