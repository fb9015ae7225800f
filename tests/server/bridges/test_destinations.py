"""An answer goes to the number that was written from, while its writer still has it: never to strangers."""

import pytest

from server.bridges import twilio_client
from server.bridges.twilio import (
    NUMBER_MAX_CHARS,
    SID_MAX_CHARS,
    nonce_of,
    was_written_from,
    written_to,
)
from tests.server.bridges.texting import Texting
from tests.server.rest.client import Api
from tests.stand_ins import twilio

ANNS, BOBS, STRANGERS = "+15005550001", "+15005550002", "+15005550003"
LATER_S = 100


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are given up soon."""
    monkeypatch.setattr(twilio_client, "TIMEOUT_S", 0.3)


@pytest.fixture
async def ann(sms: Texting) -> Api:
    """Her answer waits, as Twilio is busy."""
    ann = await sms.person("ann", ANNS)
    sms.phone.faults.append(twilio.refusal(429, 20429))
    await sms.text(ANNS, "Hello?")
    await sms.resting("429")
    return ann


async def moves(person: Api, number: str | None) -> None:
    await person.put("/auth/me/phone", {"phone_number": number})


async def in_doubt(sms: Texting) -> Api:
    """Ann's answer may have been sent, and was."""
    ann = await sms.person("ann", ANNS)
    sms.phone.faults.append("cut")
    await sms.text(ANNS, "Hello?")
    await sms.resting("no answer")
    return ann


async def test_who_has_moved_to_a_number_without_writing_from_it_is_not_answered_there(
    sms: Texting, ann: Api
) -> None:
    await moves(ann, STRANGERS)
    sms.later(LATER_S)
    assert await sms.settled() == ["failed"]
    assert sms.phone.sent == []
    assert (await sms.delivery_of(ann))["state"] == "failed"
    assert "another telephone number" in await sms.error()


async def test_who_has_moved_back_is_answered(sms: Texting, ann: Api) -> None:
    await moves(ann, STRANGERS)
    await moves(ann, ANNS)
    sms.later(LATER_S)
    assert await sms.settled() == ["done"]


async def test_whoever_takes_over_a_number_gets_nobodys_answers_there(sms: Texting, ann: Api) -> None:
    bob = await sms.person("bob", BOBS)
    sms.phone.faults.append(twilio.refusal(429, 20429))
    await sms.text(BOBS, "Hello?")
    await sms.resting("429", count=2)
    await moves(ann, None)
    await moves(bob, ANNS)
    sms.later(LATER_S)
    assert await sms.settled(count=2) == ["failed", "failed"]
    assert sms.phone.sent == []


async def test_what_was_said_before_a_move_stays_behind_and_what_is_said_after_it_follows(
    sms: Texting, ann: Api
) -> None:
    await moves(ann, BOBS)
    await sms.text(BOBS, "It is me.")
    sms.later(LATER_S)
    assert await sms.settled(count=2) == ["failed", "done"]
    assert [each["to"] for each in sms.phone.sent] == [BOBS]


# In doubt.


@pytest.mark.parametrize("number", [None, STRANGERS])
async def test_what_may_have_been_sent_before_a_move_is_unknown(sms: Texting, number: str | None) -> None:
    ann = await in_doubt(sms)
    await moves(ann, number)
    sms.later(LATER_S)
    assert await sms.settled() == ["unknown"]
    assert (await sms.delivery_of(ann))["state"] == "unknown"
    await sms.news(sms.phone.sent[0], "delivered")
    assert (await sms.delivery_of(ann))["state"] == "delivered"


async def test_it_is_looked_for_where_it_went_whatever_was_written_to_since(sms: Texting) -> None:
    ann = await in_doubt(sms)
    await sms.text(ANNS, "And here?", To="+15005550999")
    sms.later(LATER_S)
    assert await sms.settled(count=2) == ["done", "done"]
    assert [each["from"] for each in sms.phone.sent] == [twilio.OURS, "+15005550999"]
    assert (await sms.delivery_of(ann, 0))["state"] == "queued"


# What nonces say.


def test_a_nonce_has_room_for_the_longest_numbers() -> None:
    ours, theirs = "+" + "1" * (NUMBER_MAX_CHARS - 1), "+" + "2" * (NUMBER_MAX_CHARS - 1)
    nonce = nonce_of("SM" + "f" * (SID_MAX_CHARS - 2), ours, theirs)
    assert len(nonce) == 64
    assert written_to(nonce) == ours
    assert was_written_from(nonce, theirs)
    assert not was_written_from(nonce, ours)
    assert not was_written_from("", theirs)


async def test_what_is_no_message_of_twilios_is_let_go(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    for odd in ({"MessageSid": "S" * 35, "SmsSid": ""}, {"To": "+" + "1" * 16}):
        await sms.text(ANNS, "Hello?", **odd)
    assert await sms.chat_of(ann) == []
