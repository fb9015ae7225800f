"""The users and channels of a run, made through the public API only.

Every name bears the run's own, so that runs against one server never meet.
"""

import asyncio
import secrets
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import aiohttp
import msgspec

from loadtest.plan import User

AT_ONCE: Final = 32
WAIT_MAX_S: Final = 120.0
ATTEMPTS: Final = 12

T = TypeVar("T")
Told = Callable[[str, int, int], None]


class PopulationError(Exception):
    """The users or channels could not be made. Its text says why and what to do, in one line."""


class TokenLine(msgspec.Struct, frozen=True):
    """One line of a file of tokens, as `parley user create --count` writes it."""

    user_id: int
    username: str
    access_token: str


def read_tokens(file: Path, wanted: int) -> list[str]:
    """The first `wanted` access tokens of the file."""
    decoder = msgspec.json.Decoder(TokenLine)
    try:
        lines = file.read_bytes().splitlines()
        tokens = [decoder.decode(line).access_token for line in lines if line.strip()]
    except OSError as error:
        raise PopulationError(f"{file}: {error.strerror}") from None
    except msgspec.DecodeError as error:
        raise PopulationError(f"{file} is not a file of `parley user create --count`: {error}") from None
    if len(tokens) < wanted:
        raise PopulationError(f"{file} has tokens of {len(tokens)} users, {wanted} are needed")
    return tokens[:wanted]


def spread(users: int, channels: int, each: int) -> list[tuple[int, ...]]:
    """For each user the numbers of their channels; all channels get as many members, to within one."""
    return [
        tuple(sorted({(user * each + place) % channels for place in range(each)})) for user in range(users)
    ]


class Api:
    """The server's REST API with one session. `told` hears how far a long step has come."""

    def __init__(self, url: str, told: Told, *, verify_tls: bool = True) -> None:
        self._url = url
        self._told = told
        self._gate = asyncio.Semaphore(AT_ONCE)
        connector = aiohttp.TCPConnector(limit=AT_ONCE, ssl=verify_tls)
        self._session = aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def register(self, run: str, count: int) -> list[str]:
        """New users with a password that nobody keeps, logged in: their access tokens."""
        password = secrets.token_urlsafe(18)
        return await self._all("registering", (self._register(run, user, password) for user in range(count)))

    async def make_channels(
        self, run: str, tokens: Sequence[str], memberships: Sequence[Sequence[int]]
    ) -> list[User]:
        """One channel for each number, made by its first member and joined by the others."""
        firsts: dict[int, int] = {}
        for user, numbers in enumerate(memberships):
            for number in numbers:
                firsts.setdefault(number, user)
        made = await self._all(
            "channels", (self._make_channel(run, number, tokens[user]) for number, user in firsts.items())
        )
        ids = dict(zip(firsts, made, strict=True))
        joins = (
            self._post(f"/channels/{ids[number]}/join", {}, tokens[user])
            for user, numbers in enumerate(memberships)
            for number in numbers
            if firsts[number] != user
        )
        await self._all("joining", joins)
        return [
            User(index, token, tuple(ids[number] for number in memberships[index]))
            for index, token in enumerate(tokens)
        ]

    async def _register(self, run: str, user: int, password: str) -> str:
        name = f"load-{run}-{user}"
        body = {"username": name, "email": f"{name}@example.org", "password": password}
        await self._post("/auth/register", body)
        answer = await self._post("/auth/login", {"username": name, "password": password})
        return str(answer["access_token"])

    async def _make_channel(self, run: str, number: int, token: str) -> int:
        answer = await self._post("/channels/", {"name": f"load-{run}-{number}"}, token)
        return int(answer["id"])

    async def _post(self, path: str, body: Mapping[str, object], token: str = "") -> dict[str, Any]:
        """Waits as long as the server asks when it is asked too often."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        for _ in range(ATTEMPTS):
            try:
                async with self._session.post(self._url + path, json=body, headers=headers) as response:
                    if response.status < 300:
                        answer: dict[str, Any] = await response.json()
                        return answer
                    if response.status not in (429, 503):
                        raise PopulationError(f"POST {path} was answered with {await _said(response)}")
                    wait_s = min(WAIT_MAX_S, float(response.headers.get("Retry-After", "1")))
            except aiohttp.ClientError as error:
                raise PopulationError(f"{self._url} cannot be reached: {error}") from None
            await asyncio.sleep(wait_s)
        raise PopulationError(
            f"POST {path} is refused for too long: the server limits how often it may be asked. "
            "For many users, make them with `parley user create PREFIX --count N --tokens FILE` "
            "and give `--tokens FILE` here"
        )

    async def _all(self, what: str, steps: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
        """All results in order; the first failure ends the others."""
        waiting = list(steps)
        done = 0

        async def one(step: Coroutine[Any, Any, T]) -> T:
            nonlocal done
            async with self._gate:
                result = await step
            done += 1
            self._told(what, done, len(waiting))
            return result

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(step)) for step in waiting]
        except* PopulationError as errors:
            raise errors.exceptions[0] from None
        finally:
            for step in waiting:
                step.close()
        return [task.result() for task in tasks]


async def _said(response: aiohttp.ClientResponse) -> str:
    text = " ".join((await response.text(errors="replace")).split())
    return f"{response.status} {text[:200]}"
