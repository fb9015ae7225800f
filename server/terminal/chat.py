"""The conversation: what is typed becomes commands, what happens becomes lines."""

import asyncio
import contextlib
import secrets
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Final

from protocol.commands import AnyCommand, Delete, EditCommand, History, Leave, Read, Send
from protocol.events import AnyEvent
from protocol.ids import ChannelId, Seq, UserId
from server.terminal.api import Api, ApiRefused, Unreachable, same_name
from server.terminal.connection import Connection
from server.terminal.news import (
    Acknowledged,
    Changed,
    Connected,
    Gone,
    MissedSome,
    News,
    Older,
    Posted,
    SendRefused,
    Typing,
)
from server.terminal.outbox import Outbox
from server.terminal.screen import Screen
from server.terminal.slash import HELP, Order, Say, Unknown, read_line
from server.terminal.state import ClientState
from server.terminal.text import channel_name, lines_of, plain, user_name
from server.terminal.view import ChannelView

HISTORY: Final = 20
HISTORY_MAX: Final = 200
SHOW_WITHIN_S: Final = 3.0
# They are about what was said before them, which may still wait to be sent.
_AFTER_WHAT_WAS_SAID: Final = frozenset({"leave", "edit", "delete"})


class Chat:
    """One user at one screen. `channel_id` is where they talk; `recipient_id` while that is not made yet.

    `refused` counts what was typed and came to nothing.
    """

    def __init__(self, api: Api, screen: Screen) -> None:
        self.state = ClientState()
        self.connection = Connection(api, self.state, self.hear, self._lost)
        self.connected = asyncio.Event()
        self._moved = asyncio.Event()
        self.refused = 0
        self.channel_id: ChannelId | None = None
        self._recipient_id: UserId | None = None
        self._api = api
        self._screen = screen
        self._unshown: dict[ChannelId, Seq] = {}
        self._outbox = Outbox(self.state.pending, self.connection)

    async def hear(self, event: AnyEvent) -> None:
        """Take in one event and show what it brings."""
        for news in self.state.apply(event):
            await self._act(news)
            await self._learn_names(news)
            for line in lines_of(news, self.state.names, self._me):
                self._screen.show(line)
        for channel in self.state.channels.values():
            if channel.cursor >= self._unshown.get(channel.id, Seq(0)):
                self._unshown.pop(channel.id, None)
        self._moved.set()

    async def type(self, line: str) -> bool:
        """Do what a typed line asks for. False when it asks to leave."""
        match read_line(line):
            case Say(content):
                self._screen.take_back_typed_line(line)
                await self._say(content)
            case Unknown(words):
                self._refuse(words)
            case Order("quit"):
                return False
            case Order(name, rest):
                try:
                    await self._obey(name, rest)
                except (ApiRefused, Unreachable) as error:
                    self._refuse(plain(str(error)))
        return True

    async def enter(self, name: str) -> None:
        """Go to the channel of this name: join it if need be, make it if there is none."""
        wanted = name.removeprefix("#")
        for own in self.state.channels.values():
            if own.kind == "channel" and same_name(own.name, wanted):
                await self._open(own.id, plain(f"#{own.name}"))
                return
        channel = await self._api.public_channel(wanted)
        if channel is None:
            channel = await self._api.make_channel(wanted)
        elif channel.my_role is None:
            await self._api.join(channel.id)
        await self._open(channel.id, plain(f"#{channel.name}"))

    def close(self) -> None:
        self._outbox.close()

    async def next_move(self) -> None:
        """Returns once an event has come and is shown."""
        self._moved.clear()
        await self._moved.wait()

    async def show_what_is_stored(self) -> None:
        """Wait until what is acknowledged is on the screen, or does not come: it is safe all the same."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHOW_WITHIN_S):
                while self._unshown:
                    await self.next_move()

    @property
    def _me(self) -> UserId | None:
        return None if self.state.me is None else self.state.me.id

    async def _act(self, news: News) -> None:
        """What the client itself has to do about it."""
        match news:
            case Connected():
                if not self.connected.is_set():
                    self._screen.show("-- connected")
                self.connected.set()
                await self._outbox.start_over()
            case Acknowledged(send, channel_id, seq):
                self._unshown[channel_id] = seq
                if self._recipient_id is not None and send.recipient_id == self._recipient_id:
                    self.channel_id, self._recipient_id = channel_id, None
                await self._outbox.advance()
            case SendRefused(Send(), _, _, int() as retry_after_ms):
                self._outbox.hold(retry_after_ms / 1000)
            case SendRefused():
                self.refused += 1
                await self._outbox.advance()
            case Gone(channel):
                self._unshown.pop(channel.id, None)
            case MissedSome(channel):
                await self.connection.send(self.state.sync(channel))
            case Typing(channel, user_id) if self._screen.is_live and channel.id == self.channel_id:
                self._screen.show(f"-- {user_name(user_id, self.state.names)} is typing")

    async def _learn_names(self, news: News) -> None:
        match news:
            case Posted(channel, message) | Changed(channel, message):
                await self._learn({message.sender_id} | channel.pair())
            case Older(channel, messages):
                await self._learn({message.sender_id for message in messages} | channel.pair())

    async def _learn(self, users: AbstractSet[UserId]) -> None:
        """A name that cannot be had now is shown as a number, which is no reason to wait."""
        for user_id in users - self.state.names.keys():
            with contextlib.suppress(ApiRefused, Unreachable):
                self.state.learn(await self._api.user(user_id))

    def _lost(self) -> None:
        self.connected.clear()
        self._screen.show("-- connection lost: reconnecting")

    async def _say(self, content: str) -> None:
        nonce = secrets.token_urlsafe(16)
        if self._recipient_id is not None:
            send = Send(content=content, nonce=nonce, recipient_id=self._recipient_id)
        elif self.channel_id is not None:
            send = Send(content=content, nonce=nonce, channel_id=self.channel_id)
        else:
            self._refuse("you are in no channel: /join NAME or /dm NAME")
            return
        self.state.post(send)
        await self._outbox.advance()

    async def _obey(self, name: str, rest: str) -> None:
        match name:
            case "help":
                self._show_all(HELP.splitlines())
            case "channels":
                await self._list_channels()
            case "join":
                await self.enter(rest)
            case "dm":
                await self._talk_to(rest)
            case _:
                await self._obey_here(name, rest)

    async def _obey_here(self, name: str, rest: str) -> None:
        if name in _AFTER_WHAT_WAS_SAID:
            while self.state.pending and self.connected.is_set():
                await self.next_move()
            await self.show_what_is_stored()
        if self.channel_id is None:
            self._refuse("you are in no channel: /join NAME or /dm NAME")
            return
        match name:
            case "who":
                members = await self._api.members(self.channel_id)
                for member in members:
                    self.state.learn(member.user)
                self._show_all(f"   {plain(member.user.username)} ({member.role})" for member in members)
            case "history":
                count = int(rest) if rest.isdecimal() else HISTORY
                await self._command(History(channel_id=self.channel_id, limit=min(count or 1, HISTORY_MAX)))
            case "leave":
                await self._command(Leave(channel_id=self.channel_id))
                self.channel_id = None
            case "edit" | "delete":
                await self._change_last(name, rest)

    async def _change_last(self, name: str, text: str) -> None:
        """Edit or delete the last message of one's own here."""
        channel = self.state.channels.get(self.channel_id) if self.channel_id is not None else None
        messages = channel.messages.values() if channel else ()
        own = [
            message for message in messages if message.sender_id == self._me and message.content is not None
        ]
        if not own:
            self._refuse("there is no message of yours here that this client has seen")
            return
        last = max(own, key=lambda message: message.seq)
        if name == "edit":
            await self._command(EditCommand(message_id=last.id, channel_id=last.channel_id, content=text))
        else:
            await self._command(Delete(message_id=last.id, channel_id=last.channel_id))

    async def _list_channels(self) -> None:
        own = {channel.id for channel in self.state.channels.values()}
        await self._learn({user for channel in self.state.channels.values() for user in channel.pair()})
        for channel in self.state.channels.values():
            mark = "*" if channel.id == self.channel_id else " "
            self._screen.show(f" {mark} {channel_name(channel, self.state.names, self._me)}")
        others = [channel for channel in await self._api.public_channels() if channel.id not in own]
        self._show_all(f"   #{plain(channel.name or '')} (to join)" for channel in others)

    async def _talk_to(self, name: str) -> None:
        user = await self._api.user_named(name.removeprefix("@"))
        if user is None:
            self._refuse(f"there is no user {plain(name)}")
            return
        self.state.learn(user)
        pair = {user.id, self._me}
        for channel in self.state.channels.values():
            if channel.kind == "direct" and channel.pair() == pair:
                await self._open(channel.id, f"@{plain(user.username)}")
                return
        self.channel_id, self._recipient_id = None, user.id
        self._screen.show(f"-- you talk to @{plain(user.username)}")

    async def _open(self, channel_id: ChannelId, name: str) -> None:
        self.channel_id, self._recipient_id = channel_id, None
        self._screen.show(f"-- you talk in {name}" if name[0] == "#" else f"-- you talk to {name}")
        channel = await self._known(channel_id)
        # What is posted after the cursor comes by itself, and is not to be shown twice.
        before = None if channel is None else Seq(channel.cursor + 1)
        await self._command(History(channel_id=channel_id, before=before, limit=HISTORY))
        if channel is not None:
            await self._command(Read(channel_id=channel_id, seq=channel.cursor))

    async def _known(self, channel_id: ChannelId) -> ChannelView | None:
        """The channel once the socket has told of it, which it does a moment after we have joined."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHOW_WITHIN_S):
                while channel_id not in self.state.channels and self.connected.is_set():
                    await self.next_move()
        return self.state.channels.get(channel_id)

    async def _command(self, command: AnyCommand) -> None:
        """One that is not repeated when the connection is lost: people see that nothing came of it."""
        if not self.connected.is_set():
            self._refuse("not connected now: try again in a moment")
            return
        await self.connection.send(command)

    def _refuse(self, words: str) -> None:
        self.refused += 1
        self._screen.show(f"-- {words}")

    def _show_all(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._screen.show(line)
