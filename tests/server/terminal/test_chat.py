"""The terminal client against a real server, in one process."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from protocol.commands import Send
from protocol.errors import Code
from protocol.events import Ack, ErrorEvent, TypingEvent
from protocol.ids import MessageId, Seq
from protocol.rates import Rate
from server.settings import Settings
from server.terminal.api import Api, ApiRefused, Unreachable
from server.terminal.chat import Chat
from server.terminal.screen import Screen
from server.tls import tls_context
from tests.server.certificates import make_certificate
from tests.server.rest.client import Running, serving, settings_for
from tests.server.terminal.making import posted

PASSWORD = "a password for tests"


class Page(io.StringIO):
    """What is shown, and waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    def flush(self) -> None:
        self.written.set()

    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()

    async def until(self, words: str) -> str:
        async with asyncio.timeout(10):
            while True:
                self.written.clear()
                for line in self.lines:
                    if words in line:
                        return line
                await self.written.wait()


class Talker:
    def __init__(self, chat: Chat, page: Page) -> None:
        self.chat = chat
        self.page = page

    async def type(self, *lines: str) -> None:
        for line in lines:
            assert await self.chat.type(line)

    async def until(self, words: str) -> str:
        return await self.page.until(words)


@pytest.fixture
async def server(sqlite_url: str, tmp_path: Path) -> AsyncIterator[Running]:
    async with serving(settings_for(sqlite_url, tmp_path)) as running:
        yield running


@asynccontextmanager
async def talking(server: Running, name: str, *, is_new: bool = True) -> AsyncIterator[Talker]:
    async with aiohttp.ClientSession() as session:
        api = Api(session, server.server.urls[0])
        if is_new:
            await api.register(name, f"{name}@example.org", PASSWORD)
        await api.log_in(name, PASSWORD)
        page = Page()
        chat = Chat(api, Screen(io.StringIO(), page))
        running = asyncio.create_task(chat.connection.run(session))
        await chat.connected.wait()
        yield Talker(chat, page)
        chat.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def alice(server: Running) -> AsyncIterator[Talker]:
    async with talking(server, "alice") as talker:
        yield talker


@pytest.fixture
async def bob(server: Running) -> AsyncIterator[Talker]:
    async with talking(server, "bob") as talker:
        yield talker


async def test_a_channel_is_made_by_the_first_and_joined_by_the_second(alice: Talker, bob: Talker) -> None:
    await alice.type("/join #general", "hello")
    await alice.until("#general alice: hello")
    await bob.type("/join General")
    await bob.until("you talk in #general")
    assert (await bob.until("alice: hello")).endswith("#general alice: hello")
    await alice.until("-- bob joined #general")
    await bob.type("hi")
    await alice.until("#general bob: hi")
    await alice.type("/join general")
    assert sum("you talk in #general" in line for line in alice.page.lines) == 2


async def test_messages_are_edited_and_taken_back(alice: Talker) -> None:
    await alice.type("/join general", "/edit nothing yet")
    await alice.until("there is no message of yours here")
    await alice.type("first")
    await alice.until("alice: first")
    await alice.type("/edit better")
    await alice.until("alice: better (edited)")
    await alice.type("/delete")
    await alice.until("alice: (deleted)")


async def test_who_is_here_what_was_said_and_where_else_to_go(alice: Talker, bob: Talker) -> None:
    await bob.type("/join elsewhere")
    await alice.type("/join general", "one", "two")
    await alice.until("alice: two")
    await alice.type("/history 1")
    await alice.until("alice: two")
    await alice.type("/who", "/channels")
    await alice.until("   alice (owner)")
    await alice.until(" * #general")
    await alice.until("   #elsewhere (to join)")
    await alice.type("/help")
    await alice.until("/quit")


