"""What a client knows, without I/O: events in, what there is to show out.

For each channel it keeps a cursor, the last `seq` that it has applied. An event that is not the next is a
repeat, and ignored; a resumed connection begins with what changed after the cursor. Sends are kept until they
are acknowledged, and sent again with the same nonce, so that each is stored once however often it is sent.
Next: `text.py` puts what there is to show into lines.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import Struct, structs

from protocol.commands import Cursor, Hello, Send, Sync
from protocol.errors import Code
from protocol.events import (
    Ack,
    AnyEvent,
    ChannelAdded,
    ChannelRemoved,
    ChannelUpdate,
    ErrorEvent,
    HistoryPage,
    MemberJoined,
    MemberLeft,
    MessageDelete,
    MessageUpdate,
    NewMessage,
    PrivacyUpdated,
    Ready,
    Reset,
    SequencedEvent,
    SyncPage,
    TypingEvent,
    UserUpdate,
)
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import Channel, Message, PublicProfile, ReadyChannel
from server.terminal.news import (
    Acknowledged,
    Changed,
    Connected,
    Entered,
    Forgotten,
    Gone,
    Joined,
    Left,
    MissedSome,
    News,
    Older,
    Posted,
    SendRefused,
    Typing,
)
from server.terminal.view import ChannelView

SYNC_ID: Final = "sync:"
"""How the `id` of a `sync` begins; the channel's follows."""


