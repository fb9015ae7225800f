"""The composition root: the one place where storage, actors and the edges are put together."""

import asyncio
import contextlib
import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Final, cast

from aiohttp import web
from msgspec import Struct

from actors.chat import Chat
from actors.ports import Clock
from actors.user_mail import UserLimits
from protocol.commands import CONTENT_MAX_CHARS
from protocol.errors import Code, Refusal, Unavailable
from protocol.events import GoingAway, Limits
from server.agent_metrics import of_agents
from server.agents.team import Team, agents_of
from server.auth import Authenticator, Caller
from server.auth0 import Tenant, TenantAccess, keys_url
from server.blobs import Blobs
from server.bridges.switchboard import Switchboard
from server.clock import SystemClock
from server.context import Context
from server.descriptions import Descriptions
from server.dispatch import BODY_MAX_BYTES, add_routes, heed_expectation
from server.examples.rest import EXAMPLES
from server.housekeeping import chores, keep_house
from server.http_protocol import HttpProtocol
from server.job_metrics import of_jobs
from server.jwks import Jwks
from server.logins import Logins
from server.measured_commits import MeasuredCommits
from server.measures import Measures
from server.message_log import MessageLog
from server.metrics import Metrics, add_core
from server.middleware import middlewares
from server.passwords import PasswordHasher
from server.public_urls import own_origins, own_url
from server.readiness import Readiness
from server.reports import ReportDesk
from server.rest.table import ROUTES
from server.revocations import Revocations
from server.search_indexing import keep_index
from server.secret_key import load_secret_key
from server.settings import Settings
from server.socket import Edge
from server.socket_registry import CLOSE_WITHIN_S, HEARTBEAT_S, SocketRegistry
from server.tenant_accounts import TenantAccounts
from server.throttles import Throttles
from server.tls import tls_context
from server.tokens import AccessTokens
from server.upgrade import Upgrade
from server.webhooks.desk import WebhookDesk
from storage.accounts import Accounts
from storage.attachments import Attachments
from storage.audit import AuditLog
from storage.channels import Channels
from storage.conversations import Conversations
from storage.departures import Departures
from storage.engine import Database
from storage.messages import Messages
from storage.outbox import Outbox
from storage.reactions import Reactions
from storage.reports import Reports
from storage.roles import Roles
from storage.search import Search
from storage.search_index import SearchIndex
from storage.server_state import ServerState
from storage.sessions import Sessions
from storage.tenant_sessions import TenantSessions
from storage.tenant_users import TenantUsers

LOG: Final = logging.getLogger("server")
SWITCH_INTERVAL_S: Final = 0.00005
"""How long a thread that wants the interpreter waits for it: the default of 5 ms is a commit's whole time."""
GC_THRESHOLD: Final = 50_000
SILENT_MAX_S: Final = 75.0
"""How long a connection may take over the head of its next request: longer than proxies keep one idle."""
DRAIN_BATCH: Final = 200
DRAIN_PAUSE_S: Final = 0.05
RESTARTING: Final = 1012
RECONNECT_WITHIN_MS: Final = 5000
UNREACHABLE: Final = Refusal(
    Code.UNAVAILABLE, "Your credentials cannot be checked now. Try again.", retry_after_ms=1000
)


class Server(Struct, frozen=True):
    """A running server. `urls` are where it listens."""

    context: Context
    registry: SocketRegistry
    urls: Sequence[str]


@contextlib.asynccontextmanager
async def running(settings: Settings, clock: Clock | None = None) -> AsyncIterator[Server]:
    """A server from its first accepted request to its orderly end.

    The database's schema must be current. Raises `OSError` when the port is taken, `Unavailable` when the
    database cannot be reached. On leaving, it drains: what was accepted is committed and answered, sockets
    are told to reconnect, and everything is stopped in reverse.
    """
    async with contextlib.AsyncExitStack() as stack:
        clock = clock or SystemClock()
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        database = await Database.open(settings.database_url)
        stack.push_async_callback(database.close)
        epoch = await ServerState(database).epoch()
        tenant = tenant_of(settings, clock)
        context = compose(settings, clock, database, epoch, tenant)
        stack.callback(context.hasher.close)
        if tenant is not None:
            stack.push_async_callback(tenant.close)
            tenant.warm_up()
        stack.push_async_callback(context.agents.close)
        stack.push_async_callback(context.bridges.close)
        stack.push_async_callback(context.webhooks.close)
        stack.push_async_callback(context.chat.stop)
        await context.agents.start(settings, context.chat, clock)
        context.bridges.open()
        context.webhooks.open()
        edge = make_edge(context)
        start_timers(context, edge.registry)
        urls = await listen(stack, context, edge)
        stack.push_async_callback(drain, context, edge.registry)
        context.readiness.serve()
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)
        LOG.info("listening on %s", ", ".join(urls))
        if url := own_url(settings):
            LOG.info("known as %s", url)
        yield Server(context, edge.registry, urls)


