"""Telegram: linking an account to a chat, and what the bot is told."""

import hmac

from protocol.errors import Code, Refusal, Refused
from server.bridges.telegram_inbox import Offer, TelegramReply, TelegramUpdate
from server.calls import Call
from server.routing import Routes

telegram = Routes("Bridges")

NO_BOT = Refusal(Code.CONFLICT, "This server has no Telegram bot.")
NO_SECRET = Refusal(Code.FORBIDDEN, "The secret is missing or wrong.")


@telegram.post("/auth/me/telegram", status=201, refuses=(Code.CONFLICT,))
async def offer_telegram_code(call: Call) -> Offer:
    """Get a code: send it to the bot to talk to the assistant there. It works once, and for a while.

    Refused with `conflict` where the server has no bot.
    """
    if not call.context.settings.telegram_bot_token:
        raise Refused(NO_BOT)
    return await call.context.bridges.telegram.offer(call.user_id)


def check_secret(call: Call) -> None:
    """Raises Refused unless the request bears the secret that the webhook was set up with."""
    secret = call.context.settings.telegram_webhook_secret
    given = call.header("X-Telegram-Bot-Api-Secret-Token")
    if not (secret and hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode())):
        raise Refused(NO_SECRET)


@telegram.post(
    "/telegram_webhook",
    access="anyone",
    status=200,
    guard=check_secret,
    refuses=(Code.FORBIDDEN, Code.OVERLOADED),
)
async def receive_telegram(call: Call, body: TelegramUpdate) -> TelegramReply:
    """Take in what somebody has written to the bot. Telegram may repeat itself: that changes nothing."""
    return await call.context.bridges.telegram.receive(body)
