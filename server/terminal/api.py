"""As much of the REST API as the terminal client needs."""

import os
import ssl
from collections.abc import Mapping
from typing import Final, TypeVar

import aiohttp
import msgspec

from protocol.errors import Code
from protocol.ids import ChannelId, UserId
from protocol.resources import Channel, Member, PublicProfile, User

Kind = TypeVar("Kind")

TIMEOUT: Final = aiohttp.ClientTimeout(total=30)


class ApiRefused(Exception):
    """The server said no; its text is the server's, for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Unreachable(Exception):
    """The server cannot be reached, or cannot answer now."""


class Tokens(msgspec.Struct, frozen=True):
    access_token: str
    refresh_token: str
    expires_in: int


class FieldProblem(msgspec.Struct, frozen=True):
    field: str = ""


class Problem(msgspec.Struct, frozen=True):
    detail: str = ""
    code: str = ""
    errors: tuple[FieldProblem, ...] = ()


class Items(msgspec.Struct, frozen=True):
    items: msgspec.Raw


def same_name(one: str | None, other: str) -> bool:
    return (one or "").casefold() == other.casefold()


class Api:
    """One user's REST API. `tokens` are set by `log_in` and `refresh`."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self.url = url
        self.tokens: Tokens | None = None

    async def register(self, name: str, email: str, password: str) -> None:
        body = {"username": name, "email": email, "password": password}
        await self._ask("POST", "/auth/register", User, body)

    async def log_in(self, name: str, password: str) -> None:
        body = {"username": name, "password": password}
        self.tokens = await self._ask("POST", "/auth/login", Tokens, body)

    async def refresh(self) -> None:
        if self.tokens is not None:
            body = {"refresh_token": self.tokens.refresh_token}
            self.tokens = await self._ask("POST", "/auth/refresh", Tokens, body)

    async def public_channel(self, name: str) -> Channel | None:
        """Names are compared without case."""
        found = await self._items("/channels/", Channel, {"q": name, "limit": "200"})
        return next((channel for channel in found if same_name(channel.name, name)), None)

    async def public_channels(self) -> list[Channel]:
        return await self._items("/channels/", Channel, {"limit": "50"})

    async def make_channel(self, name: str) -> Channel:
        return await self._ask("POST", "/channels/", Channel, {"name": name})

    async def join(self, channel_id: ChannelId) -> None:
        await self._ask("POST", f"/channels/{channel_id}/join", msgspec.Raw, {})

    async def members(self, channel_id: ChannelId) -> list[Member]:
        return await self._items(f"/channels/{channel_id}/members", Member, {"limit": "200"})

    async def user_named(self, name: str) -> PublicProfile | None:
        found = await self._items("/users/", PublicProfile, {"q": name, "limit": "200"})
        return next((user for user in found if same_name(user.username, name)), None)

    async def user(self, user_id: UserId) -> PublicProfile:
        return await self._ask("GET", f"/users/{user_id}", PublicProfile)

    async def _items(self, path: str, kind: type[Kind], query: Mapping[str, str]) -> list[Kind]:
        page = await self._ask("GET", path, Items, query=query)
        return msgspec.json.decode(page.items, type=list[kind])  # type: ignore[valid-type]

    async def _ask(
        self,
        method: str,
        path: str,
        kind: type[Kind],
        body: Mapping[str, object] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Kind:
        headers = {"Authorization": f"Bearer {self.tokens.access_token}"} if self.tokens else {}
        try:
            async with self._session.request(
                method, self.url + path, json=body, params=query, headers=headers, timeout=TIMEOUT
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{self.url} cannot be reached: {_words(error)}") from None
        if response.status >= 400:
            raise _refused(response.status, content)
        try:
            return msgspec.json.decode(content or b"null", type=kind)
        except msgspec.DecodeError:
            raise Unreachable(f"{self.url} does not answer like Parley") from None


def _words(error: Exception) -> str:
    """Those of the system, where it has some: aiohttp's name the address once more."""
    match error:
        case aiohttp.ClientConnectorCertificateError(
            certificate_error=ssl.SSLCertVerificationError() as cause
        ):
            return f"{cause.verify_message} - who signed its certificate? Name them in SSL_CERT_FILE"
        case aiohttp.ClientSSLError(os_error=ssl.SSLError(reason=str() as words)):
            return f"no TLS is spoken there ({words})"
        case aiohttp.ClientConnectorError(os_error=OSError(errno=int() as number)) if number > 0:
            return f"{os.strerror(number)} - does the server run there?"
        case aiohttp.ClientConnectorError(os_error=OSError(strerror=str() as words)):
            return words
        case _:
            return str(error) or "no answer"


def _refused(status: int, content: bytes) -> ApiRefused | Unreachable:
    try:
        problem = msgspec.json.decode(content, type=Problem)
    except msgspec.DecodeError:
        problem = Problem()
    if status >= 500 and problem.code != Code.INTERNAL:
        return Unreachable(problem.detail or f"the server answered with {status}")
    words = problem.detail or f"the server answered with {status}"
    fields = ", ".join(error.field for error in problem.errors)
    return ApiRefused(problem.code, f"{fields}: {words}" if fields else words)