def tenant_of(settings: Settings, clock: Clock) -> Tenant | None:
    """The Auth0 tenant, when both its settings are there."""
    if not (settings.auth0_domain and settings.auth0_api_identifier):
        return None
    keys = Jwks(keys_url(settings.auth0_domain), clock)
    return Tenant(settings.auth0_domain, settings.auth0_api_identifier, keys)


def compose(
    settings: Settings, clock: Clock, database: Database, epoch: str, tenant: Tenant | None = None
) -> Context:
    """Everything below the edges."""
    accounts, sessions = Accounts(database), Sessions(database)
    channels, messages, outbox = Channels(database, clock.now), Messages(database), Outbox(database)
    secret_key = load_secret_key(settings)
    tokens = AccessTokens(secret_key, timedelta(minutes=settings.access_token_minutes))
    measures = Measures()
    chat = Chat(
        commits=MeasuredCommits(messages, measures, clock),
        channels=messages,
        users=channels,
        jobs=outbox,
        clock=clock,
        limits=limits_of(settings),
        epoch=epoch,
    )
    hasher = PasswordHasher(settings.bcrypt_rounds)
    throttles = Throttles(settings.login_failure_rate, settings.registration_rate)
    logins = Logins(
        accounts=accounts,
        sessions=sessions,
        tokens=tokens,
        hasher=hasher,
        throttles=throttles,
        chat=chat,
        clock=clock,
        refresh_lifetime=timedelta(days=settings.refresh_token_days),
    )
    access = TenantAccess(tenant, TenantSessions(database)) if tenant is not None else None
    tenant_accounts = (
        TenantAccounts(access, TenantUsers(database), accounts, throttles, chat, clock) if access else None
    )
    desk = ReportDesk(Reports(database), chat, clock)
    return Context(
        settings=settings,
        clock=clock,
        started_at_s=clock.monotonic(),
        readiness=Readiness(),
        descriptions=Descriptions(ROUTES, EXAMPLES, own_url(settings)),
        database=database,
        accounts=accounts,
        sessions=sessions,
        roles=Roles(database),
        audit=AuditLog(database),
        departures=Departures(database),
        channels=channels,
        messages=messages,
        outbox=outbox,
        conversations=Conversations(database),
        attachments=Attachments(database),
        reactions=Reactions(database),
        blobs=Blobs(settings.data_folder / "files"),
        reports=desk,
        search=Search(database),
        authenticator=Authenticator(tokens, sessions, clock, access),
        hasher=hasher,
        throttles=throttles,
        logins=logins,
        tenant_accounts=tenant_accounts,
        chat=chat,
        agents=Team(agents_of(desk), database, accounts),
        bridges=Switchboard(settings, database, chat, clock),
        webhooks=WebhookDesk(
            database,
            outbox,
            chat,
            clock,
            secret_key,
            is_private_allowed=settings.webhook_private_addresses,
        ),
        measures=measures,
        metrics=Metrics(),
    )


def limits_of(settings: Settings) -> UserLimits:
    rate = settings.command_rate
    ready = Limits(
        frame_bytes=settings.max_frame_bytes,
        content_chars=CONTENT_MAX_CHARS,
        commands_per_s=rate.per_s if rate else None,
        burst=rate.burst if rate else None,
        unsent_bytes=settings.max_unsent_bytes,
    )
    return UserLimits(rate, settings.max_websocket_connections_per_user, HEARTBEAT_S * 1000, ready)


