"""One HTTP request as handlers see it: who asks, from where, and what is said beside the answer."""

import math
from typing import Final, TypeVar

from aiohttp import web
from msgspec import structs
from multidict import MultiDict

from actors.channel_commands import Identity
from protocol.audit import Action, Detail, Doer, TargetType
from protocol.errors import Code, Refusal, Refused
from protocol.ids import UserId
from protocol.rates import Budget
from server.addresses import client_address
from server.auth import Caller
from server.context import Context
from server.forms import FORM_FIELDS
from server.header_text import is_readable, readable
from server.logins import Origin
from server.middleware import ANSWER_HEADERS
from server.public_urls import asked_url

Told = TypeVar("Told")

DEVICE_MAX_CHARS: Final = 200
NONCE_MAX_CHARS: Final = 64


class Call:
    """One request. `status`, when set, is answered in place of the route's own."""

    __slots__ = ("_caller", "_request", "context", "status")

    def __init__(self, context: Context, request: web.Request) -> None:
        self.context = context
        self.status: int | None = None
        self._request = request
        self._caller: Caller | None = None

    @property
    def caller(self) -> Caller:
        """Who asks. Raises Refused where nobody has been let in."""
        if self._caller is None:
            raise Refused(Refusal(Code.UNAUTHENTICATED, "Log in first."))
        return self._caller

    @property
    def identity(self) -> Identity:
        return self.caller.identity

    @property
    def user_id(self) -> UserId:
        return self.identity.user_id

    @property
    def origin(self) -> Origin:
        """Where the request comes from, seen through trusted proxies."""
        headers, trusted = self._request.headers, self.context.settings.trusted_proxies
        # Some proxies add a line of their own: the last is theirs, the first may be the client's invention.
        forwarded_for = ",".join(headers.getall("X-Forwarded-For", ()))
        address = client_address(self._request.remote, forwarded_for, trusted)
        return Origin(address, readable(headers.get("User-Agent", ""))[:DEVICE_MAX_CHARS] or None)

    @property
    def is_forwarded_by_a_stranger(self) -> bool:
        """Whether a proxy passes it on that nobody said to trust: the address is then that of the proxy."""
        headers = self._request.headers
        is_forwarded = any(name in headers for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP"))
        own = client_address(self._request.remote, None, ())
        return is_forwarded and self.origin.address == own

    @property
    def url(self) -> str:
        """The URL that was asked for, as the outside spells it."""
        settings = self.context.settings
        return asked_url(self._request, settings.public_url, settings.trusted_proxies)

    @property
    def form_fields(self) -> MultiDict[str]:
        """Every field of a body that came as a form, also those that the route does not name."""
        return self._request[FORM_FIELDS]

    def header(self, name: str) -> str:
        """Empty when it is not there."""
        return self._request.headers.get(name, "")

    def accepts_html(self) -> bool:
        """Whether a person in a browser asks, rather than a program."""
        return "text/html" in self._request.headers.get("Accept", "")

    def token(self) -> str:
        """The bearer token. Raises Refused when there is none."""
        token = bearer_token(self._request.headers.get("Authorization"))
        if token is None:
            raise Refused(Refusal(Code.UNAUTHENTICATED, "Send an access token as `Authorization: Bearer …`."))
        return token

    def is_of_tenant(self) -> bool:
        """Whether the bearer token says that Auth0 has issued it. Raises Refused when there is none."""
        return self.context.authenticator.is_of_tenant(self.token())

    async def authenticate(self) -> None:
        """Let the caller in by the bearer token. Raises Refused."""
        caller = await self.context.authenticator.authenticate(self.token())
        if isinstance(caller, Refusal):
            raise Refused(caller)
        here = structs.replace(caller.identity, address=self.origin.address)
        self._caller = structs.replace(caller, identity=here)

    @property
    def doer(self) -> Doer:
        """The caller, for a transaction that records what it does (`storage.audit.record_act`)."""
        return Doer(self.user_id, self.identity.address)

    async def audit(
        self, action: Action, target_type: TargetType, target_id: int, detail: Detail | None = None
    ) -> None:
        """Record what the caller has just done, where it was no transaction that could record it."""
        record = self.doer.did(action, target_type, target_id, detail)
        await self.context.audit.record(record, self.context.clock.now())

    def nonce(self, given: str | None) -> str | None:
        """What makes the request safe to repeat: the body's nonce, or else the header `Idempotency-Key`."""
        if given is not None:
            return given
        key = self._request.headers.get("Idempotency-Key")
        if key is not None and not (1 <= len(key) <= NONCE_MAX_CHARS and is_readable(key)):
            message = f"Idempotency-Key has 1 to {NONCE_MAX_CHARS} characters in UTF-8."
            raise Refused(Refusal(Code.INVALID, message, field="Idempotency-Key"))
        return key

    def say(self, header: str, value: str) -> None:
        """Put a header beside the answer, whatever it will be."""
        self._request[ANSWER_HEADERS][header] = value

    def show_budget(self) -> None:
        """Say beside the answer how many commands this user may still send."""
        if self._caller is not None and self.context.settings.command_rate is not None:
            self.show(Budget(*self.context.chat.budget(self.user_id)))

    def show_login_budget(self, login: str) -> None:
        """Say beside the answer how often logging in may still fail."""
        now_s = self.context.clock.monotonic()
        self.show(self.context.throttles.login_budget(login, self.origin.address, now_s))

    def show_refresh_budget(self) -> None:
        """Say beside the answer how often refreshing may still fail."""
        self.show(self.context.throttles.refresh_budget(self.origin.address, self.context.clock.monotonic()))

    def show_registration_budget(self) -> None:
        """Say beside the answer how many accounts this address may still make."""
        now_s = self.context.clock.monotonic()
        self.show(self.context.throttles.registration_budget(self.origin.address, now_s))

    def show(self, budget: Budget | None) -> None:
        """Say a budget beside the answer, whatever it will be."""
        if budget is not None:
            self.say("RateLimit-Limit", str(budget.limit))
            self.say("RateLimit-Remaining", str(budget.remaining))
            self.say("RateLimit-Reset", str(math.ceil(budget.reset_s)))


def told(value: Told | None) -> Told:
    """A part of an actor's answer that is always there for the command that was sent."""
    if value is None:
        raise LookupError("the answer lacks what was asked for")
    return value


def bearer_token(authorization: str | None) -> str | None:
    """The token of an `Authorization` header (RFC 6750, section 2.1); None when there is none."""
    scheme, _, token = (authorization or "").strip().partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
