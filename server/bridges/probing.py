"""Whether bridges work, for `parley check`: credentials are shown to the other side, and nothing is sent."""

import asyncio
from typing import Final

import aiohttp
from msgspec import Struct

from server.bridges.telegram import api_of
from server.bridges.twilio import TwilioAccount
from server.public_urls import own_url
from server.settings import Settings

WITHIN_S: Final = 10.0
SLOW: Final = (aiohttp.ClientError, TimeoutError, OSError)
NONSENSE: Final = (ValueError, TypeError, AttributeError, KeyError)
START_IT: Final = "start it, or correct its URL"


class Probed(Struct, frozen=True):
    """What was found; with a `mend` it is broken."""

    words: str
    mend: str = ""


async def probe_twilio(settings: Settings) -> Probed:
    """Ask Twilio for the account, with its token."""
    account = TwilioAccount(settings)
    try:
        async with asyncio.timeout(WITHIN_S):
            client = await account.client()
            status = await client.account_status()
    except SLOW as error:
        return Probed(f"Twilio does not answer: {type(error).__name__}", START_IT)
    except NONSENSE as error:
        return Probed(f"Twilio's answer is unreadable: {type(error).__name__}", START_IT)
    finally:
        await account.close()
    if status != "active":
        return Probed(f"Twilio says {status}", "correct TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN")
    if not own_url(settings):
        return Probed("the account is active; without PUBLIC_URL no news of messages come")
    return Probed(f"the account is active; its webhook is {own_url(settings)}/twilio_webhook")


async def probe_telegram(settings: Settings) -> Probed:
    """Ask Telegram who the bot is."""
    api = api_of(settings)
    try:
        async with asyncio.timeout(WITHIN_S):
            answer = await api.call("getMe")
    except SLOW as error:
        return Probed(f"Telegram does not answer: {type(error).__name__}", START_IT)
    except NONSENSE as error:
        return Probed(f"Telegram's answer is unreadable: {type(error).__name__}", START_IT)
    finally:
        await api.close()
    if not answer.ok or answer.result is None:
        return Probed(f"Telegram says {answer.error_code}", "correct TELEGRAM_BOT_TOKEN")
    if not settings.telegram_webhook_secret:
        return Probed("nothing is taken in without a secret", "set TELEGRAM_WEBHOOK_SECRET")
    return Probed(f"the bot is @{answer.result.username}")
