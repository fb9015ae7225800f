"""What `parley check` says of bridges."""

from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from server.bridges.probing import probe_telegram, probe_twilio
from server.settings import Settings
from tests.server.bridges.texting import bridged
from tests.stand_ins import telegram, twilio


@pytest.fixture
async def settings(quick_settings: Settings) -> AsyncIterator[Settings]:
    async with twilio.twilio() as phone, telegram.telegram() as bot:
        yield bridged(quick_settings, phone, bot)


async def test_good_credentials_work(settings: Settings) -> None:
    sms, bot = await probe_twilio(settings), await probe_telegram(settings)
    assert sms.words == "the account is active; its webhook is https://chat.example/twilio_webhook"
    assert (bot.words, sms.mend, bot.mend) == ("the bot is @parley_bot", "", "")


async def test_without_a_public_url_it_says_what_is_missing(settings: Settings) -> None:
    probed = await probe_twilio(structs.replace(settings, public_url=""))
    assert ("without PUBLIC_URL" in probed.words, probed.mend) == (True, "")


async def test_a_domain_is_enough_to_be_told_news(settings: Settings) -> None:
    probed = await probe_twilio(structs.replace(settings, public_url="", domain="chat.example", port=8000))
    assert probed.words == "the account is active; its webhook is http://chat.example:8000/twilio_webhook"


async def test_bad_credentials_are_named(settings: Settings) -> None:
    wrong = structs.replace(settings, twilio_auth_token="wrong", telegram_bot_token="wrong")
    sms, bot = await probe_twilio(wrong), await probe_telegram(wrong)
    assert (sms.words, bot.words) == ("Twilio says 401 with code 20003", "Telegram says 401")
    assert "TWILIO_AUTH_TOKEN" in sms.mend
    assert "TELEGRAM_BOT_TOKEN" in bot.mend


async def test_a_bot_without_a_secret_takes_nothing_in(settings: Settings) -> None:
    probed = await probe_telegram(structs.replace(settings, telegram_webhook_secret=""))
    assert probed.mend == "set TELEGRAM_WEBHOOK_SECRET"


async def test_who_is_not_there_is_broken(settings: Settings) -> None:
    away = "http://127.0.0.1:9"
    gone = structs.replace(settings, twilio_api_url=away, telegram_api_url=away)
    for probed in (await probe_twilio(gone), await probe_telegram(gone)):
        assert "does not answer" in probed.words
        assert probed.mend


async def test_who_talks_nonsense_is_broken(settings: Settings) -> None:
    page = f"{settings.twilio_api_url}/2010-04-01/Accounts/{twilio.ACCOUNT}/nonsense"
    odd = structs.replace(settings, telegram_api_url=page, twilio_api_url=page)
    assert (await probe_telegram(odd)).mend
    assert (await probe_twilio(odd)).mend
