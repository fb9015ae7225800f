"""What completions cost that came to no end: nobody speaks for nothing by stopping in time."""

from actors.agents.ports import ModelFailed, Said
from actors.agents.tools import make_tool
from actors.agents.writing import estimated_prompt
from protocol.agents import ToolRequest, Used
from protocol.errors import Unavailable
from tests.actors.agents.stage import Stage, stage


async def asked(on: Stage, text: str = "hello") -> None:
    await on.tell(on.here.user("alice"), text)
    await on.here.settle()


async def went_on(on: Stage) -> None:
    """The model says its next piece."""
    on.model.release()
    for _ in range(5):
        await on.here.settle()


async def stopped(on: Stage) -> None:
    """Somebody cancels the answer."""
    (stream,) = (
        each for streams in on.here.chat.fanout.streams._by_channel.values() for each in streams.values()
    )
    stream.stop()
    for _ in range(5):
        await on.here.settle()


async def test_a_whole_answer_is_paid_once() -> None:
    async with stage() as on:
        on.model.costs = [Used(7, 1)]
        await asked(on)
        await went_on(on)
        assert on.answers() == ["re: hello"]
        (completions,) = on.jobs.completions.values()
        assert completions[0].tokens_in > 10
        assert on.jobs.charged == []


async def test_an_answer_that_is_stopped_costs_what_was_read_and_written_until_then() -> None:
    async with stage() as on:
        on.model.pieces, on.model.costs = 2, [Used(7, 1)]
        await asked(on)
        await went_on(on)
        await stopped(on)
        assert on.answers() == ["re: h"]
        assert on.jobs.charged == [Used(7, 1)]
        assert on.jobs.completions == {}


async def test_what_was_read_is_estimated_where_the_model_does_not_tell() -> None:
    async with stage() as on:
        on.model.pieces, on.model.costs = 2, [Used(0, 3)]
        await asked(on, "x" * 4000)
        await went_on(on)
        await stopped(on)
        (charged,) = on.jobs.charged
        assert (1000 < charged.tokens_in < 1100, charged.tokens_out) == (True, 3)


async def test_an_answer_that_is_stopped_before_its_first_word_costs_what_was_read() -> None:
    async with stage() as on:
        await asked(on, "x" * 4000)
        await stopped(on)
        (charged,) = on.jobs.charged
        assert (1000 < charged.tokens_in < 1100, charged.tokens_out) == (True, 0)


async def test_an_answer_that_takes_too_long_is_paid() -> None:
    async with stage(timeout_s=0.01) as on:
        await asked(on)
        while not on.answers():
            await on.here.settle()
        assert len(on.jobs.charged) == 1


async def test_an_answer_that_a_stop_of_the_server_interrupts_is_paid() -> None:
    async with stage() as on:
        await asked(on)
        await on.here.chat.outboxes.stop()
        await on.here.settle()
        assert len(on.jobs.charged) == 1


async def test_a_model_that_fails_midway_is_paid_and_one_that_never_answered_is_not() -> None:
    async with stage() as on:
        on.model.costs, on.model.failure = [Used(7, 2)], ModelFailed("no", is_retryable=False)
        await asked(on)
        await went_on(on)
        assert on.jobs.charged == [Used(7, 2)]
        await on.tell(on.here.user("bob"), "hello")
        await on.here.settle()
        await went_on(on)
        assert on.jobs.charged == [Used(7, 2)]


async def test_tokens_are_tallied_as_they_are_charged() -> None:
    async with stage() as on:
        on.model.pieces, on.model.costs = 2, [Used(7, 1)]
        await asked(on)
        await went_on(on)
        await stopped(on)
        assert (on.tally.tokens_in["echo"], on.tally.tokens_out["echo"]) == (7, 1)


async def test_a_database_that_is_away_when_it_is_to_be_paid_delays_the_answer() -> None:
    async with stage() as on:
        await asked(on)
        on.jobs.trouble = [Unavailable("away")]
        await stopped(on)
        assert on.answers() == []
        on.here.clock.passed_s += 2
        on.here.chat.outboxes.poke("agent")
        await on.here.settle()
        await went_on(on)
        assert on.answers() == ["re: hello"]


def test_a_prompt_costs_a_token_for_4_characters_of_all_that_is_told() -> None:
    async def act() -> None: ...

    tool = make_tool("act", "d" * 400, act, [])
    said = [Said("user", "x" * 40), Said("assistant", "", (ToolRequest("1", "act", "y" * 40),))]
    assert estimated_prompt(said, ()) == 20
    assert estimated_prompt(said, [tool]) > 120
