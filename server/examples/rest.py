"""An example of everything that a request takes and of everything that one is answered, by type.

Lists are made of the examples of their items. A file of a form is a text that says so.
"""

from collections.abc import Mapping
from typing import Any, Final

from protocol.agents import AgentInfo
from protocol.audit import AuditEntry
from protocol.ids import Seq
from protocol.webhooks import EVENT_NAMES, Webhook, WebhookId
from server.bridges.telegram_inbox import Offer, TelegramChat, TelegramMessage, TelegramReply, TelegramUpdate
from server.bridges.twilio_inbox import TwilioMessage, TwilioNews
from server.examples import world
from server.examples.socket import SOCKET_EXAMPLES
from server.logins import AuthResponse
from server.rest.accounts import Credentials, Refresh, Registration
from server.rest.admin_users import SuperuserChange, UserCreate
from server.rest.auth0 import Sync, Verified
from server.rest.channel_messages import Marker, ReadUpTo
from server.rest.channels import ChannelCreate, ChannelUpdate, Privacy
from server.rest.files import FileCreate
from server.rest.invites import InviteCreate
from server.rest.me import PasswordChange, PhoneChange, ProfileUpdate
from server.rest.membership import Join, MemberRole, OwnRole, RoleChange
from server.rest.messages import DirectCreate, Unread
from server.rest.reactions import ReactionCreate
from server.rest.reports import ReportComment, ReportCreate, ReportResolve, ReportUpdate
from server.rest.roles import RoleCreate, RoleNames, UserRoles
from server.rest.sending import MessageCreate, MessageUpdate
from server.rest.status import DatabaseTest, Health, Ready, Welcome
from server.rest.webhooks import SlackPost, WebhookCreate
from server.tokens import ISSUER
from server.version import version
from storage.search import Hit

WORDS: Final = "correct horse battery"
OTHER_WORDS: Final = "staple horse battery"
HOOKS_URL: Final = "https://hooks.example.org/parley"
TWILIO_SID: Final = "SM0123456789abcdef0123456789abcdef"

BODIES: Final = (
    Registration(username="alice", email="alice@example.org", password=WORDS, full_name="Alice Liddell"),
    Credentials(username="alice", password=WORDS),
    Refresh(refresh_token=world.REFRESH),
    Sync(email="alice@example.org", name="Alice Liddell"),
    ProfileUpdate(full_name="Alice Liddell", bio="Down the rabbit hole."),
    PhoneChange(phone_number="+4930123456"),
    PasswordChange(current_password=WORDS, new_password=OTHER_WORDS),
    ChannelCreate(name="general", description="What concerns everybody."),
    ChannelUpdate(description="What concerns everybody."),
    Privacy(is_private=True),
    Join(join_code=world.JOIN_CODE),
    RoleChange(role="admin"),
    InviteCreate(expires_in_s=3600, max_uses=10),
    MessageCreate(content="Hello, @bob!", nonce=world.NONCE),
    MessageUpdate(content="Hello, @bob!"),
    ReadUpTo(seq=Seq(187)),
    DirectCreate(recipient_id=world.BOB_ID, content="Hello, Bob!", nonce=world.NONCE),
    ReportCreate(title="Spam in #general", content="The same advertisement, ten times."),
    ReportUpdate(content="The same advertisement, twenty times."),
    ReportComment(comment="We look into it.", status="in_progress"),
    ReportResolve(comment="The account is disabled."),
    UserCreate(username="bob", email="bob@example.org", password=WORDS),
    SuperuserChange(is_superuser=True),
    RoleCreate(name="moderator", description="Looks after the public channels."),
    RoleNames(roles=["moderator"]),
    WebhookCreate(url=HOOKS_URL, events=("message.created",)),
    SlackPost(text="The build is green."),
    TwilioMessage(
        message_sid=TWILIO_SID, from_="+4930123456", to="+15550100", body="Is anybody there?", num_media="0"
    ),
    TwilioNews(message_sid=TWILIO_SID, message_status="delivered", from_="+15550100", to="+4930123456"),
    TelegramUpdate(update_id=1, message=TelegramMessage(5, TelegramChat(1001), "Is anybody there?")),
)
ANSWERS: Final = (
    Welcome("Hello World", "Parley", version()),
    Health("ok", version(), 86400.123),
    Ready("ready"),
    DatabaseTest("ok", "sqlite", 0.412),
    AuthResponse(
        access_token=world.ACCESS,
        refresh_token=world.REFRESH,
        expires_in=1800,
        user=world.ALICES_ACCOUNT,
    ),
    Verified(valid=True, issuer=ISSUER, expires_at=world.LATER, user=world.ALICES_ACCOUNT),
    world.ALICES_ACCOUNT,
    world.SESSION,
    world.BOB_ONLINE,
    world.ALICES_GENERAL,
    world.MEMBER,
    OwnRole("owner"),
    MemberRole(world.BOB_ID, "admin"),
    world.INVITE,
    world.HELLO,
    world.EDIT,
    Marker(world.GENERAL_ID, Seq(187)),
    Unread(1, {world.CONVERSATION: 1}),
    world.ALICES_CONVERSATION,
    world.PARROT,
    world.ATTACHMENT,
    world.REPORT,
    AgentInfo("assistant", "Answers whatever it is asked.", world.ASSISTANT),
    Offer("K7QM2XWDAB", world.LATER),
    TelegramReply("sendMessage", 1001, "You are linked as alice."),
    Webhook(
        id=WebhookId(6),
        channel_id=world.GENERAL_ID,
        direction="outgoing",
        name=None,
        user_id=None,
        url=HOOKS_URL,
        events=EVENT_NAMES,
        cursor=Seq(187),
        is_active=True,
        created_by=world.ALICE_ID,
        created_at=world.NOON,
        updated_at=world.LATER,
    ),
    Hit(world.HELLO, "<mark>Hello</mark>, @bob!", 0.81),
    world.ROLE,
    UserRoles(("moderator",)),
    AuditEntry(
        id=11,
        actor_id=world.ALICE_ID,
        actor="alice",
        action="member.removed",
        target_type="user",
        target_id="2",
        ip_address="203.0.113.7",
        detail={"channel_id": 7},
        created_at=world.NOON,
    ),
)
FORMS: Final[Mapping[type, Any]] = {
    ReactionCreate: {"code": "party_parrot", "image": "(the bytes of a PNG, GIF or WebP)"},
    FileCreate: {"file": "(the bytes of the file)"},
}
EXAMPLES: Final[Mapping[Any, Any]] = {
    **SOCKET_EXAMPLES,
    **{type(each): each for each in (*BODIES, *ANSWERS)},
    **FORMS,
}
