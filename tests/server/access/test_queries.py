"""No route's number of queries grows with its rows, whether it is asked for the first time or again."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import pytest
from msgspec import structs
from sqlalchemy import event
from sqlalchemy.engine import Engine

from server import paging
from server.rest.table import ROUTES
from server.search_indexing import catch_up
from server.settings import Settings
from storage.search_index import SearchIndex
from tests.server.access.table import LET_IN, LINES, Line
from tests.server.access.world import World, answer_to, form_of
from tests.server.pictures import png
from tests.server.rest.client import Api, Json, settings_for
from tests.server.talking import place

FEW: Final = 2
MANY: Final = 30
OF_TIMERS: Final = ("server_state", "search_positions")
READERS: Final = ("owner", "user", "superuser")
GETS: Final = [f"GET {route.path}" for route in ROUTES if route.method == "GET" and route.access != "anyone"]
LISTS: Final = {
    f"GET {route.path}" for route in ROUTES if "cursor" in getattr(route.shape.query, "__struct_fields__", ())
}


WEBHOOKS: Final = 18
# There are as many agents as are built in, and only so many webhooks in a channel.
UNGROWING: Final = {"GET /agents", "GET /channels/{channel_id}/webhooks"}


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is read from the database meanwhile, but for what the server's own timers ask."""
    seen: list[str] = []

    def see(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked = statement.lstrip().startswith(("SELECT", "WITH"))
        if asked and not any(table in statement for table in OF_TIMERS):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", see)


async def crowd(world: World, size: int) -> None:
    """This many of everything that is listed."""
    for number in range(size):
        guest = await world.nobody.newcomer()
        await talk(world, guest)
        await administer(world, number)
    things, superuser = await world.things(), world.people["superuser"]
    for _ in range(min(size, WEBHOOKS)):
        await world.people["owner"].post(f"/channels/{things['channel_id']}/webhooks", {})
    names = [role["name"] for role in (await superuser.get("/auth/roles?limit=200"))["items"]]
    await superuser.put(f"/auth/users/{things['user_id']}/roles", {"roles": names})


async def talk(world: World, guest: Api) -> None:
    """The owner and a guest say something in the channel, under a message of it, and to each other."""
    things, owner = await world.things(), world.people["owner"]
    channel = f"/channels/{things['channel_id']}"
    said = f"{channel}/messages/{things['message_id']}"
    text = {"content": f"hello @owner @{guest.name}"}
    await guest.post("/channels/join", {"join_code": things["code"]}, expect=200)
    for sender in (owner, guest):
        file = await sender.post("/files", data=form_of({"file": b"x"}, {}))
        mine = await sender.post(f"{channel}/messages", text | {"attachments": [file["id"]]})
        await guest.put(f"{channel}/messages/{mine['id']}/reactions/heart")
    await guest.post(f"{channel}/messages", text | {"parent_id": things["message_id"]})
    await owner.put(said, text)
    await guest.put(f"{said}/reactions/heart")
    await guest.post("/messages", {"recipient_id": owner.id} | text)
    await owner.post("/messages", {"recipient_id": guest.id} | text)
    await owner.post(f"/auth/conversations/{things['conversation_id']}/messages", text)


async def administer(world: World, number: int) -> None:
    owner, superuser = world.people["owner"], world.people["superuser"]
    await owner.post(f"/channels/{(await world.things())['channel_id']}/invite", {})
    await owner.post("/channels/", {"name": f"public {number}"})
    await owner.post("/reactions", data=form_of({"code": f"crowd_{number}", "image": png()}, {}))
    await owner.post("/reports", {"title": "report", "content": "hello"})
    await superuser.post("/auth/roles", {"name": f"crowd {number}"})
    await world.nobody.log_in("owner")


def reader_of(line: Line) -> str:
    return next(who for who in READERS if line.answers[LET_IN.index(who)] == 200)


async def counted(world: World) -> tuple[dict[str, int], dict[str, Json]]:
    """How many statements each route takes, and what it answers."""
    counts, answers = {}, {}
    for name in GETS:
        line = LINES[name]
        if name in LISTS:
            line = structs.replace(line, query=f"{line.query or '?'}&limit=200")
        caller, things = world.people[reader_of(line)], await world.things()
        with statements() as seen:
            status, told = await answer_to(caller, name, line, things)
        assert status == 200
        counts[name], answers[name] = len(seen), told
    return counts, answers


class Measured(NamedTuple):
    """The statements of each route, by a server that has just started and once more; and the answers."""

    cold: dict[str, int]
    warm: dict[str, int]
    answers: dict[str, Json]


def settings_in(folder: Path, template: Path) -> Settings:
    folder.mkdir()
    shutil.copyfile(template, folder / "test.db")
    return settings_for(f"sqlite:///{folder / 'test.db'}", folder)


async def measured(settings: Settings, size: int) -> Measured:
    async with place(settings) as home:
        world = World(home.nobody, home.context)
        await world.populate()
        await crowd(world, size)
    async with place(settings) as home:
        world = await world.moved_to(home.nobody, home.context)
        await catch_up(SearchIndex(home.context.database), home.context.clock)
        cold, answers = await counted(world)
        warm, _ = await counted(world)
    return Measured(cold, warm, answers)


async def test_no_route_asks_the_database_more_often_for_more_rows(
    sqlite_template: Path, tmp_path: Path
) -> None:
    few = await measured(settings_in(tmp_path / "few", sqlite_template), FEW)
    many = await measured(settings_in(tmp_path / "many", sqlite_template), MANY)
    assert many.cold == few.cold
    assert many.warm == few.warm
    lengths = {
        name: [len(msgspec.json.decode(each.answers[name])["items"]) for each in (few, many)]
        for name in LISTS - UNGROWING
    }
    assert {name: each for name, each in lengths.items() if each[1] - each[0] < MANY - FEW} == {}


async def test_no_list_is_longer_than_the_largest_page_whatever_limit_is_asked_for(
    sqlite_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "LIMIT_MAX", 1)
    async with place(settings_in(tmp_path / "few", sqlite_template)) as home:
        world = World(home.nobody, home.context)
        await world.populate()
        await crowd(world, FEW)
        await catch_up(SearchIndex(home.context.database), home.context.clock)
        for name in LISTS:
            line = structs.replace(LINES[name], query=f"{LINES[name].query or '?'}&limit=1000000")
            status, told = await answer_to(world.people[reader_of(line)], name, line, await world.things())
            page = msgspec.json.decode(told)
            assert (status, len(page["items"])) == (200, 1), name
            assert page["next"] is not None, name
