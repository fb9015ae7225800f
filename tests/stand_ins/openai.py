"""An OpenAI-compatible endpoint for tests: it streams what it is told to, fails, stalls or talks nonsense.

It speaks the chat completions API with `stream: true` as server-sent events, over real HTTP.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from msgspec import Struct

from tests.stand_ins.serving import serving

Json = Any


class Use(Struct, frozen=True):
    """One tool call of the model's; `arguments` that are no dictionary are sent as they are."""

    name: str
    arguments: Json = {}


class Says(Struct, frozen=True):
    """An answer: pieces of text, then tool calls. `after_s` passes before the first piece, and one that is
    held waits until the stand-in is told to go on."""

    pieces: Sequence[str] = ()
    uses: Sequence[Use] = ()
    after_s: float = 0.0
    is_held: bool = False
    tokens: tuple[int, int] | None = (7, 3)


class Fails(Struct, frozen=True):
    """An HTTP error; with `after`, the connection breaks off behind these pieces."""

    status: int = 500
    headers: dict[str, str] = {}
    after: Sequence[str] = ()


class Stalls(Struct, frozen=True):
    """These pieces, and then nothing any more until the stand-in is told to go on."""

    pieces: Sequence[str] = ()


class Garbage(Struct, frozen=True):
    """200, and a body that is no stream of events."""

    body: str = "<html>It works!</html>"
    content_type: str = "text/html"


Reply = Says | Fails | Stalls | Garbage


class OpenAI:
    """What was asked, and what is answered: what is queued first, then what `otherwise` says."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Json] = []
        self.keys: list[str | None] = []
        self.queue: deque[Reply] = deque()
        self.otherwise: Callable[[Json], Reply] = lambda _: Says(["Hello", ", ", "you."])
        self.go_on = asyncio.Event()
        self.stalled = asyncio.Event()
        self.running = 0
        self.most_at_once = 0
        self._came = asyncio.Condition()

    def will(self, *replies: Reply) -> None:
        """Answer the next requests with these, in order."""
        self.queue.extend(replies)

    async def busy(self, requests: int) -> None:
        """Wait until so many are being answered at once."""
        async with self._came:
            await self._came.wait_for(lambda: self.running >= requests)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        self.requests.append(asked)
        self.keys.append(request.headers.get("Authorization"))
        reply = self.queue.popleft() if self.queue else self.otherwise(asked)
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        async with self._came:
            self._came.notify_all()
        try:
            return await self._reply(request, reply)
        finally:
            self.running -= 1

    async def _reply(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        match reply:
            case Fails(after=()):
                error = {"error": {"message": "The stand-in was told to fail.", "type": "stand_in"}}
                return web.json_response(error, status=reply.status, headers=reply.headers)
            case Garbage():
                return web.Response(text=reply.body, content_type=reply.content_type)
            case Fails():
                return await self._break_off(request, reply.after)
            case Stalls():
                return await self._stall(request, reply.pieces)
            case Says():
                return await self._say(request, reply)

    async def _say(self, request: web.Request, reply: Says) -> web.StreamResponse:
        await asyncio.sleep(reply.after_s)
        if reply.is_held:
            await self.go_on.wait()
        stream = await _start(request)
        for piece in reply.pieces:
            await _send(stream, _chunk({"content": piece}))
        for index, use in enumerate(reply.uses):
            for delta in _use_deltas(index, use):
                await _send(stream, _chunk({"tool_calls": [delta]}))
        await _send(stream, _chunk({}, "tool_calls" if reply.uses else "stop"))
        if reply.tokens is not None:
            tokens_in, tokens_out = reply.tokens
            usage = {
                "prompt_tokens": tokens_in,
                "completion_tokens": tokens_out,
                "total_tokens": tokens_in + tokens_out,
            }
            await _send(stream, _chunk(None) | {"choices": [], "usage": usage})
        await stream.write(b"data: [DONE]\n\n")
        return stream

    async def _stall(self, request: web.Request, pieces: Sequence[str]) -> web.StreamResponse:
        stream = await _start(request)
        for piece in pieces:
            await _send(stream, _chunk({"content": piece}))
        self.stalled.set()
        await self.go_on.wait()
        return stream

    async def _break_off(self, request: web.Request, pieces: Sequence[str]) -> web.StreamResponse:
        stream = await _start(request)
        for piece in pieces:
            await _send(stream, _chunk({"content": piece}))
        assert request.transport is not None
        request.transport.abort()
        return stream


@asynccontextmanager
async def openai() -> AsyncIterator[OpenAI]:
    """A stand-in on a free port of this machine."""
    stand_in = OpenAI()
    app = web.Application(client_max_size=1 << 26)
    for path in ("/chat/completions", "/v1/chat/completions"):
        app.router.add_post(path, stand_in.serve)
    async with serving(app, stand_in.go_on.set, cancels=True) as stand_in.url:
        yield stand_in


async def _start(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await stream.prepare(request)
    return stream


async def _send(stream: web.StreamResponse, event: Json) -> None:
    await stream.write(f"data: {json.dumps(event)}\n\n".encode())


def _chunk(delta: Json, finish: str | None = None) -> dict[str, Any]:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}


def _use_deltas(index: int, use: Use) -> list[Json]:
    """A tool call as it is streamed: its name first, its arguments in two pieces."""
    whole = json.dumps(use.arguments) if isinstance(use.arguments, dict) else str(use.arguments)
    middle = len(whole) // 2
    function = {"name": use.name, "arguments": ""}
    return [
        {"index": index, "id": f"call-{index}", "type": "function", "function": function},
        {"index": index, "function": {"arguments": whole[:middle]}},
        {"index": index, "function": {"arguments": whole[middle:]}},
    ]