def make_edge(context: Context) -> Edge:
    registry = SocketRegistry(
        context.clock,
        context.chat.limits.ready,
        max_sockets=context.settings.max_total_websocket_connections,
    )
    registry.on_flushed = partial(context.measures.flushed, context.chat.fanout, context.clock)
    add_core(context.metrics, context.measures, registry, context.chat)
    context.metrics.add(partial(of_agents, context.agents.tally))
    context.metrics.add(context.bridges.measured)
    context.metrics.add_probe(of_jobs(context.outbox, context.chat.outboxes, context.clock))
    return Edge(context.chat, registry, authenticating(context))


def authenticating(context: Context) -> Callable[[str, Callable[[Caller | Refusal], None]], None]:
    """How a socket, which cannot wait, has a token checked."""

    def authenticate(token: str, done: Callable[[Caller | Refusal], None]) -> None:
        def checked(result: Caller | Refusal | Exception) -> None:
            if isinstance(result, Exception):
                bug = None if isinstance(result, Unavailable) else result
                LOG.warning("a token cannot be checked: %s", result, exc_info=bug)
            done(UNREACHABLE if isinstance(result, Exception) else result)

        context.chat.system.run("authenticate", context.authenticator.authenticate(token), checked)

    return authenticate


def start_timers(context: Context, registry: SocketRegistry) -> None:
    revocations = Revocations(ServerState(context.database), context.sessions, context.chat, context.clock)
    context.chat.system.spawn("sockets", registry.run())
    context.chat.system.spawn("message log", MessageLog(context.measures).run())
    context.chat.system.spawn("revocations", revocations.run())
    following = keep_index(
        SearchIndex(context.database), context.clock, lambda: not context.chat.journal.is_idle
    )
    context.chat.system.spawn("search", following)
    for number, chore in enumerate(chores(context)):
        context.chat.system.spawn(f"housekeeping-{number}", keep_house(chore))


async def listen(stack: contextlib.AsyncExitStack, context: Context, edge: Edge) -> list[str]:
    """Accept connections; the URLs, with the port that was taken."""
    settings = context.settings
    origins = own_origins(settings) | frozenset(settings.cors_origins)
    app = web.Application(
        middlewares=middlewares(settings.cors_origins, context.readiness, context.measures),
        client_max_size=BODY_MAX_BYTES,
    )
    upgrade = Upgrade(edge, context.authenticator, origins)
    app.router.add_route("*", "/ws", upgrade.__call__, expect_handler=heed_expectation)
    add_routes(app, context, ROUTES)
    runner = web.AppRunner(app, shutdown_timeout=5.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    loop, tls = asyncio.get_running_loop(), tls_context(settings)
    options: dict[str, Any] = {
        "access_log": None,
        "keepalive_timeout": SILENT_MAX_S,
        "auto_decompress": False,
    }
    connect = partial(HttpProtocol, cast("web.Server", runner.server), loop=loop, **options)
    listener = await loop.create_server(connect, settings.host, settings.port, ssl=tls, backlog=4096)
    stack.callback(listener.close)
    scheme = "https" if tls else "http"
    addresses = [socket.getsockname() for socket in listener.sockets]
    return [f"{scheme}://{address[0]}:{address[1]}" for address in addresses]


async def drain(context: Context, registry: SocketRegistry) -> None:
    """Send everybody elsewhere: new ones at once, those who are here when what they asked is answered.

    In batches, so that they do not all reconnect together. Whoever does not take part in closing is let go.
    """
    context.readiness.drain()
    registry.refuse_new()
    sockets = registry.all()
    LOG.info("draining", extra={"sockets": len(sockets)})
    for socket in sockets:
        socket.say(GoingAway(retry_after_ms=RECONNECT_WITHIN_MS))
    await context.chat.finish()
    for start in range(0, len(sockets), DRAIN_BATCH):
        if start:
            await asyncio.sleep(DRAIN_PAUSE_S)
        for socket in sockets[start : start + DRAIN_BATCH]:
            socket.close(RESTARTING, "The server is restarting: reconnect and resume.")
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(registry.emptied(), CLOSE_WITHIN_S)
    for socket in registry.all():
        socket.abort()
    LOG.info("drained")
