"""A client of the REST API for tests: one person, what they ask, and which status they expect."""

import contextlib
import itertools
import re
from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import aiohttp
from msgspec import structs

from server.app import Server, running
from server.rest.table import ROUTES
from server.routing import PLACEHOLDER
from server.settings import Settings

PASSWORD: Final = "correct-battery"
AGENTS: Final = ("report_agent", "assistant")
"""The users that the server makes when it starts, the newest first."""
DEADLINE: Final = aiohttp.ClientTimeout(total=30)
Json = Any

_numbers = itertools.count(1)


class Api:
    """Asks as one person, or as nobody. Each call expects a status and returns the body."""

    def __init__(self, session: aiohttp.ClientSession, token: str | None = None, user: Json = None) -> None:
        self.session = session
        self.token = token
        self.user = user
        self.headers: dict[str, str] = {}

    @property
    def id(self) -> int:
        number: int = self.user["id"]
        return number

    @property
    def name(self) -> str:
        name: str = self.user["username"]
        return name

    async def ask(
        self,
        method: str,
        path: str,
        body: Json = None,
        expect: int = 200,
        headers: dict[str, str] | None = None,
        data: aiohttp.FormData | bytes | None = None,
    ) -> Json:
        """The decoded answer; its headers stay in `headers`."""
        sent = dict(headers or {})
        if self.token is not None:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        async with self.session.request(
            method, path, json=body, data=data, headers=sent, allow_redirects=False
        ) as answer:
            text = await answer.text()
            assert answer.status == expect, f"{method} {path}: {answer.status} {text}"
            self.headers = dict(answer.headers)
            is_json = answer.content_type.endswith("json")
            told = await answer.json(content_type=None) if is_json and text else text
            assert is_described(method, path, answer.status, told), f"{method} {path} may not say {text}"
            return told

    async def get(self, path: str, expect: int = 200, **options: Any) -> Json:
        return await self.ask("GET", path, expect=expect, **options)

    async def post(self, path: str, body: Json = None, expect: int = 201, **options: Any) -> Json:
        return await self.ask("POST", path, body, expect, **options)

    async def put(self, path: str, body: Json = None, expect: int = 200, **options: Any) -> Json:
        return await self.ask("PUT", path, body, expect, **options)

    async def delete(self, path: str, expect: int = 204, **options: Any) -> Json:
        return await self.ask("DELETE", path, expect=expect, **options)

    async def refused(
        self, method: str, path: str, body: Json = None, expect: int = 422, **options: Any
    ) -> Json:
        """The problem's code and, if it names one, its field."""
        problem = await self.ask(method, path, body, expect, **options)
        assert problem["status"] == expect
        fields = [each["field"] for each in problem["errors"]]
        return (problem["code"], *fields)

    async def register(self, name: str | None = None, **more: Any) -> Json:
        """A new account, whose password is PASSWORD."""
        username = name or f"user{next(_numbers)}"
        body = {"username": username, "email": f"{username}@example.org", "password": PASSWORD} | more
        return await self.post("/auth/register", body)

    async def log_in(self, username: str, password: str = PASSWORD) -> "Api":
        answer = await self.post("/auth/login", {"username": username, "password": password}, expect=200)
        api = Api(self.session, answer["access_token"], answer["user"])
        api.refresh_token = answer["refresh_token"]
        return api

    async def newcomer(self, name: str | None = None) -> "Api":
        """A new person, logged in."""
        user = await self.register(name)
        return await self.log_in(user["username"])

    refresh_token: str = ""


def is_described(method: str, path: str, status: int, told: Json) -> bool:
    """Whether the route says that it may answer so. Unknown paths and methods have no route to say it."""
    bare = path.partition("?")[0].rstrip("/") or "/"
    matching = [route for route in ROUTES if route.method == method and _pattern(route.path).fullmatch(bare)]
    if not matching:
        return status in {200, 401, 404, 405}
    route = min(matching, key=lambda each: each.path.count("{"))
    if status < 400:
        return status in {route.status, *route.also}
    return told["code"] in route.all_refusals


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(PLACEHOLDER.sub("[^/]+", path.rstrip("/") or "/"))


def settings_for(url: str, folder: Path) -> Settings:
    """Quick hashes and no throttles: tests that are about those ask for them."""
    return Settings(
        database_url=url,
        host="127.0.0.1",
        port=0,
        data_folder=folder,
        bcrypt_rounds=4,
        command_rate=None,
        login_failure_rate=None,
        registration_rate=None,
    )


class Running:
    """A server, and nobody's view of it."""

    def __init__(self, server: Server, nobody: Api) -> None:
        self.server = server
        self.nobody = nobody
        self.context = server.context


@contextlib.asynccontextmanager
async def serving(settings: Settings, **changes: Any) -> AsyncIterator[Running]:
    """A real server on a free port of this machine."""
    async with running(structs.replace(settings, **changes)) as server:
        base = f"http://127.0.0.1:{server.urls[0].rpartition(':')[2]}"
        async with aiohttp.ClientSession(base, timeout=DEADLINE) as session:
            yield Running(server, Api(session))
