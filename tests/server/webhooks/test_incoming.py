"""What programs post as to Slack is in the channel, once, said by a bot; without the secret nothing is."""

import logging

import pytest
from msgspec import structs

from protocol.commands import CONTENT_MAX_CHARS
from protocol.rates import Rate
from server.settings import Settings
from tests.server.rest.client import Api, Json, serving
from tests.server.talking import Place

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def hook_of(owner: Api, channel_id: int, **more: str) -> Json:
    return await owner.post(f"/channels/{channel_id}/webhooks", more)


def path_of(hook: Json) -> str:
    return f"/hooks/{hook['secret']}"


async def said(owner: Api, channel_id: int) -> list[Json]:
    page = await owner.get(f"/channels/{channel_id}/messages")
    return list(page["items"])


async def test_a_text_is_posted_by_a_bot_of_the_webhooks_own(home: Place) -> None:
    owner = await home.person("ann")
    channel_id = await home.channel(owner)
    talk = await home.live(owner)
    hook = await hook_of(owner, channel_id, name="Deployments")
    assert hook["url"] == f"http://127.0.0.1:{home.port}{path_of(hook)}"
    assert await home.nobody.post(path_of(hook), {"text": "It is live."}, expect=200) == "ok"
    message = (await talk.hear("new_message"))["message"]
    assert (message["content"], message["via"]) == ("It is live.", "webhook")
    assert message["sender_id"] == hook["user_id"]
    bot = await owner.get(f"/users/{hook['user_id']}")
    assert (bot["username"], bot["full_name"]) == (f"webhook-{hook['id']}", "Deployments")
    assert bot["is_bot"]
    members = (await owner.get(f"/channels/{channel_id}/members"))["items"]
    assert [each["user"]["id"] for each in members] == [owner.id]


async def test_a_form_with_a_payload_is_taken_and_json_that_curl_calls_a_form(home: Place) -> None:
    owner = await home.person("ann")
    channel_id = await home.channel(owner)
    path = path_of(await hook_of(owner, channel_id))
    bodies = [b"payload=%7B%22text%22%3A%22form%22%7D", b'{"text": "curl", "icon_emoji": ":ghost:"}']
    for body in bodies:
        await home.nobody.post(path, data=body, headers=FORM, expect=200)
    assert [each["content"] for each in await said(owner, channel_id)] == ["curl", "form"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"payload=", 400, "malformed"),
        (b"text=hello", 400, "malformed"),
        (b"payload=%7B%7D", 422, "invalid"),
        (b'{"text": 7}', 422, "invalid"),
        (b'{"text": "  "}', 422, "invalid"),
        (b'{"text": "a\\u0000b"}', 422, "invalid"),
    ],
)
async def test_what_holds_no_text_is_refused(home: Place, body: bytes, status: int, code: str) -> None:
    owner = await home.person("ann")
    path = path_of(await hook_of(owner, await home.channel(owner)))
    problem = await home.nobody.ask("POST", path, data=body, headers=FORM, expect=status)
    assert problem["code"] == code


async def test_other_types_and_encodings_are_refused(home: Place) -> None:
    owner = await home.person("ann")
    path = path_of(await hook_of(owner, await home.channel(owner)))
    for headers in ({"Content-Type": "text/plain"}, FORM | {"Content-Encoding": "gzip"}):
        refused = await home.nobody.ask("POST", path, data=b"{}", headers=headers, expect=415)
        assert refused["code"] == "unsupported"


async def test_a_text_that_is_too_long_is_cut_and_not_lost(home: Place) -> None:
    owner = await home.person("ann")
    channel_id = await home.channel(owner)
    path = path_of(await hook_of(owner, channel_id))
    await home.nobody.post(path, {"text": "x" * (CONTENT_MAX_CHARS + 1)}, expect=200)
    (message,) = await said(owner, channel_id)
    assert len(message["content"]) == CONTENT_MAX_CHARS
    assert message["content"].endswith("x…")


async def test_a_repeat_with_the_same_key_posts_nothing_more(home: Place) -> None:
    owner = await home.person("ann")
    channel_id = await home.channel(owner)
    path = path_of(await hook_of(owner, channel_id))
    for _ in range(2):
        await home.nobody.post(path, {"text": "once"}, headers={"Idempotency-Key": "k"}, expect=200)
    assert len(await said(owner, channel_id)) == 1


