"""What surrounds every HTTP request: its id, CORS, security headers, and the answers to what goes wrong.

Next on a message's path: `dispatch.py` runs the route.
"""

import logging
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from protocol.errors import Code, Refusal, Refused, Unavailable
from server.log_lines import REQUEST_ID
from server.measures import Measures
from server.problems import problem_response
from server.readiness import Readiness

ANSWER_HEADERS: Final = web.RequestKey("answer_headers", dict[str, str])
"""Headers for whatever will be answered, a refusal too; they win over those of the answer itself."""

REFUSED: Final = web.RequestKey("refused", Code)
"""Why the request is not done."""
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"})
LOG: Final = logging.getLogger("server.http")
SANE_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
ALWAYS_SERVED: Final = frozenset({"/health", "/ready", "/metrics"})
PREFLIGHT_MAX_AGE_S: Final = 600
UNAVAILABLE_RETRY_MS: Final = 2000

SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "Server": "Parley",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
CORS_ALLOWED: Final[Mapping[str, str]] = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, X-Request-ID",
    "Access-Control-Max-Age": str(PREFLIGHT_MAX_AGE_S),
}
CORS_EXPOSED: Final = "X-Request-ID, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset"


def middlewares(cors_origins: Sequence[str], readiness: Readiness, measures: Measures) -> list[Middleware]:
    """All of them, outermost first."""
    return [
        count_answers(measures),
        identify,
        allow_origins(cors_origins),
        answer_refusals,
        refuse_while_draining(readiness),
    ]


def count_answers(measures: Measures) -> Middleware:
    """Count what is answered, for the metrics. Methods that nobody serves are one: clients invent them."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        method = request.method if request.method in METHODS else "other"
        measures.requests[method, response.status] += 1
        if (code := request.get(REFUSED)) is not None:
            measures.refusals[code] += 1
        return response

    return count


@web.middleware
async def identify(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request its id, and the answer its common headers."""
    given = request.headers.get("X-Request-ID", "")
    request_id = given if SANE_REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
    request[ANSWER_HEADERS] = {"X-Request-ID": request_id}
    token = REQUEST_ID.set(request_id)
    try:
        response = await handler(request)
    finally:
        REQUEST_ID.reset(token)
    # A handler that has begun to answer by itself, such as the upgrade, has said its headers already.
    if not response.prepared:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.update(request[ANSWER_HEADERS])
    return response


def allow_origins(origins: Sequence[str]) -> Middleware:
    """Let the pages of these origins read the answers; `*` is every origin. There are no cookies to guard."""

    @web.middleware
    async def allow(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if not origins:
            return await handler(request)
        request[ANSWER_HEADERS]["Vary"] = "Origin"
        if origin is None or not (origin.lower() in origins or ("*" in origins and origin.isascii())):
            return await handler(request)
        request[ANSWER_HEADERS] |= {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": CORS_EXPOSED,
        }
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return web.Response(status=204, headers=CORS_ALLOWED)
        return await handler(request)

    return allow


@web.middleware
async def answer_refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every "no" and every mishap as a problem. What a client sees of a mishap is its request id."""
    try:
        return await handler(request)
    except Refused as refused:
        return _problem(request, refused.refusal)
    except Unavailable as unavailable:
        LOG.warning("unavailable: %s", unavailable)
        return _problem(request, UNAVAILABLE)
    except web.HTTPException as answer:
        return _http_answer(request, answer)
    except Exception:
        LOG.exception("request failed", extra={"method": request.method, "route": _route(request)})
        return _problem(request, INTERNAL)


def refuse_while_draining(readiness: Readiness) -> Middleware:
    """Send new requests elsewhere while the process shuts down."""

    @web.middleware
    async def refuse(request: web.Request, handler: Handler) -> web.StreamResponse:
        if readiness.is_draining and request.path.rstrip("/") not in ALWAYS_SERVED:
            raise Refused(DRAINING)
        return await handler(request)

    return refuse


def _http_answer(request: web.Request, answer: web.HTTPException) -> web.StreamResponse:
    """What aiohttp itself answers: redirects as they are, refusals as problems."""
    match answer.status:
        case status if status < 400:
            return web.Response(status=status, headers={"Location": answer.headers["Location"]})
        case 404:
            return _problem(request, NO_SUCH_PATH)
        case 405:
            refusal = Refusal(Code.UNSUPPORTED, f"{request.method} is not supported here.")
            response = _problem(request, refusal, status=405)
            response.headers["Allow"] = answer.headers["Allow"]
            return response
        case 413:
            return _problem(request, Refusal(Code.TOO_LARGE, "The body is too large."))
        case status:
            return _problem(request, Refusal(Code.MALFORMED, answer.reason), status=status)


def _problem(request: web.Request, refusal: Refusal, status: int | None = None) -> web.Response:
    request[REFUSED] = refusal.code
    return problem_response(refusal, request[ANSWER_HEADERS]["X-Request-ID"], status)


def _route(request: web.Request) -> str:
    """The route's pattern: the path itself may hold what no log should."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "-"


UNAVAILABLE: Final = Refusal(
    Code.UNAVAILABLE, "The server cannot do this right now. Try again.", retry_after_ms=UNAVAILABLE_RETRY_MS
)
INTERNAL: Final = Refusal(
    Code.INTERNAL, "Something went wrong on the server. Try again, or report the request id."
)
DRAINING: Final = Refusal(
    Code.DRAINING, "The server is shutting down. Try again.", retry_after_ms=UNAVAILABLE_RETRY_MS
)
NO_SUCH_PATH: Final = Refusal(
    Code.NOT_FOUND, "There is nothing here. `GET /openapi.json` lists what there is."
)
