"""Answers as they are written: what each listener is shown, and who may stop them."""

import pytest

from actors import streams
from actors.channel_commands import ChangeChannel, PostMessage
from protocol import commands
from protocol.events import Ack, AgentDelta, ErrorEvent, NewMessage
from tests.actors.agents.stage import Stage, stage


def read(deltas: list[AgentDelta]) -> str:
    """The text of a stream as a client puts it together, which misses nothing in between."""
    text = ""
    for delta in deltas:
        assert delta.offset <= len(text)
        text = text[: delta.offset] + delta.text
    return text


async def next_piece(on: Stage) -> None:
    on.model.release()
    await on.here.settle()


async def test_pieces_that_come_at_once_are_shown_together() -> None:
    async with stage() as on:
        on.model.pieces = 20
        alice = on.here.user("alice")
        listener = await on.here.attach(alice)
        await on.tell(alice, "hello there, how are you")
        await on.here.settle()
        while on.model.waiting:
            await next_piece(on)
        deltas = listener.only(AgentDelta)
        assert read(deltas) == "re: hello there, how are you"
        assert len(deltas) <= 5
        assert [delta.done for delta in deltas] == [False] * (len(deltas) - 1) + [True]


async def test_what_is_left_over_is_shown_when_it_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "DELTA_EVERY_S", 0.001)
    async with stage() as on:
        on.model.pieces = 2
        alice = on.here.user("alice")
        listener = await on.here.attach(alice)
        await on.tell(alice, "hello")
        await on.here.settle()
        await next_piece(on)
        while not read(listener.only(AgentDelta)):
            await on.here.settle()
        assert read(listener.only(AgentDelta)) == "re: h"


async def test_who_was_congested_gets_the_text_from_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "DELTA_EVERY_S", 0.0)
    async with stage() as on:
        on.model.pieces = 4
        alice = on.here.user("alice")
        swift, slow = await on.here.attach(alice), await on.here.attach(alice, 2)
        await on.tell(alice, "hello there")
        await on.here.settle()
        await next_piece(on)
        slow.is_congested = True
        await next_piece(on)
        slow.is_congested = False
        await next_piece(on)
        assert [delta.offset for delta in swift.only(AgentDelta)][1:] == [0, 4, 8]
        assert [delta.offset for delta in slow.only(AgentDelta)][1:] == [0, 0]
        await next_piece(on)
        assert read(swift.only(AgentDelta)) == read(slow.only(AgentDelta)) == "re: hello there"
        assert swift.only(NewMessage)[-1].message.stream_id == swift.only(AgentDelta)[-1].stream_id


async def test_crowds_see_the_finished_answer_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "AUDIENCE_MAX", 1)
    async with stage() as on:
        alice = on.here.user("alice")
        first, second = await on.here.attach(alice), await on.here.attach(alice, 2)
        await on.tell(alice, "hello")
        await on.here.settle()
        await next_piece(on)
        for listener in (first, second):
            assert listener.only(AgentDelta) == []
            assert listener.only(NewMessage)[-1].message.content == "re: hello"


async def test_nobody_stops_an_answer_where_nobody_may_post() -> None:
    async with stage() as on:
        alice, bob = on.here.user("alice"), on.here.user("bob")
        channel_id = on.here.store.add_channel(alice.id, "c", [bob.id, on.agent.id])
        await on.here.ask(bob, channel_id, PostMessage(content="@echo hello", nonce=None))
        await on.here.ask(alice, channel_id, ChangeChannel(is_archived=True))
        listener = await on.here.attach(bob)
        (stream_id,) = {delta.stream_id for delta in listener.only(AgentDelta)}
        (refused,) = await on.here.say(listener, commands.Cancel(stream_id=stream_id))
        assert isinstance(refused, ErrorEvent)
        assert refused.code == "channel_archived"
        await next_piece(on)
        assert on.answers() == []


async def test_an_answer_is_stopped_once() -> None:
    async with stage() as on:
        alice = on.here.user("alice")
        listener = await on.here.attach(alice)
        await on.tell(alice, "hello")
        await on.here.settle()
        stream_id = listener.only(AgentDelta)[-1].stream_id
        stopped = await on.here.say(listener, commands.Cancel(stream_id=stream_id))
        assert any(isinstance(event, Ack) for event in stopped)
        (refused,) = await on.here.say(listener, commands.Cancel(stream_id=stream_id))
        assert isinstance(refused, ErrorEvent)
        assert (on.answers(), on.model.running) == (["(stopped)"], 0)
