"""Somebody writes on Signal and is answered there: for the bridge of `docs/bridges.md`."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

from tests.stand_ins.serving import serving


async def main(database_url: str, folder: Path) -> None:
    """On the port that SIGNAL_URL names, a stand-in for Signal."""
    sent: asyncio.Queue[Any] = asyncio.Queue()

    async def send(request: web.Request) -> web.StreamResponse:
        sent.put_nowait(await request.json())
        return web.json_response({"timestamp": "1700000000123"}, status=201)

    app = web.Application()
    app.router.add_post("/v2/send", send)
    async with serving(app) as url:
        os.environ |= {"SIGNAL_URL": url, "SIGNAL_NUMBER": "+15005550006", "SIGNAL_SECRET": "secret"}
        await converse(database_url, folder, sent)


async def converse(database_url: str, folder: Path, sent: "asyncio.Queue[Any]") -> None:
    # The bridge reads the environment when it is imported.
    from tests.server.rest.client import serving, settings_for  # noqa: PLC0415

    number = "+15005550001"
    said = {"sourceNumber": number, "timestamp": 1, "dataMessage": {"message": "Hello?"}}
    async with serving(settings_for(database_url, folder)) as running:
        ann = await running.nobody.newcomer("ann")
        await ann.put("/auth/me/phone", {"phone_number": number})
        await running.nobody.post("/signal_webhook/wrong", {"envelope": said}, expect=403)
        for _ in range(2):
            await running.nobody.post("/signal_webhook/secret", {"envelope": said}, expect=200)
        async with asyncio.timeout(20):
            answer = await sent.get()
            while True:
                messages = (await ann.get("/messages"))["items"]
                if messages[0]["delivery"]["state"] == "sent":
                    break
                await asyncio.sleep(0.01)
    answered, asked = messages
    assert (asked["via"], asked["content"]) == ("signal", "Hello?")
    assert answered["delivery"] == {"state": "sent", "transport": "signal", "error_code": None}
    assert answer == {"number": "+15005550006", "recipients": [number], "message": answered["content"]}
    assert sent.empty()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2])))
