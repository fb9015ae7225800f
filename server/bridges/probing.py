"""Whether bridges work, for `parley check`: credentials are shown to the other side, and nothing is sent."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

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

T = TypeVar("T")


class Probed(Struct, frozen=True):
    """What was found; with a `mend` it is broken."""

    words: str
    mend: str = ""


async def probe_twilio(settings: Settings) -> Probed:
    """Ask Twilio for the account, with its token."""
    account = TwilioAccount(settings)
    status = await _heard("Twilio", _status_of(account), account.close)
    if isinstance(status, Probed):
        return status
    if status != "active":
        return Probed(f"Twilio says {status}", "correct TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN")
    if not own_url(settings):
        return Probed("the account is active; without PUBLIC_URL no news of messages come")
    return Probed(f"the account is active; its webhook is {own_url(settings)}/twilio_webhook")


async def probe_telegram(settings: Settings) -> Probed:
    """Ask Telegram who the bot is."""
    api = api_of(settings)
    answer = await _heard("Telegram", api.call("getMe"), api.close)
    if isinstance(answer, Probed):
        return answer
    if not answer.ok or answer.result is None:
        return Probed(f"Telegram says {answer.error_code}", "correct TELEGRAM_BOT_TOKEN")
    if not settings.telegram_webhook_secret:
        return Probed("nothing is taken in without a secret", "set TELEGRAM_WEBHOOK_SECRET")
    return Probed(f"the bot is @{answer.result.username}")


async def _status_of(account: TwilioAccount) -> str:
    return await (await account.client()).account_status()


async def _heard(name: str, asking: Awaitable[T], close: Callable[[], Awaitable[None]]) -> T | Probed:
    """What a service answers, or why it does not."""
    try:
        async with asyncio.timeout(WITHIN_S):
            return await asking
    except SLOW as error:
        return Probed(f"{name} does not answer: {type(error).__name__}", START_IT)
    except NONSENSE as error:
        return Probed(f"{name}'s answer is unreadable: {type(error).__name__}", START_IT)
    finally:
        await close()