class ClientState:
    """Everything a client must remember over lost connections. `apply` is the only thing that changes it."""

    def __init__(self) -> None:
        self.me: PublicProfile | None = None
        self.epoch: str | None = None
        self.channels: dict[ChannelId, ChannelView] = {}
        self.names: dict[UserId, str] = {}
        self.pending: dict[str, Send] = {}

    def hello(self, token: str) -> Hello:
        """The first frame of a connection: who we are, and where we stand."""
        cursors = [Cursor(channel.id, channel.cursor) for channel in self.channels.values()]
        return Hello(token=token, resume=cursors, epoch=self.epoch)

    def post(self, send: Send) -> Send:
        """Remember a message until it is acknowledged. The answer names it by its nonce."""
        send = structs.replace(send, id=send.nonce)
        self.pending[send.nonce] = send
        return send

    def learn(self, profile: PublicProfile) -> None:
        self.names[profile.id] = profile.username

    def apply(self, event: AnyEvent) -> Sequence[News]:
        """Take in one event. Returns what it brings, in order; nothing for what is known already."""
        handler = _HANDLERS.get(type(event))
        return () if handler is None else handler(self, event)

    def _ready(self, event: Ready) -> Sequence[News]:
        self.me = event.user
        self.learn(event.user)
        if self.epoch not in (None, event.epoch):
            self.channels.clear()
        self.epoch = event.epoch
        present = {channel.id for channel in event.channels}
        gone = [
            self._forget(channel_id, "removed")
            for channel_id in list(self.channels)
            if channel_id not in present
        ]
        for channel in event.channels:
            self._enter(channel).is_behind = False
        return [*gone, Connected()]

    def _enter(self, channel: ReadyChannel | Channel) -> ChannelView:
        known = self.channels.get(channel.id)
        if known is None:
            known = ChannelView(
                channel.id, channel.kind, channel.name, channel.conversation_id, channel.last_seq
            )
            self.channels[channel.id] = known
        known.name = channel.name
        return known

    def _forget(self, channel_id: ChannelId, reason: str) -> News:
        return Gone(self.channels.pop(channel_id), reason)

    def _added(self, event: ChannelAdded) -> Sequence[News]:
        return [Entered(self._enter(event.channel))]

    def _removed(self, event: ChannelRemoved) -> Sequence[News]:
        return [self._forget(event.channel_id, event.reason)] if event.channel_id in self.channels else []

    def _sync(self, event: SyncPage) -> Sequence[News]:
        channel = self.channels.get(event.channel_id)
        if channel is None or event.to <= channel.cursor:
            return []
        if event.channel is not None:
            channel.name = event.channel.name
        for change in event.members:
            self.learn(change.user)
        news = [self._caught_up(channel, message) for message in event.messages]
        channel.cursor = event.to
        channel.is_behind = event.more
        return news

    def _caught_up(self, channel: ChannelView, message: Message) -> News:
        is_new = message.seq > channel.cursor
        channel.keep(message)
        return Posted(channel, message) if is_new else Changed(channel, message)

    def _reset(self, event: Reset) -> Sequence[News]:
        channel = self.channels.get(event.channel_id)
        if channel is None:
            return []
        channel.cursor = Seq(0)
        channel.messages.clear()
        return [Forgotten(channel)]

    def _sequenced(self, event: SequencedEvent) -> Sequence[News]:
        channel = self.channels.get(event.channel_id)
        if channel is None or event.seq <= channel.cursor:
            return []
        if event.seq > channel.cursor + 1:
            # What comes meanwhile is in the catch-up, or comes after it.
            is_first, channel.is_behind = not channel.is_behind, True
            return [MissedSome(channel)] if is_first else []
        channel.cursor = event.seq
        return self._change(channel, event)

    def _change(self, channel: ChannelView, event: SequencedEvent) -> Sequence[News]:
        match event:
            case NewMessage(message=message):
                channel.keep(message)
                return [Posted(channel, message)]
            case MessageUpdate(message=message):
                channel.keep(message)
                return [Changed(channel, message)]
            case MessageDelete(message_id=message_id, deleted_at=deleted_at):
                return _deleted(channel, message_id, deleted_at)
            case MemberJoined(user=user):
                self.learn(user)
                return [Joined(channel, user.id)]
            case MemberLeft(user_id=user_id):
                return [Left(channel, user_id)]
            case ChannelUpdate(channel=info) | PrivacyUpdated(channel=info):
                channel.name = info.name
        return []

    def _ack(self, event: Ack) -> Sequence[News]:
        send = self.pending.pop(event.reply_to, None) if isinstance(event.reply_to, str) else None
        if send is None or not isinstance(event.channel_id, int):
            return []
        return [Acknowledged(send, event.channel_id, event.seq if isinstance(event.seq, int) else Seq(0))]

    def sync(self, channel: ChannelView) -> Sync:
        """Asks for what was missed in a channel; if it is refused for now, the next event asks again."""
        return Sync(
            id=f"{SYNC_ID}{channel.id}", channel_id=channel.id, from_=channel.cursor, epoch=self.epoch
        )

    def _error(self, event: ErrorEvent) -> Sequence[News]:
        if isinstance(event.reply_to, str) and event.reply_to.startswith(SYNC_ID):
            channel = self.channels.get(ChannelId(int(event.reply_to.removeprefix(SYNC_ID))))
            if channel is not None:
                channel.is_behind = False
            if event.retryable:
                return []
        send = self.pending.get(event.reply_to) if isinstance(event.reply_to, str) else None
        if send is not None and not event.retryable:
            del self.pending[send.nonce]
        retry_after_ms = event.retry_after_ms if isinstance(event.retry_after_ms, int) else 1000
        field = event.field if isinstance(event.field, str) else None
        wait_ms = retry_after_ms if event.retryable else None
        return [SendRefused(send, Code(event.code), event.message, wait_ms, field)]

    def _history(self, event: HistoryPage) -> Sequence[News]:
        channel = self.channels.get(event.channel_id)
        return [] if channel is None else [Older(channel, tuple(reversed(event.messages)))]

    def _typing(self, event: TypingEvent) -> Sequence[News]:
        channel = self.channels.get(event.channel_id)
        return [] if channel is None else [Typing(channel, event.user_id)]

    def _user(self, event: UserUpdate) -> Sequence[News]:
        self.learn(event.user)
        return []


def _deleted(channel: ChannelView, message_id: MessageId, deleted_at: Any) -> Sequence[News]:
    known = channel.messages.get(message_id)
    if known is None:
        return []
    deleted = structs.replace(known, content=None, deleted_at=deleted_at)
    channel.keep(deleted)
    return [Changed(channel, deleted)]


_HANDLERS: Final[dict[type[Struct], Callable[[ClientState, Any], Sequence[News]]]] = {
    Ready: ClientState._ready,
    SyncPage: ClientState._sync,
    Reset: ClientState._reset,
    Ack: ClientState._ack,
    ErrorEvent: ClientState._error,
    HistoryPage: ClientState._history,
    ChannelAdded: ClientState._added,
    ChannelRemoved: ClientState._removed,
    TypingEvent: ClientState._typing,
    UserUpdate: ClientState._user,
    **dict.fromkeys(SequencedEvent.__args__, ClientState._sequenced),
}
