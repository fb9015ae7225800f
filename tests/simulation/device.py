"""One device of a user, which behaves as the wire protocol asks of clients.

It resumes where it stood, retries sends with the same nonce until they are acknowledged or refused for good,
and demands one answer to every command. What breaks a promise raises `BrokenPromiseError` or `GapError`.
"""

import asyncio
from collections.abc import Callable
from random import Random

from msgspec import UNSET, Struct, structs

from protocol import commands
from protocol.codec import JSON, MSGPACK
from protocol.commands import AnyCommand, Cursor, Hello, Send, Sync
from protocol.errors import Code
from protocol.events import (
    Ack,
    AnyEvent,
    ChannelAdded,
    ChannelRemoved,
    ErrorEvent,
    HistoryPage,
    Lagging,
    NewMessage,
    Pong,
    ReadMarker,
    Ready,
    Reset,
    Sequenced,
    SyncPage,
)
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import PublicProfile
from tests.simulation.oracle import BrokenPromiseError, Oracle
from tests.simulation.replica import Replica
from tests.simulation.swarm import Odds
from tests.simulation.wire import Wire

Open = Callable[[Wire, str | None], bool]
"""Hands a wire to a process, with the token of the header if there is one; False when none is up."""


CHANGES = (
    commands.Send,
    commands.EditCommand,
    commands.Delete,
    commands.React,
    commands.Join,
    commands.Leave,
)
NOT_IN_IT = (Code.FORBIDDEN, Code.NOT_FOUND)


class Pending(Struct):
    """A command that is to be answered, where its channel stood then, and what a `sync` is for."""

    command: AnyCommand
    replica: Replica | None = None
    asked_at: Seq = Seq(0)


