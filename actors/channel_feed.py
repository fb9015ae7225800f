"""What changed in a channel after a cursor, and the hand-over from catching up to live events.

Served from memory where it reaches back far enough, else from the database. The database may be ahead of
memory by what is just being committed. A page from there waits until memory is as far as the page has seen: a
row that changed in between would otherwise be on neither this page nor the next.
"""

from collections import deque

from msgspec import Struct

from actors.channel_commands import Ask, Done, ReadChanges, Resume
from actors.channel_state import may_read
from actors.database_reads import DatabaseReads, Reader
from actors.fanout import Fanout
from actors.known_messages import KnownMessages
from actors.pipeline import Pipeline
from actors.ports import Channels
from actors.recent import Recent
from actors.strangers import Strangers
from protocol.errors import Refusal
from protocol.events import SyncPage
from protocol.facts import Changes
from protocol.ids import ChannelId, Seq

PAGE_MAX_ROWS = 200


class Waiting(Struct, frozen=True):
    """Somebody who is served once memory stands at `until`, with `changes` if they are read already."""

    reader: Reader
    until: Seq
    changes: Changes | None = None


class Feed:
    """The changes of an open channel."""

    __slots__ = ("_database", "_fanout", "_known", "_pipeline", "_recent", "_store", "_strangers", "_waiting")

    def __init__(
        self,
        store: Channels,
        database: DatabaseReads,
        fanout: Fanout,
        pipeline: Pipeline,
        recent: Recent,
        known: KnownMessages,
        *,
        strangers: Strangers,
    ) -> None:
        self._store = store
        self._database = database
        self._fanout = fanout
        self._pipeline = pipeline
        self._recent = recent
        self._known = known
        self._strangers = strangers
        self._waiting: deque[Waiting] = deque()

    @property
    def is_idle(self) -> bool:
        return not self._waiting

    @property
    def _id(self) -> ChannelId:
        return self._pipeline.committed.base.id

    @property
    def _last_seq(self) -> Seq:
        return self._pipeline.committed.last_seq

    def serve(self, reader: Reader) -> None:
        """Answer with what changed; a `Resume` is handed over in one turn, so that nothing falls between."""
        if (refusal := self._refusal(reader)) is not None:
            self._refuse(reader, refusal)
        elif has_moved_on(reader, self._id):
            reader.answer(Done(channel_id=self._id, seq=self._last_seq))
        elif after_of(reader) > self._last_seq:
            self._wait(Waiting(reader, after_of(reader)))
        elif (changes := self._recall(reader)) is None:
            self._read(reader)
        else:
            self._fanout.resumes["memory"] += 1
            self._serve_from_memory(reader, changes)

    def _serve_from_memory(self, reader: Reader, changes: Changes) -> None:
        if isinstance(reader, Resume):
            self._hand_over(reader, changes)
        else:
            self._answer(reader, changes)

    def _recall(self, reader: Reader) -> Changes | None:
        """What memory knows; None when it does not reach back far enough, or is more than a page."""
        changes = self._recent.since(after_of(reader), self._pipeline.committed.info)
        is_page = changes is not None and len(changes.messages) + len(changes.members) <= page_rows(reader)
        return changes if is_page else None

    def _refusal(self, reader: Reader) -> Refusal | None:
        return may_read(self._pipeline.committed, reader.by)

    def _refuse(self, reader: Reader, refusal: Refusal) -> None:
        """`ready` comes from the database: it may show a membership that memory has yet to hear of."""
        if may_read(self._pipeline.decided, reader.by) is None:
            self._waiting.append(Waiting(reader, self._pipeline.decided.last_seq))
        else:
            self._strangers.refuse(reader, refusal)

    def _answer(self, ask: Ask, changes: Changes) -> None:
        ask.answer(Done(channel_id=self._id, seq=changes.to, sync=self._page(after_of(ask), changes)))

    def _hand_over(self, resume: Resume, changes: Changes) -> None:
        self._push(resume, changes)
        self._fanout.subscribe(self._id, resume.connection, self._last_seq)
        resume.answer(Done(channel_id=self._id, seq=self._last_seq))

    def _push(self, resume: Resume, changes: Changes) -> None:
        connection = resume.connection
        connection.write(connection.codec.frame(self._page(resume.after, changes)))

    def _page(self, after: Seq, changes: Changes) -> SyncPage:
        return SyncPage(
            channel_id=self._id,
            from_=after,
            to=changes.to,
            messages=tuple(self._known.view(message) for message in changes.messages),
            members=changes.members,
            channel=changes.channel,
            more=changes.more,
        )

    # From the database.

    def _read(self, reader: Reader) -> None:
        limit = page_rows(reader)
        self._database.start(
            reader,
            lambda: self._store.changes(self._id, after_of(reader), limit),
            lambda changes: self._use(reader, changes),
        )

    def _use(self, reader: Reader, changes: Changes) -> None:
        """A page is here; whoever lost the right to read meanwhile gets nothing."""
        self._fanout.resumes["database"] += 1
        if (refusal := self._refusal(reader)) is not None:
            self._refuse(reader, refusal)
        elif changes.last_seq > self._last_seq:
            self._wait(Waiting(reader, changes.last_seq, changes))
        elif has_moved_on(reader, self._id):
            reader.answer(Done(channel_id=self._id, seq=self._last_seq))
        elif isinstance(reader, Resume):
            self._push(reader, changes)
            # With `more` false, memory takes over from there in the next step.
            reader.connection.cursors[self._id] = changes.to
            reader.answer(Done(channel_id=self._id, seq=changes.to, behind=True))
        else:
            self._answer(reader, changes)

    # Waiting for memory.

    def _wait(self, waiting: Waiting) -> None:
        """What is ahead of memory is being committed here, or else the database knows where it is from."""
        if waiting.until <= self._pipeline.decided.last_seq:
            self._waiting.append(waiting)
        else:
            self._database.start(
                waiting.reader,
                lambda: self._store.changes(self._id, self._last_seq, 1),
                lambda changes: self._compare(waiting, changes),
            )

    def _compare(self, waiting: Waiting, changes: Changes) -> None:
        """Something is ahead of all that was decided here: another owner's, or of another life."""
        if waiting.until <= self._pipeline.decided.last_seq:
            self._waiting.append(waiting)
            self.retry_waiting()
        elif changes.last_seq > self._pipeline.decided.last_seq:
            self._strangers.give_way(waiting.reader)
        else:
            reset = Done(channel_id=self._id, seq=self._last_seq, reset=True)
            waiting.reader.answer(self._refusal(waiting.reader) or reset)

    def retry_waiting(self) -> None:
        """Something was committed or given up: those who waited for it can be served, or wait on."""
        for _ in range(len(self._waiting)):
            self._retry(self._waiting[0])
            self._waiting.popleft()

    def _retry(self, waiting: Waiting) -> None:
        if self._last_seq < waiting.until <= self._pipeline.decided.last_seq:
            self._waiting.append(waiting)
        elif waiting.changes is None:
            self.serve(waiting.reader)
        elif waiting.until <= self._last_seq:
            self._use(waiting.reader, waiting.changes)
        else:
            self._wait(waiting)

    def give_up(self) -> list[Reader]:
        """Nobody waits any more: those who did."""
        readers = [waiting.reader for waiting in self._waiting]
        self._waiting.clear()
        return readers


def after_of(reader: Reader) -> Seq:
    """The cursor of a reader of changes."""
    if isinstance(reader, Ask):
        return reader.command.after if isinstance(reader.command, ReadChanges) else Seq(0)
    return reader.after


def page_rows(reader: Reader) -> int:
    """How many rows its page may hold."""
    if isinstance(reader, Ask) and isinstance(reader.command, ReadChanges):
        return min(PAGE_MAX_ROWS, reader.command.limit)
    return PAGE_MAX_ROWS


def has_moved_on(reader: Reader, channel_id: ChannelId) -> bool:
    """Whether a connection is no longer where it asked to be caught up from: it asks again, or need not."""
    if isinstance(reader, Ask):
        return False
    connection = reader.connection
    return not connection.is_live or connection.cursors.get(channel_id) != reader.after