async def test_a_webhook_that_was_removed_posts_nothing(home: Place) -> None:
    owner = await home.person("ann")
    channel_id = await home.channel(owner)
    hook = await hook_of(owner, channel_id)
    await owner.delete(f"/channels/{channel_id}/webhooks/{hook['id']}")
    for path in (path_of(hook), "/hooks/guessed"):
        assert await home.nobody.refused("POST", path, {"text": "x"}, expect=404) == ("not_found",)
    assert await said(owner, channel_id) == []
    await owner.delete(f"/channels/{channel_id}/webhooks/{hook['id']}", expect=404)


async def test_a_channel_that_is_archived_or_gone_takes_nothing(home: Place) -> None:
    owner = await home.person("ann")
    channel_id = await home.channel(owner)
    hook = await hook_of(owner, channel_id)
    await owner.put(f"/channels/{channel_id}", {"is_archived": True})
    refused = await home.nobody.refused("POST", path_of(hook), {"text": "x"}, expect=409)
    assert refused == ("channel_archived",)
    assert await owner.refused("POST", f"/channels/{channel_id}/webhooks", {}, expect=409) == refused
    await owner.put(f"/channels/{channel_id}", {"is_archived": False})
    await owner.delete(f"/channels/{channel_id}")
    assert await home.nobody.refused("POST", path_of(hook), {"text": "x"}, expect=404) == ("not_found",)


async def test_a_bot_that_a_superuser_has_disabled_says_nothing(home: Place) -> None:
    owner = await home.person("ann")
    hook = await hook_of(owner, await home.channel(owner))
    await home.context.accounts.disable(hook["user_id"], home.context.clock.now())
    assert await home.nobody.refused("POST", path_of(hook), {"text": "x"}, expect=404) == ("not_found",)


async def test_each_webhook_has_a_budget(quick_settings: Settings) -> None:
    settings = structs.replace(quick_settings, command_rate=Rate(per_s=0.001, burst=2))
    async with serving(settings) as here:
        owner = await here.nobody.newcomer("ann")
        made = await owner.post("/channels/", {"name": "room"})
        one, other = [await hook_of(owner, made["id"]) for _ in range(2)]
        for _ in range(2):
            await here.nobody.post(path_of(one), {"text": "x"}, expect=200)
        assert here.nobody.headers["RateLimit-Remaining"] == "0"
        refused = await here.nobody.refused("POST", path_of(one), {"text": "x"}, expect=429)
        assert refused == ("rate_limited",)
        await here.nobody.post(path_of(other), {"text": "x"}, expect=200)


async def test_secrets_are_shown_once_and_written_nowhere(
    home: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    owner = await home.person("ann")
    channel_id = await home.channel(owner)
    hook = await hook_of(owner, channel_id)
    listed = (await owner.get(f"/channels/{channel_id}/webhooks"))["items"]
    assert [(each["id"], each["url"], each.get("secret")) for each in listed] == [(hook["id"], None, None)]
    await home.nobody.post(path_of(hook), {"text": "x"}, expect=200)
    await home.nobody.refused("POST", path_of(hook), {"text": ""})
    found = [record for record in caplog.records if hook["secret"] in str(vars(record))]
    assert found == []


async def test_a_person_may_have_the_name_that_its_bot_would_get(home: Place) -> None:
    owner = await home.person("ann")
    await home.nobody.register("Webhook-1")
    hook = await hook_of(owner, await home.channel(owner))
    assert hook["id"] == 1
    assert (await owner.get(f"/users/{hook['user_id']}"))["username"] == "webhook-1-1"


async def test_nobody_logs_in_as_a_bot(home: Place) -> None:
    owner = await home.person("ann")
    hook = await hook_of(owner, await home.channel(owner))
    login = {"username": f"webhook-{hook['id']}", "password": ""}
    await home.nobody.ask("POST", "/auth/login", login, expect=401)


async def test_its_messages_start_no_agent(home: Place) -> None:
    owner = await home.person("ann")
    channel_id = await home.channel(owner)
    await owner.put(f"/channels/{channel_id}/agents/assistant")
    path = path_of(await hook_of(owner, channel_id))
    await home.nobody.post(path, {"text": "@assistant hello"}, expect=200)
    assert await home.context.outbox.backlogs() == []


async def test_the_path_is_not_found_without_a_secret(home: Place) -> None:
    assert await home.nobody.refused("POST", "/hooks/", {"text": "x"}, expect=404) == ("not_found",)
