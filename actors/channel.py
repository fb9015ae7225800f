"""The channel actor: loads its channel, keeps mail until it has, and hands it to `open_channel.py`.

Next on a message's path: `open_channel.py`.
"""

import logging
from typing import Any

from msgspec import Struct
from typing_extensions import override

from actors.actor import Actor
from actors.channel_commands import Ask, Resume
from actors.open_channel import Fetched, OpenChannel, PartDone, ReadDone, Surroundings
from actors.permissions import NOT_FOUND
from actors.system import Wake
from protocol.errors import Code, Refusal
from protocol.facts import ChannelSnapshot
from protocol.ids import ChannelId

log = logging.getLogger("parley")

UNREADABLE = Refusal(Code.UNAVAILABLE, "The channel cannot be read now. Try again.", retry_after_ms=1000)


class Loaded(Struct, frozen=True):
    """The channel as storage has it, None for no such channel, or an exception."""

    result: ChannelSnapshot | Exception | None


class Channel(Actor):
    """One active channel or direct conversation."""

    __slots__ = ("_around", "_early", "_id", "_open")

    def __init__(self, channel_id: ChannelId, around: Surroundings) -> None:
        self._id = channel_id
        self._around = around
        self._early: list[Ask | Resume] | None = None
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

    def _wait(self, mail: Ask | Resume | Wake) -> None:
        if self._early is None:
            self._early = []
            self.cell.run(self._around.store.load_channel(self._id), Loaded)
        if not isinstance(mail, Wake):
            self._early.append(mail)

    def _receive_open(self, channel: OpenChannel, mail: Any) -> None:
        if mail.__class__ is Ask:
            channel.handle(mail)
            return
        match mail:
            case PartDone():
                channel.part_done(mail)
            case Resume():
                channel.reads.resume(mail)
            case ReadDone():
                channel.reads.finish(mail)
            case Fetched():
                channel.fetched(mail)

    @override
    def end_turn(self) -> None:
        if self._open is not None:
            self._open.end_turn()

    @override
    def abandon(self, refusal: Refusal) -> None:
        early, self._early = self._early or [], []
        for mail in early:
            mail.answer(refusal)
        if self._open is not None:
            self._open.abandon(refusal)

    def _start(self, result: ChannelSnapshot | Exception | None) -> None:
        if result is None or isinstance(result, Exception):
            if result is not None:
                log.warning("channel %d cannot be loaded: %r", self._id, result)
            self.abandon(NOT_FOUND if result is None else UNREADABLE)
            self.cell.end()
            return
        early, self._early = self._early or [], []
        self._open = OpenChannel(self.cell, self._around, result)
        for mail in early:
            self._receive_open(self._open, mail)
