"""What a server does from its first accepted request to its orderly end."""

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec import structs

from protocol.errors import Refusal, Unavailable
from protocol.facts import Part, PartResult
from protocol.ids import ChannelId
from server.app import DRAIN_PAUSE_S, drain, running
from server.auth import Caller
from server.settings import Settings
from tests.server.talking import Place, Talk, place, upgrade_request


async def test_a_port_that_is_taken_is_told_and_nothing_is_left_running(quick_settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = structs.replace(quick_settings, port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            async with running(settings):
                pass
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_database_that_is_away_is_told_and_nothing_is_left_running(
    quick_settings: Settings, tmp_path: Path
) -> None:
    settings = structs.replace(quick_settings, database_url=f"sqlite:///{tmp_path / 'nowhere.db'}")
    with pytest.raises(Unavailable):
        async with running(settings):
            pass
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_nothing_is_left_running_after_an_orderly_end(quick_settings: Settings) -> None:
    async with place(quick_settings) as home:
        alice = await home.person("alice")
        await home.live(alice)
        await home.upgraded()
    assert asyncio.all_tasks() == {asyncio.current_task()}


# Draining.


class StalledCommits:
    """The store of a server whose commits wait until they are let go."""

    def __init__(self, home: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self._commit = home.context.messages.commit
        self._may_go = asyncio.Event()
        self.begun = asyncio.Event()
        monkeypatch.setattr(home.context.messages, "commit", self._stall)

    async def _stall(self, parts: Sequence[Part]) -> Sequence[PartResult]:
        self.begun.set()
        await self._may_go.wait()
        return await self._commit(parts)

    def let_go(self) -> None:
        self._may_go.set()


def begin_to_drain(home: Place) -> "asyncio.Task[None]":
    return asyncio.create_task(drain(home.context, home.registry))


async def test_everybody_is_told_to_come_back_elsewhere(home: Place) -> None:
    alice = await home.person("alice")
    live, unknown = await home.live(alice), await home.upgraded()
    await drain_beside(home, live, unknown)
    for talk in (live, unknown):
        (going_away,) = talk.unheard()
        assert going_away["type"] == "going_away"
        assert going_away["retry_after_ms"] > 0
    assert len(home.registry) == 0


async def drain_beside(home: Place, *talks: Talk) -> None:
    """Drain the server while its clients take part in closing."""
    draining = begin_to_drain(home)
    assert [await talk.ended() for talk in talks] == [1012] * len(talks)
    await draining


async def test_what_was_accepted_is_committed_and_acknowledged_before_the_close(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await home.person("alice")
    channel_id = await home.channel(alice)
    talk = await home.live(alice)
    commits = StalledCommits(home, monkeypatch)
    talk.say({"type": "send", "id": "1", "channel_id": channel_id, "content": "last words", "nonce": "1"})
    await commits.begun.wait()
    draining = begin_to_drain(home)
    assert (await talk.next())["type"] == "going_away"
    commits.let_go()
    ack = await talk.hear("ack")
    assert ack["reply_to"] == "1"
    assert await talk.ended() == 1012
    assert "new_message" in [event["type"] for event in talk.events]
    await draining
    stored = await home.context.messages.history(ChannelId(channel_id), None, None, 10)
    assert [(message.id, message.content) for message in stored] == [(ack["message_id"], "last words")]


async def test_what_comes_while_others_are_served_to_the_end_is_refused_with_a_hint(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await home.person("alice")
    channel_id = await home.channel(alice)
    talk = await home.live(alice)
    commits = StalledCommits(home, monkeypatch)
    send = {"type": "send", "channel_id": channel_id, "content": "early", "nonce": "1"}
    talk.say(send)
    await commits.begun.wait()
    draining = begin_to_drain(home)
    assert await alice.refused("GET", "/channels/me", expect=503) == ("draining",)
    assert int(alice.headers["Retry-After"]) > 0
    assert await home.refused(upgrade_request(alice.token)) == (503, "draining")
    assert await alice.refused("GET", "/ready", expect=503) == ("draining", "server")
    await alice.get("/health")
    error = await talk.ask(send | {"nonce": "2"})
    assert (error["type"], error["code"], error["retryable"]) == ("error", "draining", True)
    commits.let_go()
    assert await talk.ended() == 1012
    await draining


async def test_a_commit_that_never_ends_does_not_hold_up_the_end(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await home.person("alice")
    channel_id = await home.channel(alice)
    talk = await home.live(alice)
    commits = StalledCommits(home, monkeypatch)
    monkeypatch.setattr("actors.chat.FINISH_WITHIN_S", 0.01)
    talk.say({"type": "send", "id": "1", "channel_id": channel_id, "content": "stuck", "nonce": "1"})
    await commits.begun.wait()
    await drain_beside(home, talk)
    answer = talk.events[-1]
    assert (answer["type"], answer["code"], answer["reply_to"]) == ("error", "draining", "1")
    commits.let_go()


async def test_an_upgrade_that_was_on_its_way_is_refused(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await home.person("alice")
    asked, may_answer = asyncio.Event(), asyncio.Event()
    authenticate = home.context.authenticator.authenticate

    async def slowly(token: str) -> Caller | Refusal:
        asked.set()
        await may_answer.wait()
        return await authenticate(token)

    monkeypatch.setattr(home.context.authenticator, "authenticate", slowly)
    refused = asyncio.create_task(home.refused(upgrade_request(alice.token)))
    await asked.wait()
    await drain(home.context, home.registry)
    may_answer.set()
    assert await refused == (503, "overloaded")
    assert len(home.registry) == 0


async def test_whoever_does_not_take_part_in_closing_is_let_go(
    home: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.app.CLOSE_WITHIN_S", 0.01)
    await home.live(await home.person("alice"))
    await drain(home.context, home.registry)
    await home.deserted()


async def test_sockets_are_closed_in_batches(home: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.app.DRAIN_BATCH", 2)
    pauses = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    talks = [await home.upgraded() for _ in range(5)]
    monkeypatch.setattr("server.app.asyncio.sleep", pause)
    await drain_beside(home, *talks)
    assert [seconds for seconds in pauses if seconds] == [DRAIN_PAUSE_S] * 2
