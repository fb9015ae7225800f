"""HTTP connections, and what is answered to a request that cannot even be read.

Next on a message's path: `middleware.py` gives the request its id.
"""

import logging
import secrets
from typing import Final

from aiohttp import web
from typing_extensions import override

from protocol.errors import Code, Refusal
from server.middleware import INTERNAL, SECURITY_HEADERS
from server.problems import problem_response

LOG: Final = logging.getLogger("server.http")


class HttpProtocol(web.RequestHandler):
    """aiohttp's, but that it neither repeats to clients what it read nor fills the log with it."""

    __slots__ = ()

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
