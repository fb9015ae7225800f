"""Reading a channel: from memory where it reaches back far enough, else from the database.

Only committed state is ever read. A reader who asks for changes that are still being written waits for them.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from msgspec import Struct, structs

from actors.actor import Cell
from actors.channel_commands import (
    Ask,
    Done,
    LookAt,
    ReadChanges,
    ReadHistory,
    ReadMessage,
    Resume,
)
from actors.channel_state import may_read
from actors.fanout import Fanout
from actors.known_messages import KnownMessages
from actors.permissions import NO_MESSAGE, NOT_FOUND, require
from actors.pipeline import Pipeline
from actors.ports import Channels
from actors.recent import Recent
from actors.sync_page import sync_page
from actors.system import OVERLOADED
from protocol.errors import Code, Refusal
from protocol.events import HistoryPage, SyncPage
from protocol.facts import Changes
from protocol.ids import ChannelId, Seq, UserId
from protocol.resources import Message

READS = (LookAt, ReadChanges, ReadHistory, ReadMessage)
PAGE_MAX_ROWS = 200
READS_MAX = 1_000
"""How many readers of one channel may wait for the database."""

UNREADABLE = Refusal(Code.UNAVAILABLE, "The channel cannot be read now. Try again.", retry_after_ms=1000)


class ReadDone(Struct, frozen=True):
    """What storage said to a read that went past memory."""

    ask: Ask | Resume
    result: Any


class Reads:
    """The reading half of an open channel."""

    __slots__ = (
        "_cell",
        "_fanout",
        "_known",
        "_pipeline",
        "_reading",
        "_recent",
        "_restart",
        "_store",
        "_waiting",
    )

    def __init__(
        self,
        cell: Cell,
        store: Channels,
        fanout: Fanout,
        pipeline: Pipeline,
        recent: Recent,
        known: KnownMessages,
        *,
        restart: Callable[[], None],
    ) -> None:
        self._cell = cell
        self._store = store
        self._fanout = fanout
        self._pipeline = pipeline
        self._recent = recent
        self._known = known
        self._restart = restart
        self._reading: dict[int, Ask | Resume] = {}
        self._waiting: list[Ask | Resume] = []

    @property
    def is_idle(self) -> bool:
        return not self._reading and not self._waiting

    @property
    def _id(self) -> ChannelId:
        return self._pipeline.committed.base.id

    @property
    def _last_seq(self) -> Seq:
        return self._pipeline.committed.last_seq

    def handle(self, ask: Ask) -> None:
        match ask.command:
            case LookAt():
                self._look(ask, ask.command)
            case ReadHistory():
                self._history(ask, ask.command)
            case ReadChanges():
                self._changes(ask, ask.command)
            case ReadMessage():
                self._message(ask, ask.command)

    def _read(self, ask: Ask | Resume, start: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        """Ask the database, and keep in mind who waits for it."""
        if len(self._reading) >= READS_MAX:
            ask.answer(OVERLOADED)
            return
        self._reading[id(ask)] = ask
        self._cell.run(start(), lambda result: ReadDone(ask, result))

    def finish(self, mail: ReadDone) -> None:
        """The database has answered; whoever lost the right to read meanwhile gets nothing."""
        if self._reading.pop(id(mail.ask), None) is None:
            return
        refusal = may_read(self._pipeline.committed, mail.ask.by)
        # The database may be ahead of memory: past a removal that is still being written here.
        if isinstance(mail.result, Exception) or may_read(self._pipeline.decided, mail.ask.by):
            refusal = refusal or UNREADABLE
        if refusal is not None:
            mail.ask.answer(refusal)
        elif isinstance(mail.ask, Resume):
            self._compare(mail.ask, mail.ask.after, mail.result)
        else:
            self._answer(mail.ask, mail.result)

    def _answer(self, ask: Ask, result: Any) -> None:
        match ask.command:
            case ReadHistory() as command:
                self._answer_history(ask, command, result)
            case ReadChanges() as command if command.after > self._last_seq:
                self._compare(ask, command.after, result)
            case ReadChanges() as command:
                ask.answer(
                    NOT_FOUND if is_out(result, ask.by.user_id) else self._synced(command.after, result)
                )
            case _:
                self._answer_message(ask, result[0] if result else None)

    # One look, one message.

    def _look(self, ask: Ask, command: LookAt) -> None:
        state = self._pipeline.committed
        role = state.role_of(ask.by.user_id)
        hides = state.base.is_private or state.is_direct
        refusal = None
        if command.needs is not None or hides:
            refusal = require(role, command.needs or "member", is_private=hides)
        if refusal is not None:
            ask.answer(refusal)
            return
        is_admin = role in ("owner", "admin")
        ask.answer(
            Done(
                channel_id=self._id,
                seq=state.last_seq,
                info=state.info,
                role=role,
                join_code=state.join_code if is_admin else None,
                invites=tuple(state.invites.values()) if is_admin else (),
            )
        )

    def _message(self, ask: Ask, command: ReadMessage) -> None:
        refusal = may_read(self._pipeline.committed, ask.by)
        message = self._known.get(command.message_id)
        if refusal is not None:
            ask.answer(refusal)
        elif message is not None:
            self._answer_message(ask, message)
        else:
            self._read(ask, lambda: self._store.load_messages(self._id, [command.message_id]))

    def _answer_message(self, ask: Ask, message: Message | None) -> None:
        if message is None:
            ask.answer(NO_MESSAGE)
        else:
            ask.answer(Done(channel_id=self._id, seq=self._last_seq, message=message))

    # History.

    def _history(self, ask: Ask, command: ReadHistory) -> None:
        refusal = may_read(self._pipeline.committed, ask.by)
        if refusal is not None:
            ask.answer(refusal)
            return
        wanted = min(command.limit, PAGE_MAX_ROWS) + 1
        found = self._recent.history(command.before, command.after, wanted)
        if found is not None:
            self._answer_history(ask, command, [self._known.view(message) for message in found])
            return
        self._read(ask, lambda: self._store.history(self._id, command.before, command.after, wanted))

    def _answer_history(self, ask: Ask, command: ReadHistory, found: list[Message]) -> None:
        limit = min(command.limit, PAGE_MAX_ROWS)
        page = HistoryPage(channel_id=self._id, messages=tuple(found[:limit]), more=len(found) > limit)
        ask.answer(Done(channel_id=self._id, seq=self._last_seq, history=page))

    # Changes.

    def _changes(self, ask: Ask, command: ReadChanges) -> None:
        refusal = may_read(self._pipeline.committed, ask.by)
        if refusal is not None:
            ask.answer(refusal)
        elif command.after > self._last_seq:
            self._wait_or_compare(ask, command.after)
        elif (changes := self._recent.since(command.after, self._pipeline.committed.info)) is not None:
            ask.answer(self._synced(command.after, changes))
        else:
            limit = min(command.limit, PAGE_MAX_ROWS)
            self._read(ask, lambda: self._store.changes(self._id, command.after, limit))

    def _wait_or_compare(self, ask: Ask | Resume, after: Seq) -> None:
        """A cursor ahead of memory is on its way to be committed, or the database knows where it is from."""
        if after <= self._pipeline.decided.last_seq:
            self._waiting.append(ask)
        else:
            self._read(ask, lambda: self._store.changes(self._id, self._last_seq, 1))

    def _compare(self, ask: Ask | Resume, after: Seq, changes: Changes) -> None:
        """A cursor was ahead of all that was decided here: another owner's, or from another life."""
        if after <= self._pipeline.decided.last_seq:
            self._waiting.append(ask)
            self.retry_waiting()
        elif changes.to > self._pipeline.decided.last_seq:
            ask.answer(UNREADABLE)
            self._restart()
        else:
            ask.answer(Done(channel_id=self._id, seq=self._last_seq, reset=True))

    def _synced(self, after: Seq, changes: Changes) -> Done:
        return Done(channel_id=self._id, seq=changes.to, sync=self._page(after, changes))

    def _page(self, after: Seq, changes: Changes) -> SyncPage:
        messages = tuple(self._known.view(message) for message in changes.messages)
        return sync_page(self._id, after, structs.replace(changes, messages=messages))

    # Catching up.

    def resume(self, mail: Resume) -> None:
        """Hand over from catching up to live events, in one turn, so that nothing falls between.

        Nothing is done for a connection that has moved on since it asked: it will ask again.
        """
        refusal = may_read(self._pipeline.committed, mail.by)
        connection = mail.connection
        if refusal is not None:
            mail.answer(refusal)
        elif not connection.is_live or connection.cursors.get(self._id) != mail.after:
            mail.answer(Done(channel_id=self._id, seq=self._last_seq))
        elif mail.after > self._last_seq:
            self._wait_or_compare(mail, mail.after)
        else:
            self._hand_over(mail)

    def _hand_over(self, mail: Resume) -> None:
        changes = self._recent.since(mail.after, self._pipeline.committed.info)
        if changes is None:
            mail.answer(Done(channel_id=self._id, seq=self._last_seq, behind=True))
            return
        mail.connection.write(mail.connection.codec.frame(self._page(mail.after, changes)))
        self._fanout.subscribe(self._id, mail.connection, self._last_seq)
        mail.answer(Done(channel_id=self._id, seq=self._last_seq))

    def retry_waiting(self) -> None:
        """Something was committed: those who waited for it can be served."""
        for mail in self.take_waiting():
            if isinstance(mail, Resume):
                self.resume(mail)
            else:
                self.handle(mail)

    def take_waiting(self) -> list[Ask | Resume]:
        waiting, self._waiting = self._waiting, []
        return waiting

    def give_up(self) -> list[Ask | Resume]:
        """Everybody who waits, be it for a commit or for the database."""
        reading, self._reading = list(self._reading.values()), {}
        return [*self.take_waiting(), *reading]


def is_out(changes: Changes, user_id: UserId) -> bool:
    """Whether these changes tell that the user is no longer a member: then they are not theirs to see."""
    return any(member.user.id == user_id and member.role is None for member in changes.members)
