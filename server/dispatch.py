"""Runs a route: authenticate, decode and validate, call the handler, encode.

Next on a message's path: the handlers in `server/rest/`, and from them `actors/chat.py`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import msgspec
from aiohttp import HttpVersion11, web

from protocol.errors import Code, Refusal, Refused
from server.calls import Call
from server.context import Context
from server.decoding import decode_json, decode_strings
from server.file_answers import FileAnswer, file_response
from server.forms import (
    FORM_FIELDS,
    FORM_TYPE,
    form_of,
    is_form,
    is_json_or_form,
    parse_form,
    payload_of,
)
from server.routing import Route
from server.uploads import discard_uploads, read_form

BODY_MAX_BYTES: Final = 256 * 1024
BODY_TIMEOUT_S: Final = 20.0
_ENCODE: Final = msgspec.json.Encoder().encode

WebHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Arguments = dict[str, Any]


def add_routes(app: web.Application, context: Context, routes: Iterable[Route]) -> None:
    """Serve the routes. A slash at a path's end is optional; HEAD answers as GET does, without the body."""
    methods: dict[str, dict[str, WebHandler]] = {}
    for route in routes:
        methods.setdefault(route.path, {})[route.method] = bind(route, context)
    for path, handlers in methods.items():
        answer = _by_method(handlers)
        for spelling in _spellings(path):
            # All methods: else PUT /channels/me would be taken for PUT /channels/{channel_id}.
            app.router.add_route("*", spelling, answer, expect_handler=heed_expectation)


def bind(route: Route, context: Context) -> WebHandler:
    """The route as a handler of aiohttp's. What it refuses is raised as Refused."""
    read_arguments = _argument_reader(route, context)
    run = _run_with_files if route.takes_files else _run

    async def answer(request: web.Request) -> web.StreamResponse:
        call = Call(context, request)
        try:
            await _admit(route, call)
            result = await run(route, call, await read_arguments(request))
        finally:
            if route.spends_budget:
                call.show_budget()
        return _encoded(result, call.status or route.status, route.media_type)

    return answer


async def _run(route: Route, call: Call, arguments: Arguments) -> Any:
    return await route.handler(call, **arguments)


async def _run_with_files(route: Route, call: Call, arguments: Arguments) -> Any:
    try:
        return await route.handler(call, **arguments)
    finally:
        await discard_uploads(arguments["body"], call.context.blobs)


async def _admit(route: Route, call: Call) -> None:
    if route.guard is not None:
        route.guard(call)
    if route.access == "anyone":
        return
    if route.access == "auth0" and call.is_of_tenant():
        # It may have no account yet: the handler makes it.
        return
    await call.authenticate()
    if route.access == "auth0":
        raise Refused(Refusal(Code.FORBIDDEN, "This is for people whom Auth0 has logged in."))
    if route.access == "superuser" and not call.identity.is_superuser:
        raise Refused(Refusal(Code.FORBIDDEN, "Only a superuser may do this."))
    if route.pays_first:
        await call.context.chat.spend(call.user_id)


def _argument_reader(route: Route, context: Context) -> Callable[[web.Request], Awaitable[Arguments]]:
    shape = route.shape
    read_body = _body_reader(route, context)

    async def read(request: web.Request) -> Arguments:
        arguments: Arguments = {}
        if shape.path is not None:
            arguments |= msgspec.structs.asdict(decode_strings(request.match_info, shape.path))
        if shape.query is not None:
            arguments["query"] = decode_strings(_query(request), shape.query)
        if read_body is not None:
            arguments["body"] = await read_body(request)
        return arguments

    return read


