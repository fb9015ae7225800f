"""Users and channels: spread evenly, made through the REST API, with errors people can act on."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from loadtest import population
from loadtest.plan import User
from loadtest.population import Api, PopulationError, read_tokens, spread

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Rest:
    """A stand-in that keeps what it was asked, and answers as told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.refusals: list[web.Response] = []

    async def answer(self, request: web.Request) -> web.Response:
        if self.refusals:
            return self.refusals.pop()
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        body = await request.json()
        self.asked.append((request.path, token, body))
        if request.path == "/auth/login":
            return web.json_response({"access_token": f"token of {body['username']}"})
        made = sum(path == "/channels/" for path, _, _ in self.asked)
        return web.json_response({"id": made}, status=201)


@pytest.fixture
async def rest() -> AsyncIterator[tuple[Rest, str]]:
    stand_in = Rest()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", stand_in.answer)
    async with TestServer(app) as server:
        yield stand_in, str(server.make_url("")).rstrip("/")


def tell_nobody(what: str, done: int, total: int) -> None:
    """Progress is of no interest here."""


@pytest.mark.parametrize(("users", "channels", "each"), [(200, 20, 1), (7, 3, 1), (100, 40, 5), (3, 5, 5)])
def test_users_are_spread_evenly(users: int, channels: int, each: int) -> None:
    memberships = spread(users, channels, each)
    assert all(len(set(numbers)) == each for numbers in memberships)
    sizes = Counter(number for numbers in memberships for number in numbers)
    assert max(sizes.values()) - min(sizes.values()) <= 1


async def test_users_are_registered_and_logged_in(rest: tuple[Rest, str]) -> None:
    stand_in, url = rest
    async with Api(url, tell_nobody) as api:
        tokens = await api.register("r1", 2)
    assert tokens == ["token of load-r1-0", "token of load-r1-1"]
    assert [path for path, _, _ in stand_in.asked].count("/auth/register") == 2


async def test_channels_are_made_by_their_first_member_and_joined_by_the_others(
    rest: tuple[Rest, str],
) -> None:
    stand_in, url = rest
    steps: list[tuple[str, int, int]] = []
    async with Api(url, lambda *step: steps.append(step)) as api:
        users = await api.make_channels("r1", ["a", "b", "c"], [(0,), (1,), (0, 1)])
    assert users == [User(0, "a", (1,)), User(1, "b", (2,)), User(2, "c", (1, 2))]
    assert sorted((path, token) for path, token, _ in stand_in.asked) == [
        ("/channels/", "a"),
        ("/channels/", "b"),
        ("/channels/1/join", "c"),
        ("/channels/2/join", "c"),
    ]
    assert steps == [("channels", 1, 2), ("channels", 2, 2), ("joining", 1, 2), ("joining", 2, 2)]


async def test_a_server_that_asks_to_wait_is_asked_again(rest: tuple[Rest, str]) -> None:
    stand_in, url = rest
    stand_in.refusals = [web.Response(status=429, headers={"Retry-After": "0"})]
    async with Api(url, tell_nobody) as api:
        assert len(await api.register("r1", 1)) == 1


async def test_waiting_has_an_end_that_says_what_to_do(
    rest: tuple[Rest, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in, url = rest
    monkeypatch.setattr(population, "ATTEMPTS", 2)
    stand_in.refusals = [web.Response(status=503, headers={"Retry-After": "0"}) for _ in range(2)]
    async with Api(url, tell_nobody) as api:
        with pytest.raises(PopulationError, match="parley user create PREFIX --count N --tokens FILE"):
            await api.register("r1", 1)


async def test_a_refusal_is_told_in_the_servers_words(rest: tuple[Rest, str]) -> None:
    stand_in, url = rest
    stand_in.refusals = [web.Response(status=403, text="Registration\nis closed.")]
    async with Api(url, tell_nobody) as api:
        with pytest.raises(PopulationError, match=r"403 Registration is closed\."):
            await api.register("r1", 3)


async def test_a_server_that_is_not_there_is_told() -> None:
    async with Api("http://127.0.0.1:1", tell_nobody) as api:
        with pytest.raises(PopulationError, match="cannot be reached"):
            await api.register("r1", 1)


def test_tokens_are_read_from_the_file_of_the_command(tmp_path: Path) -> None:
    file = tmp_path / "tokens.jsonl"
    lines = [
        f'{{"user_id":{number},"username":"u{number}","access_token":"t{number}"}}' for number in range(3)
    ]
    file.write_text("\n".join(lines) + "\n")
    assert read_tokens(file, 2) == ["t0", "t1"]
    with pytest.raises(PopulationError, match="has tokens of 3 users, 4 are needed"):
        read_tokens(file, 4)


def test_a_file_of_something_else_is_told(tmp_path: Path) -> None:
    file = tmp_path / "tokens.jsonl"
    with pytest.raises(PopulationError, match="No such file"):
        read_tokens(file, 1)
    file.write_text("hello\n")
    with pytest.raises(PopulationError, match="is not a file of `parley user create --count`"):
        read_tokens(file, 1)
