"""One open socket: bytes from its transport to commands for the user's actor, and frames back to it.

It is the transport's protocol after the upgrade: no task, no timer, no queue of its own. Next on a message's
path: inbound, `actors/user.py`; outbound, the kernel.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import cast

from msgspec import UNSET, Struct
from typing_extensions import override

from actors.channel_commands import Done, Identity, Result
from actors.chat import Chat
from actors.replies import error, reply
from actors.user_mail import TRY_AGAIN, Act, Attach
from protocol.codec import Codec
from protocol.commands import AnyCommand, Auth, Hello, History, Sync
from protocol.errors import Code, Refusal
from protocol.events import AnyEvent
from protocol.frames import close_frame
from protocol.ids import ChannelId, Seq, SessionId, UserId
from protocol.session import End, Farewell, Heard, Say, Session
from server.auth import Caller
from server.socket_registry import SocketRegistry

ABOUT_THE_SOCKET = (Say, End, Farewell)
PAGED = (History, Sync)
"""Commands whose answers are long: one of them at a time, or a few bytes could ask for any amount."""
OTHER_SESSION = Refusal(Code.UNAUTHENTICATED, "Renew with a token of the same session.")


class Edge(Struct, frozen=True):
    """What every socket of the process works with. `authenticate` takes a token and calls back."""

    chat: Chat
    registry: SocketRegistry
    authenticate: Callable[[str, Callable[[Caller | Refusal], None]], None]


class Socket(asyncio.Protocol):
    """A client's connection, from the upgrade to the end."""

    __slots__ = (
        "_by",
        "_drained",
        "_edge",
        "_held",
        "_is_closing",
        "_is_congested",
        "_is_paging",
        "_pending",
        "_session",
        "_transport",
        "channels",
        "connection_id",
        "cursors",
        "expires_at_s",
        "is_catching_up",
        "is_live",
        "is_stale",
        "session_id",
        "slot",
        "user_id",
    )

    def __init__(self, edge: Edge, codec: Codec, caller: Caller | None, connection_id: str) -> None:
        self.connection_id = connection_id
        self.channels: dict[ChannelId, None] = {}
        self.cursors: dict[ChannelId, Seq] = {}
        self.is_catching_up = False
        self.is_live = False
        self.is_stale = False
        self.user_id = UserId(0)
        self.session_id: SessionId | None = None
        self.expires_at_s = 0.0
        self.slot = 0
        self._by: Identity | None = None
        self._drained: asyncio.Future[bool] | None = None
        self._edge = edge
        self._held: list[AnyCommand] | None = None
        self._is_closing = False
        self._is_congested = False
        self._is_paging = False
        self._pending: list[bytes] = []
        self._session = Session(codec, edge.registry.limits.frame_bytes, is_greeted=caller is not None)
        self._transport: asyncio.Transport | None = None
        if caller is not None:
            self._take(caller)

    @property
    def codec(self) -> Codec:
        return self._session.codec

    # The transport's side.

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The upgrade is answered and the transport is ours."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._edge.registry.limits.unsent_bytes // 4)
        self._edge.registry.add(self)
        if self._by is not None:
            self._attach({}, None)
        else:
            self._edge.registry.await_hello(self)

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            self._hear_farewell(data)
            return
        for heard in self._session.receive(data):
            if self.is_live and not isinstance(heard, ABOUT_THE_SOCKET):
                self._take_command(heard)
            else:
                self._do(heard)

    @override
    def eof_received(self) -> bool:
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._is_closing = True
        self.is_live = False
        self._pending.clear()
        self._wake_drained(keeps_up=False)
        self._edge.registry.remove(self)
        if self._by is not None:
            self._edge.chat.detach(self)

    @override
    def pause_writing(self) -> None:
        self._is_congested = True
        self._edge.registry.congested(self)

    @override
    def resume_writing(self) -> None:
        self._is_congested = False
        self._edge.registry.drained(self)
        self._wake_drained(keeps_up=True)
        if self.is_live:
            self._release()
        elif self._by is not None and self._session.is_open and not self._is_closing:
            self._edge.chat.attach(Attach(self, self._by, {}, is_lagging=True))

    # Commands.

    def _do(self, heard: Heard) -> None:
        match heard:
            case Say():
                if heard.refused is not None:
                    self._edge.registry.refusals[heard.refused] += 1
                self.write(heard.frames)
            case End():
                self.close(heard.code, heard.reason)
            case Farewell():
                self._answer_farewell(heard.code)
            case Hello() if self._by is None and self._held is None:
                self._greet(heard)
            case _:
                self._hold(heard)

    def _take_command(self, command: AnyCommand) -> None:
        """Act on a command, unless it is not its turn yet: a page waits until the one before it has gone."""
        must_wait = (self._is_paging or self._is_congested) and isinstance(command, PAGED)
        if self._held is None and not must_wait:
            self._act(command)
        else:
            self._hold(command)

    def _hold(self, command: AnyCommand) -> None:
        """Keep what came too early; no more is read until it was acted on."""
        if self._held is None:
            self._held = []
        self._held.append(command)
        self._pause_reading()

    def _act(self, command: AnyCommand) -> None:
        if self._by is None or self._is_closing:
            return
        self._edge.registry.commands[type(command)] += 1
        if isinstance(command, Auth):
            # Like any command it spends a token first: looking up who somebody is costs more than most.
            self._edge.chat.act(Act(self._by, command, partial(self._renew, command), self))
        elif isinstance(command, PAGED):
            self._is_paging = True
            self._edge.chat.act(Act(self._by, command, partial(self._answer_page, command), self))
        else:
            self._edge.chat.act(Act(self._by, command, partial(self._answer, command), self))

    def _answer(self, command: AnyCommand, result: Result) -> None:
        if isinstance(result, Refusal):
            self._edge.registry.refusals[result.code] += 1
        event = reply(command, result)
        if event is not None:
            self.say(event)

    def _answer_page(self, command: AnyCommand, result: Result) -> None:
        self._answer(command, result)
        if not has_more(result):
            self._is_paging = False
            # After this tick's write, which shows whether the reader keeps up.
            asyncio.get_running_loop().call_soon(self._release)

    # Credentials.

    def _greet(self, hello: Hello) -> None:
        self._held = []
        self._pause_reading()
        self._edge.registry.greeted(self)
        self._edge.authenticate(hello.token, partial(self._authenticated, hello))

    def _authenticated(self, hello: Hello, caller: Caller | Refusal) -> None:
        if self._is_closing:
            return
        if isinstance(caller, Refusal):
            self._refuse(hello, caller)
            return
        self._take(caller)
        self._edge.registry.expires(self)
        self._attach({ChannelId(c.channel_id): Seq(c.seq) for c in hello.resume}, hello.epoch)

    def _renew(self, command: Auth, admitted: Result) -> None:
        if isinstance(admitted, Refusal):
            self._answer(command, admitted)
        else:
            self._edge.authenticate(command.token, partial(self._renewed, command))

    def _renewed(self, command: Auth, caller: Caller | Refusal) -> None:
        if self._is_closing:
            return
        if isinstance(caller, Refusal) and caller.meaning.retryable:
            self._answer(command, caller)
        elif isinstance(caller, Refusal):
            self._refuse(command, caller)
        elif caller.session_id != self.session_id:
            self._refuse(command, OTHER_SESSION)
        else:
            self.expires_at_s = caller.expires_at.timestamp()
            self._edge.registry.expires(self)
            self._answer(command, Done(channel_id=ChannelId(0), seq=Seq(0)))

    def _take(self, caller: Caller) -> None:
        self._by = caller.identity
        self.user_id = caller.identity.user_id
        self.session_id = caller.session_id
        self.expires_at_s = caller.expires_at.timestamp()

    def _refuse(self, command: AnyCommand, refusal: Refusal) -> None:
        self._answer(command, refusal)
        self.close(close_code(refusal), refusal.message)

    def end_for(self, refusal: Refusal) -> None:
        """Say why the connection cannot go on, and close it."""
        self.say(error(UNSET, refusal))
        self.close(close_code(refusal), refusal.message)

    def _attach(self, cursors: dict[ChannelId, Seq], epoch: str | None) -> None:
        if self._by is not None:
            self._edge.chat.attach(Attach(self, self._by, cursors, epoch))

    # The side of the actors.

    def go_live(self) -> None:
        """`ready` is about to be written. What was held is acted on after it."""
        if self._is_closing:
            return
        self.is_live = True
        self._session.is_open = True
        asyncio.get_running_loop().call_soon(self._release)

    def _release(self) -> None:
        """Act on what was held, as far as its turn has come, and read on when nothing is left."""
        if not self.is_live:
            return
        held, self._held = self._held or (), None
        for command in held:
            self._take_command(command)
        self._read_on()

    def _read_on(self) -> None:
        if self._held is None and self._transport is not None and not self._transport.is_reading():
            self._transport.resume_reading()

    def write(self, frames: bytes) -> None:
        """Append to what this tick sends; joined and written once. Ignored once the socket is closing."""
        if self._is_closing:
            return
        if not self._pending:
            self._edge.registry.mark_dirty(self)
        self._pending.append(frames)

    def flush(self) -> None:
        """Write everything that this tick had to say. Called by the registry once a tick."""
        pending = self._pending
        if not pending or self._transport is None:
            return
        self._pending = []
        self._transport.write(pending[0] if len(pending) == 1 else b"".join(pending))
        if self._is_congested and self.is_live:
            self._fall_behind_if_full(self._transport)

    def _fall_behind_if_full(self, transport: asyncio.Transport) -> None:
        """Past the bound nothing more is queued: leave every audience, and note how far each was heard."""
        if transport.get_write_buffer_size() > self._edge.registry.limits.unsent_bytes:
            self.is_live = False
            self.cursors = {**self._edge.chat.fanout.unsubscribe_all(self), **self.cursors}
            self._pause_reading()

    @property
    def is_congested(self) -> bool:
        return self._is_congested

    async def drained(self) -> bool:
        """Wait until the reader has taken most of what was written; False when the connection is gone."""
        self.flush()
        if self._is_closing or not self._is_congested:
            return not self._is_closing
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self._drained)

    def _wake_drained(self, *, keeps_up: bool) -> None:
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(keeps_up)

    def say(self, event: AnyEvent) -> None:
        """Write one event for this client only."""
        self.write(self._session.codec.frame(event))

    def _pause_reading(self) -> None:
        if self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    # Ending.

    def beat(self) -> None:
        """A heartbeat is due. Who waits for an answer is not being read, and is not asked for one."""
        if not self.is_live or self._held is None:
            self._do(self._session.beat())

    def close(self, code: int, reason: str) -> None:
        """Say why and close, after what was written before; the client has a few seconds to answer."""
        if self._is_closing:
            return
        self._edge.registry.closes[code] += 1
        self.write(close_frame(code, reason))
        self.flush()
        self._is_closing = True
        self.is_live = False
        if self._transport is not None:
            self._edge.chat.fanout.unsubscribe_all(self)
            self._edge.registry.closing(self)
            self._end_writing(self._transport)

    def _end_writing(self, transport: asyncio.Transport) -> None:
        """Half-close, and read on until the client has closed too: a reset could overtake our last frame."""
        if transport.can_write_eof():
            transport.write_eof()
        if not transport.is_reading():
            transport.resume_reading()

    def abort(self) -> None:
        """The client does not take part in closing, or does not read: let go."""
        if self._transport is not None:
            self._transport.abort()

    def _answer_farewell(self, code: int) -> None:
        self.close(code, "")
        self._hang_up()

    def _hear_farewell(self, data: bytes) -> None:
        """We have closed: all that is left to hear is the client's own close."""
        if self._session.is_farewell(data):
            self._hang_up()

    def _hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()


def close_code(refusal: Refusal) -> int:
    """The code to close with. Credentials that cannot be checked now may be as good as ever."""
    return refusal.meaning.close or TRY_AGAIN


def has_more(result: Result) -> bool:
    """Whether more pages follow on this one."""
    return isinstance(result, Done) and (result.reset or (result.sync is not None and result.sync.more))
