"""Two terminals talk, and go on talking when the server is killed and started again under them."""

from loadtest.own_server import OwnServer
from tests.end_to_end.talkers import talking


async def test_two_terminals_talk(own_server: OwnServer) -> None:
    async with (
        talking(own_server.url, "alice", "--channel", "general") as alice,
        talking(own_server.url, "bob") as bob,
    ):
        await alice.until("you talk in #general")
        await alice.say("is anybody there?")
        await alice.until("#general alice: is anybody there?")
        await bob.until("-- connected")
        await bob.say("/join general")
        await bob.until("#general alice: is anybody there?")
        await bob.say("yes \x1b[31mme\x07")
        assert (await alice.until("#general bob: ")).endswith("bob: yes [31mme\n")
        await alice.say("/dm bob")
        await alice.until("you talk to @bob")
        await alice.say("between us")
        await bob.until("@alice alice: between us")
        assert await alice.leave() == 0
        assert await bob.leave() == 0


async def test_they_resume_and_nothing_is_lost_or_doubled_when_the_server_is_killed(
    own_server: OwnServer,
) -> None:
    async with (
        talking(own_server.url, "alice", "--channel", "general") as alice,
        talking(own_server.url, "bob") as bob,
    ):
        await alice.until("you talk in #general")
        await bob.until("-- connected")
        await bob.say("/join general")
        await bob.until("you talk in #general")
        await alice.say("before")
        await bob.until("alice: before")
        await own_server.kill()
        await alice.until("connection lost")
        await bob.until("connection lost")
        await alice.say("while it was away")
        await bob.say("meanwhile")
        await own_server.start()
        await alice.until("bob: meanwhile")
        await bob.until("alice: while it was away")
        await bob.say("after")
        await alice.until("bob: after")
        assert await alice.leave() == 0
        assert await bob.leave() == 0
    for talker in (alice, bob):
        said = [
            line[6:].removeprefix("#general ") for line in talker.shown if line[6:].startswith("#general ")
        ]
        assert sorted(said) == [
            "alice: before",
            "alice: while it was away",
            "bob: after",
            "bob: meanwhile",
        ]


async def test_lines_of_a_script_are_sent_before_it_leaves(own_server: OwnServer) -> None:
    async with talking(own_server.url, "bot", "--channel", "builds") as bot:
        for number in range(10):
            await bot.say(f"build {number}")
        assert await bot.leave() == 0
    sent = [line.rpartition(": ")[2] for line in bot.shown if "bot: build" in line]
    assert sent == [f"build {number}" for number in range(10)]
