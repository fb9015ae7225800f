"""Talking to the assistant on Telegram."""

import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest

from actors.channel_commands import BeginDelivery, MoveDelivery
from protocol.errors import Code, Refusal, Refused
from server.bridges import telegram as telegram_bridge
from server.bridges.telegram_inbox import CODE_LIFE
from server.settings import Settings
from tests.server.bridges.texting import Texting, texting
from tests.server.rest.client import Api, Json
from tests.stand_ins import telegram

CHAT = 987_654_321_012
SECRET = {"X-Telegram-Bot-Api-Secret-Token": telegram.SECRET}
_numbers = itertools.count(1)


async def write(sms: Texting, text: str | None, chat_id: int = CHAT, **message: Any) -> Json:
    """Somebody writes to the bot; what the bot does at once."""
    number = next(_numbers)
    said: Json = {
        "message_id": number,
        "date": 1_700_000_000,
        "from": {"id": chat_id, "is_bot": False, "first_name": "Ann"},
        "chat": {"id": chat_id, "type": "private", "first_name": "Ann"},
    }
    if text is not None:
        said["text"] = text
    return await post(sms, {"update_id": number, "message": said | message})


async def post(sms: Texting, update: Json) -> Json:
    async with sms.home.nobody.session.post("/telegram_webhook", json=update, headers=SECRET) as answer:
        assert answer.status == 200, await answer.text()
        return await answer.json()


async def linked(sms: Texting) -> Api:
    ann = await sms.home.person("ann")
    offer = await ann.post("/auth/me/telegram")
    answer = await write(sms, offer["code"])
    assert answer["method"] == "sendMessage"
    assert (answer["chat_id"], "ann" in answer["text"]) == (CHAT, True)
    return ann


async def test_a_linked_user_talks_to_the_assistant(sms: Texting) -> None:
    ann = await linked(sms)
    assert await write(sms, "Hello?") == {}
    assert await sms.settled("telegram") == ["done"]
    said, answered = await sms.chat_of(ann)
    assert (said["content"], said["via"]) == ("Hello?", "telegram")
    assert sms.bot.sent == [{"chat_id": CHAT, "text": answered["content"]}]
    assert answered["delivery"] == {"state": "sent", "transport": "telegram", "error_code": None}


async def test_a_code_works_once_and_for_a_while(sms: Texting) -> None:
    ann = await sms.home.person("ann")
    offer = await ann.post("/auth/me/telegram")
    expires_at = datetime.fromisoformat(offer["expires_at"])
    assert expires_at - sms.home.clock.now() == CODE_LIFE
    again = await ann.post("/auth/me/telegram")
    assert again["code"] != offer["code"]
    assert "do not know you" in (await write(sms, offer["code"]))["text"]
    sms.home.clock.moved_s += timedelta(minutes=15).total_seconds()
    assert "do not know you" in (await write(sms, again["code"]))["text"]


async def test_without_a_bot_there_is_no_code(quick_settings: Settings) -> None:
    async with texting(quick_settings, telegram_bot_token="") as sms:
        ann = await sms.home.person("ann")
        refusal = await ann.post("/auth/me/telegram", expect=409)
        assert refusal["code"] == "conflict"


@pytest.mark.parametrize("spelling", ["/start {}", " {} ", "/start{}"])
async def test_a_code_may_come_by_a_link_or_in_small_letters(sms: Texting, spelling: str) -> None:
    ann = await sms.home.person("ann")
    code = (await ann.post("/auth/me/telegram"))["code"]
    assert "linked" in (await write(sms, spelling.format(code.lower())))["text"]


async def test_strangers_are_told_how_to_link_and_counted(sms: Texting) -> None:
    for text in ("Hello?", "/start", ""):
        assert "do not know you" in (await write(sms, text))["text"]
    assert sms.home.context.bridges.arrivals.unknown["telegram"] == 3


async def test_repeats_change_nothing(sms: Texting) -> None:
    ann = await linked(sms)
    for _ in range(3):
        await write(sms, "once", message_id=77)
    await sms.settled("telegram")
    assert len(await sms.chat_of(ann)) == 2
    assert len(sms.bot.sent) == 1


@pytest.mark.parametrize(
    "update",
    [
        {"update_id": 1},
        {"update_id": 2, "edited_message": {"message_id": 1}},
        {
            "update_id": 3,
            "message": {"message_id": 1, "chat": {"id": -100, "type": "supergroup"}, "text": "x"},
        },
        {
            "update_id": 4,
            "message": {"message_id": 1, "chat": {"id": CHAT, "type": "private"}, "sticker": {}},
        },
    ],
)
async def test_all_else_is_let_go(sms: Texting, update: Json) -> None:
    ann = await linked(sms)
    assert await post(sms, update) == {}
    assert await sms.chat_of(ann) == []


async def test_a_caption_is_what_a_picture_says(sms: Texting) -> None:
    ann = await linked(sms)
    await write(sms, None, caption="look")
    assert (await sms.chat_of(ann))[0]["content"] == "look"


