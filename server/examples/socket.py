"""An example of every command and every event of the socket."""

from collections.abc import Mapping
from typing import Final

from protocol import commands, events
from protocol.commands import AnyCommand
from protocol.errors import Code
from protocol.events import AnyEvent
from protocol.ids import Seq
from server.examples.world import (
    ACCESS,
    AGENT_ID,
    ALICE,
    ALICE_ID,
    ALICES_GENERAL,
    BOB,
    BOB_ID,
    DIRECT,
    GENERAL,
    GENERAL_ID,
    HELLO,
    HELLO_ID,
    LATER,
    MEMBERSHIP,
    NONCE,
    NOON,
    PAIR_ID,
    READY_CHANNELS,
    REPORT,
    STREAM,
)

EPOCH: Final = "c0ffee0ddba11"

COMMANDS: Final[tuple[AnyCommand, ...]] = (
    commands.Hello(id="1", token=ACCESS, resume=[commands.Cursor(GENERAL_ID, 120)], epoch=EPOCH),
    commands.Send(id="2", channel_id=GENERAL_ID, content="Hello, @bob!", nonce=NONCE, attachments=[5]),
    commands.EditCommand(id="3", message_id=HELLO_ID, channel_id=GENERAL_ID, content="Hello, @bob!"),
    commands.Delete(id="4", message_id=HELLO_ID, channel_id=GENERAL_ID),
    commands.React(id="5", message_id=HELLO_ID, channel_id=GENERAL_ID, code="heart"),
    commands.Unreact(id="6", message_id=HELLO_ID, channel_id=GENERAL_ID, code="heart"),
    commands.Read(id="7", channel_id=GENERAL_ID, seq=187),
    commands.Typing(channel_id=GENERAL_ID),
    commands.History(id="8", channel_id=GENERAL_ID, before=120, limit=20),
    commands.Sync(id="9", channel_id=GENERAL_ID, from_=120, epoch=EPOCH),
    commands.Presence(id="10", status="away"),
    commands.Join(id="11", channel_id=GENERAL_ID),
    commands.Leave(id="12", channel_id=GENERAL_ID),
    commands.Cancel(id="13", stream_id=STREAM),
    commands.Auth(id="14", token=ACCESS),
    commands.Ping(id="15", t=1767355200.123),
)

EVENTS: Final[tuple[AnyEvent, ...]] = (
    events.Ready(
        connection_id="4f1c9a7e2b60d835",
        epoch=EPOCH,
        user=ALICE,
        channels=READY_CHANNELS,
        heartbeat_ms=25_000,
        limits=events.Limits(65_536, 16_000, 20.0, 40, 1_048_576),
    ),
    events.SyncPage(
        reply_to="9",
        channel_id=GENERAL_ID,
        from_=Seq(120),
        to=Seq(187),
        messages=(HELLO,),
        members=(MEMBERSHIP,),
        channel=GENERAL,
    ),
    events.Reset(channel_id=GENERAL_ID),
    events.Ack(
        reply_to="2",
        message_id=HELLO_ID,
        channel_id=GENERAL_ID,
        seq=Seq(186),
        created_at=NOON,
        duplicate=False,
    ),
    events.ErrorEvent(
        reply_to="2",
        code=Code.RATE_LIMITED,
        message="Too many commands.",
        retryable=True,
        retry_after_ms=50,
    ),
    events.Pong(reply_to="15", t=1767355200.123),
    events.HistoryPage(reply_to="8", channel_id=PAIR_ID, messages=(DIRECT,), more=False),
    events.NewMessage(channel_id=GENERAL_ID, seq=Seq(186), message=HELLO),
    events.MessageUpdate(channel_id=GENERAL_ID, seq=Seq(188), message=HELLO),
    events.MessageDelete(channel_id=GENERAL_ID, seq=Seq(189), message_id=HELLO_ID, deleted_at=LATER),
    events.ReactionUpdate(
        channel_id=GENERAL_ID,
        seq=Seq(187),
        message_id=HELLO_ID,
        code="heart",
        user_id=BOB_ID,
        added=True,
        count=1,
    ),
    events.MemberJoined(channel_id=GENERAL_ID, seq=Seq(190), user=BOB, role="member"),
    events.MemberLeft(channel_id=GENERAL_ID, seq=Seq(191), user_id=BOB_ID, removed_by=ALICE_ID),
    events.RoleUpdated(channel_id=GENERAL_ID, seq=Seq(192), user_id=BOB_ID, role="admin"),
    events.ChannelUpdate(channel_id=GENERAL_ID, seq=Seq(193), channel=GENERAL),
    events.PrivacyUpdated(channel_id=GENERAL_ID, seq=Seq(194), channel=GENERAL),
    events.ChannelAdded(channel=ALICES_GENERAL),
    events.ChannelRemoved(channel_id=GENERAL_ID, reason="removed"),
    events.ReadMarker(channel_id=PAIR_ID, user_id=BOB_ID, read_seq=Seq(3)),
    events.TypingEvent(channel_id=GENERAL_ID, user_id=BOB_ID),
    events.PresenceEvent(user_id=BOB_ID, status="away", last_active_at=NOON),
    events.UserUpdate(user=BOB),
    events.ReportUpdate(report=REPORT),
    events.SessionEnded(reason="logged_out"),
    events.AgentDelta(
        stream_id=STREAM,
        channel_id=PAIR_ID,
        agent_id=AGENT_ID,
        reply_to_message_id=HELLO_ID,
        offset=0,
        text="Once upon a time",
        done=False,
    ),
    events.Lagging(),
    events.GoingAway(retry_after_ms=3000),
)

SOCKET_EXAMPLES: Final[Mapping[type, AnyCommand | AnyEvent]] = {
    type(each): each for each in (*COMMANDS, *EVENTS)
}
