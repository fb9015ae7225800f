"""A database that goes away under live sockets: writes are refused with a hint, sockets stay, all heals."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from server.settings import Settings
from tests.databases import Postgres, migrate
from tests.server.rest.client import Json, settings_for
from tests.server.talking import Place, Talk, place, upgrade_request


class Outage:
    """A server whose database a test may take away and give back. `reads`: it can still be read meanwhile."""

    def __init__(
        self, home: Place, begin: Callable[[], None], end: Callable[[], None], *, reads: bool
    ) -> None:
        self.home = home
        self.begin = begin
        self.end = end
        self.reads = reads


@contextlib.asynccontextmanager
async def removed(settings: Settings) -> AsyncIterator[Outage]:
    file = Path(settings.database_url.removeprefix("sqlite:///"))
    elsewhere = file.with_name("elsewhere.db")
    async with place(settings) as home:
        yield Outage(
            home, lambda: void(file.rename(elsewhere)), lambda: void(elsewhere.rename(file)), reads=False
        )


@contextlib.asynccontextmanager
async def locked(settings: Settings) -> AsyncIterator[Outage]:
    with contextlib.closing(sqlite3.connect(settings.database_url.removeprefix("sqlite:///"))) as other:
        async with place(settings) as home:
            yield Outage(home, lambda: void(other.execute("BEGIN EXCLUSIVE")), other.rollback, reads=True)


@contextlib.asynccontextmanager
async def stopped(server: Postgres, folder: Path) -> AsyncIterator[Outage]:
    migrate(server.url())
    async with place(settings_for(server.url(), folder)) as home:
        yield Outage(home, server.stop, server.start, reads=False)


def void(_: object) -> None: ...


@pytest.fixture(params=["removed", "locked", "stopped"])
async def outage(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Outage]:
    """An SQLite file that is gone, or locked by somebody else, and a PostgreSQL that is stopped."""
    monkeypatch.setattr("storage.sqlite.BUSY_TIMEOUT_S", 0.02)
    if request.param == "stopped":
        ways = stopped(request.getfixturevalue("own_postgres"), tmp_path)
    else:
        settings = request.getfixturevalue("quick_settings")
        ways = removed(settings) if request.param == "removed" else locked(settings)
    async with ways as outage:
        yield outage


async def retried(home: Place, talk: Talk, command: Json) -> Json:
    """The ack of a command that is repeated as long as it is refused with a hint."""
    for _ in range(100):
        answer = await talk.ask(command)
        if answer["type"] == "ack":
            return answer
        assert_retryable(answer)
        home.clock.moved_s += answer["retry_after_ms"] / 1000
    raise AssertionError("it never healed")


def assert_retryable(answer: Json) -> None:
    assert (answer["type"], answer["retryable"]) == ("error", True), answer
    assert answer["retry_after_ms"] > 0


async def test_writes_are_refused_with_a_hint_and_everything_heals(outage: Outage) -> None:
    home = outage.home
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice, bob)
    cold = await home.channel(alice, bob)
    writer, reader = await home.live(alice), await home.live(bob)
    send = {"type": "send", "channel_id": channel_id, "content": "before", "nonce": "before"}
    before = await writer.ask(send)
    outage.begin()

    during = send | {"content": "during", "nonce": "during"}
    direct = {"type": "send", "recipient_id": bob.id, "content": "psst", "nonce": "direct"}
    into_cold = {"type": "send", "channel_id": cold, "content": "cold", "nonce": "cold"}
    for command in (during, direct, into_cold):
        assert_retryable(await writer.ask(command))
    assert await home.nobody.refused("GET", "/ready", expect=503) == ("unavailable", "database")
    path = f"/channels/{channel_id}/messages"
    await alice.ask("POST", path, {"content": "rest", "nonce": "rest"}, expect=503)
    for talk in (writer, reader):
        assert await talk.is_well()
    if not outage.reads:
        assert await home.refused(upgrade_request(alice.token)) == (503, "unavailable")
        late = await home.upgraded()
        late.say({"type": "hello", "token": alice.token})
        assert await late.ended() == 1012

    outage.end()
    after = send | {"content": "after", "nonce": "after"}
    acks = [await retried(home, writer, command) for command in (after, during, direct, into_cold)]
    assert (await home.nobody.get("/ready"))["status"] == "ready"
    assert await retried(home, writer, send) == before | {"duplicate": True}
    reader.rewind()
    seqs, contents = await heard_of(reader, channel_id, acks[1]["seq"], acks[0]["seq"])
    assert seqs == sorted(set(seqs))
    assert sorted(contents) == ["after", "before", "during"]
    history = await alice.get(path)
    assert sorted(message["content"] for message in history["items"]) == ["after", "before", "during"]
    assert (await home.live(bob)).events[0]["type"] == "ready"


async def heard_of(talk: Talk, channel_id: int, *until: int) -> tuple[list[int], list[str]]:
    """The messages of a channel that a socket has heard by event or by `sync`, up to these."""
    seqs: list[int] = []
    contents: list[str] = []
    while not set(until) <= set(seqs):
        event = await talk.next()
        if event.get("channel_id") == channel_id:
            messages = [event["message"]] if event["type"] == "new_message" else event.get("messages", [])
            seqs += [message["seq"] for message in messages]
            contents += [message["content"] for message in messages]
    return seqs, contents


async def test_a_socket_that_opens_while_channels_cannot_be_read_is_sent_away_to_come_back(
    quick_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with removed(quick_settings) as outage:
        home = outage.home
        alice = await home.person("alice")
        caller = await home.context.authenticator.authenticate(alice.token or "")

        async def remembered(token: str) -> object:
            return caller

        monkeypatch.setattr(home.context.authenticator, "authenticate", remembered)
        outage.begin()
        assert await (await home.upgraded(alice.token)).ended() == 1012
        outage.end()
        assert await (await home.live(alice)).is_well()