class Device:
    def __init__(
        self, profile: PublicProfile, random: Random, odds: Odds, oracle: Oracle, open_wire: Open
    ) -> None:
        self.profile = profile
        self.replicas: dict[ChannelId, Replica] = {}
        self.markers: dict[tuple[ChannelId, UserId], Seq] = {}
        self.acked: dict[str, tuple[MessageId, Seq]] = {}
        self.outbox: dict[str, Send] = {}
        self.refused: set[str] = set()
        self.acted_on: dict[str, int] = {}
        self.wire: Wire | None = None
        self.is_ready = False
        self.is_wanted = True
        self.most_unsent = 0
        self._is_lagging = False
        self._resumed: frozenset[ChannelId] = frozenset()
        self._pending: dict[str, Pending] = {}
        self._requests = 0
        self._random = random
        self._odds = odds
        self._oracle = oracle
        self._open = open_wire

    @property
    def user_id(self) -> UserId:
        return self.profile.id

    @property
    def is_at_rest(self) -> bool:
        """Nothing is on its way: connected, told everything, answered everything."""
        is_complete = all(replica.is_at_rest for replica in self.replicas.values())
        is_quiet = self.wire is not None and self.wire.is_quiet
        return self.is_ready and is_quiet and is_complete and not self._pending and not self.outbox

    @property
    def state(self) -> str:
        waiting = {request: type(p.command).__name__ for request, p in self._pending.items()}
        stands = {c: (r.applied, r.heard) for c, r in self.replicas.items()}
        return f"{self.profile.username} ready={self.is_ready} {waiting=} outbox={[*self.outbox]} {stands=}"

    # Connecting.

    def connect(self) -> None:
        if self.wire is not None or not self.is_wanted:
            return
        codec = self._random.choice((JSON, MSGPACK))
        by_header = self._random.random() < 0.5
        wire = Wire(
            self._random,
            codec,
            self._odds.latency_s,
            watch=self._watch,
            hear=lambda event: self._hear(wire, event),
            lost=lambda code: self._lost(wire),
        )
        token = self.profile.username
        if not self._open(wire, token if by_header else None):
            self._again()
            return
        self.wire = wire
        self._resumed = frozenset() if by_header else frozenset(self.replicas)
        if not by_header:
            wire.send(self._hello(token))

    def _watch(self, event: AnyEvent) -> None:
        """The server writes this: what is wrong with it must not be taken for an error of the socket's."""
        try:
            self._oracle.judge(self.user_id, event)
            if isinstance(event, ErrorEvent) and event.reply_to is not UNSET:
                self._judge_refusal(event, self._pending.get(event.reply_to))
        except Exception as error:
            context = {"message": "wrong words", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)

    def _judge_refusal(self, error: ErrorEvent, pending: Pending | None) -> None:
        """A refusal rests on what is committed, and in fair weather nobody has to try a change again."""
        if pending is None:
            return
        command = pending.command
        if self._odds.is_fair and error.retryable and isinstance(command, CHANGES):
            raise BrokenPromiseError(f"{command} is refused for no reason: {error.message}")
        if isinstance(command, Send) and command.channel_id is not None and error.code in NOT_IN_IT:
            truth = self._oracle.channels.get(ChannelId(command.channel_id))
            if truth is not None and not truth.was_outside_since(self.user_id, pending.asked_at):
                raise BrokenPromiseError(f"{command} is refused before its author is out: {error.message}")

    def _hello(self, token: str) -> Hello:
        cursors = [Cursor(channel_id, replica.applied) for channel_id, replica in self.replicas.items()]
        # Whoever slept through the restore of a backup comes with cursors from another life.
        epoch = self._random.choice((None, "the-one-life", "the-one-life", "another-life"))
        return Hello(token=token, resume=cursors, epoch=epoch)

    def disconnect(self, notice_s: float) -> None:
        if self.wire is not None:
            self.wire.hang_up(notice_s)
            self._lost(self.wire)

    def _lost(self, wire: Wire) -> None:
        if self.wire is not wire:
            return
        self.most_unsent = max(self.most_unsent, wire.most_unsent)
        self.wire = None
        self.is_ready = False
        self._is_lagging = False
        self._pending.clear()
        self._again()

    def _again(self) -> None:
        asyncio.get_running_loop().call_later(self._random.uniform(0.01, 0.4), self.connect)

    # Speaking.

    def ask(self, command: AnyCommand, replica: Replica | None = None) -> None:
        """Send a command that is to be answered."""
        if self.wire is None:
            return
        self._requests += 1
        request_id = f"r{self._requests}"
        truth = self._oracle.channels.get(ChannelId(getattr(command, "channel_id", None) or 0))
        asked_at = truth.last_seq if truth is not None else Seq(0)
        self._pending[request_id] = Pending(command, replica, asked_at)
        self.wire.send(structs.replace(command, id=request_id))

    def tell(self, command: AnyCommand) -> None:
        """Send a command that is answered only when refused."""
        if self.wire is not None:
            self.wire.send(command)

    def post(self, send: Send) -> None:
        """Send a message, and again with the same nonce until it is known what became of it."""
        self.outbox[send.nonce] = send
        if self.is_ready:
            self.ask(send)

    def sync(self, replica: Replica) -> None:
        self.ask(Sync(channel_id=replica.channel_id, from_=replica.applied), replica)

    # Hearing.

    def _hear(self, wire: Wire, event: AnyEvent) -> None:
        if self.wire is not wire:
            return
        match event:
            case Sequenced():
                self._replica(event).take_event(event)
                self._mark_post(event)
            case Ack() | ErrorEvent() | Pong() | HistoryPage():
                self._take_answer(event)
            case ReadMarker():
                self._mark(event.channel_id, event.user_id, event.read_seq)
            case Lagging():
                self._is_lagging = True
            case _:
                self._hear_of_channels(event)

    def _hear_of_channels(self, event: AnyEvent) -> None:
        match event:
            case Ready():
                self._take_ready(event)
            case SyncPage():
                self._take_page(event)
            case Reset():
                self._take_reset(event)
            case ChannelAdded():
                self._take_added(event)
            case ChannelRemoved():
                self.replicas.pop(event.channel_id, None)

    def _replica(self, event: Sequenced) -> Replica:
        replica = self.replicas.get(event.channel_id)
        if replica is None:
            raise BrokenPromiseError(f"{event} is of a channel that {self.profile.username} is not in")
        return replica

    def _take_ready(self, ready: Ready) -> None:
        # What the server catches us up in it also says the last word on, `channel_removed` if need be.
        listed = {line.id for line in ready.channels} | set(
            self.replicas if self._is_lagging else self._resumed
        )
        for channel_id in [c for c in self.replicas if c not in listed]:
            del self.replicas[channel_id]
        for channel_id in self._resumed if not self._is_lagging else ():
            self.replicas[channel_id].resume_at(self.replicas[channel_id].applied)
            self.replicas[channel_id].follow()
        for line in ready.channels:
            self._start(line.id, line.last_seq)
            self._mark(line.id, self.user_id, line.read_seq)
            if line.peer_read_seq is not UNSET:
                self._mark_peer(line.conversation_id or "", line.id, line.peer_read_seq)
        self._is_lagging = False
        if not self.is_ready:
            self.is_ready = True
            for send in list(self.outbox.values()):
                self.ask(send)

    def _start(self, channel_id: ChannelId, last_seq: Seq) -> None:
        """Where the stream of a channel goes on after `ready`."""
        replica = self.replicas.get(channel_id)
        if replica is not None and channel_id in self._resumed and not self._is_lagging:
            return
        if replica is None:
            replica = self.replicas[channel_id] = Replica(channel_id, last_seq)
        elif self._is_lagging:
            replica.follow()
        if not self._is_lagging or replica.heard == 0:
            replica.resume_at(last_seq)
        is_asked = any(pending.replica is replica for pending in self._pending.values())
        if not replica.is_complete and not is_asked:
            self.sync(replica)

    def _take_page(self, page: SyncPage) -> None:
        if page.reply_to is UNSET:
            if page.channel_id not in self.replicas:
                raise BrokenPromiseError(
                    f"a page of {page.channel_id} for {self.profile.username}, who is not in it"
                )
            self.replicas[page.channel_id].take_page(page)
            self._mark_posts(page)
            return
        pending = self._pending.get(page.reply_to)
        if pending is None:
            raise BrokenPromiseError(f"{self.profile.username} asked for no page from {page.from_}")
        if not page.more:
            del self._pending[page.reply_to]
        replica = self.replicas.get(page.channel_id)
        if replica is not None and replica is pending.replica:
            replica.take_page(page)
            self._mark_posts(page)
            if not page.more and not replica.is_complete:
                self.sync(replica)

    def _take_reset(self, reset: Reset) -> None:
        replica = self.replicas.get(reset.channel_id)
        if reset.reply_to is not UNSET:
            if reset.reply_to not in self._pending:
                raise BrokenPromiseError(f"{self.profile.username} asked for nothing that could be reset")
        elif replica is not None:
            replica.reset()

    def _take_added(self, added: ChannelAdded) -> None:
        channel = added.channel
        replica = self.replicas[channel.id] = Replica(channel.id, channel.last_seq)
        self._mark(channel.id, self.user_id, channel.read_seq)
        self.sync(replica)

    def _take_answer(self, event: Ack | ErrorEvent | Pong | HistoryPage) -> None:
        if event.reply_to is UNSET:
            if isinstance(event, ErrorEvent):
                return
            raise BrokenPromiseError(f"{event} answers nothing")
        pending = self._pending.pop(event.reply_to, None)
        if pending is None:
            raise BrokenPromiseError(f"{event} answers a second time, or nothing")
        match pending.command, event:
            case Send() as send, Ack():
                self._acknowledged(send, event)
            case Send() as send, ErrorEvent():
                self._refused(send, event)
            case commands.Read() as read, ErrorEvent() if event.retryable:
                self._later(lambda: self.ask(read))
            case Sync(), ErrorEvent() if event.retryable and pending.replica is not None:
                self._later(lambda: self._sync_again(pending.replica))

    def _sync_again(self, replica: Replica | None) -> None:
        if replica is not None and self.replicas.get(replica.channel_id) is replica and self.is_ready:
            self.sync(replica)

    def _acknowledged(self, send: Send, ack: Ack) -> None:
        if ack.message_id is UNSET or ack.seq is UNSET:
            raise BrokenPromiseError(f"{ack} of a message does not name it")
        earlier = self.acked.setdefault(send.nonce, (ack.message_id, ack.seq))
        if earlier != (ack.message_id, ack.seq):
            raise BrokenPromiseError(f"{send.nonce} is {earlier} and {ack}")
        self.outbox.pop(send.nonce, None)

    def _refused(self, send: Send, error: ErrorEvent) -> None:
        if send.nonce not in self.outbox:
            return
        if error.retryable:
            self._later(lambda: self._send_again(send))
        else:
            del self.outbox[send.nonce]
            self.refused.add(send.nonce)

    def _send_again(self, send: Send) -> None:
        is_asked = any(pending.command is send for pending in self._pending.values())
        if send.nonce in self.outbox and self.is_ready and not is_asked:
            self.ask(send)

    def _later(self, work: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(self._random.uniform(0.05, 0.6), work)

    # Markers.

    def _mark(self, channel_id: ChannelId, user_id: UserId, read_seq: Seq) -> None:
        key = (channel_id, user_id)
        self.markers[key] = Seq(max(self.markers.get(key, 0), read_seq))

    def _mark_peer(self, conversation_id: str, channel_id: ChannelId, read_seq: Seq) -> None:
        for user_id in conversation_id.split(":")[1:]:
            if int(user_id) != self.user_id:
                self._mark(channel_id, UserId(int(user_id)), read_seq)

    def _mark_post(self, event: Sequenced) -> None:
        if isinstance(event, NewMessage):
            self._mark(event.channel_id, event.message.sender_id, event.seq)

    def _mark_posts(self, page: SyncPage) -> None:
        for message in page.messages:
            self._mark(page.channel_id, message.sender_id, message.seq)

    def read_all(self) -> None:
        for replica in self.replicas.values():
            self.ask(commands.Read(channel_id=replica.channel_id, seq=replica.applied))
