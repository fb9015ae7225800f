"""The actors, each time with one promise broken on purpose: what the simulation must catch.

Each is a context in which the sources behave as if somebody had made that mistake.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from msgspec import structs

from actors import channel_state
from actors.announce import Announcement, event_of
from actors.attaching import Connections
from actors.channel_commands import Done
from actors.channel_feed import Feed
from actors.fanout import Fanout
from actors.journal import Journal
from actors.message_state import posted
from actors.open_channel import OpenChannel
from actors.outbox import Outbox
from actors.pipeline import Pipeline
from actors.recent import Recent
from protocol.facts import JobQueued, MemberJoined, MemberLeft, MessagePosted, Numbered, Written
from protocol.ids import MessageId
from server.socket import Socket
from tests.simulation import memory_commits
from tests.simulation.memory_outbox import MemoryOutbox, queue

Variant = Callable[[], AbstractContextManager[None]]


@contextmanager
def patched(owner: Any, **changes: Any) -> Iterator[None]:
    before = {name: getattr(owner, name) for name in changes}
    for name, value in changes.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


@contextmanager
def ack_before_commit() -> Iterator[None]:
    close = Pipeline.close_batch

    def close_batch(self: Pipeline) -> Any:
        batch: Any = close(self)
        for position, decided in enumerate(batch.decided if batch else ()):
            changes = [fact for fact in decided.facts if isinstance(fact, Numbered)]
            if changes and decided.nonce_key is None:
                channel_id, ask = batch.part.channel_id, decided.ask
                ask.answer(Done(channel_id=channel_id, seq=changes[-1].seq))
                quiet = structs.replace(ask, answer=lambda _: None)
                batch.decided[position] = structs.replace(decided, ask=quiet)
        return batch

    with patched(Pipeline, close_batch=close_batch):
        yield


@contextmanager
def fan_out_before_commit() -> Iterator[None]:
    close = OpenChannel.end_turn

    def end_turn(self: OpenChannel) -> None:
        before = len(self._pipeline._in_flight)
        close(self)
        for batch in list(self._pipeline._in_flight)[before:]:
            for fact in batch.part.facts:
                if isinstance(fact, MessagePosted):
                    message = posted(self._id, fact, MessageId(1_000_000 + fact.seq))
                    self._around.fanout.deliver(self._id, [event_of(self._id, fact, message)], fact.seq)

    with patched(OpenChannel, end_turn=end_turn):
        yield


@contextmanager
def nonces_are_not_kept() -> Iterator[None]:
    nobody = patched(Pipeline, join_repeat=lambda *_: False)
    with patched(Recent, by_nonce=lambda *_: None), nobody, patched(memory_commits, _repeats=lambda *_: None):
        yield


@contextmanager
def edits_are_not_fenced() -> Iterator[None]:
    write = memory_commits._write

    def unfenced(tables: Any, part: Any) -> Any:
        channel = tables.channels[part.channel_id]
        if not any(isinstance(fact, MessagePosted) for fact in part.facts) and not channel.is_deleted:
            channel.last_seq = part.expected
        return write(tables, part)

    with patched(memory_commits, _write=unfenced):
        yield


@contextmanager
def edits_rest_on_what_is_committed() -> Iterator[None]:
    def on_message(self: OpenChannel, ask: Any, message_id: MessageId) -> None:
        message = self._known.get(message_id)
        if message is None:
            self._fetch(ask, message_id)
        else:
            self._decide(ask, message)

    with patched(OpenChannel, _on_message=on_message):
        yield


@contextmanager
def subscribed_a_turn_late() -> Iterator[None]:
    def hand_over(self: Feed, resume: Any, changes: Any) -> None:
        self._push(resume, changes)
        resume.connection.cursors.pop(self._id, None)
        resume.answer(Done(channel_id=self._id, seq=self._last_seq))
        subscribe = self._fanout.subscribe
        last_seq = self._last_seq
        asyncio.get_running_loop().call_soon(lambda: subscribe(self._id, resume.connection, last_seq))

    with patched(Feed, _hand_over=hand_over):
        yield


@contextmanager
def subscribed_before_catching_up() -> Iterator[None]:
    def join(self: Connections, connection: Any, channel: Any) -> None:
        cursor = connection.cursors.get(channel.id)
        self._around.fanout.subscribe(channel.id, connection, channel.last_seq)
        if cursor is not None:
            connection.cursors[channel.id] = cursor

    with patched(Connections, _join=join):
        yield


@contextmanager
def joined_across_removal() -> Iterator[None]:
    def make(self: Announcement, shown: Any) -> None:
        self._run = [event_of(self._channel_id, item.fact, item.message) for item in shown]
        self._flush(self._after.last_seq)
        for item in shown:
            if isinstance(item.fact, MemberLeft):
                self._expel(item.fact.user.id, "left")

    with patched(Announcement, make=make):
        yield


@contextmanager
def joined_across_joining() -> Iterator[None]:
    make = Announcement.make

    def admit_first(self: Any, shown: Any) -> None:
        for item in shown:
            if isinstance(item.fact, MemberJoined):
                self._admit(item.fact.user.id, item.fact.role, self._before.last_seq)
        make(self, shown)

    init = Announcement.__init__

    def remember(self: Any, fanout: Any, before: Any, after: Any) -> None:
        init(self, fanout, before, after)
        self._before = before

    with patched(Announcement, make=admit_first, __init__=remember):
        yield


@contextmanager
def stale_ready_is_shown() -> Iterator[None]:
    loaded = Connections.loaded

    def show_anyway(self: Connections, mail: Any) -> None:
        mail.attach.connection.is_stale = False
        loaded(self, mail)

    with patched(Connections, loaded=show_anyway):
        yield


@contextmanager
def journal_goes_on_behind_a_failed_part() -> Iterator[None]:
    def fail(self: Journal, chain: Any, result: Any) -> None:
        for submission in chain:
            submission.done(result)

    with patched(Journal, _fail=fail):
        yield


@contextmanager
def pages_ahead_of_memory() -> Iterator[None]:
    use = Feed._use

    def use_at_once(self: Feed, reader: Any, changes: Any) -> None:
        use(self, reader, structs.replace(changes, last_seq=0))

    with patched(Feed, _use=use_at_once):
        yield


@contextmanager
def restarts_tell_nobody() -> Iterator[None]:
    open_quietly = Fanout.open

    def open_audience(self: Fanout, channel_id: Any, last_seq: Any) -> None:
        audience = self._audiences.get(channel_id)
        if audience is not None:
            audience.position = last_seq
        open_quietly(self, channel_id, last_seq)

    with patched(Fanout, open=open_audience):
        yield


@contextmanager
def laggards_are_not_caught_up() -> Iterator[None]:
    resume = Socket.resume_writing

    def forget(self: Socket) -> None:
        self.cursors = {}
        resume(self)

    with patched(Socket, resume_writing=forget):
        yield


@contextmanager
def the_removed_stay() -> Iterator[None]:
    with patched(Announcement, _expel=lambda *_: None):
        yield


@contextmanager
def ids_are_mixed_up() -> Iterator[None]:
    write = memory_commits._write

    def reverse(tables: Any, part: Any) -> Any:
        result = write(tables, part)
        ids = getattr(result, "message_ids", None)
        return result if ids is None else structs.replace(result, message_ids=tuple(reversed(ids)))

    with patched(memory_commits, _write=reverse):
        yield


@contextmanager
def what_is_decided_is_shown() -> Iterator[None]:
    since = Recent.since

    def ahead(self: Recent, after: Any, info: Any) -> Any:
        found = since(self, after, info)
        return None if found is None else structs.replace(found, to=info.last_seq + 1)

    with patched(Recent, since=ahead):
        yield


@contextmanager
def restarts_leave_askers_alone() -> Iterator[None]:
    with patched(OpenChannel, abandon=lambda *_: None):
        yield


@contextmanager
def jobs_are_forgotten() -> Iterator[None]:
    with patched(channel_state, jobs_for=lambda *_: []):
        yield


@contextmanager
def jobs_outlive_their_messages() -> Iterator[None]:
    write = memory_commits._write

    def keep_jobs(tables: Any, part: Any) -> Any:
        result = write(tables, part)
        for fact in part.facts if not isinstance(result, Written) else ():
            if isinstance(fact, JobQueued):
                queue(tables, fact)
        return result

    with patched(memory_commits, _write=keep_jobs):
        yield


@contextmanager
def doubt_is_not_told() -> Iterator[None]:
    take = MemoryOutbox._take

    def as_new(self: MemoryOutbox, row: Any, until: Any, now: Any) -> Any:
        return structs.replace(take(self, row, until, now), is_again=False)

    with patched(MemoryOutbox, _take=as_new):
        yield


@contextmanager
def lanes_are_not_kept() -> Iterator[None]:
    with patched(MemoryOutbox, _is_behind=lambda *_: False):
        yield


@contextmanager
def nobody_looks_for_jobs() -> Iterator[None]:
    with patched(Outbox, _look_in=lambda *_: None):
        yield


VARIANTS: dict[str, Variant] = {
    "ack before commit": ack_before_commit,
    "fan-out before commit": fan_out_before_commit,
    "skipped dedupe of nonces": nonces_are_not_kept,
    "unfenced edit": edits_are_not_fenced,
    "edit decided on what is committed": edits_rest_on_what_is_committed,
    "subscription after catch-up": subscribed_a_turn_late,
    "subscription before catch-up": subscribed_before_catching_up,
    "a batch joined across a removal": joined_across_removal,
    "a batch joined across a joining": joined_across_joining,
    "a stale ready is shown": stale_ready_is_shown,
    "the journal goes on behind a failed part": journal_goes_on_behind_a_failed_part,
    "pages run ahead of memory": pages_ahead_of_memory,
    "a restart tells nobody what was missed": restarts_tell_nobody,
    "laggards are not caught up": laggards_are_not_caught_up,
    "removed members stay in the audience": the_removed_stay,
    "ids go to the wrong messages": ids_are_mixed_up,
    "sync shows what is not committed": what_is_decided_is_shown,
    "a restart answers nobody": restarts_leave_askers_alone,
    "jobs are forgotten": jobs_are_forgotten,
    "jobs outlive their messages": jobs_outlive_their_messages,
    "workers are not told of doubt": doubt_is_not_told,
    "jobs overtake each other in their lane": lanes_are_not_kept,
    "what nobody told the outbox of is never looked for": nobody_looks_for_jobs,
}
