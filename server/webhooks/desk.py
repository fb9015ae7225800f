"""Where webhooks are made, removed and told again, and where what programs post comes in."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from msgspec import structs

from actors.channel_commands import Done, Identity, KnowWebhooks, LookAt, PostMessage
from actors.chat import Chat
from actors.permissions import NOT_FOUND
from actors.ports import Clock
from protocol.audit import Doer
from protocol.errors import Code, Refusal, Refused, Unavailable
from protocol.ids import ChannelId, Seq, UserId
from protocol.resources import PublicProfile
from protocol.webhooks import EVENT_NAMES, EventName, Webhook, WebhookId
from server.tokens import hash_secret
from server.webhooks.outbound import Outbound, objection_to
from server.webhooks.secrets import Sealer, new_hook_secret, new_signing_secret
from server.webhooks.worker import WebhookWorker, news
from storage.engine import Database
from storage.outbox import Outbox
from storage.webhook_feed import WebhookFeed
from storage.webhooks import CHANNEL_MAX, Ahead, Hook, NewWebhook, Webhooks

NO_WEBHOOK: Final = Refusal(Code.NOT_FOUND, "There is no such webhook in this channel.")
NO_HOOK: Final = Refusal(Code.NOT_FOUND, "There is no such webhook, or it was removed.")
NOT_AN_ADMIN: Final = Refusal(Code.FORBIDDEN, "Only the channel's admins may do this.")
TOO_MANY: Final = Refusal(
    Code.CONFLICT, f"A channel has at most {CHANNEL_MAX} webhooks. Remove one before you make another."
)
NOBODY: Final = Identity(PublicProfile(UserId(0), ""))
AHEAD: Final = Refusal(Code.INVALID, "The channel has not come that far yet.", field="after")


class WebhookDesk:
    """Made without I/O. `open` before anybody is let in, `close` when nobody is left."""

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        chat: Chat,
        clock: Clock,
        secret_key: bytes,
        *,
        is_private_allowed: bool,
    ) -> None:
        self._webhooks = Webhooks(database)
        self._feed = WebhookFeed(database)
        self._outbox = outbox
        self._chat = chat
        self._clock = clock
        self._sealer = Sealer(secret_key)
        self._is_private_allowed = is_private_allowed
        self._outbound: Outbound | None = None
        self._telling = asyncio.Lock()

    def open(self) -> None:
        """Begin to tell what is due. To be called inside the running loop."""
        self._outbound = Outbound(is_private_allowed=self._is_private_allowed)
        worker = WebhookWorker(
            self._feed, self._outbox, self._sealer, self._outbound, self._clock, let_know=self._let_go
        )
        self._chat.outboxes.employ(worker)

    async def close(self) -> None:
        if self._outbound is not None:
            await self._outbound.close()

    async def list_of(
        self, by: Identity, channel_id: ChannelId, before: WebhookId | None, skip: int, limit: int
    ) -> list[Webhook]:
        """Newest first, without secrets. Raises Refused."""
        await self._require_admin(by, channel_id)
        return await self._webhooks.list_of(channel_id, before=before, skip=skip, limit=limit)

    async def make_incoming(
        self, by: Identity, channel_id: ChannelId, name: str, address_of: Callable[[str], str]
    ) -> Webhook:
        """One with its secret and the URL with that in it, which are never shown again. Raises Refused."""
        await self._require_admin(by, channel_id, to_write=True)
        secret = new_hook_secret()
        new = NewWebhook(
            channel_id=channel_id, direction="incoming", name=name, secret_hash=hash_secret(secret)
        )
        made = await self._create(by, new)
        return structs.replace(made, secret=secret, url=address_of(secret))

    async def make_outgoing(
        self, by: Identity, channel_id: ChannelId, url: str, events: tuple[EventName, ...]
    ) -> Webhook:
        """One with the secret that it is signed with, which is never shown again. Raises Refused."""
        await self._require_admin(by, channel_id, to_write=True)
        if objection := objection_to(url, is_private_allowed=self._is_private_allowed):
            raise Refused(Refusal(Code.INVALID, objection, field="url"))
        secret = new_signing_secret()
        new = NewWebhook(
            channel_id=channel_id,
            direction="outgoing",
            url=url,
            events=tuple(name for name in EVENT_NAMES if name in events),
            sealed_secret=self._sealer.seal(secret, channel_id),
        )
        made = await self._create(by, new)
        try:
            await self._let_know(by, channel_id)
        except Refused:
            await self._webhooks.remove(channel_id, made.id, _doer(by), self._clock.now())
            raise
        # What was said before the channel knew makes no job of its own.
        await self._outbox.add([news(made.id, f"webhook:{made.id}:new", self._clock.now())])
        self._chat.outboxes.poke("webhook")
        return structs.replace(made, secret=secret)

    async def remove(self, by: Identity, channel_id: ChannelId, webhook_id: WebhookId) -> None:
        """Raises Refused."""
        await self._require_admin(by, channel_id)
        if not await self._webhooks.remove(channel_id, webhook_id, _doer(by), self._clock.now()):
            raise Refused(NO_WEBHOOK)
        # A channel that does not hear of it makes a job that finds nobody to tell, and then it hears of it.
        with contextlib.suppress(Refused):
            await self._let_know(by, channel_id)

    async def replay(self, by: Identity, channel_id: ChannelId, webhook_id: WebhookId, after: Seq) -> Webhook:
        """Raises Refused."""
        await self._require_admin(by, channel_id)
        replayed = await self._replay(by, channel_id, webhook_id, after)
        await self._let_know(by, channel_id)
        return replayed

    async def receive(self, secret: str, content: str, nonce: str | None, address: str) -> UserId:
        """Post what came with this secret; the id of the bot that says it. Raises Refused."""
        hook = await self._find(secret)
        by = Identity(hook.bot, address=address)
        command = PostMessage(content=content, nonce=nonce, via="webhook")
        await self._chat.ask(by, hook.channel_id, command)
        return hook.bot.id

    async def _find(self, secret: str) -> Hook:
        hook = await self._webhooks.find(hash_secret(secret))
        if hook is None:
            raise Refused(NO_HOOK)
        return hook

    async def _create(self, by: Identity, new: NewWebhook) -> Webhook:
        made = await self._webhooks.create(new, _doer(by), self._clock.now())
        if made is None:
            raise Refused(TOO_MANY)
        return made

    async def _replay(
        self, by: Identity, channel_id: ChannelId, webhook_id: WebhookId, after: Seq
    ) -> Webhook:
        replayed = await self._webhooks.replay(channel_id, webhook_id, after, _doer(by), self._clock.now())
        if replayed is None:
            raise Refused(NO_WEBHOOK)
        if isinstance(replayed, Ahead):
            raise Refused(AHEAD)
        self._chat.outboxes.poke("webhook")
        return replayed

    async def _let_know(self, by: Identity, channel_id: ChannelId) -> Done:
        """Tell the channel which webhooks it has: from its next message on it makes jobs for these."""
        # One at a time, so that what was read first never comes last.
        async with self._telling:
            outgoing = await self._webhooks.outgoing(channel_id)
            return await self._chat.ask(by, channel_id, KnowWebhooks(outgoing=outgoing))

    async def _let_go(self, channel_id: ChannelId, webhook_id: WebhookId) -> None:
        """Those of disabled users are told nothing either, and are known all the same: they only rest."""
        with contextlib.suppress(Refused, Unavailable):
            if webhook_id not in await self._webhooks.outgoing(channel_id):
                await self._let_know(NOBODY, channel_id)

    async def _require_admin(self, by: Identity, channel_id: ChannelId, *, to_write: bool = False) -> None:
        """Raises Refused. A direct channel has no webhooks, and an archived one gets no new ones."""
        done = await self._chat.ask(by, channel_id, LookAt())
        if done.info is None or done.info.kind == "direct":
            raise Refused(NOT_FOUND)
        if done.role not in ("owner", "admin"):
            raise Refused(NOT_AN_ADMIN)
        if to_write and done.info.is_archived:
            raise Refused(Refusal(Code.CHANNEL_ARCHIVED, "The channel is archived: unarchive it first."))


def _doer(by: Identity) -> Doer:
    return Doer(by.user_id, by.address)