def _body_reader(route: Route, context: Context) -> Callable[[web.Request], Awaitable[Any]] | None:
    kind, optional = route.shape.body, route.shape.body_optional
    if kind is None:
        return None
    if route.takes_files:
        file_max_bytes = route.file_max_bytes or context.settings.upload_max_bytes
        return lambda request: read_form(request, kind, context.blobs, file_max_bytes)
    if is_form(kind):
        return lambda request: _read_form_fields(request, kind)
    decoder = msgspec.json.Decoder(kind)
    if is_json_or_form(kind):
        return lambda request: _read_json_or_form(request, decoder)
    return lambda request: _read_struct(request, decoder, optional=optional)


async def _read_form_fields(request: web.Request, kind: Any) -> Any:
    if request.content_type != FORM_TYPE:
        raise Refused(Refusal(Code.UNSUPPORTED, f"Send the body as {FORM_TYPE}."))
    _refuse_encoding(request)
    fields = request[FORM_FIELDS] = parse_form(await _read_body(request))
    return form_of(fields, kind)


async def _read_json_or_form(request: web.Request, decoder: msgspec.json.Decoder[Any]) -> Any:
    if request.content_type != FORM_TYPE:
        return await _read_struct(request, decoder, optional=False)
    _refuse_encoding(request)
    return decode_json(decoder, payload_of(await _read_body(request)))


def _query(request: web.Request) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name in values:
            raise Refused(Refusal(Code.INVALID, f"`{name}` is given more than once.", field=name))
        values[name] = value
    return values


async def _read_struct(request: web.Request, decoder: msgspec.json.Decoder[Any], *, optional: bool) -> Any:
    if not request.body_exists and optional:
        return None
    if request.body_exists:
        _refuse_other_types(request)
    body = await _read_body(request)
    return None if optional and not body else decode_json(decoder, body)


def _refuse_other_types(request: web.Request) -> None:
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() != "utf-8":
        raise Refused(Refusal(Code.UNSUPPORTED, "Send the body as application/json in UTF-8."))
    _refuse_encoding(request)


def _refuse_encoding(request: web.Request) -> None:
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Refused(Refusal(Code.UNSUPPORTED, "Send the body without Content-Encoding."))


async def _read_body(request: web.Request) -> bytes:
    """The whole body, for as long as it is small and arrives soon."""
    if (request.content_length or 0) > BODY_MAX_BYTES:
        raise _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > BODY_MAX_BYTES:
                    raise _too_large()
    except TimeoutError:
        raise Refused(Refusal(Code.MALFORMED, "The body did not arrive in time.")) from None
    except (web.RequestPayloadError, ConnectionError):
        raise Refused(Refusal(Code.MALFORMED, "The body could not be read.")) from None
    return bytes(body)


def _too_large() -> Refused:
    return Refused(Refusal(Code.TOO_LARGE, f"A body may have {BODY_MAX_BYTES} bytes."))


def _encoded(result: Any, status: int, media_type: str) -> web.StreamResponse:
    if result is None:
        return web.Response(status=status)
    if isinstance(result, FileAnswer):
        return file_response(result)
    if isinstance(result, str):
        return web.Response(status=status, text=result, content_type=media_type)
    return web.Response(status=status, body=_ENCODE(result), content_type=media_type)


def _spellings(path: str) -> tuple[str, ...]:
    if path == "/":
        return ("/",)
    return (path.rstrip("/"), path.rstrip("/") + "/")


async def heed_expectation(request: web.Request) -> None:
    """Ask for the body where the client waits for that. All else may be passed over (RFC 9110, 10.1.1)."""
    if request.version >= HttpVersion11 and request.headers["Expect"].lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # What counts as begun is the answer itself.
        request.writer.output_size = 0


def _by_method(handlers: dict[str, WebHandler]) -> WebHandler:
    handlers = handlers | ({"HEAD": handlers["GET"]} if "GET" in handlers else {})

    async def answer(request: web.Request) -> web.StreamResponse:
        handler = handlers.get(request.method)
        if handler is None:
            raise web.HTTPMethodNotAllowed(request.method, sorted(handlers))
        return await handler(request)

    return answer
