"""Webhooks: what other programs post into a channel, and what they are told of it."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from protocol.commands import MAX_INT
from protocol.errors import Code, Refusal, Refused
from protocol.rates import Budget
from protocol.webhooks import EVENT_NAMES, EventName, Webhook, WebhookId
from server.calls import Call
from server.fields import ONE_LINE, AChannelId, APosition, In
from server.forms import JsonOrForm
from server.paging import Page, PageQuery, page_of, read_cursor
from server.rest.channels import MEMBER_REFUSALS
from server.routing import Routes
from server.webhooks.outbound import URL_MAX_CHARS
from server.webhooks.slack import SlackMessage, content_of

webhooks = Routes("Webhooks")

AWebhookId = Annotated[WebhookId, Meta(ge=1, le=MAX_INT)]
BotName = Annotated[str, Meta(min_length=1, max_length=80, pattern=ONE_LINE, examples=["Deployments"])]
NO_TEXT: Final = Refusal(Code.INVALID, "There is no text in it.", field="text")


class WebhookCreate(In, frozen=True, kw_only=True):
    """With `url` an outgoing webhook, which is told the `events`; without, an incoming one.

    `name` is what an incoming one's bot is called.
    """

    url: Annotated[str, Meta(pattern="^https?://.", max_length=URL_MAX_CHARS)] | None = None
    events: Annotated[tuple[EventName, ...], Meta(min_length=1, max_length=10)] = EVENT_NAMES
    name: BotName = "Webhook"


class ReplayQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The `seq` after which everything is told again; one ahead of the webhook's cursor leaves things out."""

    after: APosition


class SlackPost(SlackMessage, JsonOrForm, frozen=True):
    """As Slack takes it, as JSON or as a form whose field `payload` is that JSON."""


@webhooks.get("/channels/{channel_id}/webhooks", refuses=MEMBER_REFUSALS)
async def list_webhooks(call: Call, channel_id: AChannelId, query: PageQuery) -> Page[Webhook]:
    """List the webhooks, as an admin; newest first. Secrets are not shown again."""
    before = read_cursor(query.cursor, AWebhookId)
    desk = call.context.webhooks
    found = await desk.list_of(call.identity, channel_id, before, query.skip, query.size + 1)
    return page_of(found, query.size, lambda webhook: webhook.id)


@webhooks.post(
    "/channels/{channel_id}/webhooks",
    status=201,
    refuses=(*MEMBER_REFUSALS, Code.CHANNEL_ARCHIVED, Code.CONFLICT),
)
async def create_webhook(call: Call, channel_id: AChannelId, body: WebhookCreate) -> Webhook:
    """Make a webhook, as an admin. Its `secret` is shown this once; an incoming one has it in its `url`."""
    desk = call.context.webhooks
    if body.url is not None:
        return await desk.make_outgoing(call.identity, channel_id, body.url, body.events)
    base = call.url.rpartition("/channels/")[0]
    return await desk.make_incoming(
        call.identity, channel_id, body.name, lambda secret: f"{base}/hooks/{secret}"
    )


@webhooks.delete("/channels/{channel_id}/webhooks/{webhook_id}", refuses=MEMBER_REFUSALS)
async def remove_webhook(call: Call, channel_id: AChannelId, webhook_id: AWebhookId) -> None:
    """Remove a webhook, as an admin. It posts nothing and is told nothing from then on."""
    await call.context.webhooks.remove(call.identity, channel_id, webhook_id)


@webhooks.post("/channels/{channel_id}/webhooks/{webhook_id}/replay", status=200, refuses=MEMBER_REFUSALS)
async def replay_webhook(
    call: Call, channel_id: AChannelId, webhook_id: AWebhookId, query: ReplayQuery
) -> Webhook:
    """Tell an outgoing webhook everything after a `seq` again, as an admin; even if it was given up."""
    return await call.context.webhooks.replay(call.identity, channel_id, webhook_id, query.after)


@webhooks.post(
    "/hooks/{secret}",
    access="anyone",
    status=200,
    media_type="text/plain",
    example="ok",
    refuses=(
        Code.NOT_FOUND,
        Code.CONFLICT,
        Code.CHANNEL_ARCHIVED,
        Code.RATE_LIMITED,
        Code.OVERLOADED,
    ),
)
async def receive_hook(call: Call, secret: str, body: SlackPost) -> str:
    """Post to the channel of an incoming webhook, as one would to Slack: `{"text": "…"}`.

    Answers `ok`. `Idempotency-Key` makes repeating safe.
    """
    content = content_of(body)
    if not content:
        raise Refused(NO_TEXT)
    desk = call.context.webhooks
    bot_id = await desk.receive(secret, content, call.nonce(None), call.origin.address)
    if call.context.settings.command_rate is not None:
        call.show(Budget(*call.context.chat.budget(bot_id)))
    return "ok"
