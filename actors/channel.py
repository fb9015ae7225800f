"""The channel actor: loads its channel, keeps mail until it has, and hands it to `open_channel.py`.

Next on a message's path: `open_channel.py`.
"""

import logging
from collections import deque
from typing import Any

from msgspec import Struct
from typing_extensions import override

from actors.actor import Actor, refuse
from actors.channel_commands import Ask, Resume
from actors.database_reads import ReadDone
from actors.missed import tell_gone
from actors.open_channel import Fetched, OpenChannel, PartDone, Surroundings
from actors.permissions import NOT_FOUND
from actors.system import OVERLOADED, Wake
from protocol.errors import Code, Refusal
from protocol.facts import ChannelSnapshot
from protocol.ids import ChannelId

log = logging.getLogger("actors")

EARLY_MAX = 10_000
"""How many commands may wait for a channel to load."""
RETRY_S = 1.0
"""After how long a channel that somebody must hear from is loaded again."""

UNREADABLE = Refusal(Code.UNAVAILABLE, "The channel cannot be read now. Try again.", retry_after_ms=1000)


class Loaded(Struct, frozen=True):
    """The channel as storage has it, None for no such channel, or an exception."""

    result: ChannelSnapshot | Exception | None


class Channel(Actor):
    """One active channel or direct conversation."""

    __slots__ = ("_around", "_early", "_id", "_is_reloaded", "_is_wanted", "_open")

    def __init__(self, channel_id: ChannelId, around: Surroundings) -> None:
        self._id = channel_id
        self._around = around
        self._early: deque[Any] | None = None
        self._is_reloaded = False
        self._is_wanted = False
        self._open: OpenChannel | None = None

    @property
    @override
    def is_idle(self) -> bool:
        return self._open is not None and self._open.is_idle

    @override
    def receive(self, mail: Any) -> None:
        if self._open is not None:
            self._receive_open(self._open, mail)
        elif isinstance(mail, Loaded):
            self._start(mail.result)
        else:
            self._wait(mail)

    def _wait(self, mail: Ask | Resume | PartDone | Wake) -> None:
        if self._early is None:
            self._early = deque()
            self._load()
        if isinstance(mail, Wake | PartDone):
            self._is_wanted = True
        if isinstance(mail, Ask | Resume) and len(self._early) >= EARLY_MAX:
            mail.answer(OVERLOADED)
        elif not isinstance(mail, Wake):
            self._early.append(mail)

    def _load(self) -> None:
        self.cell.run(self._around.store.load_channel(self._id), Loaded)

    def _receive_open(self, channel: OpenChannel, mail: Any) -> None:
        if mail.__class__ is Ask:
            channel.handle(mail)
            return
        match mail:
            case PartDone():
                channel.part_done(mail)
            case Resume():
                channel.feed.serve(mail)
            case ReadDone():
                channel.database.finish(mail)
            case Fetched():
                channel.fetched(mail)

    @override
    def end_turn(self) -> None:
        if self._open is not None:
            self._open.end_turn()

    @override
    def abandon(self, refusal: Refusal) -> None:
        early, self._early = self._early or (), None
        refuse(early, refusal)
        if self._open is not None:
            self._open.abandon(refusal)

    @override
    def sleep(self) -> None:
        self._around.fanout.close(self._id)

    def _start(self, result: ChannelSnapshot | Exception | None) -> None:
        if isinstance(result, ChannelSnapshot):
            self._open_as(result)
        elif result is None:
            tell_gone(self._around.fanout, self._id)
            self.abandon(NOT_FOUND)
            self.cell.end()
        else:
            self._fail(result)

    def _fail(self, error: Exception) -> None:
        log.warning("channel %d cannot be loaded: %r", self._id, error)
        self.abandon(UNREADABLE)
        self.cell.end()
        if self._is_wanted:
            self._around.system.wake_later(self.cell.address, RETRY_S)

    def _open_as(self, snapshot: ChannelSnapshot) -> None:
        position = self._around.fanout.position(self._id)
        if position is not None and position > snapshot.info.last_seq and not self._is_reloaded:
            # Somebody was told more than was read here: a commit has landed since.
            self._is_reloaded = True
            self._load()
            return
        self._open = OpenChannel(self.cell, self._around, snapshot)
        while self._early and self.cell.is_alive:
            self._receive_open(self._open, self._early[0])
            self._early.popleft()
        for mail in self._early or ():
            self._around.system.put(self.cell.address, mail)
