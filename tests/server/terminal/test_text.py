"""Lines for people, in which nobody else's text can do anything but be read."""

import pytest
from msgspec import structs

from protocol.commands import Send
from protocol.errors import Code
from protocol.ids import ChannelId, Seq, UserId
from protocol.resources import Attachment, ChannelKind
from server.terminal.news import (
    Changed,
    Connected,
    Forgotten,
    Gone,
    Joined,
    Left,
    News,
    Older,
    Posted,
    SendRefused,
)
from server.terminal.text import channel_name, lines_of, plain, user_name
from server.terminal.view import ChannelView
from tests.server.terminal.making import ALICE, BOB, NOW, message

NAMES = {ALICE.id: "alice", BOB.id: "bob"}


def view(name: str | None = "general", kind: ChannelKind = "channel", pair: str | None = None) -> ChannelView:
    return ChannelView(ChannelId(7), kind, name, pair, Seq(0))


def lines(news: News) -> list[str]:
    return [line.split(" ", 1)[1] for line in lines_of(news, NAMES, ALICE.id)]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("hello, wörld 👩‍💻", "hello, wörld 👩‍💻"),
        ("two\nlines\r\nand\tthree", "two ⏎ lines ⏎ and three"),
        ("\x1b]0;title\x07\x1b[2Jgone", "]0;title[2Jgone"),
        ("back\rover", "backover"),
        ("\u202egnp.exe\u2066", "gnp.exe"),
        ("a\u2028b\x85c\x9bd\x7f\ud800e", "abcde"),
    ],
)
def test_nothing_that_steers_a_terminal_is_left(written: str, shown: str) -> None:
    assert plain(written) == shown


def test_names_cannot_steer_it_either() -> None:
    assert user_name(UserId(9), {UserId(9): "ev\x1b[1mil"}) == "ev[1mil"
    assert channel_name(view("gen\x07eral"), NAMES, ALICE.id) == "#general"


def test_a_direct_channel_bears_the_name_of_the_other() -> None:
    assert channel_name(view(None, "direct", "direct:1:2"), NAMES, ALICE.id) == "@bob"
    assert channel_name(view(None, "direct", "direct:1:2"), NAMES, BOB.id) == "@alice"
    assert channel_name(view(None, "direct"), NAMES, ALICE.id) == "@7"


def test_messages_are_shown_with_place_and_author() -> None:
    here = view()
    assert lines(Posted(here, message(1, "hi"))) == ["#general bob: hi"]
    assert lines(Posted(here, message(1, "hi", sender=ALICE))) == ["#general alice: hi"]
    assert lines(Changed(here, message(1, "ho", edited_at=NOW))) == ["#general bob: ho (edited)"]
    picture = Attachment(7, "image-1.jpeg", "image/jpeg", 0, "https://media.example/ME1")
    shown = "image-1.jpeg: https://media.example/ME1"
    assert lines(Posted(here, message(1, "ho", attachments=(picture,)))) == [f"#general bob: ho ⏎ {shown}"]
    wordless = structs.replace(message(1), content="", attachments=(picture,))
    assert lines(Posted(here, wordless)) == [f"#general bob: {shown}"]
    assert lines(Older(here, (message(1), message(2)))) == [
        "#general bob: message 1",
        "#general bob: message 2",
    ]
    deleted = structs.replace(message(1), deleted_at=NOW, content=None)
    assert lines(Changed(here, deleted)) == ["#general bob: (deleted)"]


def test_what_happens_to_people_and_channels_is_shown() -> None:
    here = view()
    assert lines(Joined(here, BOB.id)) == ["bob joined #general"]
    assert lines(Left(here, UserId(5))) == ["user 5 left #general"]
    assert lines(Gone(here, "removed")) == ["you are no longer in #general (removed)"]
    assert lines(Forgotten(here)) == ["the server starts #general from the beginning"]


def test_only_what_stays_refused_is_shown_of_sends() -> None:
    send = Send(content="x", nonce="n", channel_id=7)
    assert lines(SendRefused(send, Code.FORBIDDEN, "no\x07pe", None)) == ["refused (forbidden): nope"]
    too_long = SendRefused(send, Code.INVALID, "too long", None, "content")
    assert lines(too_long) == ["refused (invalid): content: too long"]
    assert lines(SendRefused(send, Code.OVERLOADED, "later", 100)) == []
    assert lines(SendRefused(None, Code.OVERLOADED, "later", 100)) == ["refused (overloaded): later"]


def test_what_is_not_for_the_eye_is_not_shown() -> None:
    assert lines(Connected()) == []
