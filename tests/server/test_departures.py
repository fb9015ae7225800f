"""Whatever interrupts deleting a user, the rest is done later, once, and by whoever is there."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from actors.chat import Chat
from protocol.errors import Code, Refusal, Refused
from protocol.ids import ChannelId, UserId
from protocol.resources import PublicProfile
from server.departures import TRIES, see_off, see_off_all
from server.housekeeping import chores
from storage.departures import Departure, Departures
from tests.server.rest.client import Api, settings_for
from tests.server.talking import Place, place


async def delete(home: Place, person: Api) -> PublicProfile:
    """As the first half of deleting does: a process that dies then has not begun with the second."""
    left = await home.context.accounts.delete(UserId(person.id), home.clock.now())
    assert isinstance(left, PublicProfile)
    return left


async def owner_of(by: Api, channel_id: int) -> Any:
    return (await by.get(f"/channels/{channel_id}"))["owner_id"]


async def test_the_next_start_finishes_what_a_crash_interrupted(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished: asyncio.Queue[int] = asyncio.Queue()

    async def watched(chat: Chat, departures: Departures) -> int:
        count = await see_off_all(chat, departures)
        finished.put_nowait(count)
        return count

    monkeypatch.setattr("server.housekeeping.see_off_all", watched)
    settings = settings_for(sqlite_url, tmp_path)
    async with place(settings) as home:
        assert await asyncio.wait_for(finished.get(), 10) == 0
        alice, bob = await home.person("alice"), await home.person("bob")
        channels = [await home.channel(alice, bob) for _ in range(3)]
        await delete(home, alice)
    async with place(settings) as home:
        assert await asyncio.wait_for(finished.get(), 10) == 3
        bob = await home.nobody.log_in("bob")
        assert [await owner_of(bob, channel_id) for channel_id in channels] == [bob.id] * 3


async def test_leaving_twice_changes_nothing(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice, bob)
    left, context = await delete(home, alice), home.context
    assert await see_off_all(context.chat, context.departures) == 1
    before = (await bob.get(f"/channels/{channel_id}"))["last_seq"]
    assert await see_off(context.chat, context.departures, left) == 0
    assert await see_off_all(context.chat, context.departures) == 0
    assert (await bob.get(f"/channels/{channel_id}"))["last_seq"] == before


async def test_two_who_are_deleted_at_once_leave_nothing_behind(home: Place) -> None:
    people = [await home.person(name) for name in ("alice", "bob", "carol")]
    alice, bob, carol = people
    channel_id, empty = await home.channel(alice, bob, carol), await home.channel(alice, bob)
    for person in (alice, bob):
        await delete(home, person)
    context = home.context
    await asyncio.gather(*(see_off_all(context.chat, context.departures) for _ in range(2)))
    await see_off_all(context.chat, context.departures)
    assert await owner_of(carol, channel_id) == carol.id
    assert (await carol.get(f"/channels/{channel_id}"))["member_count"] == 1
    await carol.refused("GET", f"/channels/{empty}", expect=404)


class OldNews:
    """Rows that are read just before somebody becomes admin, so that the heir is another one by then."""

    def __init__(self, home: Place, stale: PublicProfile, *, times: int) -> None:
        self._departures = home.context.departures
        self._stale = stale
        self._left = times

    async def of(self, user_id: UserId, *, after: ChannelId, limit: int = 50) -> list[Departure]:
        found = await self._departures.of(user_id, after=after, limit=limit)
        if not found or not self._left:
            return found
        self._left -= 1
        return [structs.replace(each, heir=self._stale) for each in found]


@pytest.mark.parametrize(("times", "is_done"), [(1, True), (TRIES - 1, True), (TRIES, False)])
async def test_an_heir_who_changes_meanwhile_is_looked_up_again(
    home: Place, times: int, is_done: bool
) -> None:
    alice, bob, carol = [await home.person(name) for name in ("alice", "bob", "carol")]
    channel_id = await home.channel(alice, bob, carol)
    left = await delete(home, alice)
    news: Any = OldNews(home, PublicProfile(UserId(carol.id), "carol"), times=times)
    assert await see_off(home.context.chat, news, left) == int(is_done)
    assert await owner_of(bob, channel_id) == (bob.id if is_done else alice.id)


async def test_a_channel_that_cannot_be_left_now_is_left_later(
    home: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    root, alice, bob = [await home.person(name) for name in ("root", "alice", "bob")]
    await home.context.accounts.set_superuser(UserId(root.id), home.clock.now(), is_superuser=True)
    channel_id = await home.channel(alice, bob)

    async def overloaded(*_: Any) -> None:
        raise Refused(Refusal(Code.OVERLOADED, "Too much."))

    with monkeypatch.context() as busy:
        busy.setattr(Chat, "ask", overloaded)
        await root.delete(f"/auth/users/{alice.id}")
    assert "still in a channel: Too much." in caplog.text
    assert await owner_of(bob, channel_id) == alice.id
    assert sum([await chore.run() for chore in chores(home.context)]) == 1
    assert await owner_of(bob, channel_id) == bob.id
