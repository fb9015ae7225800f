"""A receiver of webhooks for tests: verifies every signature; fails, stalls or redirects as it is told."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from msgspec import Struct
from standardwebhooks.webhooks import Webhook

from tests.stand_ins.serving import serving

Json = Any
PATIENCE_S = 60.0
"""Only ever waited for when a promise is broken."""


class Replies(Struct, frozen=True):
    """An answer; `body_bytes` of it are sent."""

    status: int = 200
    headers: dict[str, str] = {}
    body_bytes: int = 2


class Stalls(Struct, frozen=True):
    """No answer until the stand-in is told to go on."""


class HangsUp(Struct, frozen=True):
    """The connection breaks off without an answer."""


class Delivery(Struct, frozen=True):
    """One verified request."""

    id: str
    body: Json
    headers: dict[str, str]
    raw: bytes

    @property
    def text(self) -> str | None:
        content: str | None = self.body["data"]["message"]["content"]
        return content


class Receiver:
    """What came; what is queued is answered first, then what `otherwise` says."""

    def __init__(self) -> None:
        self.url = ""
        self.secret: str | None = None
        self.attempts = 0
        self.deliveries: list[Delivery] = []
        self.queue: deque[Replies | Stalls | HangsUp] = deque()
        self.otherwise: Replies | Stalls | HangsUp = Replies()
        self.elsewhere = 0
        self.go_on = asyncio.Event()
        self._news = asyncio.Event()

    def will(self, *replies: Replies | Stalls | HangsUp) -> None:
        self.queue.extend(replies)

    @property
    def texts(self) -> list[str | None]:
        """Of what was accepted, in order."""
        return [delivery.text for delivery in self.deliveries]

    async def accepted(self, count: int) -> list[Delivery]:
        """Wait until so many were accepted."""
        await self._until(lambda: len(self.deliveries) >= count)
        return self.deliveries

    async def attempted(self, count: int) -> None:
        """Wait until it was asked so often."""
        await self._until(lambda: self.attempts >= count)

    async def _until(self, condition: Any) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.attempts += 1
        self._news.set()
        reply = self.queue.popleft() if self.queue else self.otherwise
        match reply:
            case Stalls():
                await self.go_on.wait()
                return web.Response()
            case HangsUp():
                assert request.transport is not None
                request.transport.abort()
                return web.Response()
            case Replies():
                return self._reply(request, body, reply)

    def _reply(self, request: web.Request, body: bytes, reply: Replies) -> web.Response:
        if 200 <= reply.status < 300:
            headers = {name.lower(): value for name, value in request.headers.items()}
            verified = Webhook(self.secret).verify(body, headers) if self.secret else None
            self.deliveries.append(Delivery(headers["webhook-id"], verified, headers, body))
        return web.Response(status=reply.status, headers=reply.headers, body=b"x" * reply.body_bytes)

    async def serve_elsewhere(self, request: web.Request) -> web.Response:
        self.elsewhere += 1
        return web.Response()


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A stand-in on a free port of this machine."""
    stand_in = Receiver()
    app = web.Application()
    app.router.add_post("/hook", stand_in.serve)
    app.router.add_route("*", "/elsewhere", stand_in.serve_elsewhere)
    async with serving(app, stand_in.go_on.set, cancels=True) as url:
        stand_in.url = f"{url}/hook"
        yield stand_in
