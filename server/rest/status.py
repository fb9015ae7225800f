"""The root, health, readiness, and the descriptions of the API."""

import asyncio
import logging
from typing import Final, Literal

from aiohttp import web
from msgspec import Raw, Struct

from protocol.errors import Code, Refusal, Refused, Unavailable
from server.calls import Call
from server.docs_page import STYLE_HASH
from server.routing import Routes
from server.version import version

PING_DEADLINE_S: Final = 2.0
DOCS_POLICY: Final = f"default-src 'none'; style-src '{STYLE_HASH}'; frame-ancestors 'none'"
LOG: Final = logging.getLogger("server.http")

status = Routes("Status")


class Welcome(Struct, frozen=True):
    message: str
    name: str
    version: str


class Health(Struct, frozen=True):
    """`uptime_s` in seconds."""

    status: Literal["ok"]
    version: str
    uptime_s: float


class Ready(Struct, frozen=True):
    status: Literal["ready"]


class DatabaseTest(Struct, frozen=True):
    """One round trip to the database, in milliseconds."""

    status: Literal["ok"]
    dialect: Literal["sqlite", "postgresql"]
    latency_ms: float


@status.get("/", access="anyone", also=(302,))
async def root(call: Call) -> Welcome:
    """Say hello; a browser is sent to the web client."""
    if call.accepts_html():
        raise web.HTTPFound("/app/")
    return Welcome("Hello World", "Parley", version())


@status.get("/health", access="anyone")
async def health(call: Call) -> Health:
    """Whether the process is alive."""
    return Health("ok", version(), round(call.context.uptime_s(), 3))


@status.get("/ready", access="anyone", refuses=(Code.UNAVAILABLE, Code.DRAINING))
async def ready(call: Call) -> Ready:
    """Whether the server can take requests now; if not, `errors` names the part that fails."""
    phase = call.context.readiness.phase
    match phase:
        case "draining":
            raise Refused(Refusal(Code.DRAINING, "The server is shutting down.", field="server"))
        case "starting":
            raise Refused(Refusal(Code.UNAVAILABLE, "The server is starting.", field="server"))
    await _ping(call)
    return Ready("ready")


@status.get("/db-test", access="anyone", refuses=(Code.UNAVAILABLE,))
async def test_database(call: Call) -> DatabaseTest:
    """Make one real round trip to the database."""
    latency_ms = await _ping(call)
    return DatabaseTest("ok", call.context.database.dialect, round(latency_ms, 3))


async def _ping(call: Call) -> float:
    try:
        async with asyncio.timeout(PING_DEADLINE_S):
            return await call.context.database.ping()
    except (TimeoutError, Unavailable) as error:
        LOG.warning("the database does not answer: %s", str(error) or "no answer in time")
        raise Refused(
            Refusal(Code.UNAVAILABLE, "The database cannot be reached.", field="database")
        ) from None


@status.get(
    "/openapi.json", access="anyone", example={"openapi": "3.1.0", "info": {"title": "Parley"}, "paths": {}}
)
async def openapi(call: Call) -> Raw:
    """Describe this API."""
    return call.context.descriptions.openapi


@status.get(
    "/asyncapi.json",
    access="anyone",
    example={"asyncapi": "3.0.0", "info": {"title": "Parley"}, "channels": {}},
)
async def asyncapi(call: Call) -> Raw:
    """Describe the socket's protocol."""
    return call.context.descriptions.asyncapi


@status.get("/docs", access="anyone", media_type="text/html", example="<!doctype html>…")
async def docs(call: Call) -> str:
    """Describe this API to people."""
    call.say("Content-Security-Policy", DOCS_POLICY)
    return call.context.descriptions.page
