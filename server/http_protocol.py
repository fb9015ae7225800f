"""HTTP connections: what is answered to a request that cannot even be read, and who is not waited for.

Next on a message's path: `middleware.py` gives the request its id.
"""

import asyncio
import logging
import secrets
from typing import Any, Final

from aiohttp import web
from typing_extensions import override

from protocol.errors import Code, Refusal
from server.middleware import INTERNAL, SECURITY_HEADERS
from server.problems import problem_response

LOG: Final = logging.getLogger("server.http")
STALLED_MAX_S: Final = 120.0
"""How long an answer may wait for its reader, until most of what is buffered is taken."""


class HttpProtocol(web.RequestHandler):
    """aiohttp's, but that it neither repeats to clients what it read nor fills the log with it.

    Whoever asks and does not read is let go: an answer for each would wait in memory for ever.
    """

    __slots__ = ("_stalled",)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._stalled: asyncio.TimerHandle | None = None

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        transport = self.transport
        if transport is not None:
            self._stalled = asyncio.get_running_loop().call_later(STALLED_MAX_S, transport.abort)

    @override
    def resume_writing(self) -> None:
        self._forget_stall()
        super().resume_writing()

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        self._forget_stall()
        super().connection_lost(exc)

    def _forget_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer and close. Raises ConnectionError when another answer has begun."""
        is_ours = status >= 500
        LOG.log(logging.ERROR if is_ours else logging.DEBUG, "a request failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("another answer has begun")
        response = problem_response(INTERNAL if is_ours else UNREADABLE, secrets.token_hex(8))
        response.headers.update(SECURITY_HEADERS)
        response.force_close()
        return response


UNREADABLE: Final = Refusal(Code.MALFORMED, "This is not valid HTTP, or its first line or head is too long.")
