"""What a socket is answered."""

from typing import Any

import pytest
from msgspec import UNSET

from actors.channel_commands import Done, Result
from actors.replies import error, reply
from protocol import commands
from protocol.errors import Code, Refusal
from protocol.events import Ack, ErrorEvent, HistoryPage, Pong, Reset, SyncPage
from protocol.ids import ChannelId, Seq
from tests.actors.making import CHANNEL, NOW, message

DONE = Done(channel_id=CHANNEL, seq=Seq(5))
POSTED = Done(channel_id=CHANNEL, seq=Seq(5), message=message(3, 5), duplicate=True)
PAGE = SyncPage(channel_id=CHANNEL, from_=Seq(1), to=Seq(5), messages=(), members=(), channel=None)
HISTORY = HistoryPage(channel_id=CHANNEL, messages=(), more=False)


@pytest.mark.parametrize(
    ("command", "result", "answer"),
    [
        (
            commands.Send(id="r", content="x", nonce="n", channel_id=7),
            POSTED,
            Ack(
                reply_to="r",
                message_id=message(3).id,
                channel_id=CHANNEL,
                seq=Seq(5),
                created_at=NOW,
                duplicate=True,
            ),
        ),
        (
            commands.EditCommand(id="r", message_id=3, channel_id=7, content="x"),
            POSTED,
            Ack(reply_to="r", message_id=message(3).id, channel_id=CHANNEL, seq=Seq(5)),
        ),
        (commands.Join(id="r", channel_id=7), DONE, Ack(reply_to="r", channel_id=CHANNEL, seq=Seq(5))),
        (commands.Join(channel_id=7), DONE, Ack(channel_id=CHANNEL, seq=Seq(5))),
        (commands.Typing(id="r", channel_id=7), DONE, None),
        (commands.Ping(id="r", t=4), DONE, Pong(reply_to="r", t=4)),
        (commands.Presence(id="r", status="away"), DONE, Ack(reply_to="r")),
        (commands.Auth(id="r", token="t"), DONE, Ack(reply_to="r")),
        (
            commands.Sync(id="r", channel_id=7, from_=9),
            Done(channel_id=ChannelId(7), seq=Seq(5), reset=True),
            Reset(reply_to="r", channel_id=CHANNEL),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_answer_echoes_the_request_and_says_what_was_done(
    command: Any, result: Result, answer: Any
) -> None:
    assert reply(command, result) == answer


def test_pages_are_answers_too() -> None:
    page = reply(
        commands.Sync(id="r", channel_id=7, from_=1), Done(channel_id=CHANNEL, seq=Seq(5), sync=PAGE)
    )
    assert isinstance(page, SyncPage)
    assert (page.reply_to, page.to) == ("r", 5)
    done = Done(channel_id=CHANNEL, seq=Seq(5), history=HISTORY)
    history = reply(commands.History(id="r", channel_id=7), done)
    assert isinstance(history, HistoryPage)
    assert history.reply_to == "r"


def test_a_refusal_says_whether_and_when_to_try_again() -> None:
    refusal = Refusal(Code.OVERLOADED, "Busy.", retry_after_ms=500)
    assert reply(commands.Typing(id="r", channel_id=7), refusal) == ErrorEvent(
        reply_to="r", code=Code.OVERLOADED, message="Busy.", retryable=True, retry_after_ms=500
    )
    final = error(UNSET, Refusal(Code.INVALID, "Wrong.", field="code"))
    assert (final.retryable, final.retry_after_ms, final.field) == (False, UNSET, "code")
