"""From a message to the worker: told when the message is on disk, never before, and never without it."""

import asyncio

from actors.jobs import Finished
from protocol.errors import Code
from protocol.ids import ChannelId, UserId
from protocol.resources import PublicProfile
from tests.actors.outbox_bench import Hand
from tests.actors.scene import Scene, scene
from tests.actors.trouble import Trouble, begin, outcome, post


async def with_agent(on: Scene) -> tuple[PublicProfile, ChannelId, Hand]:
    """Ann, her channel with an agent, and the worker that answers for it."""
    ann, agent = on.user("ann"), on.store.add_user("agent", is_bot=True)
    channel_id = await on.store.open_direct(ann.id, agent.id)
    assert channel_id is not None
    hand = Hand()
    hand.usual = Finished()
    on.chat.outboxes.employ(hand)
    await on.settle()
    return ann, channel_id, hand


async def test_a_worker_gets_the_job_of_a_message_as_soon_as_that_is_on_disk() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, channel_id, hand = await with_agent(on)
        committed = trouble.hold("commit")
        (asked,) = await begin(on, ann, channel_id, post("hi", "n"))
        assert hand.begun == []
        committed.set()
        done = await asked
        await on.settle()
        assert done.message is not None
        assert hand.last.payload == {"agent_id": 2, "channel_id": channel_id, "seq": done.message.seq}


async def test_a_repeated_message_is_no_second_job() -> None:
    async with scene() as on:
        ann, channel_id, hand = await with_agent(on)
        for _ in range(3):
            await outcome(on, ann, channel_id, post("hi", "n"))
        await on.settle()
        assert len(hand.begun) == 1


async def test_a_text_message_and_its_answer_are_one_job_each_for_their_workers() -> None:
    async with scene() as on:
        ann, channel_id, hand = await with_agent(on)
        texts = Hand("sms")
        texts.usual = Finished()
        on.chat.outboxes.employ(texts)
        await on.ask(ann, channel_id, post("hi", "n", via="twilio"))
        agent = on.store.tables.users[UserId(2)].profile
        await on.ask(agent, channel_id, post("hello", "answer", via="agent"))
        await on.settle()
        assert [job.key for job in hand.begun] == [f"agent:2:{channel_id}:2"]
        assert [job.payload["bridge"] for job in texts.begun] == ["twilio"]
        assert [row.state for row in on.store.tables.jobs.values()] == ["done", "done"]


async def test_a_commit_that_fails_leaves_no_job() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, channel_id, hand = await with_agent(on)
        trouble.fails_before.add("commit")
        assert await outcome(on, ann, channel_id, post("hi", "n")) == Code.UNAVAILABLE
        trouble.fails_before.clear()
        await on.settle()
        assert (hand.begun, on.store.tables.jobs) == ([], {})
        await outcome(on, ann, channel_id, post("hi", "n"))
        await on.settle()
        assert len(hand.begun) == 1


async def test_an_agent_is_told_of_what_it_missed_when_nobody_knew_that_it_was_written() -> None:
    trouble = Trouble()
    async with scene(trouble) as on:
        ann, channel_id, hand = await with_agent(on)
        trouble.fails_after.add("commit")
        assert await outcome(on, ann, channel_id, post("hi", "n")) == Code.UNAVAILABLE
        trouble.fails_after.clear()
        assert hand.begun == []
        assert (await outcome(on, ann, channel_id, post("hi", "n"))).duplicate
        on.chat.outboxes.poke("agent")
        await on.settle()
        assert len(hand.begun) == 1


async def test_stopping_the_chat_lets_a_job_say_its_last_word_in_the_channel() -> None:
    async with scene() as on:
        ann, channel_id, hand = await with_agent(on)
        hand.usual = None
        await outcome(on, ann, channel_id, post("hi", "n"))
        await on.settle()
        assert on.chat.outboxes.working() == {"agent": 1}
        stopping = asyncio.ensure_future(on.chat.stop())
        await on.settle()
        agent = on.store.tables.users[UserId(2)].profile
        answered = await on.ask(agent, channel_id, post("hello", "answer", via="agent"))
        assert answered.message is not None
        hand.end(hand.last.key)
        await stopping
        assert [row.state for row in on.store.tables.jobs.values()] == ["done"]
        assert await outcome(on, ann, channel_id, post("more", "m")) == Code.DRAINING
