"""Too many commands, no answer to heartbeats, and readers who do not keep up."""

from collections.abc import AsyncIterator

import pytest
from msgspec import structs

from actors.user import User
from actors.user_mail import Act
from protocol.codec import JSON, MSGPACK, Codec
from protocol.ids import UserId
from protocol.rates import Rate
from server.settings import Settings
from server.socket import Socket
from tests.server.rest.client import Api, Json
from tests.server.talking import Place, Talk, place

PING = {"type": "ping"}


# Commands.


@pytest.fixture
async def strict(quick_settings: Settings) -> AsyncIterator[Place]:
    """A server that takes five commands at once and two a second."""
    async with place(quick_settings, command_rate=Rate(per_s=2, burst=5)) as strict:
        yield strict


async def outcome(talk: Talk) -> str:
    answer = await talk.ask(PING)
    return str(answer["type"] if answer["type"] != "error" else answer["code"])


async def test_too_many_commands_are_refused_with_a_hint_that_holds(strict: Place) -> None:
    talk = await strict.live(await strict.person("alice"))
    assert [await outcome(talk) for _ in range(5)] == ["pong"] * 5
    error = await talk.ask(PING)
    assert (error["code"], error["retryable"], error["retry_after_ms"]) == ("rate_limited", True, 500)
    strict.clock.moved_s += error["retry_after_ms"] / 1000
    assert [await outcome(talk) for _ in range(2)] == ["pong", "rate_limited"]


async def test_the_budget_is_of_the_user_not_of_the_socket(strict: Place) -> None:
    alice, bob = await strict.person("alice"), await strict.person("bob")
    one, other = await strict.live(alice), await strict.live(alice)
    assert [await outcome(one) for _ in range(5)] == ["pong"] * 5
    assert await outcome(other) == "rate_limited"
    assert await outcome(await strict.live(bob)) == "pong"


async def test_a_flood_of_ten_seconds_ends_the_socket(strict: Place) -> None:
    alice, bob = await strict.person("alice"), await strict.person("bob")
    talk, other = await strict.live(alice), await strict.live(bob)
    talk.say(*[PING] * 6)
    await talk.hear("error")
    for _ in range(19):
        strict.clock.moved_s += 0.5
        talk.say(*[PING] * 2)
        await talk.hear("error")
    strict.clock.moved_s += 0.5
    talk.say(*[PING] * 2)
    assert await talk.ended() == 4429
    assert await other.is_well()


async def test_a_pause_ends_a_flood(strict: Place) -> None:
    talk = await strict.live(await strict.person("alice"))
    for _ in range(4):
        talk.say(*[PING] * 20)
        for _ in range(15):
            await talk.hear("error")
        strict.clock.moved_s += 5
    assert await talk.is_well()


async def test_a_crowd_of_commands_in_one_packet_is_answered_one_by_one(strict: Place) -> None:
    talk = await strict.live(await strict.person("alice"))
    talk.say(*[PING | {"id": str(n)} for n in range(5_000)])
    answers = [(await talk.next())["reply_to"] for _ in range(5_000)]
    assert sorted(answers, key=int) == [str(n) for n in range(5_000)]


# Heartbeats.


async def test_who_leaves_two_heartbeats_unanswered_is_let_go(home: Place) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    silent, well = await home.live(alice), await home.live(bob)
    silent.answers_pings = False
    for beats in range(1, 4):
        home.seconds_pass(25)
        assert await well.is_well()
        assert well.pings == beats
    assert await silent.ended() == 4408
    assert silent.pings == 2


# Slow readers.

UNSENT_MAX = 65_536
CONTENT = "x" * 15_000


