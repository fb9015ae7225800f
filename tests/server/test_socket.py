"""One socket on a transport that tests look into."""

import asyncio
from typing import Any

import pytest

from actors.channel_commands import Done
from protocol.errors import Code, Refusal
from protocol.events import HistoryPage, SyncPage
from protocol.frames import CLOSE, client_frame, close_payload
from protocol.ids import ChannelId, Seq
from tests.server.bare_socket import (
    BUSY,
    UNSENT_MAX,
    Scene,
    caller_of,
)
from tests.server.talking import MASK


@pytest.fixture
async def live() -> Scene:
    """Logged in by header and told `ready`."""
    scene = Scene(caller=caller_of())
    scene.socket.go_live()
    await ticks()
    return scene


@pytest.fixture
async def unknown() -> Scene:
    """Not logged in yet."""
    return Scene(caller=None)


async def ticks() -> None:
    """Let what is due soon be done."""
    for _ in range(3):
        await asyncio.sleep(0)


def ping(name: str) -> dict[str, Any]:
    return {"type": "ping", "id": name}


def history(name: str) -> dict[str, Any]:
    return {"type": "history", "id": name, "channel_id": 7}


# Writing.


async def test_what_is_said_in_one_tick_is_one_write(live: Scene) -> None:
    live.socket.write(b"one")
    live.socket.write(b"two")
    assert live.transport.written == []
    await ticks()
    live.socket.write(b"three")
    await ticks()
    assert live.transport.written == [b"onetwo", b"three"]


async def test_nothing_is_written_to_who_has_left(live: Scene) -> None:
    live.socket.write(b"one")
    live.socket.connection_lost(None)
    live.socket.write(b"two")
    live.socket.abort()
    live.socket.close(1012, "")
    await ticks()
    assert (live.transport.written, live.transport.done) == ([], [])
    assert live.chat.detached == [live.socket]
    assert len(live.registry) == 0


async def test_who_never_logged_in_is_not_detached(unknown: Scene) -> None:
    unknown.socket.connection_lost(None)
    assert unknown.chat.detached == []


# Commands.


async def test_answers_name_their_command_and_typing_is_answered_only_when_refused(live: Scene) -> None:
    live.say(ping("a"), *[{"type": "typing", "id": each, "channel_id": 7} for each in "bc"])
    live.answer(0)
    live.answer(1)
    live.answer(2, BUSY)
    await ticks()
    pong, error = live.heard()
    assert (pong["type"], pong["reply_to"]) == ("pong", "a")
    assert (error["code"], error["reply_to"], error["retry_after_ms"]) == ("overloaded", "c", 1000)


async def test_commands_wait_for_ready_and_no_more_is_read_meanwhile() -> None:
    scene = Scene(caller=caller_of())
    scene.say(ping("a"), ping("b"))
    scene.say(ping("c"))
    assert (scene.chat.acts, scene.transport.reads) == ([], False)
    scene.socket.go_live()
    scene.say(ping("d"))
    assert scene.chat.acts == []
    await ticks()
    assert (scene.chat.commands, scene.transport.reads) == (["a", "b", "c", "d"], True)


async def test_commands_that_were_held_are_dropped_with_their_socket() -> None:
    scene = Scene(caller=caller_of())
    scene.say(ping("a"))
    scene.socket.go_live()
    scene.socket.connection_lost(None)
    await ticks()
    assert scene.chat.acts == []


async def test_a_socket_that_is_closing_does_not_go_live(live: Scene) -> None:
    live.socket.close(1012, "")
    live.socket.go_live()
    assert not live.socket.is_live


async def test_no_command_behind_a_violation_is_acted_on(live: Scene) -> None:
    live.say(ping("a"), {"type": "nonsense"}, ping("b"))
    assert live.chat.commands == ["a"]
    assert [each if isinstance(each, int) else each["code"] for each in live.heard()] == ["malformed", 4400]


