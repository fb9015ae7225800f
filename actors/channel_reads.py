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
from protocol.errors import Refusal
from protocol.events import HistoryPage
from protocol.ids import ChannelId, Seq
from protocol.resources import Message

READS = (LookAt, ReadHistory, ReadMessage)
PAGE_MAX_ROWS = 200


class Reads:
    """Looks at an open channel, its messages and its history."""

    __slots__ = ("_database", "_known", "_pipeline", "_recent", "_store")

    def __init__(
        self,
        store: Channels,
        database: DatabaseReads,
        pipeline: Pipeline,
        recent: Recent,
        known: KnownMessages,
    ) -> None:
        self._store = store
        self._database = database
        self._pipeline = pipeline
        self._recent = recent
        self._known = known

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

    def _refusal_after_reading(self, ask: Ask) -> Refusal | None:
        """Whoever lost the right to read meanwhile gets nothing.

        The database may be ahead of memory: past a removal that is still being written here.
        """
        refusal = may_read(self._pipeline.committed, ask.by)
        if refusal is None and may_read(self._pipeline.decided, ask.by) is not None:
            return UNREADABLE
        return refusal

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
            self._database.start(
                ask,
                lambda: self._store.load_messages(self._id, [command.message_id]),
                lambda found: self._use_message(ask, found),
            )

    def _use_message(self, ask: Ask, found: list[Message]) -> None:
        refusal = self._refusal_after_reading(ask)
        if refusal is not None:
            ask.answer(refusal)
        else:
            self._answer_message(ask, found[0] if found else None)

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
        self._database.start(
            ask,
            lambda: self._store.history(self._id, command.before, command.after, wanted),
            lambda found: self._use_history(ask, command, found),
        )

    def _use_history(self, ask: Ask, command: ReadHistory, found: list[Message]) -> None:
        refusal = self._refusal_after_reading(ask)
        if refusal is not None:
            ask.answer(refusal)
        else:
            self._answer_history(ask, command, found)

    def _answer_history(self, ask: Ask, command: ReadHistory, found: list[Message]) -> None:
        limit = min(command.limit, PAGE_MAX_ROWS)
        page = HistoryPage(channel_id=self._id, messages=tuple(found[:limit]), more=len(found) > limit)
        ask.answer(Done(channel_id=self._id, seq=self._last_seq, history=page))