class Crowd:
    """A channel where one reader is slow."""

    def __init__(self, home: Place, alice: Api, bob: Api, channel_id: int, codec: Codec) -> None:
        self.home = home
        self.bob = bob
        self.channel_id = channel_id
        self.posted: list[int] = []
        self.codec = codec
        self._alice = alice
        self._numbers = 0

    async def begin(self) -> None:
        self._writer = await self.home.live(self._alice)
        self.slow = await self.home.upgraded(self.bob.token, self.codec, received_bytes=4096)
        await self.slow.hear("ready")
        sockets = self.home.context.chat.fanout.connections_of(UserId(self.bob.id))
        (self.socket,) = [socket for socket in sockets if isinstance(socket, Socket)]

    async def post(self, times: int = 1) -> None:
        for _ in range(times):
            self._numbers += 1
            send = {"type": "send", "channel_id": self.channel_id, "content": CONTENT}
            ack = await self._writer.ask(send | {"nonce": str(self._numbers)})
            self.posted.append(ack["seq"])
            self._writer.events.clear()
            self._writer.rewind()

    async def stall(self) -> None:
        """The reader stops reading, and much is said until the server notices."""
        self.slow.wire.transport.pause_reading()
        while self.socket.is_live:
            assert len(self.posted) < 2_000
            await self.post(10)

    def read_again(self) -> None:
        self.slow.wire.transport.resume_reading()

    async def let_go(self) -> None:
        """Wait until the server has forgotten the slow reader."""
        while self.home.context.chat.fanout.connections_of(UserId(self.bob.id)):
            await self.post()

    async def caught_up(self) -> list[int]:
        """Every message that the slow reader has seen once it has seen the last one."""
        seen: list[int] = []
        while not seen or seen[-1] != self.posted[-1]:
            event = await self.slow.next()
            if event["type"] == "new_message":
                seen.append(event["seq"])
            elif event["type"] == "sync":
                assert event["from"] >= (seen[-1] if seen else 0)
                seen += [message["seq"] for message in event["messages"]]
        return seen


@pytest.fixture(params=[JSON, MSGPACK], ids=["json", "msgpack"])
async def crowd(quick_settings: Settings, request: pytest.FixtureRequest) -> AsyncIterator[Crowd]:
    settings = structs.replace(quick_settings, max_unsent_bytes=UNSENT_MAX)
    async with place(settings) as home:
        alice, bob = await home.person("alice"), await home.person("bob")
        channel_id = await home.channel(alice, bob)
        crowd = Crowd(home, alice, bob, channel_id, request.param)
        await crowd.begin()
        yield crowd


def unsent_bytes(socket: Socket) -> int:
    transport = socket._transport
    assert transport is not None
    return transport.get_write_buffer_size()


async def test_a_slow_reader_costs_bounded_memory_and_loses_nothing(crowd: Crowd) -> None:
    await crowd.stall()
    crowd.slow.say(PING | {"id": "patient"})
    stalled_at = unsent_bytes(crowd.socket)
    await crowd.post(100)
    made = await crowd.home.channel(crowd.bob)
    assert unsent_bytes(crowd.socket) == stalled_at < UNSENT_MAX + 12 * len(CONTENT)
    crowd.read_again()
    await crowd.slow.hear("lagging")
    ready = await crowd.slow.next()
    assert ready["type"] == "ready"
    assert {channel["id"] for channel in ready["channels"]} == {crowd.channel_id, made}
    crowd.slow.rewind()
    assert await crowd.caught_up() == crowd.posted
    await crowd.post()
    assert await crowd.caught_up() == crowd.posted[-1:]
    assert "patient" in [event.get("reply_to") for event in crowd.slow.events if event["type"] == "pong"]


async def test_who_is_still_behind_after_thirty_seconds_is_let_go(crowd: Crowd) -> None:
    await crowd.stall()
    crowd.home.seconds_pass(29)
    await crowd.post()
    assert crowd.home.context.chat.fanout.connections_of(UserId(crowd.bob.id))
    crowd.home.seconds_pass(1)
    crowd.read_again()
    assert await crowd.slow.ended() == 4410
    resumed = await crowd.home.resumed(crowd.bob, (crowd.channel_id, 0))
    crowd.slow = resumed
    assert await crowd.caught_up() == crowd.posted


