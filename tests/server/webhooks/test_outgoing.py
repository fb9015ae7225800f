"""Receivers are told everything, signed and in order, whatever they answer meanwhile."""

import asyncio
from functools import partial

import pytest

from actors.channel_commands import ChannelCommand, Done, Identity, KnowWebhooks
from actors.system import OVERLOADED
from protocol.errors import Refused
from protocol.ids import ChannelId
from server.settings import Settings
from server.webhooks import desk
from server.webhooks.outbound import Outbound
from server.webhooks.worker import GONE_REASON
from storage.audit import AuditFilter
from storage.webhooks import CHANNEL_MAX
from tests.server.talking import Place, place
from tests.server.webhooks.telling import Story
from tests.stand_ins.receiver import HangsUp, Receiver, Replies, Stalls


async def test_a_message_is_told_signed_and_with_its_author(story: Story) -> None:
    (message,) = await story.say("Hello!")
    (told,) = await story.told.accepted(1)
    assert told.id == f"msg_{story.webhook['id']}_{message['seq']}"
    assert told.body["type"] == "message.created"
    assert told.body["timestamp"] == message["created_at"]
    data = told.body["data"]
    assert (data["channel_id"], data["seq"]) == (story.channel_id, message["seq"])
    assert data["message"] == message
    assert data["sender"]["username"] == "ann"
    assert told.headers["content-type"] == "application/json"


async def test_changes_are_told_by_their_names(story: Story) -> None:
    (message,) = await story.say("one")
    await story.told.accepted(1)
    path = f"{story.path}/messages/{message['id']}"
    await story.owner.put(path, {"content": "two"})
    await story.told.accepted(2)
    await story.owner.put(f"{path}/reactions/heart")
    await story.told.accepted(3)
    await story.owner.delete(path)
    told = await story.told.accepted(4)
    assert [(each.body["type"].partition(".")[2], each.text) for each in told] == [
        ("created", "one"),
        ("updated", "two"),
        ("updated", "two"),
        ("deleted", None),
    ]
    assert [each.body["data"]["seq"] for each in told] == [2, 3, 4, 5]
    assert (await story.until(cursor=5))["failure"] is None


async def test_only_what_was_asked_for_is_told(open_home: Place, told: Receiver) -> None:
    story = await Story.begin(open_home, told, events=["message.deleted"])
    (first, _) = await story.say("one", "two")
    await story.owner.delete(f"{story.path}/messages/{first['id']}")
    (delivery,) = await told.accepted(1)
    assert delivery.body["type"] == "message.deleted"
    assert (await story.until(cursor=4))["events"] == ["message.deleted"]
    assert told.attempts == 1


async def test_a_receiver_that_fails_misses_nothing_and_hears_it_in_order(story: Story) -> None:
    story.told.will(Replies(500), HangsUp())
    await story.say("one")
    await story.failed("it answered 500")
    await story.say("two", "three")
    story.retry()
    await story.failed("it hung up or did not speak HTTP")
    assert story.told.texts == []
    story.retry(30)
    await story.told.accepted(3)
    assert story.told.texts == ["one", "two", "three"]
    assert (await story.until(cursor=4))["failure"] is None
    await story.settled()


async def test_a_receiver_that_stalls_and_recovers_misses_nothing(
    quick_settings: Settings, told: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "Outbound", partial(Outbound, timeout_s=0.5))
    async with place(quick_settings, webhook_private_addresses=True) as home:
        story = await Story.begin(home, told)
        told.will(Stalls())
        await story.say("one")
        await story.failed("no answer in time")
        await story.say("two")
        story.retry()
        await told.accepted(2)
        assert told.texts == ["one", "two"]


async def test_a_receiver_decides_when_it_is_asked_again(story: Story) -> None:
    story.told.will(Replies(429, {"Retry-After": "120"}))
    await story.say("one")
    failed = await story.failed("it answered 429")
    assert failed["next_attempt_at"] is not None
    story.retry(119)
    await story.say("two")
    assert story.told.attempts == 1
    story.retry(2)
    await story.told.accepted(2)
    assert story.told.texts == ["one", "two"]


