"""What a client knows: everything once, in order, whatever happens to its connection."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.commands import Cursor, Send
from protocol.errors import Code
from protocol.events import (
    Ack,
    AnyEvent,
    ChannelAdded,
    ChannelRemoved,
    ChannelUpdate,
    ErrorEvent,
    HistoryPage,
    MemberLeft,
    MessageDelete,
    MessageUpdate,
    NewMessage,
    Pong,
    ReactionUpdate,
    Reset,
    SyncPage,
    TypingEvent,
    UserUpdate,
)
from protocol.ids import ChannelId, MessageId, Seq, UserId
from protocol.resources import ChannelInfo, MemberChange, Message, PublicProfile
from server.terminal.news import (
    Acknowledged,
    Changed,
    Connected,
    Entered,
    Forgotten,
    Gone,
    Joined,
    Left,
    MissedSome,
    Older,
    Posted,
    SendRefused,
    Typing,
)
from server.terminal.state import ClientState
from server.terminal.view import KEPT_MESSAGES
from tests.server.terminal.making import (
    BOB,
    GENERAL,
    NOW,
    channel,
    joined,
    message,
    page,
    posted,
    ready,
    ready_channel,
)


def new_state(*events: AnyEvent, last_seq: int = 0) -> ClientState:
    state = ClientState()
    for event in (ready(ready_channel(last_seq)), *events):
        state.apply(event)
    return state


def contents(state: ClientState) -> list[str | None]:
    return [message.content for message in state.channels[GENERAL].messages.values()]


def test_events_in_order_are_shown_once() -> None:
    state = new_state()
    shown = [news for seq in (1, 2, 2, 1, 3) for news in state.apply(posted(seq))]
    assert [news.message.seq for news in shown if isinstance(news, Posted)] == [1, 2, 3]
    assert state.channels[GENERAL].cursor == 3


def test_a_channel_starts_where_ready_says() -> None:
    state = new_state(last_seq=5)
    assert state.apply(posted(5)) == []
    assert len(state.apply(posted(6))) == 1


def test_a_gap_is_never_passed_over() -> None:
    state = new_state(posted(1))
    view = state.channels[GENERAL]
    assert state.apply(posted(3)) == [MissedSome(view)]
    assert state.apply(posted(4)) == []
    news = state.apply(page(1, 4, message(2), message(3), message(4)))
    assert [type(one) for one in news] == [Posted, Posted, Posted]
    assert state.apply(posted(5)) == [Posted(view, message(5))]


def test_what_was_missed_is_asked_for_again_when_that_was_refused() -> None:
    state = new_state(posted(1))
    view = state.channels[GENERAL]
    assert state.apply(posted(3)) == [MissedSome(view)]
    asked = state.sync(view)
    assert (asked.channel_id, asked.from_, asked.epoch) == (GENERAL, 1, "e1")
    refused = ErrorEvent(reply_to=str(asked.id), code=Code.RATE_LIMITED, message="Slow down.", retryable=True)
    assert state.apply(refused) == []
    assert state.apply(posted(4)) == [MissedSome(view)]


def test_pages_that_follow_by_themselves_are_not_asked_for() -> None:
    state = new_state(posted(1))
    assert len(state.apply(posted(5))) == 1
    state.apply(page(1, 3, message(2), message(3), more=True))
    assert state.apply(posted(6)) == []


def test_hello_says_where_the_client_stands() -> None:
    state = new_state(posted(1), posted(2))
    hello = state.hello("secret")
    assert (hello.token, hello.resume, hello.epoch) == ("secret", [Cursor(GENERAL, 2)], "e1")
    assert ClientState().hello("secret").resume == []


def test_catch_up_tells_new_messages_from_changed_ones() -> None:
    state = new_state(posted(1), posted(2))
    state.apply(ready(ready_channel(5)))
    edited = message(1, "edited", edited_at=NOW)
    view = state.channels[GENERAL]
    carol = MemberChange(PublicProfile(UserId(3), "carol"), "member", NOW)
    news = state.apply(page(2, 5, edited, message(4), members=(carol,)))
    assert news == [Changed(view, edited), Posted(view, message(4))]
    assert contents(state) == ["edited", "message 2", "message 4"]
    assert state.names[UserId(3)] == "carol"
    assert view.cursor == 5
    assert state.apply(page(2, 5, edited, message(4))) == []


def test_pages_follow_each_other() -> None:
    state = new_state(last_seq=0)
    state.apply(page(0, 2, message(1), message(2), more=True))
    state.apply(page(2, 3, message(3)))
    assert contents(state) == ["message 1", "message 2", "message 3"]


def test_a_new_name_in_a_page_is_taken_over() -> None:
    state = new_state()
    full = channel(1, name="renamed")
    fields = {field: getattr(full, field) for field in ChannelInfo.__struct_fields__}
    info = ChannelInfo(**fields)
    state.apply(msgspec.structs.replace(page(0, 1), channel=info))
    assert state.channels[GENERAL].name == "renamed"
    state.apply(
        ChannelUpdate(channel_id=GENERAL, seq=Seq(2), channel=msgspec.structs.replace(info, name="again"))
    )
    assert state.channels[GENERAL].name == "again"


def test_a_refusal_names_the_field() -> None:
    refusal = ErrorEvent(code=Code.INVALID, message="no", retryable=False, field="content")
    assert new_state().apply(refusal) == [SendRefused(None, Code.INVALID, "no", None, "content")]


def test_a_send_is_kept_until_it_is_acknowledged() -> None:
    state = new_state()
    send = state.post(Send(content="hello", nonce="n1", channel_id=GENERAL))
    assert send.id == "n1"
    assert state.apply(ready(ready_channel(0))) == [Connected()]
    ack = Ack(reply_to="n1", message_id=MessageId(1), channel_id=GENERAL, seq=Seq(1))
    assert state.apply(ack) == [Acknowledged(send, GENERAL, Seq(1))]
    assert state.apply(ack) == []
    assert state.apply(ready(ready_channel(0))) == [Connected()]


def test_an_ack_of_another_command_is_no_news() -> None:
    assert new_state(Ack(reply_to="x")).apply(Ack()) == []


def test_a_send_refused_for_now_is_kept() -> None:
    state = new_state()
    send = state.post(Send(content="hello", nonce="n1", channel_id=GENERAL))
    refusal = ErrorEvent(
        reply_to="n1", code=Code.RATE_LIMITED, message="slow", retryable=True, retry_after_ms=50
    )
    assert state.apply(refusal) == [SendRefused(send, Code.RATE_LIMITED, "slow", 50)]
    assert "n1" in state.pending


def test_a_send_refused_for_good_is_not() -> None:
    state = new_state()
    send = state.post(Send(content="hello", nonce="n1", channel_id=GENERAL))
    refusal = ErrorEvent(reply_to="n1", code=Code.FORBIDDEN, message="no", retryable=False)
    assert state.apply(refusal) == [SendRefused(send, Code.FORBIDDEN, "no", None)]
    assert state.pending == {}


def test_a_refusal_of_another_command_names_no_send() -> None:
    refusal = ErrorEvent(code=Code.OVERLOADED, message="later", retryable=True)
    assert new_state().apply(refusal) == [SendRefused(None, Code.OVERLOADED, "later", 1000)]


def test_edits_and_deletions_change_what_is_kept() -> None:
    state = new_state(posted(1))
    view = state.channels[GENERAL]
    edited = message(1, "better", edited_at=NOW)
    news = state.apply(MessageUpdate(channel_id=GENERAL, seq=Seq(2), message=edited))
    assert news == [Changed(view, edited)]
    gone = state.apply(
        MessageDelete(channel_id=GENERAL, seq=Seq(3), message_id=MessageId(101), deleted_at=NOW)
    )
    assert [type(one) for one in gone] == [Changed]
    assert contents(state) == [None]
    unknown = MessageDelete(channel_id=GENERAL, seq=Seq(4), message_id=MessageId(55), deleted_at=NOW)
    assert state.apply(unknown) == []
    assert view.cursor == 4


def test_people_come_and_go() -> None:
    state = new_state()
    view = state.channels[GENERAL]
    assert state.apply(joined(1)) == [Joined(view, BOB.id)]
    assert state.names[BOB.id] == "bob"
    left = MemberLeft(channel_id=GENERAL, seq=Seq(2), user_id=BOB.id, removed_by=None)
    assert state.apply(left) == [Left(view, BOB.id)]
    state.apply(UserUpdate(user=PublicProfile(BOB.id, "robert")))
    assert state.names[BOB.id] == "robert"


def test_a_change_that_is_not_shown_takes_its_position() -> None:
    state = new_state(posted(1))
    reaction = ReactionUpdate(
        channel_id=GENERAL,
        seq=Seq(2),
        message_id=MessageId(101),
        code="+1",
        user_id=BOB.id,
        added=True,
        count=1,
    )
    assert state.apply(reaction) == []
    assert len(state.apply(posted(3))) == 1


def test_channels_come_and_go() -> None:
    state = new_state()
    other = ChannelId(8)
    (entered,) = state.apply(ChannelAdded(channel=channel(3, other, name="other")))
    assert isinstance(entered, Entered)
    assert (entered.channel.name, entered.channel.cursor) == ("other", 3)
    (gone,) = state.apply(ChannelRemoved(channel_id=other, reason="left"))
    assert gone == Gone(entered.channel, "left")
    assert state.apply(ChannelRemoved(channel_id=other, reason="left")) == []
    assert state.channels.keys() == {GENERAL}


def test_a_channel_that_is_missing_after_a_reconnect_is_gone() -> None:
    state = new_state(ChannelAdded(channel=channel(0, ChannelId(8))))
    news = state.apply(ready(ready_channel(0)))
    assert [type(one) for one in news] == [Gone, Connected]


def test_a_cursor_stays_over_a_reconnect() -> None:
    state = new_state(posted(1))
    state.apply(ready(ready_channel(9)))
    assert state.channels[GENERAL].cursor == 1


def test_a_reset_starts_a_channel_from_the_beginning() -> None:
    state = new_state(posted(1), posted(2))
    view = state.channels[GENERAL]
    assert state.apply(Reset(channel_id=GENERAL)) == [Forgotten(view)]
    assert (view.cursor, view.messages) == (0, {})
    assert state.apply(Reset(channel_id=ChannelId(99))) == []


def test_another_life_of_the_database_forgets_everything() -> None:
    state = new_state(posted(1), posted(2))
    state.apply(ready(ready_channel(1), epoch="e2"))
    assert (state.epoch, state.channels[GENERAL].cursor, contents(state)) == ("e2", 1, [])


def test_history_is_shown_oldest_first_and_changes_nothing() -> None:
    state = new_state(posted(9), last_seq=8)
    pages = HistoryPage(channel_id=GENERAL, messages=(message(3), message(2)), more=True)
    assert state.apply(pages) == [Older(state.channels[GENERAL], (message(2), message(3)))]
    assert state.channels[GENERAL].cursor == 9


@pytest.mark.parametrize(
    "event",
    [
        posted(1),
        page(0, 1, message(1)),
        HistoryPage(channel_id=GENERAL, messages=(), more=False),
        TypingEvent(channel_id=GENERAL, user_id=BOB.id),
        Pong(),
    ],
)
def test_what_is_of_no_channel_of_ours_is_ignored(event: AnyEvent) -> None:
    assert list(ClientState().apply(event)) == []


def test_typing_is_told() -> None:
    state = new_state()
    assert state.apply(TypingEvent(channel_id=GENERAL, user_id=BOB.id)) == [
        Typing(state.channels[GENERAL], BOB.id)
    ]


def test_only_so_many_messages_are_kept() -> None:
    state = new_state(*(posted(seq) for seq in range(1, KEPT_MESSAGES + 11)))
    kept = [message.seq for message in state.channels[GENERAL].messages.values()]
    assert (len(kept), kept[0], kept[-1]) == (KEPT_MESSAGES, 11, KEPT_MESSAGES + 10)


class Model:
    """The server's side of one channel: every change as an event, and what `sync` would say."""

    def __init__(self, edits: list[int | None]) -> None:
        self.events: list[AnyEvent] = []
        self.rows: dict[int, tuple[Message, int]] = {}
        for seq, edit in enumerate(edits, start=1):
            known = self.rows.get(edit or 0)
            if known is None:
                self.rows[seq] = (message(seq), seq)
                self.events.append(posted(seq))
            else:
                row = message(known[0].seq, f"edited at {seq}", edited_at=NOW)
                self.rows[row.seq] = (row, seq)
                self.events.append(MessageUpdate(channel_id=GENERAL, seq=Seq(seq), message=row))

    def sync(self, after: int, to: int) -> SyncPage:
        at_that_time = Model.up_to(self, to)
        rows = sorted((changed, row) for row, changed in at_that_time.values() if changed > after)
        return page(after, to, *(row for _, row in rows))

    def up_to(self, to: int) -> dict[int, tuple[Message, int]]:
        rows: dict[int, tuple[Message, int]] = {}
        for seq, event in enumerate(self.events[:to], start=1):
            assert isinstance(event, NewMessage | MessageUpdate)
            rows[event.message.seq] = (event.message, seq)
        return rows


@given(
    edits=st.lists(st.none() | st.integers(1, 10), min_size=1, max_size=30),
    cuts=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5),
)
def test_a_client_that_was_away_knows_what_one_that_stayed_knows(
    edits: list[int | None], cuts: list[tuple[int, int]]
) -> None:
    model = Model(edits)
    stayed, away = new_state(), new_state()
    for event in model.events:
        stayed.apply(event)
    total = len(model.events)
    for until, resumes_at in sorted(cuts):
        cursor = away.channels[GENERAL].cursor
        for event in model.events[cursor : min(until, total)]:
            away.apply(event)
        cursor = away.channels[GENERAL].cursor
        to = max(cursor, min(resumes_at, total))
        away.apply(ready(ready_channel(to)))
        away.apply(model.sync(cursor, to))
    for event in model.events[away.channels[GENERAL].cursor :]:
        away.apply(event)
    assert away.channels[GENERAL].messages == stayed.channels[GENERAL].messages
    assert away.channels[GENERAL].cursor == stayed.channels[GENERAL].cursor == total
