import asyncio
import logging

import pytest
from sqlalchemy import text

from protocol.errors import Unavailable
from protocol.ids import SessionId
from server.revocations import Revocations
from storage.server_state import ServerState
from tests.server.rest.client import Api
from tests.server.talking import Place


def watch(home: Place) -> Revocations:
    """A watch that has not looked yet."""
    context = home.context
    return Revocations(ServerState(context.database), context.sessions, context.chat, context.clock)


async def settled(home: Place) -> Revocations:
    """A watch to which there is nothing new."""
    watched = watch(home)
    await watched.poll()
    await watched.poll()
    return watched


async def end_elsewhere(home: Place, person: Api) -> None:
    """End all sessions of somebody as another process would: this one's actors hear nothing."""
    await home.context.sessions.end_all(person.user["id"], home.clock.now())


async def test_the_sockets_of_an_ended_session_are_closed_and_no_others(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    watched = await settled(home)
    talk, other = await home.live(alice), await home.live(bob)
    await end_elsewhere(home, alice)
    again = await home.live(await home.nobody.log_in("alice"))
    await watched.poll()
    assert await talk.ended() == 4401
    assert talk.events[-1] == {"type": "session_ended", "reason": "revoked"}
    assert await other.is_well()
    assert await again.is_well()


@pytest.mark.parametrize(
    ("change", "reason"), [("is_active = false", "disabled"), ("deleted_at = created_at", "deleted")]
)
async def test_who_is_not_to_come_back_is_told_so(home: Place, change: str, reason: str) -> None:
    alice = await home.person("alice")
    watched = await settled(home)
    talk = await home.live(alice)
    await home.context.database.write(
        lambda connection: connection.execute(text(f"UPDATE users SET {change}"))
    )
    await end_elsewhere(home, alice)
    await watched.poll()
    assert await talk.ended() == 4403
    assert talk.events[-1] == {"type": "session_ended", "reason": reason}


async def test_a_socket_that_appears_just_after_the_first_look_is_caught_by_the_second(home: Place) -> None:
    alice = await home.person("alice")
    watched = await settled(home)
    caller = await home.context.authenticator.authenticate(alice.token or "")
    await end_elsewhere(home, alice)
    await watched.poll()

    async def as_it_was(token: str) -> object:
        return caller

    with pytest.MonkeyPatch.context() as late:
        late.setattr(home.context.authenticator, "authenticate", as_it_was)
        talk = await home.live(alice)
    await watched.poll()
    assert await talk.ended() == 4401


async def test_sessions_are_looked_up_only_when_something_was_revoked(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    find_ended = home.context.sessions.find_ended

    async def counted(session_ids: list[SessionId], now: object) -> set[SessionId]:
        looks.append(len(session_ids))
        return await find_ended(session_ids, home.clock.now())

    await home.live(await home.person("alice"))
    watched = await settled(home)
    monkeypatch.setattr(home.context.sessions, "find_ended", counted)
    for _ in range(5):
        await watched.poll()
    assert looks == []
    await end_elsewhere(home, await home.person("bob"))
    for _ in range(5):
        await watched.poll()
    assert looks == [1, 1]


async def test_the_watch_goes_on_whatever_goes_wrong(
    home: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    watched = watch(home)
    mishaps: list[Exception] = [Unavailable("away"), LookupError("a bug")]
    survived = asyncio.Event()

    async def poll() -> None:
        if not mishaps:
            survived.set()
        else:
            raise mishaps.pop(0)

    monkeypatch.setattr("server.revocations.EVERY_S", 0.0)
    monkeypatch.setattr(watched, "poll", poll)
    with caplog.at_level(logging.WARNING, "server"):
        running = asyncio.ensure_future(watched.run())
        await asyncio.wait_for(survived.wait(), 10)
    running.cancel()
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


async def test_revocations_are_seen_while_nothing_can_be_written(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await home.person("alice")
    talk = await home.live(alice)
    await end_elsewhere(home, alice)

    async def full_disk() -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(home.context.sessions, "flush_uses", full_disk)
    running = asyncio.ensure_future(watch(home).run())
    assert await talk.ended() == 4401
    running.cancel()