async def test_redirects_are_failures_and_are_not_followed(story: Story) -> None:
    story.told.will(Replies(302, {"Location": story.told.url.replace("/hook", "/elsewhere")}))
    await story.say("one")
    await story.failed("it answered 302")
    assert story.told.elsewhere == 0


async def test_a_receiver_that_says_it_is_gone_is_told_nothing_until_it_is_replayed(story: Story) -> None:
    story.told.will(Replies(410))
    await story.say("one")
    await story.until(is_active=False, cursor=1, failure=GONE_REASON, next_attempt_at=None)
    await story.given_up()
    await story.makes_no_jobs()
    assert (await story.now())["failure"] == GONE_REASON
    assert (await story.replay(after=1))["is_active"]
    await story.told.accepted(3)
    assert story.told.texts == ["one", "nobody", "listens"]
    assert (await story.until(cursor=4))["failure"] is None


async def test_a_replay_tells_everything_after_a_seq_again_under_the_same_ids(story: Story) -> None:
    await story.say("one", "two", "three")
    first = [each.id for each in await story.told.accepted(3)]
    await story.until(cursor=4)
    assert (await story.replay(after=2))["cursor"] == 2
    told = await story.told.accepted(5)
    assert [each.id for each in told[3:]] == first[1:]
    assert story.told.texts == ["one", "two", "three", "two", "three"]


async def test_a_replay_tries_at_once_what_waits_for_its_time(story: Story) -> None:
    story.told.will(Replies(500))
    await story.say("one")
    await story.failed("it answered 500")
    assert (await story.replay(after=1))["failure"] is None
    await story.told.accepted(1)
    assert story.told.texts == ["one"]


async def test_a_replay_is_of_what_there_is(story: Story) -> None:
    await story.replay(after=99, expect=422)
    incoming = await story.owner.post(f"{story.path}/webhooks", {})
    await story.owner.post(f"{story.path}/webhooks/{incoming['id']}/replay?after=0", expect=404)
    assert (await story.replay(after=0))["cursor"] == 0


async def test_what_was_deleted_before_it_was_told_is_told_as_deleted_only(story: Story) -> None:
    story.told.will(Replies(500))
    (message, _) = await story.say("one", "two")
    await story.failed("it answered 500")
    await story.owner.delete(f"{story.path}/messages/{message['id']}")
    story.retry()
    told = await story.told.accepted(2)
    assert [each.body["type"] for each in told] == ["message.created", "message.deleted"]
    assert story.told.texts == ["two", None]


async def test_a_webhook_that_was_removed_is_told_nothing(story: Story) -> None:
    await story.settled()
    await story.owner.delete(f"{story.path}/webhooks/{story.webhook['id']}")
    await story.say("one")
    assert (await story.owner.get(f"{story.path}/webhooks"))["items"] == []
    assert story.told.attempts == 0
    assert await story.home.context.outbox.backlogs() == []


async def test_each_webhook_is_told_by_itself(story: Story, told: Receiver) -> None:
    told.secret = None
    other = await story.listen()
    told.will(Replies(500))
    await story.say("one")
    await told.accepted(1)
    await story.any_failed()
    story.retry()
    ids = {each.id for each in await told.accepted(2)}
    assert ids == {f"msg_{each['id']}_2" for each in (story.webhook, other)}


async def test_a_message_that_came_by_a_webhook_is_told_too(story: Story) -> None:
    incoming = await story.owner.post(f"{story.path}/webhooks", {"name": "Bot"})
    await story.home.nobody.post("/hooks/" + incoming["secret"], {"text": "x"}, expect=200)
    (told,) = await story.told.accepted(1)
    assert told.body["data"]["message"]["via"] == "webhook"
    assert told.body["data"]["sender"]["full_name"] == "Bot"


async def test_long_histories_come_page_after_page(story: Story) -> None:
    texts = [f"message {number}" for number in range(120)]
    story.told.will(Replies(500))
    await story.say(*texts)
    await story.failed("it answered 500")
    story.retry()
    await story.told.accepted(120)
    assert story.told.texts == texts
    await story.until(cursor=121)


