"""`GET /ws`: checks the upgrade, answers it, and lets go of HTTP.

After the 101 nothing of the request is needed: the transport gets a protocol of ours and aiohttp's handler
ends as for a lost connection, which saves most of the memory of an open socket. Next on a message's path:
`socket.py`.
"""

import asyncio
import secrets
from collections.abc import Set as AbstractSet
from typing import Final

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_protocol import RequestHandler
from typing_extensions import override

from protocol.errors import Code, Refusal, Refused
from protocol.handshake import UpgradeAccepted, UpgradeRefused, check_upgrade
from server.auth import Authenticator, Caller
from server.calls import bearer_token
from server.middleware import ANSWER_HEADERS
from server.problems import problem_response
from server.socket import Edge, Socket

FULL: Final = Refusal(Code.OVERLOADED, "The server has no room for another socket.", retry_after_ms=5000)
AMBIGUOUS: Final = UpgradeRefused(400, "Ask in HTTP/1.1 for an upgrade to `websocket`, and to nothing else.")
REFUSALS: Final = {400: Code.MALFORMED, 403: Code.FORBIDDEN, 405: Code.UNSUPPORTED, 426: Code.UNSUPPORTED}


class Upgrade:
    """The handler of `GET /ws`."""

    def __init__(self, edge: Edge, authenticator: Authenticator, allowed_origins: AbstractSet[str]) -> None:
        self._edge = edge
        self._authenticator = authenticator
        self._allowed_origins = allowed_origins

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Open a socket, or say why not. Raises `Refused`."""
        answer = check_upgrade(request.method, request.headers, self._allowed_origins)
        if isinstance(answer, UpgradeAccepted) and not is_upgrade_to_aiohttp(request):
            answer = AMBIGUOUS
        if isinstance(answer, UpgradeRefused):
            return refuse(request, answer)
        self._check_room()
        caller = await self._caller(request)
        # Others may have taken the room, and the client may have left, while the token was looked up.
        self._check_room()
        transport = request.transport
        if transport is not None and not transport.is_closing():
            socket = Socket(self._edge, answer.codec, caller, secrets.token_hex(8))
            hand_over(request.protocol, transport, answer.response, socket)
        return HandedOver(status=101)

    def _check_room(self) -> None:
        if self._edge.registry.is_full:
            raise Refused(FULL)

    async def _caller(self, request: web.Request) -> Caller | None:
        """Who connects, by the header; None leaves it to `hello`. Raises `Refused`."""
        header = request.headers.get("Authorization")
        if header is None:
            return None
        token = bearer_token(header)
        if token is None:
            raise Refused(Refusal(Code.UNAUTHENTICATED, "Send an access token as `Authorization: Bearer …`."))
        caller = await self._authenticator.authenticate(token)
        if isinstance(caller, Refusal):
            raise Refused(caller)
        return caller


def is_upgrade_to_aiohttp(request: web.Request) -> bool:
    """Whether its parser has stopped behind this request: otherwise it took frames for the next request."""
    offers = [offer.lower() for offer in request.headers.getall("Upgrade")]
    return offers == ["websocket"] and request.version >= HttpVersion11


def refuse(request: web.Request, answer: UpgradeRefused) -> web.Response:
    """Why a request may not become a socket, as a problem with the headers that its status asks for."""
    refusal = Refusal(REFUSALS[answer.status], answer.text)
    response = problem_response(refusal, request[ANSWER_HEADERS]["X-Request-ID"], answer.status)
    response.headers.update(answer.headers)
    return response


class HandedOver(web.StreamResponse):
    """What the handler returns when the connection is no longer aiohttp's: there is nothing left to say."""

    @property
    @override
    def prepared(self) -> bool:
        return True

    @override
    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        return None

    @override
    async def write_eof(self, data: bytes = b"") -> None:
        return


def hand_over(handler: RequestHandler, transport: asyncio.Transport, response: bytes, socket: Socket) -> None:
    """Answer the upgrade and put `socket` on the transport, with the bytes that came right behind."""
    behind = take_rest(handler)
    transport.write(response)
    transport.set_protocol(socket)
    handler.transport = None
    handler.connection_lost(None)
    transport.resume_reading()
    socket.connection_made(transport)
    if behind:
        socket.data_received(behind)


def take_rest(handler: RequestHandler) -> bytes:
    """What aiohttp has read behind the upgrade request. It has no public name for it."""
    rest = bytes(handler._message_tail)
    handler._message_tail = b""
    return rest