# Delivering.


async def test_a_busy_telegram_is_asked_when_it_says(sms: Texting) -> None:
    ann = await linked(sms)
    sms.bot.faults.append({"error_code": 429, "description": "Slow", "parameters": {"retry_after": 100}})
    await write(sms, "Hello?")
    await sms.resting("429", "telegram")
    sms.later(99, "telegram")
    assert sms.bot.sent == []
    sms.later(2, "telegram")
    assert await sms.settled("telegram") == ["done"]
    assert (await sms.delivery_of(ann))["state"] == "sent"


async def test_a_telegram_that_fails_may_have_sent_it(sms: Texting) -> None:
    ann = await linked(sms)
    sms.bot.faults.append({"error_code": 502, "description": "Bad Gateway"})
    await write(sms, "Hello?")
    await sms.resting("502", "telegram")
    sms.later(5, "telegram")
    assert await sms.settled("telegram") == ["unknown"]
    assert (await sms.delivery_of(ann))["state"] == "unknown"


@pytest.mark.parametrize(
    ("refused", "meanwhile", "ends"),
    [(BeginDelivery, "pending", "done"), (MoveDelivery, "sending", "unknown")],
)
async def test_what_the_chat_refuses_is_in_doubt_only_once_it_was_sent(
    sms: Texting, monkeypatch: pytest.MonkeyPatch, refused: type, meanwhile: str, ends: str
) -> None:
    await linked(sms)
    ask, refusals = sms.home.context.chat.ask, [Refusal(Code.OVERLOADED, "No.")]

    async def overloaded(by: Any, channel_id: Any, command: Any, **more: Any) -> Any:
        if isinstance(command, refused) and refusals:
            raise Refused(refusals.pop())
        return await ask(by, channel_id, command, **more)

    monkeypatch.setattr(sms.home.context.chat, "ask", overloaded)
    await write(sms, "Hello?")
    await sms.resting("overloaded", "telegram")
    assert await sms.jobs("telegram") == [meanwhile]
    sms.later(5, "telegram")
    assert await sms.settled("telegram") == [ends]
    assert len(sms.bot.sent) == 1


async def test_a_telegram_that_cannot_be_reached_is_tried_again(quick_settings: Settings) -> None:
    async with texting(quick_settings, telegram_api_url="http://127.0.0.1:9") as sms:
        await linked(sms)
        await write(sms, "Hello?")
        await sms.resting("cannot be reached", "telegram")
        assert await sms.jobs("telegram") == ["pending"]


async def test_who_has_blocked_the_bot_is_not_tried_again(sms: Texting) -> None:
    ann = await linked(sms)
    sms.bot.faults.append({"error_code": 403, "description": "Forbidden: bot was blocked by the user"})
    await write(sms, "Hello?")
    assert await sms.settled("telegram") == ["failed"]
    assert await sms.delivery_of(ann) == {"state": "failed", "transport": "telegram", "error_code": "403"}


@pytest.mark.parametrize("fault", ["cut", "garbage", "stall"])
async def test_what_may_have_been_sent_is_unknown_as_telegram_cannot_be_asked(
    sms: Texting, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(telegram_bridge, "TIMEOUT_S", 0.3)
    ann = await linked(sms)
    sms.bot.faults.append(fault)
    await write(sms, "Hello?")
    await sms.resting("no answer", "telegram")
    sms.later(5, "telegram")
    assert await sms.settled("telegram") == ["unknown"]
    assert (await sms.delivery_of(ann))["state"] == "unknown"
    assert len(sms.bot.sent) == (fault != "garbage")


async def test_what_waits_for_telegram_goes_out_in_order_when_it_is_back(sms: Texting) -> None:
    ann = await linked(sms)
    sms.bot.faults.extend([{"error_code": 429, "description": "Slow", "parameters": {"retry_after": 10}}] * 3)
    for text in ("one", "two", "three"):
        await write(sms, text)
    await sms.until_answered(ann, 3)

    async def is_over() -> bool:
        sms.later(11, "telegram")
        return await sms.jobs("telegram") == ["done"] * 3

    await sms.until(is_over)
    answers = [each["content"] for each in await sms.chat_of(ann) if each["recipient_id"] == ann.id]
    assert sms.bot.texts == answers


async def test_who_has_unlinked_gets_nothing(sms: Texting) -> None:
    ann = await linked(sms)
    sms.bot.faults.append({"error_code": 429, "description": "Slow"})
    await write(sms, "Hello?")
    await sms.resting("429", "telegram")
    bob = await sms.home.person("bob")
    await write(sms, (await bob.post("/auth/me/telegram"))["code"])
    sms.later(5, "telegram")
    assert await sms.settled("telegram") == ["failed"]
    assert sms.bot.sent == []
    assert (await sms.delivery_of(ann))["state"] == "failed"
