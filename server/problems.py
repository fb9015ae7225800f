"""Refusals as HTTP answers: RFC 9457 `application/problem+json`."""

import math
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from protocol.errors import Code, Refusal
from server.header_text import readable

CONTENT_TYPE: Final = "application/problem+json"
RETRY_AFTER_DEFAULT_S: Final = 1
_ENCODE: Final = msgspec.json.Encoder().encode


class FieldError(msgspec.Struct, frozen=True):
    """Which part of the request is wrong, and why."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True):
    """The body of every refusal. `code` is from the table that the WebSocket uses too."""

    type: str
    title: str
    status: int
    detail: str
    code: Code
    request_id: str
    errors: tuple[FieldError, ...] = ()


def problem_of(refusal: Refusal, request_id: str, status: int | None = None) -> Problem:
    """The refusal as a body. `status` is for what has no code of its own, such as 405.

    What is repeated of the request, such as the name of a field, may be no text.
    """
    meaning, message = refusal.meaning, readable(refusal.message)
    return Problem(
        type="about:blank" if status else f"urn:parley:error:{refusal.code}",
        title=HTTPStatus(status).phrase if status else meaning.title,
        status=status or meaning.status,
        detail=message,
        code=refusal.code,
        request_id=request_id,
        errors=(FieldError(readable(refusal.field), message),) if refusal.field else (),
    )


def problem_response(refusal: Refusal, request_id: str, status: int | None = None) -> web.Response:
    """The answer to a refused request."""
    problem = problem_of(refusal, request_id, status)
    return web.Response(
        status=problem.status,
        body=_ENCODE(problem),
        content_type=CONTENT_TYPE,
        headers=_headers(refusal),
    )


def _headers(refusal: Refusal) -> dict[str, str]:
    match refusal.meaning.status:
        case 401:
            return {"WWW-Authenticate": "Bearer"}
        case 429 | 503:
            return {"Retry-After": str(_retry_after_s(refusal))}
        case _:
            return {}


def _retry_after_s(refusal: Refusal) -> int:
    """Whole seconds, as the header wants them, and never too few."""
    if refusal.retry_after_ms is None:
        return RETRY_AFTER_DEFAULT_S
    return max(1, math.ceil(refusal.retry_after_ms / 1000))