# Pages.


def page(*, more: bool) -> Done:
    sync = SyncPage(
        channel_id=ChannelId(7), from_=Seq(0), to=Seq(0), messages=(), members=(), channel=None, more=more
    )
    return Done(channel_id=ChannelId(7), seq=Seq(0), sync=sync)


HISTORY = Done(
    channel_id=ChannelId(7),
    seq=Seq(0),
    history=HistoryPage(channel_id=ChannelId(7), messages=(), more=True),
)


async def test_pages_are_asked_for_one_at_a_time_and_what_is_behind_them_waits(live: Scene) -> None:
    live.say(history("a"), ping("b"), history("c"), ping("d"))
    assert (live.chat.commands, live.transport.reads) == (["a", "b"], False)
    live.answer(0, HISTORY)
    await ticks()
    assert (live.chat.commands, live.transport.reads) == (["a", "b", "c", "d"], True)


async def test_a_sync_lasts_until_its_last_page(live: Scene) -> None:
    live.say({"type": "sync", "id": "a", "channel_id": 7, "from": 0}, history("b"))
    for result in (Done(channel_id=ChannelId(7), seq=Seq(0), reset=True), page(more=True)):
        live.answer(0, result)
        await ticks()
        assert live.chat.commands == ["a"]
    live.answer(0, page(more=False))
    await ticks()
    assert live.chat.commands == ["a", "b"]


async def test_a_page_that_is_refused_is_done_with(live: Scene) -> None:
    live.say(history("a"), history("b"))
    live.answer(0, BUSY)
    await ticks()
    assert live.chat.commands == ["a", "b"]


async def test_the_next_page_waits_until_the_reader_has_taken_the_last(live: Scene) -> None:
    live.say(history("a"), history("b"))
    live.socket.pause_writing()
    live.answer(0, HISTORY)
    await ticks()
    assert live.chat.commands == ["a"]
    live.socket.resume_writing()
    assert (live.chat.commands, live.transport.reads) == (["a", "b"], True)


async def test_who_waits_for_a_page_is_not_taken_for_dead(live: Scene) -> None:
    live.say(history("a"), history("b"))
    for _ in range(10):
        live.socket.beat()
    live.answer(0, HISTORY)
    await ticks()
    assert live.chat.commands == ["a", "b"]
    for _ in range(3):
        live.socket.beat()
    assert live.transport.done == ["eof"]


# Falling behind.


async def test_who_is_past_the_bound_leaves_every_audience_until_drained(live: Scene) -> None:
    live.socket.cursors[ChannelId(8)] = Seq(1)
    live.socket.pause_writing()
    live.transport.unsent_bytes = UNSENT_MAX + 1
    live.socket.write(b"x")
    await ticks()
    assert not live.socket.is_live
    assert live.socket.cursors == {ChannelId(7): Seq(3), ChannelId(8): Seq(1)}
    assert not live.transport.reads
    live.say(ping("a"))
    live.socket.resume_writing()
    *_, attach = live.chat.attached
    assert (attach.is_lagging, live.chat.acts) == (True, [])
    live.socket.go_live()
    await ticks()
    assert live.chat.commands == ["a"]


async def test_who_is_congested_within_the_bound_stays(live: Scene) -> None:
    assert live.transport.high < UNSENT_MAX
    live.socket.pause_writing()
    live.transport.unsent_bytes = UNSENT_MAX
    live.socket.write(b"x")
    await ticks()
    assert (live.socket.is_live, live.socket.is_congested, live.chat.fanout.left) == (True, True, 0)
    live.socket.resume_writing()
    assert len(live.chat.attached) == 1


async def test_who_drains_before_logging_in_is_not_attached(unknown: Scene) -> None:
    unknown.socket.pause_writing()
    unknown.socket.resume_writing()
    assert unknown.chat.attached == []


