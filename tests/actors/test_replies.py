"""What a socket is answered."""

import pytest
from msgspec import UNSET, structs

from actors.channel_commands import Done
from actors.replies import reply
from protocol import commands
from protocol.commands import AnyCommand
from protocol.errors import Code, Refusal
from protocol.events import Ack, ErrorEvent, HistoryPage, Pong, Reset, SyncPage
from protocol.ids import MessageId, Seq
from tests.actors.making import CHANNEL, NOW, message

DONE = Done(channel_id=CHANNEL, seq=Seq(5))
TYPING = commands.Typing(id="r", channel_id=CHANNEL)
SEND = commands.Send(id="r", channel_id=CHANNEL, content="text", nonce="n")


@pytest.mark.parametrize(
    "command",
    [TYPING, SEND, commands.Ping(id="r"), commands.Auth(id="r", token="t")],
)
def test_a_refusal_answers_any_command(command: AnyCommand) -> None:
    assert reply(command, Refusal(Code.INVALID, "No.", field="content")) == ErrorEvent(
        reply_to="r", code=Code.INVALID, message="No.", retryable=False, field="content"
    )


def test_a_refusal_says_when_to_try_again() -> None:
    refusal = Refusal(Code.RATE_LIMITED, "Later.", retry_after_ms=1500)
    assert reply(structs.replace(TYPING, id=None), refusal) == ErrorEvent(
        reply_to=UNSET, code=Code.RATE_LIMITED, message="Later.", retryable=True, retry_after_ms=1500
    )


@pytest.mark.parametrize("duplicate", [False, True])
def test_a_send_is_answered_with_where_its_message_is(*, duplicate: bool) -> None:
    done = Done(channel_id=CHANNEL, seq=Seq(5), message=message(9), duplicate=duplicate)
    assert reply(SEND, done) == Ack(
        reply_to="r",
        message_id=MessageId(9),
        channel_id=CHANNEL,
        seq=Seq(5),
        created_at=NOW,
        duplicate=duplicate,
    )


def test_typing_that_is_done_is_not_answered() -> None:
    assert reply(TYPING, DONE) is None


def test_a_ping_comes_back_with_its_time() -> None:
    assert reply(commands.Ping(id="r", t=7), DONE) == Pong(reply_to="r", t=7)
    assert reply(commands.Ping(), DONE) == Pong()


@pytest.mark.parametrize(
    "command", [commands.Presence(id="r", status="away"), commands.Auth(id="r", token="t")]
)
def test_what_is_about_no_channel_is_answered_without_one(command: AnyCommand) -> None:
    assert reply(command, DONE) == Ack(reply_to="r")


def test_a_page_answers_who_asked_for_it() -> None:
    page = HistoryPage(channel_id=CHANNEL, messages=(message(),), more=True)
    changes = SyncPage(
        channel_id=CHANNEL, from_=Seq(1), to=Seq(5), messages=(), members=(), channel=None, more=True
    )
    history = commands.History(id="r", channel_id=CHANNEL)
    sync = commands.Sync(id="r", channel_id=CHANNEL, from_=1)
    assert reply(history, structs.replace(DONE, history=page)) == structs.replace(page, reply_to="r")
    assert reply(sync, structs.replace(DONE, sync=changes)) == structs.replace(changes, reply_to="r")
    assert reply(sync, structs.replace(DONE, sync=changes, reset=True)) == Reset(
        reply_to="r", channel_id=CHANNEL
    )


def test_any_other_command_is_answered_with_where_the_channel_stands() -> None:
    leave = commands.Leave(id="r", channel_id=CHANNEL)
    edit = commands.EditCommand(id="r", channel_id=CHANNEL, message_id=9, content="new")
    assert reply(leave, DONE) == Ack(reply_to="r", channel_id=CHANNEL, seq=Seq(5))
    assert reply(edit, structs.replace(DONE, message=message(9))) == Ack(
        reply_to="r", message_id=MessageId(9), channel_id=CHANNEL, seq=Seq(5)
    )


def test_an_answer_without_a_request_id_has_none() -> None:
    assert reply(commands.Read(channel_id=CHANNEL, seq=3), DONE) == Ack(channel_id=CHANNEL, seq=Seq(5))
