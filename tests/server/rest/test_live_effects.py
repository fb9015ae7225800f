"""What REST does to live sockets, at once."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from tests.server.rest.client import PASSWORD, Api, Json

CREDENTIALS_ENDED = 4401


@contextlib.asynccontextmanager
async def live(person: Api) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A socket of this person's session that has heard `ready`."""
    headers = {"Authorization": f"Bearer {person.token}"}
    async with person.session.ws_connect("/ws", headers=headers, protocols=["parley.v1.json"]) as socket:
        await heard(socket, "ready")
        yield socket


async def heard(socket: aiohttp.ClientWebSocketResponse, kind: str) -> Json:
    """The next event of this type."""
    while True:
        event = await socket.receive_json(timeout=10)
        if event["type"] == kind:
            return event


async def ended(socket: aiohttp.ClientWebSocketResponse) -> tuple[str, int]:
    """Why the session ended, and the code that the socket was closed with."""
    reason = (await heard(socket, "session_ended"))["reason"]
    farewell = await socket.receive(timeout=10)
    assert farewell.type == aiohttp.WSMsgType.CLOSE
    return reason, farewell.data


async def log_out(person: Api) -> None:
    await person.post("/auth/logout", expect=204)


async def log_out_everywhere(person: Api) -> None:
    await person.post("/auth/logout-all", expect=204)


async def end_own_session(person: Api) -> None:
    sessions = (await person.get("/auth/sessions"))["items"]
    current = next(each["id"] for each in sessions if each["current"])
    await person.delete(f"/auth/sessions/{current}")


async def reuse_refresh_token(person: Api) -> None:
    body = {"refresh_token": person.refresh_token}
    await person.post("/auth/refresh", body, expect=200)
    await person.refused("POST", "/auth/refresh", body, expect=401)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (log_out, "logged_out"),
        (log_out_everywhere, "logged_out"),
        (end_own_session, "revoked"),
        (reuse_refresh_token, "token_reused"),
    ],
)
async def test_the_end_of_a_session_closes_its_sockets(
    alice: Api, act: Callable[[Api], Awaitable[None]], reason: str
) -> None:
    async with live(alice) as socket:
        await act(alice)
        assert await ended(socket) == (reason, CREDENTIALS_ENDED)


async def test_other_sessions_keep_their_sockets(nobody: Api, alice: Api) -> None:
    other = await nobody.log_in("alice")
    async with live(alice) as socket, live(other) as others:
        await log_out(alice)
        await ended(socket)
        await others.send_json({"type": "ping"})
        await heard(others, "pong")


async def test_a_new_password_closes_the_sockets_of_every_other_session(nobody: Api, alice: Api) -> None:
    other = await nobody.log_in("alice")
    async with live(alice) as socket, live(other) as others:
        change = {"current_password": PASSWORD, "new_password": "another-battery"}
        await alice.put("/auth/me/password", change)
        assert await ended(others) == ("password_changed", CREDENTIALS_ENDED)
        await socket.send_json({"type": "ping"})
        await heard(socket, "pong")


async def test_a_new_channel_is_announced_to_its_owner_and_its_events_follow(alice: Api) -> None:
    async with live(alice) as socket:
        channel = await alice.post("/channels/", {"name": "general"})
        added = await heard(socket, "channel_added")
        assert (added["channel"]["id"], added["channel"]["last_seq"]) == (channel["id"], 1)
        await alice.post(f"/channels/{channel['id']}/messages", {"content": "hello"})
        event = await heard(socket, "new_message")
        assert (event["seq"], event["message"]["content"]) == (2, "hello")


async def test_a_changed_profile_is_told_to_those_who_share_a_channel(
    alice: Api, bob: Api, carol: Api
) -> None:
    channel = await alice.post("/channels/", {"name": "general"})
    await bob.post(f"/channels/{channel['id']}/join", expect=200)
    async with live(bob) as socket, live(alice):
        await carol.put("/auth/me", {"full_name": "Carol"})
        await alice.put("/auth/me", {"full_name": "Alice"})
        update = await heard(socket, "user_update")
        assert (update["user"]["id"], update["user"]["full_name"]) == (alice.id, "Alice")


async def test_a_profile_tells_who_is_there_now(alice: Api, bob: Api) -> None:
    async with live(bob):
        assert (await alice.get(f"/users/{bob.id}"))["presence"] == "online"
        people = [each for each in (await alice.get("/users/"))["items"] if not each["is_bot"]]
        assert [each["presence"] for each in people] == ["online", "offline"]


async def test_somebody_removed_hears_nothing_more_of_the_channel(alice: Api, bob: Api) -> None:
    channel = await alice.post("/channels/", {"name": "general"})
    path = f"/channels/{channel['id']}"
    await bob.post(f"{path}/join", expect=200)
    async with live(bob) as socket:
        await alice.delete(f"{path}/members/{bob.id}")
        removed = await heard(socket, "channel_removed")
        assert (removed["channel_id"], removed["reason"]) == (channel["id"], "removed")
        await alice.post(f"{path}/messages", {"content": "secret"})
        await socket.send_json({"type": "ping"})
        event = await socket.receive_json(timeout=10)
        assert event["type"] == "pong"
