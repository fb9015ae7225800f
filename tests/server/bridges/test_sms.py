"""Texting with the assistant: in by Twilio's webhook, out by its API, and its news on the message."""

import pytest

from protocol.ids import UserId
from tests.server.bridges.texting import Texting
from tests.stand_ins import twilio

ANNS = "+15005550001"
HELLO = "No model is configured"


async def test_an_sms_is_answered_by_sms_and_its_news_come_onto_the_message(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    talk = await sms.home.live(ann)
    answer = await sms.text(ANNS, "Hello?")
    assert answer == '<?xml version="1.0" encoding="UTF-8"?><Response/>'
    assert await sms.settled() == ["done"]
    said, answered = await sms.chat_of(ann)
    assert (said["content"], said["via"], said["sender_id"]) == ("Hello?", "twilio", ann.id)
    (sent,) = sms.phone.sent
    assert (sent["to"], sent["from"], sent["body"]) == (ANNS, twilio.OURS, answered["content"])
    assert answered["delivery"] == {"state": "queued", "transport": "twilio", "error_code": None}
    await sms.news(sent, "sent")
    await sms.news(sent, "delivered")
    assert (await sms.delivery_of(ann))["state"] == "delivered"
    states = []
    while "delivered" not in states:
        event = await talk.hear("message_update")
        assert event["message"]["id"] == answered["id"]
        states.append(event["message"]["delivery"]["state"])
    assert states == ["sending", "queued", "sent", "delivered"]


async def test_whoever_writes_here_is_not_texted(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    await sms.text(ANNS, "one")
    assert await sms.settled() == ["done"]
    assistant = (await sms.chat_of(ann))[0]["recipient_id"]
    await ann.post("/messages", {"recipient_id": assistant, "content": "two"})

    async def is_answered() -> bool:
        return len(await sms.chat_of(ann)) == 4

    await sms.until(is_answered)
    assert await sms.jobs() == ["done"]
    assert await sms.delivery_of(ann) is None


async def test_twilios_repeats_change_nothing(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    for _ in range(3):
        await sms.text(ANNS, "once", MessageSid="SM1")
    assert await sms.settled() == ["done"]
    assert [message["content"] for message in await sms.chat_of(ann)][:1] == ["once"]
    assert len(await sms.chat_of(ann)) == 2
    assert len(sms.phone.sent) == 1


async def test_whatsapp_is_answered_by_whatsapp(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    await sms.text(f"whatsapp:{ANNS}", "Hello?", To="whatsapp:+14155238886")
    assert await sms.settled() == ["done"]
    assert (await sms.chat_of(ann))[0]["via"] == "whatsapp"
    (sent,) = sms.phone.sent
    assert (sent["to"], sent["from"]) == (f"whatsapp:{ANNS}", "whatsapp:+14155238886")
    await sms.news(sent, "read")
    assert await sms.delivery_of(ann) == {"state": "delivered", "transport": "whatsapp", "error_code": None}


async def test_the_answer_comes_from_the_number_that_was_written_to(sms: Texting) -> None:
    await sms.person("ann", ANNS)
    await sms.text(ANNS, "Hello?", To="+15005550999", MessagingServiceSid="MG1")
    await sms.settled()
    assert [each["from"] for each in sms.phone.sent] == ["+15005550999"]


@pytest.mark.parametrize("body", ["", "   "])
async def test_a_message_without_anything_in_it_is_let_go(sms: Texting, body: str) -> None:
    ann = await sms.person("ann", ANNS)
    await sms.text(ANNS, body, NumMedia="x")
    assert await sms.chat_of(ann) == []


@pytest.mark.parametrize("number", ["+15005550002", "messenger:12345", "", "whatsapp:+15005550002"])
async def test_strangers_are_counted_and_get_no_answer(sms: Texting, number: str) -> None:
    ann = await sms.person("ann", ANNS)
    assert "Message" not in await sms.text(number, "Hello?")
    assert await sms.chat_of(ann) == []
    known_way = not number.startswith("messenger:")
    assert sms.home.context.bridges.arrivals.unknown.total() == known_way


async def test_who_is_disabled_is_a_stranger(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    await sms.home.context.accounts.disable(UserId(ann.id), sms.home.clock.now())
    await sms.text(ANNS, "Hello?")
    assert sms.home.context.bridges.arrivals.unknown["twilio"] == 1


# Stopping.


@pytest.mark.parametrize(
    "word", ["STOP", "stopall", " Unsubscribe ", "Cancel.", "END", "quit", "REVOKE", "OptOut"]
)
async def test_stop_words_stop_the_messages(sms: Texting, word: str) -> None:
    ann = await sms.person("ann", ANNS)
    assert "Message" not in await sms.text(ANNS, word)
    assert await sms.chat_of(ann) == []
    await sms.text(ANNS, "still there?")
    assert await sms.settled() == ["failed"]
    assert sms.phone.requests == []
    assert await sms.delivery_of(ann) == {"state": "failed", "transport": "twilio", "error_code": "21610"}


@pytest.mark.parametrize("word", ["START", "unstop", "Yes"])
async def test_start_words_allow_them_again(sms: Texting, word: str) -> None:
    ann = await sms.person("ann", ANNS)
    await sms.text(ANNS, "STOP")
    await sms.text(ANNS, word)
    assert await sms.chat_of(ann) == []
    await sms.text(ANNS, "still there?")
    assert await sms.settled() == ["done"]


async def test_who_has_not_stopped_may_say_yes(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    await sms.text(ANNS, "Yes")
    assert (await sms.chat_of(ann))[0]["content"] == "Yes"


async def test_stopping_is_for_one_number_and_way(sms: Texting) -> None:
    await sms.person("ann", ANNS)
    await sms.text(ANNS, "STOP")
    await sms.text(f"whatsapp:{ANNS}", "Hello?", To=f"whatsapp:{twilio.OURS}")
    assert await sms.settled() == ["done"]
    await sms.text(ANNS, "Hello?", To="+15005550999")
    assert await sms.settled(count=2) == ["done", "done"]


@pytest.mark.parametrize("word", ["HELP", "info"])
async def test_help_is_answered_at_once(sms: Texting, word: str) -> None:
    ann = await sms.person("ann", ANNS)
    assert "<Response><Message>" in await sms.text(ANNS, word)
    assert "Message" not in await sms.text(ANNS, word, OptOutType="HELP")
    assert "Message" not in await sms.text("+15005550002", word)
    assert await sms.chat_of(ann) == []


async def test_twilio_may_know_of_a_stop_before_we_do(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    sms.phone.faults.append(twilio.refusal(400, 21610))
    await sms.text(ANNS, "one")
    assert await sms.settled() == ["failed"]
    await sms.text(ANNS, "two")
    assert await sms.settled(count=2) == ["failed", "failed"]
    assert len(sms.phone.requests) == 1
    assert (await sms.delivery_of(ann))["error_code"] == "21610"


# News.


async def test_news_in_any_order_end_the_same(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    await sms.text(ANNS, "Hello?")
    await sms.settled()
    (sent,) = sms.phone.sent
    for status in ("delivered", "sent", "queued", "failed", "receiving"):
        await sms.news(sent, status, ErrorCode="30003" if status == "failed" else "")
    assert await sms.delivery_of(ann) == {"state": "delivered", "transport": "twilio", "error_code": None}


async def test_a_failure_is_shown_with_its_code(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    await sms.text(ANNS, "Hello?")
    await sms.settled()
    (sent,) = sms.phone.sent
    await sms.news(sent, "undelivered", ErrorCode="30005")
    await sms.news(sent, "delivered")
    assert await sms.delivery_of(ann) == {
        "state": "undelivered",
        "transport": "twilio",
        "error_code": "30005",
    }


async def test_news_are_also_found_by_twilios_id(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    await sms.text(ANNS, "Hello?")
    await sms.settled()
    (sent,) = sms.phone.sent
    await sms.news(sent | {"callback": "/twilio_status"}, "delivered")
    assert (await sms.delivery_of(ann))["state"] == "delivered"
    await sms.news(sent | {"callback": "/twilio_status", "sid": "SM404"}, "failed")
    await sms.news(sent | {"callback": "/twilio_status?message_id=404"}, "failed")
    assert (await sms.delivery_of(ann))["state"] == "delivered"


async def test_news_of_a_stop_stop_the_next_message(sms: Texting) -> None:
    await sms.person("ann", ANNS)
    await sms.text(ANNS, "Hello?")
    await sms.settled()
    await sms.news(sms.phone.sent[0], "failed", ErrorCode="21610")
    await sms.text(ANNS, "Hello?")
    assert await sms.settled(count=2) == ["done", "failed"]


async def test_news_of_a_message_that_is_gone_are_let_go(sms: Texting) -> None:
    ann = await sms.person("ann", ANNS)
    await sms.text(ANNS, "Hello?")
    await sms.settled()
    await sms.home.context.accounts.delete(UserId(ann.id), sms.home.clock.now())
    await sms.news(sms.phone.sent[0], "delivered")


# Logs and metrics.


async def test_texts_are_logged_at_debug_only(sms: Texting, caplog: pytest.LogCaptureFixture) -> None:
    await sms.person("ann", ANNS)
    with caplog.at_level("DEBUG"):
        await sms.text(ANNS, "my secret")
        await sms.settled()
    told = [record for record in caplog.records if "my secret" in record.getMessage()]
    assert {(record.name, record.levelname) for record in told} <= {("twilio_logger", "DEBUG")}
    taken = [
        record for record in caplog.records if record.name == "twilio_logger" and record.levelname == "INFO"
    ]
    assert [record.getMessage() for record in taken] == ["message taken"]
    assert "my secret" not in str([record.__dict__ for record in taken])
    assert twilio.TOKEN not in caplog.text


async def test_strangers_are_in_the_metrics(sms: Texting) -> None:
    await sms.text("+15005550002", "Hello?")
    metrics = await sms.home.nobody.get("/metrics")
    assert 'parley_unknown_senders_total{bridge="twilio"} 1.0' in metrics
