"""What Twilio posts: messages from people, and news of messages to them. Every request is signed."""

from typing import Annotated

from msgspec import Meta, Struct
from twilio.request_validator import RequestValidator

from protocol.commands import MAX_INT
from protocol.errors import Code, Refusal, Refused
from server.bridges.twilio_inbox import NOTHING, TwilioMessage, TwilioNews
from server.calls import Call
from server.fields import AMessageId
from server.routing import Routes

twilio = Routes("Bridges")

UNSIGNED = Refusal(Code.FORBIDDEN, "The signature is missing or wrong.")


class PartQuery(Struct, frozen=True, kw_only=True):
    """Which part of which message the news are of; without, Twilio's own id says it."""

    message_id: AMessageId | None = None
    part: Annotated[int, Meta(ge=0, le=MAX_INT)] = 0


@twilio.post(
    "/twilio_webhook",
    access="anyone",
    status=200,
    media_type="text/xml",
    example=NOTHING,
    refuses=(Code.FORBIDDEN, Code.OVERLOADED),
)
async def receive_sms(call: Call, body: TwilioMessage) -> str:
    """Take in an SMS or a WhatsApp message that Twilio has got for us.

    The sender is known by the telephone number. Twilio may repeat itself: that changes nothing.
    """
    check_signature(call)
    return await call.context.bridges.twilio.receive(body, call.form_fields)


@twilio.post("/twilio_status", access="anyone", status=200, refuses=(Code.FORBIDDEN, Code.OVERLOADED))
async def hear_of_sms(call: Call, query: PartQuery, body: TwilioNews) -> None:
    """Hear how far a message has got that was sent by Twilio; its `delivery` says so from then on."""
    check_signature(call)
    await call.context.bridges.twilio.hear(body, query.message_id, query.part)


def check_signature(call: Call) -> None:
    """Raises Refused unless Twilio has signed every field of this request, for its URL."""
    token = call.context.settings.twilio_auth_token
    signature = call.header("X-Twilio-Signature")
    if not (token and RequestValidator(token).validate(call.url, call.form_fields, signature)):
        raise Refused(UNSIGNED)
