"""Whoever is removed from a channel has nothing of it from that moment, by whatever way they ask."""

from typing import Any

import pytest

from tests.server.access.table import LINES
from tests.server.access.world import World, absent, answer_to
from tests.server.rest.client import Api, Json
from tests.server.talking import Place

SECRET = "xylophone"
LISTS = (
    "/channels/me",
    "/channels/",
    "/messages",
    "/messages/received",
    "/messages/unread/count",
    "/auth/conversations",
    f"/search?q={SECRET}",
)
IN_CHANNEL = {name: line for name, line in LINES.items() if "/channels/{channel_id}" in name}


@pytest.fixture
async def removed(world: World) -> Api:
    """A member who had heard, said and reacted, and was then removed; more was said since."""
    things, owner, member = await world.things(), world.people["owner"], world.people["member"]
    channel = f"/channels/{things['channel_id']}"
    said = await owner.post(f"{channel}/messages", {"content": f"{SECRET} before"})
    await member.post(f"{channel}/messages", {"content": f"{SECRET} of mine"})
    await member.put(f"{channel}/messages/{said['id']}/reactions/heart")
    await owner.delete(f"{channel}/members/{member.id}")
    await owner.post(f"{channel}/messages", {"content": f"{SECRET} after @member"})
    return member


async def test_every_route_of_the_channel_answers_as_if_it_were_absent(world: World, removed: Api) -> None:
    things = await world.things()
    for name, line in IN_CHANNEL.items():
        answers = [await answer_to(removed, name, line, each) for each in (things, absent(things))]
        assert [status for status, _ in answers] == [404, 404], name
        assert answers[0][1] | {"request_id": ""} == answers[1][1] | {"request_id": ""}, name


async def test_no_list_count_or_search_shows_anything_of_it(world: World, removed: Api) -> None:
    channel_id = (await world.things())["channel_id"]
    for path in LISTS:
        told = await removed.get(path)
        assert SECRET not in str(told), path
        assert channel_id not in ids_of(told), path
    problem = await removed.get(f"/search?q={SECRET}&channel_id={channel_id}", expect=404)
    assert problem["code"] == "not_found"


async def test_its_files_and_single_messages_are_gone(world: World, removed: Api) -> None:
    things = await world.things()
    for path in (f"/files/{things['file_id']}", f"/messages/{things['message_id']}"):
        assert (await removed.get(path, expect=404))["code"] == "not_found"


async def test_a_repeat_of_what_was_sent_before_shows_nothing_that_came_since(world: World) -> None:
    things, owner, member = await world.things(), world.people["owner"], world.people["member"]
    channel = f"/channels/{things['channel_id']}"
    mine = {"content": SECRET, "nonce": "mine"}
    sent = await member.post(f"{channel}/messages", mine)
    await owner.delete(f"{channel}/members/{member.id}")
    await owner.put(f"{channel}/messages/{sent['id']}/reactions/heart")
    assert await member.post(f"{channel}/messages", mine, expect=200) == sent


async def test_no_event_reaches_them_and_ready_leaves_it_out(home: Place, world: World) -> None:
    things, owner, member = await world.things(), world.people["owner"], world.people["member"]
    channel = f"/channels/{things['channel_id']}"
    said = await owner.post(f"{channel}/messages", {"content": SECRET})
    talk = await home.live(member)
    await owner.delete(f"{channel}/members/{member.id}")
    assert (await talk.hear("channel_removed"))["channel_id"] == things["channel_id"]
    heard = len(talk.events)
    await owner.post(f"{channel}/messages", {"content": f"{SECRET} @member"})
    await owner.put(f"{channel}/messages/{said['id']}", {"content": SECRET})
    await owner.put(f"{channel}/messages/{said['id']}/reactions/heart")
    await owner.put(channel, {"description": SECRET})
    assert await talk.is_well()
    assert [event["type"] for event in talk.events[heard:]] == ["pong"]
    late = await home.upgraded(member.token)
    ready = await late.hear("ready")
    assert things["channel_id"] not in [each["id"] for each in ready["channels"]]


def ids_of(told: Json) -> set[Any]:
    """The channels that an answer names."""
    match told:
        case dict():
            own = {told[name] for name in ("channel_id", "join_code") if name in told}
            own |= {told["id"]} if "member_count" in told else set()
            return own.union(*map(ids_of, told.values()))
        case list():
            return set().union(*map(ids_of, told))
        case _:
            return set()