async def test_who_never_reads_again_is_dropped(crowd: Crowd) -> None:
    await crowd.stall()
    crowd.home.seconds_pass(30)
    crowd.home.seconds_pass(6)
    await crowd.let_go()


# Large pages.

EMOJI = "\N{GRINNING FACE}" * 15_000


async def full_channel(home: Place, messages: int) -> tuple[Talk, int, list[int]]:
    """A reader of a channel with this many of the largest messages, the channel, and their `seq`s."""
    alice, bob = await home.person("alice"), await home.person("bob")
    channel_id = await home.channel(alice, bob)
    writer = await home.live(alice)
    seqs = []
    for number in range(messages):
        send = {"type": "send", "channel_id": channel_id, "content": EMOJI, "nonce": str(number)}
        seqs.append((await writer.ask(send))["seq"])
    return await home.upgraded(bob.token, received_bytes=4096), channel_id, seqs


async def test_pages_of_long_messages_are_short_and_nothing_is_left_out(home: Place) -> None:
    talk, channel_id, seqs = await full_channel(home, 60)
    await talk.hear("ready")
    read: list[int] = []
    page: Json = {"more": True}
    while page["more"]:
        before = {"before": read[-1]} if read else {}
        page = await talk.ask({"type": "history", "channel_id": channel_id, "limit": 200} | before)
        read += [message["seq"] for message in page["messages"]]
        assert len(page["messages"]) < 20
    assert read == seqs[::-1]
    talk.say({"type": "sync", "channel_id": channel_id, "from": 0})
    synced, page = [], {"more": True, "to": 0}
    while page["more"]:
        page, earlier = await talk.hear("sync"), page
        assert page["from"] == earlier["to"]
        assert len(page["messages"]) < 20
        synced += [message["seq"] for message in page["messages"]]
    assert synced == seqs


async def test_pages_are_given_one_at_a_time_to_a_reader_that_does_not_read(home: Place) -> None:
    talk, channel_id, _ = await full_channel(home, 60)
    ready = await talk.hear("ready")
    talk.wire.transport.pause_reading()
    pages: list[Json] = [{"type": "history", "channel_id": channel_id, "limit": 200}] * 6
    pages += [{"type": "sync", "channel_id": channel_id, "from": 0}] * 6
    talk.say(*[page | {"id": str(number)} for number, page in enumerate(pages)], PING | {"id": "last"})
    sockets = {each.connection_id: each for each in home.registry.all() if isinstance(each, Socket)}
    socket = sockets[ready["connection_id"]]
    witness = await home.live(await home.person("witness"))
    while not socket.is_congested:
        assert await witness.is_well()
    for _ in range(20):
        assert await witness.is_well()
    assert unsent_bytes(socket) < 3_000_000
    talk.wire.transport.resume_reading()
    unanswered = {str(number) for number in range(12)} | {"last"}
    while unanswered:
        unanswered.discard((await talk.next()).get("reply_to", ""))


# Bugs.


async def test_a_bug_in_one_users_actor_hurts_nobody_else_and_they_may_come_back(
    home: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    alice, bob = await home.person("alice"), await home.person("bob")
    talk, other = await home.live(alice), await home.live(bob)

    def stumble(user: User, act: Act, command: object) -> None:
        raise LookupError("a bug")

    with monkeypatch.context() as broken:
        broken.setattr(User, "_for_oneself", stumble)
        answer = await talk.ask(PING)
        assert (answer["code"], answer["retryable"]) == ("internal", True)
        assert await talk.ended() == 1012
    assert "a bug" not in str(talk.events)
    assert "LookupError" not in str(talk.events)
    assert await other.is_well()
    assert await (await home.live(alice)).is_well()
    assert "a bug" in caplog.text
