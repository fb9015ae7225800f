"""The recent changes in memory against a model that forgets nothing but what it must."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from actors import recent
from actors.recent import Recent, Row
from protocol.ids import MessageId, Seq, UserId
from protocol.resources import ChannelInfo, MemberChange, Message, PublicProfile
from tests.actors.making import ANN, NOW, message, state

MAX_ROWS = 5
MAX_CHARS = 30


class Put(Struct, frozen=True):
    """One change: of message `key`, of member `-key`, or of the channel."""

    key: int
    chars: int


PUTS = st.lists(st.builds(Put, st.integers(-2, 8), st.sampled_from([0, 1, 5, 12, 31])), max_size=25)
POSITIONS = st.none() | st.integers(0, 28).map(Seq)


def size(row: Row) -> int:
    """Characters that a row keeps in memory, roughly."""
    return len(row.content) if isinstance(row, Message) and row.content else 0


class Model:
    """Every row ever, and `floor`: the newest change that had to be forgotten."""

    def __init__(self, floor: Seq) -> None:
        self.floor = floor
        self.rows: dict[int, tuple[Seq, Row]] = {}

    def put(self, key: int, seq: Seq, row: Row) -> None:
        self.rows[key] = (seq, row)
        while len(kept := self.kept()) > MAX_ROWS or sum(size(row) for _, row in kept) > MAX_CHARS:
            self.floor = kept[0][0]

    def kept(self, after: Seq | None = None) -> list[tuple[Seq, Row]]:
        lowest = self.floor if after is None else after
        return sorted((kept for kept in self.rows.values() if kept[0] > lowest), key=lambda kept: kept[0])

    def messages(self) -> list[Message]:
        return [row for _, row in self.rows.values() if isinstance(row, Message)]


def play(puts: list[Put], start: Seq) -> tuple[Recent, Model, ChannelInfo]:
    memory, model, posted_at = Recent(start), Model(start), dict[int, Seq]()
    seq = start
    for put in puts:
        seq = Seq(seq + 1)
        if put.key > 0:
            at = posted_at.setdefault(put.key, seq)
            row = message(put.key, at, content="x" * put.chars, nonce=f"n{put.key}")
            memory.put_message(seq, row)
            model.put(put.key, seq, row)
        elif put.key < 0:
            member = MemberChange(PublicProfile(UserId(-put.key), "name"), "member", NOW)
            memory.put_member(seq, member)
            model.put(put.key, seq, member)
        else:
            memory.put_channel(seq)
            model.put(0, seq, None)
    return memory, model, state(last_seq=seq).info


@pytest.fixture(scope="module", autouse=True)
def small_bounds() -> Iterator[None]:
    """So little room that a few changes fill it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recent, "RECENT_MAX_ROWS", MAX_ROWS)
        patch.setattr(recent, "RECENT_MAX_CHARS", MAX_CHARS)
        yield


quick = settings(max_examples=150, deadline=None, derandomize=True, database=None)


@quick
@given(PUTS, st.sampled_from([Seq(0), Seq(3)]))
def test_memory_forgets_only_what_it_has_no_room_for(puts: list[Put], start: Seq) -> None:
    memory, model, _ = play(puts, start)
    assert memory.floor == model.floor
    kept = {row.id: row for _, row in model.kept() if isinstance(row, Message)}
    for number in range(1, 9):
        found = kept.get(MessageId(number))
        assert memory.message(MessageId(number)) == found
        assert memory.by_nonce((ANN.id, f"n{number}")) == found


@quick
@given(PUTS, st.sampled_from([Seq(0), Seq(3)]), st.integers(0, 28).map(Seq))
def test_since_is_every_row_changed_after_a_cursor_or_nothing(
    puts: list[Put], start: Seq, after: Seq
) -> None:
    memory, model, info = play(puts, start)
    changes = memory.since(after, info)
    if after < model.floor:
        assert changes is None
        return
    assert changes is not None
    rows = [row for _, row in model.kept(after)]
    assert list(changes.messages) == [row for row in rows if isinstance(row, Message)]
    assert list(changes.members) == [row for row in rows if isinstance(row, MemberChange)]
    assert (changes.channel is None) == all(isinstance(row, Message) for row in rows)
    assert (changes.to, changes.more) == (info.last_seq, False)


@quick
@given(PUTS, st.sampled_from([Seq(0), Seq(3)]), POSITIONS, POSITIONS, st.integers(1, 6))
def test_history_is_what_was_ever_posted_or_left_to_the_database(
    puts: list[Put], start: Seq, before: Seq | None, after: Seq | None, limit: int
) -> None:
    memory, model, _ = play(puts, start)
    asked = [
        found
        for found in model.messages()
        if (before is None or found.seq < before) and (after is None or found.seq > after)
    ]
    asked.sort(key=lambda found: found.seq, reverse=after is None)
    page = memory.history(before, after, limit)
    in_memory = [found for found in asked[:limit] if found.seq > model.floor]
    if page is None:
        assert after is None or after < model.floor
        assert after is not None or (len(in_memory) < limit and model.floor > 0)
    else:
        assert page == asked[:limit]