async def test_two_people_talk_alone(alice: Talker, bob: Talker) -> None:
    await alice.type("/dm @bob", "psst")
    await bob.until("@alice alice: psst")
    await alice.until("@bob alice: psst")
    await alice.type("again")
    await bob.until("alice: again")
    await bob.type("/dm alice", "what?")
    await alice.until("@bob bob: what?")
    await alice.type("/dm bob", "/dm nobody")
    await alice.until("there is no user nobody")


async def test_a_conversation_bears_the_others_name_from_the_start(
    server: Running, alice: Talker, bob: Talker
) -> None:
    await alice.type("/dm bob", "psst")
    await bob.until("@alice alice: psst")
    async with talking(server, "bob", is_new=False) as elsewhere:
        await elsewhere.type("/channels")
        assert await elsewhere.until("   @") == "   @alice"
    async with talking(server, "alice", is_new=False) as elsewhere:
        await alice.type("again")
        await elsewhere.until("@bob alice: again")


async def test_leaving_a_channel_leaves_nowhere_to_talk(alice: Talker, bob: Talker) -> None:
    await bob.type("/join general")
    await bob.until("you talk in #general")
    await alice.type("/join general", "/leave")
    await alice.until("you are no longer in #general (left)")
    await alice.type("hello?", "/who")
    assert sum("you are in no channel" in line for line in alice.page.lines) == 2
    await bob.until("-- alice left #general")


async def test_wrong_lines_and_refusals_are_told(alice: Talker) -> None:
    await alice.type("/dance", "", "/join  ", "/join " + "x" * 100)
    assert any("there is no command /dance" in line for line in alice.page.lines)
    assert any("80" in line for line in alice.page.lines)
    assert await alice.chat.type("/quit") is False


async def test_a_send_refused_for_now_is_repeated(alice: Talker) -> None:
    await alice.type("/join general")
    connection = alice.chat.connection
    lose, connection.send = connection.send, ignore  # type: ignore[method-assign]
    await alice.type("hello")
    connection.send = lose  # type: ignore[method-assign]
    (nonce,) = alice.chat.state.pending
    refusal = ErrorEvent(
        reply_to=nonce, code=Code.RATE_LIMITED, message="slow", retryable=True, retry_after_ms=1
    )
    await alice.chat.hear(refusal)
    await alice.until("alice: hello")


async def test_what_is_typed_faster_than_the_rate_allows_stays_in_order(
    sqlite_url: str, tmp_path: Path
) -> None:
    settings = replace(settings_for(sqlite_url, tmp_path), command_rate=Rate(per_s=200, burst=5))
    async with serving(settings) as running, talking(running, "alice") as alice:
        await alice.type("/join general", *(f"line {number}" for number in range(30)))
        await alice.until("alice: line 29")
        said = [line.partition("alice: ")[2] for line in alice.page.lines if "alice: " in line]
        assert said == [f"line {number}" for number in range(30)]


async def test_changes_wait_for_what_was_typed_before_them(alice: Talker) -> None:
    await alice.type("/join general", "helo", "/edit hello")
    await alice.until("alice: hello (edited)")
    await alice.type("one", "two", "/leave")
    await alice.until("you are no longer in #general (left)")
    assert alice.chat.refused == 0
    await alice.until("alice: two")


async def test_what_is_acknowledged_is_waited_for_until_it_is_shown(alice: Talker) -> None:
    await alice.type("/join general", "first")
    await alice.until("alice: first")
    chat = alice.chat
    assert chat.channel_id is not None
    view = chat.state.channels[chat.channel_id]
    chat.state.post(Send(content="hello", nonce="n", channel_id=view.id))
    await chat.hear(Ack(reply_to="n", message_id=MessageId(9), channel_id=view.id, seq=Seq(view.cursor + 1)))
    waiting = asyncio.create_task(chat.show_what_is_stored())
    await asyncio.sleep(0)
    assert not waiting.done()
    coming = posted(view.cursor + 1, "hello")
    await chat.hear(replace(coming, channel_id=view.id))
    await waiting
    assert "hello" in alice.page.lines[-1]


