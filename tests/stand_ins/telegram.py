"""Telegram's Bot API on this machine."""

import asyncio
import contextlib
import itertools
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Final

from aiohttp import web

from tests.stand_ins.serving import serving

BOT_TOKEN: Final = "12345:bot-token"
SECRET: Final = "telegram-webhook-secret"
Json = Any


class StandIn:
    """The bot. `sent` are the messages that it has taken; `faults` hit one request each."""

    def __init__(self) -> None:
        self.url = ""
        self.sent: list[Json] = []
        self.faults: deque[Json] = deque()
        self.may_answer = asyncio.Event()
        self._numbers = itertools.count(100)

    @property
    def texts(self) -> list[str]:
        return [message["text"] for message in self.sent]

    async def send_message(self, request: web.Request) -> web.StreamResponse:
        message = await request.json()
        fault = self.faults.popleft() if self.faults else None
        if fault == "cut":
            self.sent.append(message)
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if fault == "stall":
            # It has it already, and does not say so.
            self.sent.append(message)
            await self.may_answer.wait()
            return web.Response()
        if fault == "garbage":
            return web.Response(text="<html>")
        if fault is not None:
            return web.json_response({"ok": False, **fault}, status=fault["error_code"])
        self.sent.append(message)
        return web.json_response({"ok": True, "result": {"message_id": next(self._numbers)}})

    async def get_me(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(
            {"ok": True, "result": {"id": 12345, "is_bot": True, "username": "parley_bot"}}
        )

    async def unknown(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"ok": False, "error_code": 401, "description": "Unauthorized"}, status=401)


@contextlib.asynccontextmanager
async def telegram() -> AsyncIterator[StandIn]:
    """A bot on a free port of this machine."""
    stand_in = StandIn()
    app = web.Application()
    app.router.add_post(f"/bot{BOT_TOKEN}/sendMessage", stand_in.send_message)
    app.router.add_post(f"/bot{BOT_TOKEN}/getMe", stand_in.get_me)
    app.router.add_post("/{path:.*}", stand_in.unknown)
    async with serving(app, stand_in.may_answer.set) as stand_in.url:
        yield stand_in
