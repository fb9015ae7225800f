"""The examples of docs/webhooks.md work as written."""

import re
import shlex
from pathlib import Path
from typing import Any

import msgspec

from tests.server.rest.client import Json
from tests.server.webhooks.telling import Story

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()


def examples(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL)


def body_of(command: str) -> Json:
    """What `curl` sends."""
    words = shlex.split(command.replace("\\\n", " "))
    return msgspec.json.decode(words[words.index("-d") + 1])


async def test_programs_post_as_shown(story: Story) -> None:
    make, post, _ = examples("sh")
    hook = await story.owner.post(f"{story.path}/webhooks", body_of(make))
    path = "/hooks/" + hook["secret"]
    assert await story.home.nobody.post(path, body_of(post), expect=200) == "ok"


async def test_programs_are_told_as_shown(story: Story) -> None:
    body = body_of(examples("sh")[2])
    made = await story.owner.post(f"{story.path}/webhooks", body)
    assert made["events"] == body["events"]
    await story.owner.delete(f"{story.path}/webhooks/{made['id']}")
    await story.say("Hello!")
    (told,) = await story.told.accepted(1)
    (shown,) = (msgspec.json.decode(each) for each in examples("json"))
    assert_has(told.body, shown)


def assert_has(whole: Json, part: Json) -> None:
    """Every name of `part`, with a value of the same kind."""
    for name, value in part.items():
        assert type(whole[name]) is type(value), name
        if isinstance(value, dict):
            assert_has(whole[name], value)


async def test_signatures_are_verified_as_shown(story: Story) -> None:
    names: dict[str, Any] = {}
    exec(examples("python")[0], names)
    await story.say("Hello!")
    (told,) = await story.told.accepted(1)
    body = told.raw
    assert names["receive"](body, told.headers, story.webhook["secret"]) == told.body
