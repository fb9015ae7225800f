"""Orchestrators under the outbox: order, bounds, and what becomes of answers that fail or are withdrawn."""

from actors.agents.orchestrator import AnswerMessage, Withdraw, orchestrator_kind
from actors.jobs import Finished, Job
from protocol import commands
from protocol.errors import Unavailable
from protocol.ids import Seq
from protocol.jobs import AgentJob, JobId
from tests.actors.agents.stage import Stage, stage
from tests.actors.scene import START

CONVERSATIONS = 200


async def drained(on: Stage) -> int:
    """How often a model that takes its time for each answer was waited for until all were answered."""
    waits = 0
    while on.model.waiting:
        on.model.release()
        waits += 1
        for _ in range(5):
            await on.here.settle()
    return waits


async def test_200_conversations_at_once_are_all_answered_eight_at_a_time() -> None:
    """With a model that takes 2 s that is 25 times 2 s, and no more calls at once than configured."""
    async with stage(concurrency=8) as on:
        people = [on.here.user(f"p{number}") for number in range(CONVERSATIONS)]
        for person in people:
            await on.tell(person, person.username)
        await on.here.settle()
        assert len(on.model.waiting) == 8
        assert await drained(on) == CONVERSATIONS / 8
        assert sorted(on.answers(), key=str) == sorted(f"re: {person.username}" for person in people)
        assert on.model.most_at_once == 8


async def test_each_conversation_is_answered_in_order_whatever_the_others_do() -> None:
    async with stage(concurrency=8) as on:
        alice, bob = on.here.user("alice"), on.here.user("bob")
        for number in range(5):
            await on.tell(alice, f"a{number}")
            await on.tell(bob, f"b{number}")
        await on.here.settle()
        assert len(on.model.waiting) == 2
        await drained(on)
        assert [text for text in on.answers() if "a" in str(text)] == [
            f"re: a{number}" for number in range(5)
        ]
        assert [text for text in on.answers() if "b" in str(text)] == [
            f"re: b{number}" for number in range(5)
        ]


async def test_a_database_that_is_away_delays_the_answer() -> None:
    async with stage() as on:
        on.jobs.trouble = [Unavailable("away")]
        await on.tell(on.here.user("alice"), "hello")
        await on.here.settle()
        assert on.answers() == []
        on.here.clock.passed_s += 2
        on.here.chat.outboxes.poke("agent")
        await on.here.settle()
        await drained(on)
        assert on.answers() == ["re: hello"]


async def test_a_bug_ends_one_answer_and_not_the_conversation() -> None:
    async with stage() as on:
        alice = on.here.user("alice")
        on.jobs.trouble = [ZeroDivisionError("a bug")]
        await on.tell(alice, "hello")
        await on.here.settle()
        on.here.clock.passed_s += 2
        on.here.chat.outboxes.poke("agent")
        await on.here.settle()
        await drained(on)
        assert on.answers() == ["re: hello"]


async def test_an_answer_that_is_withdrawn_ends_its_call_and_is_not_posted() -> None:
    async with stage() as on:
        await on.tell(on.here.user("alice"), "hello")
        await on.here.settle()
        assert on.model.running == 1
        await on.here.chat.outboxes.stop()
        assert on.model.running == 0
        assert on.answers() == []


async def test_orchestrators_sleep_when_nobody_talks_to_them() -> None:
    async with stage() as on:
        alice = on.here.user("alice")
        sent = await on.tell(alice, "hello")
        await on.here.settle()
        address = (orchestrator_kind(on.agent.id), sent.channel_id)
        on.here.clock.passed_s += 1000
        on.here.chat.system.sweep()
        assert on.here.chat.system.actor(address) is not None
        await drained(on)
        on.here.clock.passed_s += 1000
        on.here.chat.system.sweep()
        assert on.here.chat.system.actor(address) is None
        await on.tell(alice, "again")
        await on.here.settle()
        await drained(on)
        assert on.answers() == ["re: hello", "re: again"]


async def test_a_question_that_is_gone_is_not_answered() -> None:
    async with stage(concurrency=1) as on:
        alice, bob = on.here.user("alice"), on.here.user("bob")
        listener = await on.here.attach(alice)
        await on.tell(bob, "first")
        await on.here.settle()
        sent = await on.tell(alice, "never mind")
        await on.here.say(listener, commands.Delete(message_id=sent.id, channel_id=sent.channel_id))
        await drained(on)
        assert on.model.asked == ["first"]


async def test_whoever_waits_hears_when_an_orchestrator_ends() -> None:
    """The outbox has them answered later, each once."""
    async with stage() as on:
        alice = on.here.user("alice")
        await on.tell(alice, "hello")
        await on.here.settle()
        on.here.chat.system.end_all(orchestrator_kind(on.agent.id))
        await on.here.settle()
        assert (on.model.running, on.answers()) == (0, [])
        on.here.clock.passed_s += 2
        on.here.chat.outboxes.poke("agent")
        await on.here.settle()
        await drained(on)
        assert on.answers() == ["re: hello"]


async def test_a_second_job_waits_for_the_first_and_may_be_withdrawn() -> None:
    async with stage() as on:
        channel_id = await on.channel(on.here.user("alice"))
        outcomes: list[object] = []
        address = (orchestrator_kind(on.agent.id), channel_id)
        jobs = [job(number) for number in (1, 2, 3)]
        for each in jobs:
            task = AgentJob(on.agent.id, channel_id, Seq(99))
            on.here.chat.system.put(address, AnswerMessage(each, task, outcomes.append))
        on.here.chat.system.put(address, Withdraw(jobs[1]))
        await on.here.settle()
        assert outcomes == [Finished(), Finished()]


def job(number: int) -> Job:
    return Job(
        id=JobId(number),
        kind="agent",
        key=f"k{number}",
        lane=None,
        payload=None,
        attempt=1,
        is_again=False,
        queued_at=START,
        idle_since=START,
    )
