"""A server that ends in the middle of telling tells the rest after its start, each event under its own id."""

from server.settings import Settings
from server.webhooks.worker import SEALED
from tests.server.talking import Place, place
from tests.server.webhooks.telling import Story
from tests.stand_ins.receiver import Receiver, Replies, Stalls


async def test_what_was_under_way_is_told_after_a_restart(quick_settings: Settings, told: Receiver) -> None:
    async with place(quick_settings, webhook_private_addresses=True) as home:
        story = await Story.begin(home, told)
        told.will(Replies(), Stalls())
        await story.say("one", "two", "three")
        await told.attempted(2)
    told.go_on.set()
    async with place(quick_settings, webhook_private_addresses=True):
        await told.accepted(3)
    assert told.texts == ["one", "two", "three"]


async def test_the_channel_knows_its_webhooks_after_a_restart(
    quick_settings: Settings, told: Receiver
) -> None:
    async with place(quick_settings, webhook_private_addresses=True) as home:
        story = await Story.begin(home, told)
    async with place(quick_settings, webhook_private_addresses=True) as home:
        owner = await home.nobody.log_in("ann")
        await owner.post(f"/channels/{story.channel_id}/messages", {"content": "after"})
        await told.accepted(1)
    assert told.texts == ["after"]


async def test_another_key_gives_up_with_words_that_help(quick_settings: Settings, told: Receiver) -> None:
    async with place(quick_settings, webhook_private_addresses=True) as home:
        story = await Story.begin(home, told)
    other = {"webhook_private_addresses": True, "secret_key": "another key, and one that is long enough"}
    async with place(quick_settings, **other) as home:
        owner = await home.nobody.log_in("ann")
        again = Story(home, told, owner, story.channel_id)
        again.webhook = story.webhook
        await again.say("one")
        failed = await again.failed(SEALED)
    assert failed["next_attempt_at"] is None
    assert told.attempts == 0


async def test_addresses_of_this_machine_are_refused_unless_configured(home: Place, told: Receiver) -> None:
    owner = await home.person("ann")
    path = f"/channels/{await home.channel(owner)}/webhooks"
    assert await owner.refused("POST", path, {"url": told.url}) == ("invalid", "url")
    named = told.url.replace("127.0.0.1", "localhost")
    story = Story(home, told, owner, int(path.split("/")[2]))
    story.webhook = await owner.post(path, {"url": named})
    await story.say("one")
    await story.failed("its address is not public")
    assert told.attempts == 0
