"""A file goes with one message, whoever is decided again."""

import pytest

from actors.channel_commands import Ask, ChannelCommand, DeleteMessage, Identity, PostMessage
from actors.file_claims import FileClaims
from protocol.ids import MessageId, UserId
from protocol.resources import Attachment, PublicProfile

ANN, BOB = (Identity(PublicProfile(UserId(number), name)) for number, name in ((1, "ann"), (2, "bob")))


def ask(command: ChannelCommand, by: Identity = ANN) -> Ask:
    return Ask(by, command, lambda _: None)


def post(*file_ids: int, nonce: str | None = None, by: Identity = ANN) -> Ask:
    files = tuple(Attachment(file_id, "a.txt", "text/plain", 3, "/") for file_id in file_ids)
    return ask(PostMessage(content="x", nonce=nonce, attachments=files), by)


def test_a_spent_file_is_there_for_nobody() -> None:
    claims = FileClaims({2})
    assert not claims.allow(post(1, 2))
    assert claims.allow(post(1))


def test_a_file_goes_to_who_comes_first() -> None:
    claims = FileClaims()
    assert claims.allow(post(1))
    assert not claims.allow(post(1))
    assert not claims.allow(post(2, 1))
    assert claims.allow(post(2))


def test_a_repeat_may_name_the_files_of_the_first() -> None:
    claims = FileClaims()
    assert claims.allow(post(1, nonce="n"))
    assert claims.allow(post(1, nonce="n"))
    assert not claims.allow(post(1, nonce="m"))
    assert not claims.allow(post(1, nonce="n", by=BOB))


@pytest.mark.parametrize(
    "command", [PostMessage(content="x", nonce=None), DeleteMessage(message_id=MessageId(1))]
)
def test_what_names_no_file_is_allowed(command: ChannelCommand) -> None:
    assert FileClaims({1}).allow(ask(command))