async def test_waiting_for_the_reader_ends_when_it_has_drained_or_left(live: Scene) -> None:
    assert await live.socket.drained()
    for end, keeps_up in (
        (live.socket.resume_writing, True),
        (lambda: live.socket.connection_lost(None), False),
    ):
        live.socket.pause_writing()
        waiting = [asyncio.ensure_future(live.socket.drained()) for _ in range(2)]
        await ticks()
        assert not any(each.done() for each in waiting)
        waiting[0].cancel()
        end()
        assert await waiting[1] is keeps_up
    assert not await live.socket.drained()


# Credentials.


async def test_who_leaves_before_the_token_is_looked_up_is_not_attached(unknown: Scene) -> None:
    unknown.say({"type": "hello", "token": "t"})
    ((token, done),) = unknown.looked_up
    unknown.socket.connection_lost(None)
    done(caller_of())
    assert (token, unknown.chat.attached) == ("t", [])


async def test_renewing_is_paid_for_before_the_token_is_looked_up(live: Scene) -> None:
    live.say({"type": "auth", "id": "a", "token": "new"})
    assert live.looked_up == []
    live.answer(0)
    ((token, done),) = live.looked_up
    done(caller_of())
    await ticks()
    assert (token, live.heard()) == ("new", [{"type": "ack", "reply_to": "a"}])


async def test_renewing_that_comes_too_late_changes_nothing(live: Scene) -> None:
    live.say({"type": "auth", "token": "new"})
    live.answer(0)
    expires_at_s = live.socket.expires_at_s
    live.socket.close(1012, "")
    live.looked_up[0][1](caller_of())
    assert live.socket.expires_at_s == expires_at_s


async def test_renewing_is_not_looked_up_once_the_budget_is_spent(live: Scene) -> None:
    live.say({"type": "auth", "token": "new"})
    live.answer(0, Refusal(Code.RATE_LIMITED, "Slow down.", retry_after_ms=10))
    await ticks()
    assert [error["code"] for error in live.heard()] == ["rate_limited"]
    assert live.looked_up == []


# Ending.


async def test_a_close_follows_what_was_said_before_and_is_said_once(live: Scene) -> None:
    live.say(ping("a"))
    live.answer(0)
    live.socket.close(4410, "slow")
    live.socket.close(1012, "restarting")
    await ticks()
    pong, code = live.heard()
    assert (pong["type"], code) == ("pong", 4410)
    assert (live.transport.done, live.chat.fanout.left) == (["eof"], 1)


async def test_a_closing_socket_reads_on_until_the_client_has_closed_too() -> None:
    scene = Scene(caller=caller_of())
    scene.say(ping("a"))
    assert not scene.transport.reads
    scene.socket.close(1012, "")
    assert scene.transport.reads
    scene.say(ping("b"))
    assert scene.transport.done == ["eof"]
    scene.socket.data_received(client_frame(CLOSE, close_payload(1012), MASK))
    assert scene.transport.done == ["eof", "close"]
    assert scene.chat.acts == []


async def test_a_transport_that_cannot_half_close_is_closed_by_the_client() -> None:
    scene = Scene(caller=caller_of(), half_closes=False)
    scene.socket.close(1012, "")
    assert scene.transport.done == []
    scene.socket.data_received(client_frame(CLOSE, close_payload(1012), MASK))
    assert scene.transport.done == ["close"]


async def test_a_farewell_is_answered_in_kind(live: Scene) -> None:
    live.socket.data_received(client_frame(CLOSE, close_payload(4001, "bye"), MASK))
    assert (live.heard(), live.transport.done) == ([4001], ["eof", "close"])


async def test_the_end_of_the_clients_bytes_ends_the_connection(live: Scene) -> None:
    assert not live.socket.eof_received()


async def test_who_does_not_take_part_in_closing_is_let_go(live: Scene) -> None:
    live.socket.close(1012, "")
    live.socket.abort()
    assert live.transport.done == ["eof", "abort"]
