"""What becomes of an SMS when Twilio fails, stalls or talks nonsense: it is sent, and never twice."""

from typing import Any

import pytest

from actors.channel_commands import DeleteMessage, Identity, PostMessage
from protocol.resources import PublicProfile
from server.bridges import twilio_client
from server.settings import Settings
from tests.server.bridges.texting import Texting, texting
from tests.server.rest.client import Api
from tests.stand_ins import twilio

ANNS = "+15005550001"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests are given up soon."""
    monkeypatch.setattr(twilio_client, "TIMEOUT_S", 0.3)


async def hello(sms: Texting, *faults: Any) -> Api:
    """Ann writes, and the answer to her meets these faults."""
    ann = await sms.person("ann", ANNS)
    sms.phone.faults.extend(faults)
    await sms.text(ANNS, "Hello?")
    return ann


async def ended(sms: Texting, ann: Api, state: str = "queued") -> None:
    """The answer went out once, and the message says so."""
    assert await sms.settled() == ["done"]
    assert len(sms.phone.sent) == 1
    assert (await sms.delivery_of(ann))["state"] == state
    assert (await sms.rows()) == [(state, sms.phone.sent[0]["sid"])]


def creates(sms: Texting) -> int:
    return [kind for kind, _ in sms.phone.requests].count("create")


# What was certainly not sent is sent again.


async def test_a_busy_twilio_is_asked_when_it_says(sms: Texting) -> None:
    ann = await hello(sms, twilio.refusal(429, 20429, **{"Retry-After": "600"}))
    await sms.resting("429")
    assert (await sms.delivery_of(ann))["state"] == "sending"
    sms.later(599)
    assert creates(sms) == 1
    sms.later(2)
    await ended(sms, ann)
    assert [kind for kind, _ in sms.phone.requests] == ["create", "create"]


async def test_a_busy_twilio_that_does_not_say_when_is_asked_soon(sms: Texting) -> None:
    ann = await hello(sms, twilio.refusal(429, 20429))
    await sms.resting("429")
    sms.later(5)
    await ended(sms, ann)


async def test_a_twilio_that_cannot_be_reached_is_tried_again(quick_settings: Settings) -> None:
    async with texting(quick_settings, twilio_api_url="http://127.0.0.1:9") as sms:
        ann = await hello(sms)
        await sms.resting("cannot be reached")
        assert await sms.jobs() == ["pending"]
        assert (await sms.delivery_of(ann))["state"] == "sending"


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_what_twilio_does_not_take_is_never_sent_again(sms: Texting, status: int) -> None:
    ann = await hello(sms, twilio.refusal(status, 21211))
    assert await sms.settled() == ["failed"]
    assert await sms.delivery_of(ann) == {"state": "failed", "transport": "twilio", "error_code": "21211"}
    assert creates(sms) == 1
    assert "21211" in await sms.error()


# What may have been sent is looked for.


@pytest.mark.parametrize("fault", ["stall", "cut", "garbage", "odd"])
async def test_what_twilio_has_without_saying_so_is_found_not_sent_again(sms: Texting, fault: str) -> None:
    ann = await hello(sms, fault)
    await sms.resting("Twilio")
    sms.later(5)
    await ended(sms, ann)
    assert creates(sms) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 302])
async def test_what_failed_there_is_looked_for_and_then_sent_again(sms: Texting, status: int) -> None:
    ann = await hello(sms, twilio.refusal(status, 20500))
    await sms.resting(str(status))
    sms.later(58)
    await sms.resting("on its way")
    sms.later(61)
    await ended(sms, ann)
    assert [kind for kind, _ in sms.phone.requests] == ["create", "list", "list", "create"]


async def test_what_cannot_be_found_is_sent_again_only_once_it_cannot_be_on_its_way(sms: Texting) -> None:
    ann = await hello(sms, "stall before")
    await sms.resting("no answer")
    sms.later(30)
    await sms.resting("on its way")
    assert creates(sms) == 1
    # It arrives after all.
    sms.phone.may_answer.set()

    async def has_arrived() -> bool:
        return len(sms.phone.sent) == 1

    await sms.until(has_arrived)
    sms.later(61)
    await ended(sms, ann)
    assert creates(sms) == 1


async def test_what_never_arrived_is_sent_in_the_end(sms: Texting) -> None:
    ann = await hello(sms, "cut before")
    await sms.resting("no answer")
    sms.later(5)
    await sms.resting("on its way")
    sms.later(61)
    await ended(sms, ann)
    assert creates(sms) == 2


async def test_a_list_that_cannot_be_read_is_asked_for_again(sms: Texting) -> None:
    sms.phone.list_faults.extend(["500", "429", "garbage", "stall", "401"])
    ann = await hello(sms, "cut")
    await sms.resting("no answer")
    # 401 and 500 are told alike.
    errors = ("TwilioException", "429", "JSONDecodeError", "TimeoutError", "TwilioException")
    for pause_s, error in zip((5, 10, 30, 90, 270), errors, strict=True):
        sms.later(pause_s)
        await sms.resting(error)
    sms.later(1000)
    await ended(sms, ann)
    assert creates(sms) == 1


async def test_what_stays_in_doubt_is_unknown_and_visible(sms: Texting) -> None:
    sms.phone.list_faults.extend(["500"] * 100)
    ann = await hello(sms, "cut")

    async def is_over() -> bool:
        sms.later(1000)
        return await sms.jobs() == ["unknown"]

    await sms.until(is_over)
    assert creates(sms) == 1
    assert (await sms.delivery_of(ann))["state"] == "unknown"
    # News of it settle the doubt.
    await sms.news(sms.phone.sent[0], "delivered")
    assert (await sms.delivery_of(ann))["state"] == "delivered"


async def test_what_was_certainly_not_sent_in_the_end_has_failed(sms: Texting) -> None:
    ann = await hello(sms, *[twilio.refusal(429, 20429)] * 100)

    async def is_over() -> bool:
        sms.later(1000)
        return await sms.jobs() == ["failed"]

    await sms.until(is_over)
    assert sms.phone.sent == []
    assert (await sms.delivery_of(ann))["state"] == "failed"


async def test_news_may_be_faster_than_the_answer(sms: Texting) -> None:
    ann = await hello(sms, "stall")

    async def has_arrived() -> bool:
        return len(sms.phone.sent) == 1

    await sms.until(has_arrived)
    await sms.news(sms.phone.sent[0], "delivered")
    await sms.resting("no answer")
    sms.later(5)
    await ended(sms, ann, "delivered")
    assert creates(sms) == 1


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_news_may_come_while_it_is_looked_for(
    sms: Texting, monkeypatch: pytest.MonkeyPatch, when: str, is_listed: bool
) -> None:
    list_sent, told = twilio_client.TwilioClient.list_sent, []

    async def list_meanwhile(client: Any, parcel: Any) -> Any:
        if when == "before":
            await sms.news(sms.phone.sent[0], "delivered")
        found = await list_sent(client, parcel)
        if when == "after":
            await sms.news(sms.phone.sent[0], "delivered")
        told.append(when)
        return found

    monkeypatch.setattr(twilio_client.TwilioClient, "list_sent", list_meanwhile)
    sms.phone.is_listed = is_listed
    ann = await hello(sms, "cut")
    await sms.resting("no answer")
    sms.later(300)
    await ended(sms, ann, "delivered")
    assert (creates(sms), told) == (1, [when])


async def test_the_same_words_sent_before_are_not_taken_for_this_message(sms: Texting) -> None:
    ann = await hello(sms)
    assert await sms.settled() == ["done"]
    sms.phone.faults.append("cut before")
    await sms.text(ANNS, "Hello again?")
    await sms.resting("no answer")
    sms.later(5)
    await sms.resting("on its way")
    sms.later(61)
    assert await sms.settled(count=2) == ["done", "done"]
    one, two = sms.phone.sent
    assert one["body"] == two["body"]
    assert [sid for _, sid in await sms.rows()] == [one["sid"], two["sid"]]
    assert [each["delivery"]["state"] for each in (await sms.chat_of(ann))[1::2]] == ["queued", "queued"]


@pytest.mark.parametrize("fault", ["cut", "cut before"])
async def test_of_two_parts_alike_the_second_is_in_doubt_by_itself(sms: Texting, fault: str) -> None:
    ann = await hello(sms)
    assert await sms.settled() == ["done"]
    answered = (await sms.chat_of(ann))[-1]
    by = Identity(PublicProfile(answered["sender_id"], "assistant"))
    long = PostMessage(content="x" * 3200, nonce="long", via="agent")
    sms.phone.faults.extend([None, fault])
    await sms.home.context.chat.ask(by, answered["channel_id"], long)
    await sms.resting("no answer")
    sms.later(5)
    if fault == "cut before":
        await sms.resting("on its way")
        sms.later(61)
    assert await sms.settled(count=2) == ["done", "done"]
    assert [each["body"] for each in sms.phone.sent[1:]] == ["x" * 1600] * 2
    assert [sid for _, sid in await sms.rows()] == [each["sid"] for each in sms.phone.sent]
    assert (await sms.delivery_of(ann))["state"] == "queued"


async def test_words_that_were_sent_long_ago_are_not_taken_for_this_message(sms: Texting) -> None:
    await hello(sms)
    await sms.settled()
    old = dict(sms.phone.sent[0])
    form = {"To": old["to"], "From": old["from"], "Body": old["body"]}
    sms.phone.sent.clear()
    for _ in range(3):
        sms.phone.accept(form, created_at=1_000_000_000)
    sms.phone.faults.append("cut before")
    await sms.text(ANNS, "Hello again?")
    await sms.resting("no answer")
    sms.later(5)
    await sms.resting("on its way")
    sms.later(61)
    assert await sms.settled(count=2) == ["done", "done"]
    assert len(sms.phone.sent) == 4


async def test_what_waits_for_twilio_goes_out_once_and_in_order_when_it_is_back(sms: Texting) -> None:
    sms.phone.faults.extend(
        [twilio.refusal(429, 20429), "garbage", twilio.refusal(503, 1), "cut before", "stall"]
    )
    ann = await hello(sms)
    await sms.text(ANNS, "Are you there?")
    await sms.text(ANNS, "Hey!")
    await sms.until_answered(ann, 3)

    async def is_over() -> bool:
        sms.later(70)
        return await sms.jobs() == ["done"] * 3

    await sms.until(is_over)
    answers = [each for each in await sms.chat_of(ann) if each["recipient_id"] == ann.id]
    assert sms.phone.texts == [each["content"] for each in answers]
    assert [each["delivery"]["state"] for each in answers] == ["queued"] * 3
    assert [sid for _, sid in await sms.rows()] == [each["sid"] for each in sms.phone.sent]


async def test_what_is_deleted_meanwhile_is_not_sent(sms: Texting) -> None:
    ann = await hello(sms, twilio.refusal(429, 20429))
    await sms.resting("429")
    answered = (await sms.chat_of(ann))[-1]
    by = Identity(PublicProfile(answered["sender_id"], "assistant"))
    delete = DeleteMessage(message_id=answered["id"])
    await sms.home.context.chat.ask(by, answered["channel_id"], delete)
    sms.later(5)
    assert await sms.settled() == ["done"]
    assert sms.phone.sent == []