async def test_what_administers_webhooks_is_in_the_audit_log(story: Story) -> None:
    await story.replay(after=0)
    await story.owner.delete(f"{story.path}/webhooks/{story.webhook['id']}")
    wanted = await story.home.context.audit.list_entries(AuditFilter(target_type="webhook"))
    assert [each.action for each in wanted] == ["webhook.deleted", "webhook.replayed", "webhook.created"]
    assert {each.actor for each in wanted} == {"ann"}
    assert all(story.webhook["secret"] not in str(each.detail) for each in wanted)


async def test_a_channel_has_no_more_than_so_many(home: Place) -> None:
    owner = await home.person("ann")
    channel_id = await home.channel(owner)
    for _ in range(CHANNEL_MAX):
        await owner.post(f"/channels/{channel_id}/webhooks", {})
    assert await owner.refused("POST", f"/channels/{channel_id}/webhooks", {}, expect=409) == ("conflict",)
    first = await owner.get(f"/channels/{channel_id}/webhooks?limit=15")
    rest = await owner.get(f"/channels/{channel_id}/webhooks?cursor={first['next']}")
    ids = [each["id"] for each in [*first["items"], *rest["items"]]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == CHANNEL_MAX


async def test_a_conversation_has_no_webhooks(home: Place) -> None:
    ann, bob = await home.person("ann"), await home.person("bob")
    message = await ann.post("/messages", {"recipient_id": bob.id, "content": "x"})
    path = f"/channels/{message['channel_id']}/webhooks"
    assert await ann.refused("GET", path, expect=404) == ("not_found",)
    assert await ann.refused("POST", path, {}, expect=404) == ("not_found",)


async def test_a_webhook_that_its_channel_cannot_hear_of_is_not_made(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = story.home.context.chat
    ask = chat.ask

    async def overloaded(by: Identity, channel_id: ChannelId, command: ChannelCommand) -> Done:
        if isinstance(command, KnowWebhooks):
            raise Refused(OVERLOADED)
        return await ask(by, channel_id, command)

    monkeypatch.setattr(chat, "ask", overloaded)
    body = {"url": story.told.url}
    refused = await story.owner.refused("POST", f"{story.path}/webhooks", body, expect=503)
    assert refused == ("overloaded",)
    assert [each["id"] for each in await story.listed()] == [story.webhook["id"]]
    await story.settled()
    before = await story.jobs()
    await story.owner.delete(f"{story.path}/webhooks/{story.webhook['id']}")
    await story.say("one")
    await story.settled()
    # The channel still made a job, for which there was nobody to tell: then it heard, or now it will.
    assert (await story.jobs(), story.told.attempts) == (before + 1, 0)
    monkeypatch.setattr(chat, "ask", ask)
    await story.say("two")
    await story.settled()
    await story.makes_no_jobs()


async def test_what_is_said_before_the_channel_knows_of_a_webhook_is_told(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    story.told.secret = None
    await story.owner.delete(f"{story.path}/webhooks/{story.webhook['id']}")
    chat = story.home.context.chat
    ask = chat.ask

    async def slow(by: Identity, channel_id: ChannelId, command: ChannelCommand, **more: bool) -> Done:
        if isinstance(command, KnowWebhooks):
            await story.say("early")
        return await ask(by, channel_id, command, **more)

    monkeypatch.setattr(chat, "ask", slow)
    story.webhook = await story.listen()
    (told,) = await story.told.accepted(1)
    assert told.id == f"msg_{story.webhook['id']}_2"
    await story.until(cursor=2)


async def test_webhooks_that_are_made_at_once_are_all_told(story: Story) -> None:
    story.told.secret = None
    made = await asyncio.gather(*[story.listen() for _ in range(8)])
    await story.say("one")
    told = await story.told.accepted(9)
    assert {each.id for each in told} == {f"msg_{each['id']}_2" for each in [*made, story.webhook]}