async def ignore(command: object) -> None:
    """What a lost connection does with a command."""


async def test_a_gap_is_closed_by_asking(alice: Talker, bob: Talker) -> None:
    await alice.type("/join general")
    await bob.type("/join general", "one", "two")
    await alice.until("bob: two")
    (view,) = alice.chat.state.channels.values()
    view.cursor = Seq(view.cursor - 2)
    ahead = posted(view.cursor + 2)
    await alice.chat.hear(type(ahead)(channel_id=view.id, seq=ahead.seq, message=ahead.message))
    async with asyncio.timeout(5):
        while sum("bob: two" in line for line in alice.page.lines) < 2:
            alice.page.written.clear()
            await alice.page.written.wait()


async def test_commands_without_a_connection_are_not_swallowed(alice: Talker) -> None:
    await alice.type("/join general")
    alice.chat.connected.clear()
    await alice.type("/history")
    await alice.until("not connected now")


async def test_typing_is_shown_to_people_only(alice: Talker, bob: Talker) -> None:
    await alice.type("/join general", "hello")
    await alice.until("alice: hello")
    assert alice.chat.channel_id is not None
    assert bob.chat.state.me is not None
    alice.chat.state.learn(bob.chat.state.me)
    event = TypingEvent(channel_id=alice.chat.channel_id, user_id=bob.chat.state.me.id)
    await alice.chat.hear(event)
    alice.chat._screen.is_live = True
    await alice.chat.hear(event)
    assert alice.page.getvalue().count("bob is typing") == 1


class TestApi:
    async def test_a_refusal_is_told_in_the_servers_words(self, server: Running) -> None:
        async with aiohttp.ClientSession() as session:
            api = Api(session, server.server.urls[0])
            with pytest.raises(ApiRefused) as refused:
                await api.log_in("nobody", PASSWORD)
        assert refused.value.code == "wrong_password"

    async def test_a_name_is_refused_in_words_with_its_field(self, server: Running) -> None:
        async with aiohttp.ClientSession() as session:
            api = Api(session, server.server.urls[0])
            with pytest.raises(ApiRefused) as refused:
                await api.register("al ice", "alice@example.org", PASSWORD)
        words = "username: Expected 1 to 100 of letters, digits, dot, underscore and hyphen"
        assert str(refused.value) == words

    async def test_a_server_that_is_not_there_is_told(self) -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(Unreachable, match="cannot be reached: Connection refused - does"):
                await Api(session, "http://127.0.0.1:1").log_in("nobody", PASSWORD)

    async def test_tls_is_spoken_by_both_or_told(self, server: Running) -> None:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(Unreachable, match="cannot be reached: no TLS is spoken there"):
                await Api(session, server.server.urls[0].replace("http:", "https:")).public_channels()

    async def test_a_certificate_that_is_not_trusted_is_told_with_what_to_do(self, tmp_path: Path) -> None:
        certificate, key = make_certificate(tmp_path)
        tls = tls_context(Settings(ssl_cert=certificate, ssl_key=key))
        listener = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0, ssl=tls)
        async with listener, aiohttp.ClientSession() as session:
            url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
            with pytest.raises(Unreachable, match=r"self-signed certificate - .* SSL_CERT_FILE"):
                await Api(session, url).public_channels()

    async def test_a_server_of_another_kind_is_told(self, server: Running) -> None:
        async with aiohttp.ClientSession() as session:
            api = Api(session, server.server.urls[0] + "/docs#")
            with pytest.raises((Unreachable, ApiRefused)):
                await api.public_channels()

    async def test_there_is_nothing_to_refresh_before_the_first_log_in(self, server: Running) -> None:
        async with aiohttp.ClientSession() as session:
            api = Api(session, server.server.urls[0])
            await api.refresh()
            assert api.tokens is None
