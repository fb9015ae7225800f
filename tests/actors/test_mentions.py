"""Whom a text names, of those who are in the channel."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.channel_commands import EditMessage, JoinChannel, LeaveChannel, PostMessage, Rename
from actors.channel_state import DECIDERS, ChannelState, apply
from actors.mentions import AT_NAMES_MAX, find_mentions, with_name, without_name
from actors.message_state import MESSAGE_DECIDERS
from protocol.facts import MemberRenamed, MessageEdited, MessagePosted
from protocol.ids import MessageId, UserId
from protocol.resources import PublicProfile
from tests.actors.making import ANN, BOB, CID, LATER, by, message, state

NAMES = {name: UserId(n) for n, name in enumerate(("ann", "bob", "bob.", "a.b-c_d", "x" * 100, "7"), 1)}


@pytest.mark.parametrize(
    ("text", "mentioned"),
    [
        ("@ann", [1]),
        ("hello @Ann, and @BOB!", [1, 2]),
        ("@bob @ann @bob", [2, 1]),
        ("(@ann) *@ann* _@ann_ «@bob» @ann's", [1, 2]),
        ("@ann... @ann- @ann_", [1]),
        ("@bob.", [3]),
        ("@bob..", [3]),
        ("@bob,", [2]),
        ("so...@ann", [1]),
        ("@@ann", [1]),
        ("@a.b-c_d.", [4]),
        ("@" + "x" * 100 + ".", [5]),
        ("@7", [6]),
        ("@ann\n@bob", [1, 2]),
        ("grüße@ann is an address, so is x@ann and 1@ann", []),
        ("write to ann@bob.example or ann@bob", []),
        ("https://chat.example/@ann?to=@bob, but @ann", [1]),
        ("@annie @ann.bob @ann-bob @bob7", []),
        ("@" + "x" * 101, []),
        ("@ ann, @. @- @", []),
        ("＠ann @аnn", []),
        ("ann", []),
        ("", []),
    ],
)
def test_names_are_found_where_people_write_them_and_nowhere_else(text: str, mentioned: list[int]) -> None:
    assert [*find_mentions(text, NAMES)] == mentioned


def test_only_so_many_names_of_a_message_are_looked_at() -> None:
    nobody = "@nobody " * (AT_NAMES_MAX - 1)
    assert find_mentions(nobody + "@ann @bob", NAMES) == (UserId(1),)


@pytest.mark.parametrize("unit", ["@", "@-", "@a", "@" + "-" * 99 + " ", "https://", "@a@"])
def test_no_text_takes_long(unit: str) -> None:
    text = (unit * 16_000)[:16_000]
    began = time.thread_time()
    assert find_mentions(text, NAMES) == ()
    assert time.thread_time() - began < 0.1


@given(st.text(alphabet="@ab._-/: é"))
def test_whoever_is_mentioned_stands_in_the_text(text: str) -> None:
    names = {"a": UserId(1), "b": UserId(2), "ab": UserId(3), "a.": UserId(4), "-": UserId(5)}
    called = {user_id: name for name, user_id in names.items()}
    found = find_mentions(text, names)
    assert len(set(found)) == len(found)
    assert all(f"@{called[user_id]}" in text for user_id in found)


def test_a_name_passes_on_without_being_lost_in_whatever_order_it_is_heard() -> None:
    names = {"ann": UserId(1), "bob": UserId(2)}
    assert with_name(with_name(names, "Cid", UserId(2)), "BOB", UserId(1)) == {"cid": 2, "bob": 1}
    assert with_name(with_name(names, "BOB", UserId(1)), "Cid", UserId(2)) == {"cid": 2, "bob": 1}
    assert without_name(names, UserId(2)) == {"ann": 1}


# In a channel.


def mentions(channel: ChannelState, text: str) -> tuple[UserId, ...]:
    decision = DECIDERS[PostMessage](channel, by(ANN), PostMessage(content=text, nonce=None), LATER)
    assert isinstance(decision, list)
    (posted,) = decision
    assert isinstance(posted, MessagePosted)
    return posted.mentions


def after(
    channel: ChannelState, who: PublicProfile, command: JoinChannel | LeaveChannel | Rename
) -> ChannelState:
    decision = DECIDERS[type(command)](channel, by(who), command, LATER)
    assert isinstance(decision, list)
    for fact in decision:
        channel = apply(channel, fact)
    return channel


def test_a_post_mentions_members_only() -> None:
    assert mentions(state(), "@bob, @cid and @ann") == (BOB.id, ANN.id)


def test_whoever_joins_can_be_mentioned_and_whoever_leaves_cannot() -> None:
    joined = after(state(), CID, JoinChannel())
    assert mentions(joined, "@cid") == (CID.id,)
    left = after(joined, CID, LeaveChannel())
    assert mentions(left, "@cid @bob") == (BOB.id,)


def test_members_are_called_what_they_are_called_now() -> None:
    channel = after(state(), PublicProfile(BOB.id, "Rob"), Rename())
    assert channel.members[BOB.id].username == "Rob"
    assert mentions(channel, "@bob @rob") == (BOB.id,)
    assert channel.last_seq == state().last_seq


def test_a_name_that_changes_nothing_makes_no_fact() -> None:
    for channel, who in (
        (state(), BOB),
        (state(), CID),
        (state(kind="direct"), PublicProfile(BOB.id, "rob")),
    ):
        assert DECIDERS[Rename](channel, by(who), Rename(), LATER) == []
    renamed = DECIDERS[Rename](state(), by(PublicProfile(BOB.id, "rob")), Rename(), LATER)
    assert renamed == [MemberRenamed(at=LATER, user_id=BOB.id, username="rob")]


@pytest.mark.parametrize(("text", "expected"), [("@ann", (ANN.id,)), ("nobody", ()), ("@cid", ())])
def test_an_edit_mentions_whom_the_new_text_names(text: str, expected: tuple[UserId, ...]) -> None:
    before = message(mentions=(BOB.id,))
    command = EditMessage(message_id=MessageId(1), content=text)
    decision = MESSAGE_DECIDERS[EditMessage](state(), by(ANN), command, before, LATER)
    assert isinstance(decision, list)
    (edited,) = decision
    assert isinstance(edited, MessageEdited)
    assert edited.message.mentions == expected
