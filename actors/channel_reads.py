"""Reading a channel: from memory where it reaches back far enough, else from the database.

Only committed state is ever read. What changed after a cursor is read in `channel_feed.py`.
"""

from actors.channel_commands import Ask, Done, LookAt, ReadHistory, ReadMessage
from actors.channel_state import may_read
from actors.database_reads import UNREADABLE, DatabaseReads
from actors.known_messages import KnownMessages
from actors.permissions import NO_MESSAGE, require
from actors.pipeline import Pipeline
from actors.ports import Channels
from actors.recent import Recent
from actors.strangers import Strangers
from protocol.errors import Refusal
from protocol.events import HistoryPage
from protocol.ids import ChannelId, Seq
from protocol.resources import Message

READS = (LookAt, ReadHistory, ReadMessage)
PAGE_MAX_ROWS = 200
PAGE_MAX_CHARS = 256 * 1024
"""How much text a page may hold: 200 messages of the largest kind would be 12 MB, for a few bytes asked."""


class Reads:
    """Looks at an open channel, its messages and its history."""

    __slots__ = ("_database", "_known", "_pipeline", "_recent", "_store", "_strangers")

    def __init__(
        self,
        store: Channels,
        database: DatabaseReads,
        pipeline: Pipeline,
        recent: Recent,
        known: KnownMessages,
        strangers: Strangers,
    ) -> None:
        self._store = store
        self._database = database
        self._pipeline = pipeline
        self._recent = recent
        self._known = known
        self._strangers = strangers

    @property
    def _id(self) -> ChannelId:
        return self._pipeline.committed.base.id

    @property
    def _last_seq(self) -> Seq:
        return self._pipeline.committed.last_seq

    def handle(self, ask: Ask) -> None:
        match ask.command:
            case LookAt() as command:
                self._look(ask, command)
            case ReadHistory() as command:
                self._history(ask, command)
            case ReadMessage() as command:
                self._message(ask, command)

    def _refusal(self, ask: Ask) -> Refusal | None:
        """Why not to read; whoever is just being let in or removed is to try again.

        The database may be ahead of memory, past a change of members that is still being written here.
        """
        refusal = may_read(self._pipeline.committed, ask.by)
        later = (may_read(state, ask.by) for state in self._pipeline.to_come())
        return UNREADABLE if any((other is None) != (refusal is None) for other in later) else refusal

    # One look, one message.

    def _look(self, ask: Ask, command: LookAt) -> None:
        state = self._pipeline.committed
        role = state.role_of(ask.by.user_id)
        hides = state.base.is_private or state.is_direct
        refusal = None
        if command.needs is not None or hides:
            refusal = require(role, command.needs or "member", is_private=hides)
        if refusal is not None:
            self._strangers.refuse(ask, refusal)
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
        refusal = self._refusal(ask)
        message = self._known.get(command.message_id)
        if refusal is not None:
            self._strangers.refuse(ask, refusal)
        elif message is not None:
            self._answer_message(ask, message)
        else:
            self._database.start(
                ask,
                lambda: self._store.load_messages(self._id, [command.message_id]),
                lambda found: self._use_message(ask, found),
            )

    def _use_message(self, ask: Ask, found: list[Message]) -> None:
        refusal = self._refusal(ask)
        if refusal is not None:
            self._strangers.refuse(ask, refusal)
        else:
            self._answer_message(ask, found[0] if found else None)

    def _answer_message(self, ask: Ask, message: Message | None) -> None:
        if message is None:
            ask.answer(NO_MESSAGE)
        else:
            ask.answer(Done(channel_id=self._id, seq=self._last_seq, message=message))

    # History.

    def _history(self, ask: Ask, command: ReadHistory) -> None:
        refusal = self._refusal(ask)
        if refusal is not None:
            self._strangers.refuse(ask, refusal)
            return
        wanted = min(command.limit, PAGE_MAX_ROWS) + 1
        found = self._recent.history(command.before, command.after, wanted)
        if found is not None:
            self._answer_history(ask, command, [self._known.view(message) for message in found])
            return
        # What the database has beyond memory may be from after the asker's removal by another owner.
        end = Seq(self._last_seq + 1)
        before = end if command.before is None else min(command.before, end)
        self._database.start(
            ask,
            lambda: self._store.history(self._id, before, command.after, wanted),
            lambda found: self._use_history(ask, command, found),
        )

    def _use_history(self, ask: Ask, command: ReadHistory, found: list[Message]) -> None:
        refusal = self._refusal(ask)
        if refusal is not None:
            self._strangers.refuse(ask, refusal)
        else:
            self._answer_history(ask, command, found)

    def _answer_history(self, ask: Ask, command: ReadHistory, found: list[Message]) -> None:
        messages = fitting(found[: min(command.limit, PAGE_MAX_ROWS)])
        page = HistoryPage(channel_id=self._id, messages=messages, more=len(found) > len(messages))
        ask.answer(Done(channel_id=self._id, seq=self._last_seq, history=page))


def fitting(messages: list[Message]) -> tuple[Message, ...]:
    """As many from the front as fit on a page, and at least one."""
    chars = 0
    for count, message in enumerate(messages):
        chars += len(message.content or "")
        if chars > PAGE_MAX_CHARS and count:
            return tuple(messages[:count])
    return tuple(messages)
